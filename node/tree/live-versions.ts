// The one answer to what is referenced: every content that anybody may still read. Those of files
// with a name, conflict copies and versions that lost included; and while the volume keeps history,
// those of removed files and former versions, for as long as the state has them: what has expired
// is purged from it at a checkpoint (protocol/tree/purge.ts), on every member alike; and those of
// snapshots, for as long as these are there. Contents that programs here have open come beside
// (node/gc/open-content.ts).
import { stampHlc } from '../../protocol/clock/dot.ts'
import { HLC_MAX, HLC_ZERO, hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { deadPrefix, decodeDeadKey, decodeDeathTime, readDead } from '../../protocol/tree/dead.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { Inode, StateStore } from '../../protocol/tree/records.ts'
import { readInode } from '../../protocol/tree/records.ts'
import {
  SUPERSEDED_PREFIX,
  decodeSuperseded,
  inodeOfSuperseded,
} from '../../protocol/tree/superseded.ts'
import { erasAt, wasGivenUp } from '../../protocol/tree/retention.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { removedVersions, versionsOf } from '../../protocol/tree/versions.ts'
import { heldMoments } from '../state/mass-losses.ts'
import type { Volume } from '../log/volume.ts'
import { viewPages } from '../state/state-view.ts'
import { snapshotsIn } from '../state/snapshots.ts'
import { inodesOf } from './all-inodes.ts'
import { snapshotVersions } from './snapshot-versions.ts'

/**
 * The index of the dead may have a file some time before or after the removal that all agree on, if
 * several removed it at once.
 */
const SLACK: Hlc = (BigInt(HOUR_MS) << 16n) as Hlc

/** Contents of a file that live. */
export interface LiveFile {
  readonly id: NodeId
  /** It has a name: its data is where those of its places are to be. */
  readonly isNamed: boolean
  /** Contents that are kept for who wants them back. */
  readonly isPast: boolean
  /** To be read once, before the next file is asked for. */
  readonly versions: Iterable<Version>
}

/**
 * All of them, files first. A file may come several times. What changes meanwhile may be missed.
 * throws ShoalError 'chunk-unavailable' while the tree of a snapshot is not here.
 */
export async function* liveFiles(volume: Volume): AsyncGenerator<LiveFile, void, undefined> {
  const { view } = volume
  const snapshots = isPlanted('snapshots-collected') ? [] : await snapshotsIn(view)
  const isKept = await keptPast(volume, snapshots.length > 0)
  for await (const [id, inode] of inodesOf(view)) {
    const isNamed = inode.links.length > 0
    const gone = isNamed ? undefined : readDead(view, 'inode', id)
    if (!isNamed && !(gone && isKept(decodeDeathTime(gone[1]), SLACK))) continue
    yield { id, isNamed, isPast: !isNamed, versions: heldVersions(view, id, inode) }
  }
  if (isPlanted('former-versions-collected')) return
  const former = formerVersions(volume, isKept)
  for await (const [id, versions] of chained(former, snapshotVersions(volume, snapshots))) {
    const isNamed = (readInode(view, id)?.links.length ?? 0) > 0
    yield { id, isNamed, isPast: true, versions }
  }
}

type OfFile = readonly [file: NodeId, versions: Iterable<Version>]

async function* chained(...all: readonly AsyncIterable<OfFile>[]): AsyncGenerator<OfFile> {
  for (const one of all) yield* one
}

/** Those that others replaced or dropped, and that are kept. */
async function* formerVersions(
  { view }: Volume,
  isKept: IsKept,
): AsyncGenerator<readonly [file: NodeId, versions: readonly [Version]], void, undefined> {
  for await (const [key] of viewPages(view, SUPERSEDED_PREFIX)) {
    const bytes = view.get(key) // it may have gone since its page was read
    const former = bytes === undefined ? undefined : decodeSuperseded(bytes)
    if (former === undefined || !isKept(stampHlc(former.ended))) continue
    yield [inodeOfSuperseded(key), [former.version]]
  }
}

/** A count of what is kept of what was replaced or removed, and its bytes as it was written. */
export interface PastSize {
  readonly versions: number
  readonly removedFiles: number
  /** Chunks that files share are counted for each: it takes this much at most. */
  readonly bytes: number
}

/** cost: O(what is kept) */
export async function pastSize(volume: Volume): Promise<PastSize> {
  const { view } = volume
  const isKept = await keptPast(volume)
  const size = { versions: 0, removedFiles: 0, bytes: 0 }
  for await (const [, [version]] of formerVersions(volume, isKept)) {
    size.versions++
    size.bytes += version.size
  }
  for await (const [key, value] of viewPages(view, deadPrefix('inode'))) {
    const { id } = decodeDeadKey(key)
    const inode = readInode(view, id)
    if (inode === undefined || !isKept(decodeDeathTime(value), SLACK)) continue
    size.removedFiles++
    for (const version of heldVersions(view, id, inode)) size.bytes += version.size
  }
  return size
}

/** Tells of what ended at a clock whether it lives on for as long as the state has it. */
type IsKept = (ended: Hlc, slack?: Hlc) => boolean

/**
 * hasSnapshots: what ended after the checkpoint lives, too. Snapshots are compared with that: they
 * may have what is the same there.
 */
async function keptPast(
  { membership, checkpoint, view }: Volume,
  hasSnapshots = false,
): Promise<IsKept> {
  // Only at a cut, where the ops are in order, is it told who ended something.
  if (membership.state.hadAppender) return () => true
  // It is a checkpoint that forgets.
  const eras = erasAt(membership.state.retention, checkpoint?.hlc ?? HLC_ZERO)
  const settled = hasSnapshots ? (checkpoint?.hlc ?? HLC_ZERO) : HLC_MAX
  const moments = [settled, ...(await heldMoments(view))]
  return (ended, slack = HLC_ZERO) =>
    !wasGivenUp(eras, hlcMillis((ended + slack) as Hlc)) ||
    moments.some((moment) => moment < ended + slack)
}

/** Those that show, and those that will if what was written since they were removed goes. */
export function* heldVersions(
  view: StateStore,
  id: NodeId,
  inode: Inode,
): Generator<Version, void, undefined> {
  yield* removedVersions(view, id, inode)
  yield* versionsOf(view, id, inode)
}
