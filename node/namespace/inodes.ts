// All inodes of a volume, for passes in the background. Each is read when it is given out, page by page: nothing of the
// store is held while whoever asks works on one. One that is made meanwhile may be left out.
import type { NodeId } from '../../protocol/ids.ts'
import { INODE_PREFIX, inodeOfKey, readInode } from '../../protocol/tree/records.ts'
import type { Inode } from '../../protocol/tree/records.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

const PAGE = 512

/** In order of id. */
export async function* inodesOf(
  view: ReplicaView,
): AsyncGenerator<readonly [NodeId, Inode], void, undefined> {
  for (let from = INODE_PREFIX; ;) {
    const page = await keysFrom(view, from)
    for (const key of page) {
      const id = inodeOfKey(key)
      const inode = readInode(view, id)
      if (inode !== undefined) yield [id, inode]
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    from = `${last}\0`
  }
}

async function keysFrom(view: ReplicaView, from: string): Promise<string[]> {
  const keys: string[] = []
  for await (const [key] of view.scan(from, prefixEnd(INODE_PREFIX))) {
    if (keys.push(key) >= PAGE) break
  }
  return keys
}
