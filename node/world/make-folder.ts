// A folder on this machine, with those above it. Node's own recursive mkdir tries without end where
// a file system refuses new names with ENOENT, as /proc does.
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { ShoalError } from '../../protocol/errors.ts'

/**
 * Makes what is missing of a path. mode: of all folders that are made.
 * throws ShoalError 'ENOTDIR' where a file is in the way, 'ENOENT' where none can be made, and what
 * mkdir(2) does.
 */
export async function makeFolders(path: string, mode?: number): Promise<void> {
  if (await isFolder(path)) return
  const parent = dirname(resolve(path))
  await makeFolders(parent, mode)
  try {
    await mkdir(path, mode)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    // Somebody else has made it meanwhile.
    if (code === 'EEXIST') return
    if (code !== 'ENOENT') throw cause
    throw new ShoalError('ENOENT', `no folder can be made in ${parent}; choose another one`, {
      cause,
    })
  }
}

/** throws ShoalError 'ENOTDIR' for what is none. */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error
  }
  throw new ShoalError('ENOTDIR', `${path} is not a folder`)
}
