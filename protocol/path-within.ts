// Paths of a volume, from '/', compared part by part.

/** Is a path that of a folder, or below it? */
export function isPathWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`)
}
