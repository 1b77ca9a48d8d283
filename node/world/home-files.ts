// The files by which the home of a node is known, to whoever meets one.
import { lstat } from 'node:fs/promises'

export const CONFIG_FILE = 'config.yaml'
export const IDENTITY_FILE = 'identity.key'

/** Does a folder look like the home of some node, be it sealed, a copy, or another user's? */
export async function looksLikeHome(folder: string | Buffer): Promise<boolean> {
  const path = (name: string): Buffer =>
    Buffer.concat([Buffer.from(folder), Buffer.from(`/${name}`)])
  return (await isFile(path(IDENTITY_FILE))) && (await isFile(path(CONFIG_FILE)))
}

async function isFile(path: Buffer): Promise<boolean> {
  try {
    return (await lstat(path)).isFile()
  } catch {
    // What cannot be looked at cannot be copied either.
    return false
  }
}
