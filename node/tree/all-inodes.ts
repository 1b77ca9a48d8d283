// All inodes of a volume, for passes in the background. Each is read when it is given out. One that
// is made meanwhile may be left out. And the names of one of them.
import type { NodeId } from '../../protocol/ids.ts'
import { LINKS_SEEN_MAX } from '../../protocol/limits.ts'
import type { Name } from '../../protocol/op/names.ts'
import {
  INODE_PREFIX,
  inodeOfKey,
  linksOf,
  readInode,
  readLink,
} from '../../protocol/tree/records.ts'
import type { Inode, StateStore } from '../../protocol/tree/records.ts'
import type { ReplicaView } from '../state/state-view.ts'
import { viewPages } from '../state/state-view.ts'

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

/**
 * The names of an inode: directories and the name that it has there; of very many the first
 * LINKS_SEEN_MAX.
 */
export function namesOf(view: StateStore, id: NodeId): [dir: NodeId, name: Name][] {
  const inode = readInode(view, id)
  const links = inode === undefined ? [] : linksOf(view, id, inode).take(LINKS_SEEN_MAX)
  return Array.from(links).flatMap((one) => {
    const link = readLink(view, one)
    const place: [NodeId, Name][] = link === undefined ? [] : [[link.parent, link.name]]
    return place
  })
}
