// Paths in the namespace as people write them: '/folder/file', 'volume:/folder/file', 'volume:',
// and ':/folder/file' of the default volume; 'folder/file' begins at its root, too.
import { lstat } from 'node:fs/promises'
import { plainText } from '../protocol/byte-text.ts'
import { ShoalError } from '../protocol/errors.ts'

/** Does the path say itself that it is a folder? */
export function namesFolder(path: string): boolean {
  return path.endsWith('/') || path.endsWith(':')
}

export function joinPath(folder: string, name: string): string {
  return namesFolder(folder) && !folder.endsWith(':') ? folder + name : `${folder}/${name}`
}

/** The path of a folder, such that it says so. */
export function folderPath(path: string): string {
  return joinPath(path, '')
}

/** A path as the node takes it: 'volume:' is its root. */
export function asPath(path: string): string {
  return path.endsWith(':') ? `${path}/` : path
}

/**
 * Refuse a path that may not be meant to be in Shoal, as where the shell made it of `*`: without
 * volume or slash, of what is in the current folder. throws ShoalError 'usage'.
 */
export async function refuseLocal(path: string): Promise<void> {
  if (/^[^/]*:|^\//.test(path)) return
  const isHere = await lstat(path).then(
    () => true,
    () => false,
  )
  if (isHere)
    throw new ShoalError('usage', `${path} is in the current folder; in Shoal it is /${path}`)
}

/** The last name, '' of a root. */
export function baseName(path: string): string {
  return inside(path).replace(/^.*\//s, '')
}

/** The folder that holds the path; a root holds itself. */
export function parentPath(path: string): string {
  return volumeOf(path) + (inside(path).replace(/\/*[^/]*$/, '') || '/')
}

/** The root of the path's volume. */
export function rootOf(path: string): string {
  return `${volumeOf(path)}/`
}

/** 'volume:', or '' for the default one. */
export function volumeOf(path: string): string {
  return path.slice(0, path.length - path.replace(/^[^/:]*:/, '').length)
}

/** The path without its volume, and without slashes at its end. */
export function inside(path: string): string {
  return path.replace(/^[^/:]*:/, '').replace(/\/+$/, '')
}

/** Names with one key are one name in a folder of the namespace (protocol/op/names.ts). */
export function nameKey(name: string): string {
  return plainText(name) === undefined ? name : name.normalize('NFC')
}
