// All inodes of a volume, for passes in the background. Each is read when it is given out. One that is made meanwhile may be
// left out.
import type { NodeId } from '../../protocol/ids.ts'
import { INODE_PREFIX, inodeOfKey, readInode } from '../../protocol/tree/records.ts'
import type { Inode } from '../../protocol/tree/records.ts'
import type { ReplicaView } from './state-view.ts'
import { viewPages } from './view-pages.ts'

/** In order of id. */
export async function* inodesOf(
  view: ReplicaView,
): AsyncGenerator<readonly [NodeId, Inode], void, undefined> {
  for await (const [key] of viewPages(view, INODE_PREFIX)) {
    const id = inodeOfKey(key)
    const inode = readInode(view, id)
    if (inode !== undefined) yield [id, inode]
  }
}
