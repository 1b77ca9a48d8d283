// The trees of snapshots that lie on this node, and what is known of each: a record of its own,
// beside the state. A tree is listed once all of its nodes are here. Those that are not are in a
// second record, with the time since which they are missed.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { SnapshotKey } from './snapshots.ts'

const TREES: ByteString = STATE_PREFIXES.snapshotTrees
const MISSING: ByteString = STATE_PREFIXES.missingSnapshotTrees

/**
 * 'same': this node came to the same; 'differs': to another, which is used here; 'taken': it could
 * not compute it, and has its maker's.
 */
export type SnapshotCheck = 'same' | 'differs' | 'taken'
const CHECKS: readonly SnapshotCheck[] = ['same', 'differs', 'taken']

export interface SnapshotTree {
  readonly root: NodeHash | undefined
  readonly check: SnapshotCheck
  /** The clock of its cut. */
  readonly hlc: Hlc
  /** Bytes of its nodes that were fetched for it, not computed here. */
  readonly fetchedBytes: number
}

/** A tree that is not here. */
export interface MissingTree {
  readonly sinceMs: WallTime
  /** Nobody had it for so long that nothing waits for it any more. */
  readonly isLost: boolean
}

export type MissingTrees = ReadonlyMap<SnapshotKey, MissingTree>

export type SnapshotTrees = ReadonlyMap<SnapshotKey, SnapshotTree>

export function readSnapshotTrees(view: StateStore): SnapshotTrees {
  const bytes = view.get(TREES)
  const list = bytes === undefined ? [] : decodeCbor(bytes, 'trees of snapshots')
  return new Map(
    (list as readonly (readonly [Uint8Array, Uint8Array | null, number, unknown, number?])[]).map(
      ([key, root, check, hlc, fetchedBytes = 0]) => [
        toByteString(key) as SnapshotKey,
        {
          root: root === null ? undefined : (toHex(root) as NodeHash),
          check: CHECKS[check] ?? 'taken',
          hlc: decodeHlc(hlc),
          fetchedBytes,
        },
      ],
    ),
  )
}

export function writeSnapshotTrees(view: StateStore, trees: SnapshotTrees): void {
  const list = [...trees].map(([key, { root, check, hlc, fetchedBytes }]) => [
    fromByteString(key),
    root === undefined ? null : fromHex(root),
    CHECKS.indexOf(check),
    hlc,
    fetchedBytes,
  ])
  if (list.length === 0) view.delete(TREES)
  else view.put(TREES, encodeCbor(list))
}

export function readMissingTrees(view: StateStore): MissingTrees {
  const bytes = view.get(MISSING)
  const list = bytes === undefined ? [] : decodeCbor(bytes, 'missing trees of snapshots')
  return new Map(
    (list as readonly (readonly [Uint8Array, number, boolean])[]).map(([key, since, isLost]) => [
      toByteString(key) as SnapshotKey,
      { sinceMs: since as WallTime, isLost },
    ]),
  )
}

export function writeMissingTrees(view: StateStore, trees: MissingTrees): void {
  const list = [...trees].map(([key, { sinceMs, isLost }]) => [
    fromByteString(key),
    sinceMs,
    isLost,
  ])
  if (list.length > 0) view.put(MISSING, encodeCbor(list))
  else if (view.get(MISSING) !== undefined) view.delete(MISSING)
}

/** Their roots, the newest first: neighbours have the most in common. */
export function snapshotRoots(view: StateStore): readonly NodeHash[] {
  return [...readSnapshotTrees(view).values()]
    .toSorted((a, b) => (a.hlc > b.hlc ? -1 : a.hlc < b.hlc ? 1 : 0))
    .flatMap(({ root }) => (root === undefined ? [] : [root]))
}
