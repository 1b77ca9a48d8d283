// The disk space that the homes of nodes take, as `du` counts it.
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestNode } from './cluster.ts'

/** The unit of `blocks`, whatever the file system's is. */
const BLOCK_BYTES = 512

export async function diskBytes(nodes: readonly TestNode[]): Promise<number> {
  let bytes = 0
  for (const { home } of nodes) {
    const found = await readdir(home, { recursive: true, withFileTypes: true })
    for (const { parentPath, name } of found)
      bytes += BLOCK_BYTES * ((await lstat(join(parentPath, name))).blocks ?? 0)
  }
  return bytes
}
