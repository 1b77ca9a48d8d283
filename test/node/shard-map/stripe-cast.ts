// Stripes, and what is said of them, for the tests of the shard map.
import { utf8 } from '../../../protocol/bytes.ts'
import { peerIdFromPublicKey } from '../../../protocol/ids.ts'
import { RECEIPT_AGE_MS } from '../../../protocol/limits.ts'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import { encodeStripeHeader, stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { StateView } from '../../../node/state/state-view.ts'
import { StripeTable } from '../../../node/shard-map/stripe-table.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { chunkIdOf } from '../store/fixtures.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId, ChunkId, PackId, PeerId, StripeId } from '../../../protocol/ids.ts'
import type { Stamp } from '../../../protocol/clock/dot.ts'
import type { RedundancyClass } from '../../../protocol/placement/redundancy.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import type { Receipt } from '../../../protocol/stripe/receipt.ts'
import type { Holding } from '../../../protocol/op/op.ts'
import type { StripeOp } from '../../../node/shard-map/stripe-table.ts'

export interface Said {
  readonly op: StripeOp
  readonly stamp: Stamp
}

/** Between two ops: so that a receipt, and a sweep, grow old within a history. */
const TICK_MS: number = 8 * HOUR_MS
export const TICKS_PER_RECEIPT: number = RECEIPT_AGE_MS / TICK_MS

export const CHUNKS: readonly ChunkId[] = ['a', 'b', 'c'].map((name) => chunkIdOf(utf8(name)))
const [A, B, C] = CHUNKS as [ChunkId, ChunkId, ChunkId]
export const PEERS: readonly PeerId[] = [1, 2, 3].map((n) =>
  peerIdFromPublicKey(new Uint8Array(32).fill(n)),
)
export const PACK: PackId = 'ca'.repeat(16) as PackId
export const RS: RedundancyClass = { kind: 'rs', k: 1, m: 1 }
/** Headers of stripes of two chunks each, the last for a class. */
export const HEADERS: readonly Uint8Array[] = [
  headerOf([A, B]),
  headerOf([B, C]),
  headerOf([C, A], RS),
]
export const STRIPES: readonly StripeId[] = HEADERS.map(stripeIdOf)

export type Table = StripeTable & { readonly view: StateView }

export async function open(said: readonly Said[]): Promise<Table> {
  const view = new StateView(MemoryKv.open(), '\0\0')
  const table = Object.assign(await StripeTable.open(view), { view })
  for (const { op, stamp } of said) table.apply(op, stamp)
  return table
}

export function headerOf(ids: readonly ChunkId[], cls?: RedundancyClass): Uint8Array {
  return encodeStripeHeader({
    k: 1,
    m: 1,
    shardBytes: 64,
    chunks: ids.map((id) => ({ id, length: 20 })),
    shardRoots: [new Uint8Array(32), new Uint8Array(32)],
    ...(cls === undefined ? {} : { class: cls }),
  })
}

/** As if each said it itself. */
export function holdings(holders: readonly (readonly PeerId[])[]): Holding[] {
  return holders.flatMap((peers, index) => peers.map((peer) => ({ index, peer })))
}

export function receiptOf(time: number): Receipt {
  return { hlc: hlc(time), signature: new Uint8Array(64), position: 0, count: 1, path: [] }
}

export function hlc(time: number): Hlc {
  return (BigInt(time * TICK_MS) << 16n) as Hlc
}

export function at(time: number, index = 0): Stamp {
  return makeStamp(hlc(time), 'ab'.repeat(16) as ActorId, index)
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

export function byId<Item extends { readonly id: string }>(items: readonly Item[]): Item[] {
  return items.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
