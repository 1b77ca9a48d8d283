// The shard map of one volume: which stripes a chunk lies in and which peers hold their shards, as
// the log tells. Explicit data, never computed from who is a member now. The same on every replica
// that took the same ops, in whatever order. Cost: a record per stripe, one per chunk, and what
// stripe-groups.ts keeps.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { LRUCache } from 'lru-cache'
import { compareBytes, equalBytes, fromByteString, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { chunkIdBytes, publicKeyOf, stripeIdBytes, stripeIdFromCid } from '../../protocol/ids.ts'
import type { ChunkId, PackId, PeerId, StripeId } from '../../protocol/ids.ts'
import { STAMP_ZERO, stampHlc } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { formatClass } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import { decodeStripeHeader, stripeIdOf } from '../../protocol/stripe/stripe.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
import type { ClearOp, Holding, ShardChange } from '../../protocol/op/op.ts'
import { prefixEnd } from '../state/state-view.ts'
import type { ReplicaView } from '../state/state-view.ts'
import { StripeGroups, groupOf } from './stripe-groups.ts'
import type { GroupId } from './stripe-map.ts'
import {
  UNKNOWN,
  coldCopiesOf,
  decodeRecord,
  encodeRecord,
  forget,
  hasTraces,
  holdersOf,
  isColdUnsaid,
  isCondemned,
  isEmpty,
  isLive,
  isSwept,
  isUnsaid,
  oblivionOf,
  withCold,
  withCondemned,
  withRead,
  withRecorded,
  withSweep,
  withWords,
  wordOf,
} from './stripe-record.ts'
import type { ColdCopy, Oblivion, StripeRecord } from './stripe-record.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/** As data and upkeep see it: node/shard-map/stripe-map.ts. */
export interface MappedStripe {
  readonly header: StripeHeader
  readonly headerBytes: Uint8Array
  readonly holders: readonly (readonly PeerId[])[]
  readonly class: RedundancyClass | undefined
  readonly isCondemned: boolean
  readonly isSwept: boolean
  readonly cold: readonly ColdCopy[]
  /** When it was recorded, or read of, whichever is later. */
  readonly usedAt: Hlc
}

export type StripeOp = Extract<
  ClearOp,
  { kind: 'stripe' | 'shards' | 'condemn' | 'sweep' | 'cold' | 'read' }
>

/** Chunks of all decoded headers that are kept, and records, in number. */
const DECODED_CHUNKS_MAX = 65_536
/** Size of a header beside its chunks, counted in chunks. */
const HEADER_SIZE = 32
const RECORDS_MAX = 4096

const STRIPE: ByteString = STATE_PREFIXES.stripe
const HEADER: ByteString = STATE_PREFIXES.stripeHeader
const CHUNK: ByteString = STATE_PREFIXES.chunkLocation
/** Stripes of which there may be something to forget. */
export const TRACE: ByteString = STATE_PREFIXES.stripeTrace

/** The place of a chunk: a stripe, by its CID, and the index there. */
type Location = readonly [stripe: Uint8Array, index: number]

/** The same, as data and upkeep see it. */
export interface ChunkLocation {
  readonly stripe: StripeId
  readonly index: number
  /** Text of the stripe's class; empty: the volume's. */
  readonly class: string
  readonly isCondemned: boolean
  readonly isSwept: boolean
}

export class StripeTable {
  readonly groups: StripeGroups
  readonly #view: ReplicaView
  readonly #records = new LRUCache<StripeId, StripeRecord>({ max: RECORDS_MAX })
  /**
   * A header with thousands of chunks takes ms to decode, and readers come for one chunk after the
   * other.
   */
  readonly #headers = new LRUCache<StripeId, readonly [StripeHeader, Uint8Array]>({
    maxSize: DECODED_CHUNKS_MAX,
    sizeCalculation: ([{ chunks }]) => HEADER_SIZE + chunks.length,
  })

  private constructor(view: ReplicaView, groups: StripeGroups) {
    this.#view = view
    this.groups = groups
  }

  static async open(view: ReplicaView): Promise<StripeTable> {
    return new StripeTable(view, await StripeGroups.open(view))
  }

  /**
   * Stripes that list a chunk, and its index there: those in use first, then by when they were
   * recorded, the oldest first.
   */
  locations(chunk: ChunkId): readonly ChunkLocation[] {
    const found = this.#locations(chunkKey(chunk)).map(([cid, index]) => {
      const stripe = idOf(cid)
      const record = this.#record(stripe)
      const ends = { isCondemned: isCondemned(record), isSwept: isSwept(record) }
      const addedAt = record.added ?? STAMP_ZERO
      return { stripe, index, class: record.facts?.class ?? '', ...ends, addedAt }
    })
    if (found.length < 2) return found
    return found.sort((a, b) => rankOf(a) - rankOf(b) || (a.addedAt < b.addedAt ? -1 : 1))
  }

  /** Is it known, and not swept? */
  has(id: StripeId): boolean {
    return isLive(this.#record(id))
  }

  get(id: StripeId): MappedStripe | undefined {
    const record = this.#record(id)
    if (!isLive(record)) return undefined
    const [header, headerBytes] = this.#header(id)
    return {
      header,
      headerBytes,
      holders: holdersOf(record).map((peers) => peers.map((key) => this.groups.peerOf(key))),
      class: header.class,
      isCondemned: isCondemned(record),
      isSwept: isSwept(record),
      cold: coldCopiesOf(record),
      usedAt: stampHlc(usedAt(record)),
    }
  }

  /** All in order of id. */
  async *all(after?: StripeId): AsyncGenerator<StripeId> {
    const from = after === undefined ? STRIPE : `${keyOf(STRIPE, after)}\0`
    for await (const [key, value] of this.#view.scan(from, prefixEnd(STRIPE)))
      if (isLive(decodeRecord(value))) yield idIn(key)
  }

  /**
   * The clock of the `condemn` op that a sweep can go on from, or went on from; undefined if it is
   * not condemned.
   */
  condemnedAt(id: StripeId): Hlc | undefined {
    const record = this.#record(id)
    const { condemned } = record
    if (condemned === undefined || !isLive(record) || !isCondemned(record)) return undefined
    return stampHlc(condemned)
  }

  /** The newest sweep of a stripe that is swept. */
  sweptAt(id: StripeId): Stamp | undefined {
    const record = this.#record(id)
    return isLive(record) && isSwept(record) ? record.sweep?.stamp : undefined
  }

  /** The group that a stripe is counted in. */
  groupOf(id: StripeId): GroupId | undefined {
    return groupOf(id, this.#record(id))
  }

  /**
   * Those of these changes that say that a shard is held, where the log says nothing of that. For
   * what was said too late: whatever was said meanwhile stands.
   */
  unsaid(id: StripeId, changes: readonly ShardChange[]): readonly ShardChange[] {
    const record = this.#record(id)
    return changes.filter(
      ({ index, peer, isHeld }) => isHeld && isUnsaid(record, { index, peer: keyOfPeer(peer) }),
    )
  }

  /**
   * Every pack that is named in a tier, also of stripes that are not in use: in a slow pass only.
   */
  async *packs(tier: string): AsyncGenerator<PackId> {
    for await (const [, value] of this.#view.scan(STRIPE, prefixEnd(STRIPE))) {
      const record = decodeRecord(value)
      const pack = record.cold.get(tier)?.pack
      const isLeftOut =
        isPlanted('revivable-packs-removed') && (!isLive(record) || isCondemned(record))
      if (pack !== undefined && !isLeftOut) yield pack
    }
  }

  /** Does the log say nothing of whether a tier holds a stripe that is in use? */
  isUnsaid(id: StripeId, tier: string): boolean {
    const record = this.#record(id)
    return isLive(record) && isColdUnsaid(record, tier)
  }

  /** throws ShoalError 'malformed' for a header that is. */
  apply(op: StripeOp, stamp: Stamp): void {
    switch (op.kind) {
      case 'stripe':
        return this.#addStripe(op.header, op.holders, stamp)
      case 'shards': {
        const words = op.changes.map((change) => wordOf(change, stamp))
        return this.#change(op.stripe, (record) => withWords(record, words))
      }
      case 'condemn':
        for (const id of op.stripes) this.#change(id, (record) => withCondemned(record, stamp))
        return
      case 'sweep': {
        const { condemned } = op
        for (const id of op.stripes)
          this.#change(id, (record) => withSweep(record, { stamp, condemned }))
        return
      }
      case 'cold': {
        const { tier, pack } = op
        for (const { stripe, offset } of op.stripes)
          this.#change(stripe, (record) => withCold(record, { tier, pack, offset }, stamp))
        return
      }
      case 'read':
        for (const id of op.stripes) this.#change(id, (record) => withRead(record, stamp))
    }
  }

  #addStripe(headerBytes: Uint8Array, holders: readonly Holding[], stamp: Stamp): void {
    const id = stripeIdOf(headerBytes)
    const header = decodeStripeHeader(headerBytes)
    const { k, m, shardBytes, class: cls } = header
    const facts = { k, m, shardBytes, class: cls === undefined ? '' : formatClass(cls) }
    const words = holders.map((holding) => wordOf({ ...holding, isHeld: true }, stamp))
    if (this.#view.get(keyOf(HEADER, id)) === undefined)
      this.#view.put(keyOf(HEADER, id), headerBytes)
    const change = (record: StripeRecord): StripeRecord =>
      withWords(withRecorded(record, facts, stamp), words)
    this.#change(id, change, () => header)
  }

  /** The part of a stripe in the state at a cut that may be forgotten; key: of a trace. */
  oblivionOf(key: ByteString, upTo: Hlc): Oblivion | undefined {
    return oblivionOf(this.#record(idIn(key)), upTo)
  }

  /** Forget that. Twice is once. */
  forget(key: ByteString, oblivion: Oblivion): void {
    this.#change(idIn(key), (record) => forget(record, oblivion))
  }

  #change(
    id: StripeId,
    change: (record: StripeRecord) => StripeRecord,
    header: () => StripeHeader = () => this.#header(id)[0],
  ): void {
    const before = this.#record(id)
    const after = change(before)
    this.groups.move(id, before, after)
    if (isLive(before) !== isLive(after)) {
      const { chunks } = header()
      // The first place counts, should a header name a chunk twice.
      const first = new Map(chunks.map((chunk, index) => [chunk.id, index] as const).toReversed())
      for (const [chunk, index] of first)
        this.#relocate(chunk, id, isLive(after) ? index : undefined)
    }
    this.#write(id, after)
  }

  #write(id: StripeId, record: StripeRecord): void {
    this.#records.delete(id)
    if (isEmpty(record)) this.#view.delete(keyOf(STRIPE, id))
    else this.#view.put(keyOf(STRIPE, id), encodeRecord(record))
    if (record.facts === undefined && this.#view.get(keyOf(HEADER, id)) !== undefined) {
      this.#headers.delete(id)
      this.#view.delete(keyOf(HEADER, id))
    }
    const trace = keyOf(TRACE, id)
    const isTraced = this.#view.get(trace) !== undefined
    const needsTrace = !isEmpty(record) && hasTraces(record)
    if (needsTrace && !isTraced) this.#view.put(trace, new Uint8Array(0))
    else if (isTraced && !needsTrace) this.#view.delete(trace)
  }

  /** A chunk lies in a stripe at `index`, or does no more. */
  #relocate(chunk: ChunkId, stripe: StripeId, index: number | undefined): void {
    const key = chunkKey(chunk)
    const id = stripeIdBytes(stripe)
    const others = this.#locations(key).filter(([other]) => !equalBytes(other, id))
    const all: Location[] = index === undefined ? others : [...others, [id, index]]
    if (all.length === 0) return this.#view.delete(key)
    this.#view.put(key, encodeCbor(all.sort(([a], [b]) => compareBytes(a, b))))
  }

  #locations(key: ByteString): Location[] {
    const bytes = this.#view.get(key)
    return bytes === undefined ? [] : (decodeCbor(bytes, 'chunk locations') as Location[])
  }

  #record(id: StripeId): StripeRecord {
    const known = this.#records.get(id)
    if (known !== undefined) return known
    const bytes = this.#view.get(keyOf(STRIPE, id))
    const record = bytes === undefined ? UNKNOWN : decodeRecord(bytes)
    this.#records.set(id, record)
    return record
  }

  /** The header of a recorded stripe. */
  #header(id: StripeId): readonly [StripeHeader, Uint8Array] {
    const known = this.#headers.get(id)
    if (known !== undefined) return known
    const bytes = this.#view.get(keyOf(HEADER, id)) ?? new Uint8Array(0)
    const header = decodeStripeHeader(bytes)
    this.#headers.set(id, [header, bytes])
    return [header, bytes]
  }
}

/** Rather one in use, and least of all one that is given up. */
function rankOf({ isCondemned: isEnding, isSwept: isEnded }: ChunkLocation): number {
  return Number(isEnding) + Number(isEnded)
}

function usedAt({ added, read }: StripeRecord): Stamp {
  const [one = '' as Stamp, other = one] = [added, read]
  return one > other ? one : other
}

function idOf(cid: Uint8Array): StripeId {
  return stripeIdFromCid(cid)
}

function keyOfPeer(peer: PeerId): ByteString {
  return toByteString(publicKeyOf(peer))
}

function chunkKey(id: ChunkId): ByteString {
  return CHUNK + toByteString(chunkIdBytes(id))
}

function keyOf(table: ByteString, id: StripeId): ByteString {
  return table + toByteString(stripeIdBytes(id))
}

/** The stripe in a key of a table of stripes. */
function idIn(key: ByteString): StripeId {
  return stripeIdFromCid(fromByteString(key.slice(1)))
}
