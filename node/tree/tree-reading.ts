// Reads a state of the tree as people see it: the present, or that of a snapshot.
import { ShoalError } from '../../protocol/errors.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { dirAttributes, inodeAttributes, shownVersion } from '../../protocol/tree/attributes.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import { childPrefix, decodeChildren } from '../../protocol/tree/children.ts'
import { readDir, readInode } from '../../protocol/tree/records.ts'
import type { Inode, StateStore } from '../../protocol/tree/records.ts'
import { resolve } from '../../protocol/tree/view.ts'
import type { AuthorName, ConflictPolicy, ViewEntry, ViewTarget } from '../../protocol/tree/view.ts'
import { prefixEnd } from '../state/state-view.ts'
import type { ReplicaView } from '../state/state-view.ts'

export interface ListedEntry extends ViewEntry {
  /** Entries of one collision key come together. */
  readonly key: ByteString
}

/** Entries of a directory by collision key, from after `after`. cost: O(entries read). */
export async function* entriesOf(
  view: ReplicaView,
  dir: NodeId,
  how: {
    readonly author: AuthorName
    readonly policy: ConflictPolicy
    readonly after?: ByteString
  },
): AsyncGenerator<ListedEntry> {
  const { author, policy, after } = how
  const prefix = childPrefix(dir)
  const from = after === undefined ? prefix : `${prefix}${after}\0`
  for await (const [key, value] of view.scan(from, prefixEnd(prefix))) {
    for (const entry of resolve(view, dir, decodeChildren(view, key, value), author, policy))
      yield { ...entry, key: key.slice(prefix.length) }
  }
}

/** throws 'ESTALE' for what is not in the state. */
export function attributesIn(view: StateStore, target: ViewTarget): NodeAttributes {
  if (target.kind === 'dir') {
    const dir = readDir(view, target.id)
    if (dir === undefined) throw gone()
    return dirAttributes(target.id, dir)
  }
  const inode = inodeIn(view, target.id)
  return inodeAttributes(inode, shownVersion(view, target.id, inode, target.version))
}

/** throws 'ESTALE'. */
export function inodeIn(view: StateStore, id: NodeId): Inode {
  const inode = readInode(view, id)
  if (inode === undefined) throw gone()
  return inode
}

/** Target bytes of a symlink. throws 'EINVAL', 'ESTALE'. */
export function symlinkTargetIn(view: StateStore, id: NodeId): Uint8Array {
  const { target } = inodeIn(view, id)
  if (target === undefined) throw new ShoalError('EINVAL', 'not a symlink')
  return target
}

function gone(): ShoalError {
  return new ShoalError('ESTALE', 'it is not there any more')
}
