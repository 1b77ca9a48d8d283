// The trees of snapshots that lie on this node, and what is known of each: a record of its own,
// beside the state. A tree is listed once all of its nodes are here.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { SnapshotKey } from './snapshots.ts'

const TREES: ByteString = STATE_PREFIXES.snapshotTrees

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
}

export type SnapshotTrees = ReadonlyMap<SnapshotKey, SnapshotTree>

export function readSnapshotTrees(view: StateStore): SnapshotTrees {
  const bytes = view.get(TREES)
  const list = bytes === undefined ? [] : decodeCbor(bytes, 'trees of snapshots')
  return new Map(
    (list as readonly (readonly [Uint8Array, Uint8Array | null, number, unknown])[]).map(
      ([key, root, check, hlc]) => [
        toByteString(key) as SnapshotKey,
        {
          root: root === null ? undefined : (toHex(root) as NodeHash),
          check: CHECKS[check] ?? 'taken',
          hlc: decodeHlc(hlc),
        },
      ],
    ),
  )
}

export function writeSnapshotTrees(view: StateStore, trees: SnapshotTrees): void {
  const list = [...trees].map(([key, { root, check, hlc }]) => [
    fromByteString(key),
    root === undefined ? null : fromHex(root),
    CHECKS.indexOf(check),
    hlc,
  ])
  if (list.length === 0) view.delete(TREES)
  else view.put(TREES, encodeCbor(list))
}

/** Their roots, the newest first: neighbours have the most in common. */
export function snapshotRoots(view: StateStore): readonly NodeHash[] {
  return [...readSnapshotTrees(view).values()]
    .toSorted((a, b) => (a.hlc > b.hlc ? -1 : a.hlc < b.hlc ? 1 : 0))
    .flatMap(({ root }) => (root === undefined ? [] : [root]))
}
