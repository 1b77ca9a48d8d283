// Contents and names as a node shows them: each content has a size of its own, so sizes tell them
// apart.
import { ShoalError, hasCode } from '../protocol/errors.ts'
import { nameFromText, nameText, plainNameOf } from '../protocol/op/names.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { FileCallOptions } from '../node/control/files.ts'

/** Contents that a node shows at a path: of all below a folder, or of a file and all beside it. */
export async function inView(api: NodeApi, path: string): Promise<readonly number[]> {
  // A name may look like that of a conflict and be a file's own.
  const names = new Set([baseOf(path), plainName(baseOf(path))])
  // A folder may go meanwhile, and a file that conflicts with it have the name.
  const below = (await isFolder(api, path)) ? (await contentsBelow(api, path)).keys() : []
  const sizes = [...below]
  try {
    for await (const page of api.list(parentOf(path))) {
      for (const stat of page) {
        const isOne = names.has(stat.name) || names.has(plainName(stat.name))
        if (stat.kind === 'file' && isOne) sizes.push(stat.sizeBytes)
      }
    }
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error // no such folder: nothing in view
  }
  return sizes
}

/** Clones lie in it, and nothing else; nobody touches what is there. */
export const CLONES_FOLDER = 'clones'

/** Paths and sizes of all files below a folder, or of the file that it is. */
export async function filesBelow(
  api: NodeApi,
  path: string,
  options: { readonly version?: string } = {},
): Promise<readonly (readonly [path: string, size: number])[]> {
  const { kind, sizeBytes } = await api.stat(path, options)
  if (kind !== 'folder') return kind === 'file' ? [[path, sizeBytes]] : []
  const found: [string, number][] = []
  const folders = [path === '/' ? '' : path]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const page of api.list(folder === '' ? '/' : folder, options))
      for (const entry of page) {
        if (entry.kind === 'folder') folders.push(`${folder}/${entry.name}`)
        if (entry.kind === 'file') found.push([`${folder}/${entry.name}`, entry.sizeBytes])
      }
  }
  return found
}

/** Every file below a folder: paths by content. Files that were never written to are left out. */
export async function contentsBelow(
  api: NodeApi,
  path: string,
  { apart }: { readonly apart?: string } = {},
): Promise<Map<number, string[]>> {
  const found = new Map<number, string[]>()
  const walk = async (folder: string): Promise<void> => {
    const folders: string[] = []
    for await (const page of api.list(folder === '' ? '/' : folder)) {
      for (const { name, kind, sizeBytes } of page) {
        if (kind === 'folder') {
          if (`${folder}/${name}` !== apart) folders.push(`${folder}/${name}`)
        } else if (sizeBytes > 0) {
          found.set(sizeBytes, [...(found.get(sizeBytes) ?? []), `${folder}/${name}`])
        }
      }
    }
    for (const below of folders) await walk(below)
  }
  await walk(path === '/' ? '' : path)
  return found
}

/** Undefined where no file is. throws what a session may be refused with. */
export async function sizeAt(
  api: NodeApi,
  path: string,
  options: FileCallOptions = {},
): Promise<number | undefined> {
  try {
    const { kind, sizeBytes } = await api.stat(path, options)
    return kind === 'file' ? sizeBytes : undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined
    throw error
  }
}

/** The same of all that shows, but for clones, which may hold what was replaced. */
export function contentsButClones(api: NodeApi): Promise<Map<number, string[]>> {
  return contentsBelow(api, '/', { apart: `/${CLONES_FOLDER}` })
}

export async function isFolder(api: NodeApi, path: string): Promise<boolean> {
  try {
    return (await api.stat(path)).kind === 'folder'
  } catch {
    return false
  }
}

/** Is it a file that only its writer touches? */
export function isOwn(path: string): boolean {
  return path.startsWith('/own/')
}

function plainName(name: string): string {
  const plain = plainNameOf(nameFromText(name))
  return plain !== undefined && 'name' in plain ? nameText(plain.name) : name
}

export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}
