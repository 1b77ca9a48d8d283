// Reads a state of the tree as people see it: the present, or that of a snapshot.
import { ShoalError } from '../../protocol/errors.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { dotActor } from '../../protocol/clock/dot.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { NodeId, PeerId } from '../../protocol/ids.ts'
import type { ContentRef } from '../../protocol/op/op.ts'
import { dirAttributes, inodeAttributes, shownVersion } from '../../protocol/tree/attributes.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import { childPrefix, decodeChildren } from '../../protocol/tree/children.ts'
import { readDir, readInode } from '../../protocol/tree/records.ts'
import type { Inode, StateStore } from '../../protocol/tree/records.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { resolve } from '../../protocol/tree/view.ts'
import type { ViewEntry, ViewTarget } from '../../protocol/tree/view.ts'
import { conflictsOf } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import { prefixEnd } from '../state/state-view.ts'
import type { ReplicaView } from '../state/state-view.ts'

const EMPTY: ContentRef = { kind: 'inline', bytes: new Uint8Array() }

export interface ListedEntry extends ViewEntry {
  /** Entries of one collision key come together. */
  readonly key: ByteString
}

/**
 * Entries of a directory by collision key, from after `after`, as a volume shows them: in its state
 * in use, or in another. cost: O(entries read).
 */
export async function* entriesIn(
  volume: Volume,
  view: ReplicaView,
  dir: NodeId,
  after?: ByteString,
): AsyncGenerator<ListedEntry> {
  const { authorName } = volume
  const policy = conflictsOf(volume)
  const prefix = childPrefix(dir)
  const from = after === undefined ? prefix : `${prefix}${after}\0`
  for await (const [key, value] of view.scan(from, prefixEnd(prefix))) {
    for (const entry of resolve(view, dir, decodeChildren(view, key, value), authorName, policy))
      yield { ...entry, key: key.slice(prefix.length) }
  }
}

/** The version of a file that shows there. throws 'ESTALE' for what is not in the state. */
export function versionIn(
  view: StateStore,
  { id, version }: ViewTarget & { readonly kind: 'inode' },
): Version | undefined {
  return shownVersion(view, id, inodeIn(view, id), version)
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

/** The content of a file: the version shown, and the base that a writer must name. */
export interface FileVersion {
  readonly content: ContentRef
  readonly size: number
  readonly base: readonly Dot[]
  /** The member who wrote it: may have its chunks before they are placed. */
  readonly author: PeerId | undefined
}

/** A version as it is read; undefined: nobody wrote to the file. */
export function fileVersionOf(
  { actors }: Pick<Volume, 'actors'>,
  version: Version | undefined,
): FileVersion {
  if (version === undefined) return { content: EMPTY, size: 0, base: [], author: undefined }
  const author = actors.get(dotActor(version.dot))?.peer
  return { content: version.content, size: version.size, base: [version.dot], author }
}

function gone(): ShoalError {
  return new ShoalError('ESTALE', 'it is not there any more')
}
