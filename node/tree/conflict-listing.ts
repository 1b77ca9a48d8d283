// The conflicts of a volume: names under which more than one thing shows, listed from the index
// that the tree keeps of them, and ended by ops like anybody's.
import type { ByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId, PeerId } from '../../protocol/ids.ts'
import { stampActor } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { inodeAttributes, shownVersion } from '../../protocol/tree/attributes.ts'
import { readChildren } from '../../protocol/tree/children.ts'
import {
  CONFLICT_PREFIX,
  countCopies,
  decodeConflictKey,
} from '../../protocol/tree/conflict-counts.ts'
import { nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import { readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import { versionsOf } from '../../protocol/tree/versions.ts'
import { hiddenUnder, lookupName, namesBehind, resolve } from '../../protocol/tree/view.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { prefixEnd } from '../state/state-view.ts'
import { conflictsOf } from '../log/settings.ts'
import { removeOps, versionOps } from './target-ops.ts'
import type { Volume } from '../log/volume.ts'

/** One of several things under one name. */
export interface ConflictSide {
  /** As it shows. */
  readonly name: Name
  readonly target: ViewTarget
  /**
   * The kind of collision: a file or directory of its own, or a content of a file that was written
   * twice at once.
   */
  readonly kind: 'name' | 'version'
  /** The writer of the content, or whoever made or moved an object without content, and when. */
  readonly author: PeerId | undefined
  readonly stamp: Stamp
  readonly sizeBytes: number
  /**
   * True where the policy of the volume keeps it out of listings; it is still found by its name.
   */
  readonly isHidden: boolean
}

export interface NameConflict {
  readonly dir: NodeId
  /** The one that has the plain name first; at least two. */
  readonly sides: readonly [ConflictSide, ...ConflictSide[]]
  /** Sides that are not among these, as there are so many: hiddenSides() has them. */
  readonly moreCount: number
  /** The key to continue with: pass as `after`. */
  readonly key: ByteString
}

/** All conflicts, in the order of their keys. cost: O(conflicts); memory: one of them. */
export async function* listConflicts(
  volume: Volume,
  after?: ByteString,
): AsyncGenerator<NameConflict> {
  const from = after === undefined ? CONFLICT_PREFIX : `${after}\0`
  for await (const [key] of volume.view.scan(from, prefixEnd(CONFLICT_PREFIX))) {
    const { dir, name } = decodeConflictKey(key)
    const conflict = conflictUnder(volume, dir, name)
    if (conflict !== undefined) yield { ...conflict, key }
  }
}

/**
 * The conflict of which a side is found as `name`, or undefined. One that does not show is the last
 * of its sides then.
 */
export function findConflict(
  volume: Volume,
  dir: NodeId,
  name: Name,
): Omit<NameConflict, 'key'> | undefined {
  const { view, authorName } = volume
  for (const plain of namesBehind(view, dir, name)) {
    const conflict = conflictUnder(volume, dir, plain)
    if (conflict === undefined) continue
    if (conflict.sides.some((side) => side.name === name)) return conflict
    const found = plain === name ? undefined : lookupName(view, dir, name, authorName)
    if (found === undefined) continue
    const side = describeSide(volume, found, conflictsOf(volume) === 'lww')
    return { ...conflict, sides: [...conflict.sides, side] }
  }
  return undefined
}

/** The sides of the conflict under a plain name that are too many to show. In memory is one. */
export function* hiddenSides(
  volume: Volume,
  dir: NodeId,
  name: Name,
): Generator<ConflictSide, void, undefined> {
  const isLww = conflictsOf(volume) === 'lww'
  for (const entry of hiddenUnder(volume.view, dir, name, volume.authorName))
    yield describeSide(volume, entry, isLww)
}

/**
 * The ops after which only `target`, a side of the conflict, is left, with the plain name.
 * throws ShoalError 'EISDIR' where a side is a directory: that can only be renamed, or emptied and
 * removed.
 */
export function keepOps(
  volume: Volume,
  { sides }: Pick<NameConflict, 'sides'>,
  target: ViewTarget,
): TreeOp[] {
  const { view } = volume
  const folder = sides.find((side) => side.target.kind === 'dir')
  if (folder !== undefined || target.kind === 'dir') {
    const name = nameText((folder ?? sides[0]).name)
    throw new ShoalError('EISDIR', `"${name}" is a folder; rename it or the others instead`)
  }
  const others = sides.flatMap((side) =>
    side.kind === 'name' && side.target.kind === 'inode' && side.target.link !== target.link
      ? removeOps(view, side.target)
      : [],
  )
  const inode = readInode(view, target.id)
  const versions = inode === undefined ? [] : [...versionsOf(view, target.id, inode)]
  const kept = versions.find(({ dot }) => dot === target.version)
  const base = versions.map(({ dot }) => dot)
  if (kept !== undefined) {
    const { content, size, modifiedNs } = kept
    const version = { content, size, modifiedNs, base }
    return [...others, ...versionOps(view, target.id, version, () => true)]
  }
  const saw = base.slice(0, -1)
  return saw.length === 0 ? others : [...others, { kind: 'drop-version', inode: target.id, saw }]
}

function conflictUnder(
  volume: Volume,
  dir: NodeId,
  name: Name,
): Omit<NameConflict, 'key'> | undefined {
  const children = readChildren(volume.view, dir, name)
  const isLww = conflictsOf(volume) === 'lww'
  const [first, ...others] = resolve(volume.view, dir, children, volume.authorName).map((entry) =>
    describeSide(volume, entry, isLww),
  )
  if (first === undefined || others.length === 0) return undefined
  const moreCount = Math.max(0, countCopies(volume.view, dir, name) - others.length)
  return { dir, sides: [first, ...others], moreCount }
}

function describeSide(
  volume: Volume,
  { name, target }: { readonly name: Name; readonly target: ViewTarget },
  isLww: boolean,
): ConflictSide {
  const isVersion = target.kind === 'inode' && target.version !== undefined
  const { stamp, sizeBytes } = factsOf(volume, target)
  return {
    name,
    target,
    kind: isVersion ? 'version' : 'name',
    author: volume.actors.get(stampActor(stamp))?.peer,
    stamp,
    sizeBytes,
    isHidden: isVersion && isLww,
  }
}

function factsOf({ view }: Volume, target: ViewTarget): { stamp: Stamp; sizeBytes: number } {
  if (target.kind === 'dir') {
    const dir = readDir(view, target.id)
    if (dir !== undefined) return { stamp: dir.created, sizeBytes: 0 }
  } else {
    const inode = readInode(view, target.id)
    const link = readLink(view, target.link)
    const version =
      inode === undefined ? undefined : shownVersion(view, target.id, inode, target.version)
    const stamp = version?.stamp ?? link?.placed
    if (inode !== undefined && stamp !== undefined)
      return { stamp, sizeBytes: inodeAttributes(inode, version).sizeBytes }
  }
  throw new ShoalError('ESTALE', 'one version in the conflict is gone')
}
