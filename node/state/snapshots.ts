// Snapshots that members made, as records of the state: what was fixed when each was made, whether
// it is held, and whether it was removed. Each of these is a register, so it does not matter in
// which order ops come; one that is removed while somebody holds it at the same time stays.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { stampHlc } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { decodeStoredVector, encodeVector } from '../../protocol/clock/vector-clock.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { EntryHash, NodeId } from '../../protocol/ids.ts'
import { SNAPSHOTS_OF_ONE_MAX } from '../../protocol/limits.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type {
  SnapshotCut,
  SnapshotId,
  SnapshotOp,
  SnapshotRef,
} from '../../protocol/op/snapshot-op.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

/** Then the public key of the maker, and the id. */
export const SNAPSHOT: ByteString = STATE_PREFIXES.snapshot
const PUBLIC_KEY_END: number = SNAPSHOT.length + 32

/** The key of the record of a snapshot. */
export type SnapshotKey = ByteString & { readonly snapshot: true }

export interface Snapshot extends SnapshotRef, SnapshotCut {
  readonly key: SnapshotKey
  /** The op that made it. */
  readonly stamp: Stamp
  readonly isHeld: boolean
}

interface Record {
  made: (SnapshotCut & { readonly stamp: Stamp }) | undefined
  held: { readonly isHeld: boolean; readonly stamp: Stamp } | undefined
  /** The last removal, and the last of those that do not ask whether it is held. */
  removed: Stamp | undefined
  forced: Stamp | undefined
}

export function snapshotKey({ peer, id }: SnapshotRef): SnapshotKey {
  return (SNAPSHOT + toByteString(publicKeyOf(peer)) + toByteString(fromHex(id))) as SnapshotKey
}

export function applySnapshot(view: StateStore, op: SnapshotOp, stamp: Stamp): void {
  const key = snapshotKey(op)
  const record = read(view, key)
  switch (op.kind) {
    case 'snapshot': {
      // One id stands for one snapshot: the first that its maker gave it to.
      if (record.made !== undefined && record.made.stamp <= stamp) return
      const { name, folder, hlc, vector, base, governed, root } = op
      record.made = { name, folder, hlc, vector, base, governed, root, stamp }
      break
    }
    case 'snapshot-hold':
      if (record.held !== undefined && record.held.stamp >= stamp) return
      record.held = { isHeld: op.held, stamp }
      break
    case 'snapshot-rm': {
      const which = op.forced ? 'forced' : 'removed'
      if ((record[which] ?? '') >= stamp) return
      record[which] = stamp
    }
  }
  view.put(key, encode(record))
}

/** One that is there; undefined: there is none, or it was removed. */
export function snapshotAt(view: StateStore, key: SnapshotKey): Snapshot | undefined {
  return shown(key, read(view, key))
}

/**
 * All that are there, the newest cut first. Of one member the newest SNAPSHOTS_OF_ONE_MAX count,
 * and those that are held.
 */
export async function snapshotsIn(view: ReplicaView): Promise<readonly Snapshot[]> {
  const all: Snapshot[] = []
  for await (const [key, value] of view.scan(SNAPSHOT, prefixEnd(SNAPSHOT))) {
    const snapshot = shown(key as SnapshotKey, decode(value))
    if (snapshot !== undefined) all.push(snapshot)
  }
  const counts = new Map<string, number>()
  return all.sort(newestFirst).filter(({ peer, isHeld }) => {
    const count = (counts.get(peer) ?? 0) + 1
    counts.set(peer, count)
    return isHeld || count <= SNAPSHOTS_OF_ONE_MAX
  })
}

function newestFirst(a: Snapshot, b: Snapshot): number {
  if (a.hlc !== b.hlc) return a.hlc > b.hlc ? -1 : 1
  return a.stamp > b.stamp ? -1 : 1
}

/**
 * The last stamp of a snapshot of which nobody can say anything any more, in the state at a cut: it
 * is gone, or was never made.
 */
export function deadSnapshot(
  [key, value]: readonly [ByteString, Uint8Array],
  deadBy: Hlc,
): Stamp | undefined {
  const record = decode(value)
  const last = lastStamp(record)
  const isGone = shown(key as SnapshotKey, record) === undefined
  return isGone && last !== undefined && stampHlc(last) <= deadBy ? last : undefined
}

/** Forget one of which nothing was said after this. */
export function forgetSnapshot(view: StateStore, key: ByteString, last: Stamp): void {
  if (view.get(key) !== undefined && lastStamp(read(view, key as SnapshotKey)) === last)
    view.delete(key)
}

function lastStamp({ made, held, removed, forced }: Record): Stamp | undefined {
  return [made?.stamp, held?.stamp, removed, forced]
    .filter((stamp) => stamp !== undefined)
    .sort()
    .at(-1)
}

function shown(key: SnapshotKey, { made, held, removed, forced }: Record): Snapshot | undefined {
  const isHeld = held?.isHeld === true
  const isGone = forced !== undefined || (removed !== undefined && !isHeld)
  if (made === undefined || isGone) return undefined
  const peer = peerIdFromPublicKey(fromByteString(key.slice(SNAPSHOT.length, PUBLIC_KEY_END)))
  const id = toHex(fromByteString(key.slice(PUBLIC_KEY_END))) as SnapshotId
  // Nobody can make one of the future, to have it listed before all others.
  const latest = stampHlc(made.stamp)
  const hlc = made.hlc < latest ? made.hlc : latest
  return { key, peer, id, ...made, hlc, isHeld }
}

function read(view: StateStore, key: SnapshotKey): Record {
  const bytes = view.get(key)
  if (bytes !== undefined) return decode(bytes)
  return { made: undefined, held: undefined, removed: undefined, forced: undefined }
}

function encode({ made, held, removed, forced }: Record): Uint8Array {
  const stamp = (one: Stamp | undefined): Uint8Array | null =>
    one === undefined ? null : fromByteString(one)
  return encodeCbor([
    made === undefined
      ? null
      : [
          made.name,
          fromHex(made.folder),
          made.hlc,
          encodeVector(made.vector),
          made.base === undefined ? null : fromHex(made.base),
          made.governed.map(fromHex),
          made.root === undefined ? null : fromHex(made.root),
          stamp(made.stamp),
        ],
    held === undefined ? null : [held.isHeld, stamp(held.stamp)],
    stamp(removed),
    stamp(forced),
  ])
}

type Nullable<Value> = Value | null

function decode(bytes: Uint8Array): Record {
  const [made, held, removed, forced] = decodeCbor(bytes, 'snapshot') as readonly [
    Nullable<readonly unknown[]>,
    Nullable<readonly [boolean, Uint8Array]>,
    Nullable<Uint8Array>,
    Nullable<Uint8Array>,
  ]
  return {
    made: made === null ? undefined : decodeMade(made),
    held: held === null ? undefined : { isHeld: held[0], stamp: stampOf(held[1]) },
    removed: removed === null ? undefined : stampOf(removed),
    forced: forced === null ? undefined : stampOf(forced),
  }
}

function decodeMade(made: readonly unknown[]): NonNullable<Record['made']> {
  const [name, folder, hlc, vector, base, governed, root, stamp] = made as readonly [
    string,
    Uint8Array,
    unknown,
    unknown,
    Nullable<Uint8Array>,
    readonly Uint8Array[],
    Nullable<Uint8Array>,
    Uint8Array,
  ]
  return {
    name,
    folder: toHex(folder) as NodeId,
    hlc: decodeHlc(hlc),
    vector: decodeStoredVector(vector),
    base: base === null ? undefined : (toHex(base) as EntryHash),
    governed: governed.map((one) => toHex(one) as EntryHash),
    root: root === null ? undefined : (toHex(root) as NodeHash),
    stamp: stampOf(stamp),
  }
}

function stampOf(bytes: Uint8Array): Stamp {
  return toByteString(bytes) as Stamp
}
