// Paths of this machine, in which names need not be UTF-8: text as users write it, and bytes below
// what they name where text would lose some.
import { readdir, readlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { byteText, escapedBytes, plainText, textBytes } from '../protocol/byte-text.ts'
import { fromByteString, toByteString } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'

export type LocalPath = string | Buffer

/** The path of a name of the namespace in a local folder. throws ShoalError 'unsupported'. */
export function localChild(folder: LocalPath, name: string): LocalPath {
  const bytes = textBytes(name)
  if (bytes === '' || bytes === '.' || bytes === '..' || /[/\0]/.test(bytes))
    throw new ShoalError('unsupported', `"${name}" is not a valid local file name; skipped`)
  const plain = plainText(name)
  if (typeof folder === 'string' && plain !== undefined) return join(folder, plain)
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), fromByteString(bytes)])
}

/** The path of `name`, which is ASCII, in the folder that a path is in. */
export function localSibling(path: LocalPath, name: string): LocalPath {
  if (typeof path === 'string') return join(dirname(path), name)
  return Buffer.concat([path.subarray(0, path.lastIndexOf('/') + 1), Buffer.from(name)])
}

/** For messages. */
export function localText(path: LocalPath): string {
  return typeof path === 'string' ? path : byteText(toByteString(path))
}

/** As makeFolders (node/world/make-folder.ts). */
export async function makeLocalFolders(path: string): Promise<void> {
  // Loaded here: the commands that only talk to a node start without it.
  const { makeFolders } = await import('../node/world/make-folder.ts')
  return makeFolders(path)
}

/** The names in a folder, as the namespace has them, in the order of their bytes. */
export async function localNames(folder: LocalPath): Promise<string[]> {
  const names = await readdir(folder, { encoding: 'buffer' })
  return names.map(toByteString).sort().map(byteText)
}

/** The target of a symlink, as the namespace has it. */
export async function localTarget(path: LocalPath): Promise<string> {
  return byteText(toByteString(await readlink(path, { encoding: 'buffer' })))
}

/** The target of a symlink of the namespace, for this machine. */
export function targetBytes(target: string): LocalPath {
  return escapedBytes(target) === undefined
    ? target
    : Buffer.from(fromByteString(textBytes(target)))
}
