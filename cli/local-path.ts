// Paths of this machine as text in which `\xHH` is a byte (protocol/byte-text.ts), as names need
// not be UTF-8; and what the file system takes for them.
import { mkdir, readdir, readlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { byteText, escapedBytes, plainText, textBytes } from '../protocol/byte-text.ts'
import { fromByteString, toByteString } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import type { Dirent } from 'node:fs'

/** The path or target that a text stands for: bytes where a string would lose some. */
export function localPath(text: string): string | Buffer {
  return escapedBytes(text) === undefined ? text : Buffer.from(fromByteString(textBytes(text)))
}

/** The path of a name of the namespace in a local folder. throws ShoalError 'unsupported'. */
export function localChild(folder: string, name: string): string {
  const bytes = textBytes(name)
  if (bytes === '' || bytes === '.' || bytes === '..' || /[/\0]/.test(bytes))
    throw new ShoalError('unsupported', `"${name}" is not a valid local file name; skipped`)
  return join(folder, name)
}

/** As makeFolders (node/world/make-folder.ts). */
export async function makeLocalFolders(path: string): Promise<void> {
  // Loaded here: the commands that only talk to a node start without it.
  const { makeFolders } = await import('../node/world/make-folder.ts')
  const plain = plainText(path)
  if (plain !== undefined) return makeFolders(plain)
  await makeLocalFolders(dirname(path))
  try {
    await mkdir(localPath(path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** The names in a folder, as the namespace has them, in the order of their bytes. */
export async function localNames(folder: string): Promise<string[]> {
  const names = await readdir(localPath(folder), { encoding: 'buffer' })
  return names.map(toByteString).sort().map(byteText)
}

/** The entries of a folder, by their names as the namespace has them. */
export async function localEntries(folder: string): Promise<Map<string, Dirent<Buffer>>> {
  const entries = await readdir(localPath(folder), { encoding: 'buffer', withFileTypes: true })
  return new Map(entries.map((entry) => [byteText(toByteString(entry.name)), entry]))
}

/** The target of a symlink, as the namespace has it. */
export async function localTarget(path: string): Promise<string> {
  return byteText(toByteString(await readlink(localPath(path), { encoding: 'buffer' })))
}
