// The record of one stripe in the log, and what follows from it. All of it is registers of which
// the greatest stamp wins, so the order in which ops come does not matter:
//   per shard and peer the newest word of the peer itself on whether it holds it: by its own clock,
//     be it said in an entry of its own or by its receipt in one of another's
//   when the stripe was last recorded, when last condemned, and the newest sweep with the clock of
//     the `condemn` it names
//   per cold tier the newest word on where in it the stripe lies; and when somebody was last said
//     to have read of it
// A sweep takes what it had seen: a stripe that was recorded after the `condemn` stays, and a later
// record brings a swept stripe back. A swept stripe is known until nobody can come to say that it
// is needed: who held it may have it still.
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { makeStamp, stampHlc, stampMs } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { SHORT_ID_BYTES, hexIdBytes, packIdFromBytes, publicKeyOf } from '../../protocol/ids.ts'
import type { ActorId, PackId } from '../../protocol/ids.ts'
import type { ShardChange } from '../../protocol/op/op.ts'
import { RECEIPT_AGE_MS, SWEPT_KEPT_MS } from '../../protocol/limits.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'

/** The facts in a stripe's header, for those that do not need its chunks. */
export interface StripeFacts {
  readonly k: number
  readonly m: number
  readonly shardBytes: number
  /** Text of the class; empty: the volume's. */
  readonly class: string
}

/** A word on whether a peer holds a shard. */
export interface Word {
  readonly index: number
  /** Public key. */
  readonly peer: ByteString
  readonly isHeld: boolean
  readonly stamp: Stamp
}

/** A word on whether a tier holds a stripe. */
export interface ColdWord {
  readonly tier: string
  /** Undefined: it holds none any more. */
  readonly pack: PackId | undefined
  readonly offset: number
}

interface ColdRegister extends ColdWord {
  readonly stamp: Stamp
}

/** A copy of all sealed chunks of a stripe in a tier: verified there at `since`. */
export interface ColdCopy extends ColdWord {
  readonly pack: PackId
  readonly since: Hlc
}

interface Sweep {
  readonly stamp: Stamp
  readonly condemned: Hlc
}

export interface StripeRecord {
  /** Undefined while nobody has recorded the stripe. */
  readonly facts: StripeFacts | undefined
  readonly added: Stamp | undefined
  readonly condemned: Stamp | undefined
  readonly sweep: Sweep | undefined
  /** By shard and peer. */
  readonly presences: ReadonlyMap<ByteString, Word>
  /** By tier. */
  readonly cold: ReadonlyMap<string, ColdRegister>
  readonly read: Stamp | undefined
}

/** A receipt is older than what its maker says in entries at the same time. */
const NOBODY = '0'.repeat(2 * SHORT_ID_BYTES) as ActorId

export const UNKNOWN: StripeRecord = {
  facts: undefined,
  added: undefined,
  condemned: undefined,
  sweep: undefined,
  presences: new Map(),
  cold: new Map(),
  read: undefined,
}

/**
 * The part of a record that may be forgotten: everything up to `upTo` that has no effect any more.
 */
export interface Oblivion {
  readonly upTo: Hlc
  /** Nothing has. */
  readonly isGone: boolean
}

/** Somebody recorded it, and it is not forgotten. */
export function isLive(record: StripeRecord): boolean {
  return record.added !== undefined
}

/** Is it said that nobody needs it? A sweep takes what is condemned by then. */
export function isSwept(record: StripeRecord): boolean {
  const { added, sweep } = record
  const isTaken = sweep !== undefined && (added === undefined || sweep.condemned > stampHlc(added))
  return isTaken && isCondemned(record)
}

export function isCondemned({ added, condemned }: StripeRecord): boolean {
  // By clock, as a sweep that goes on from it will be judged.
  return condemned !== undefined && (added === undefined || stampHlc(condemned) > stampHlc(added))
}

/** Per shard who holds it, as public keys in their order. */
export function holdersOf({ facts, presences }: StripeRecord): ByteString[][] {
  const holders: ByteString[][] = Array.from(
    { length: facts === undefined ? 0 : facts.k + facts.m },
    () => [],
  )
  for (const { index, peer, isHeld } of presences.values()) if (isHeld) holders[index]?.push(peer)
  return holders.map((peers) => peers.sort())
}

/** Its copies in cold tiers, by name of the tier. */
export function coldCopiesOf({ cold }: StripeRecord): ColdCopy[] {
  return [...cold.values()]
    .flatMap(({ tier, pack, offset, stamp }) =>
      pack === undefined ? [] : [{ tier, pack, offset, since: stampHlc(stamp) }],
    )
    .sort((a, b) => (a.tier < b.tier ? -1 : 1))
}

/** Has the record no word on a tier? */
export function isColdUnsaid({ cold }: StripeRecord, tier: string): boolean {
  return !cold.has(tier)
}

/** Has the record no word on whether a peer holds a shard? */
export function isUnsaid(record: StripeRecord, shard: Pick<Word, 'index' | 'peer'>): boolean {
  return !record.presences.has(presenceKey(shard))
}

export function withRecorded(record: StripeRecord, facts: StripeFacts, stamp: Stamp): StripeRecord {
  return { ...record, facts, added: newest(record.added, stamp) }
}

/**
 * A word of a holder: of the op's author as of the op, of another as of its receipt, by its own
 * clock.
 */
export function wordOf({ index, peer, isHeld, receipt }: ShardChange, stamp: Stamp): Word {
  const said = receipt === undefined ? stamp : makeStamp(receipt.hlc, NOBODY, 0)
  return { index, peer: toByteString(publicKeyOf(peer)), isHeld, stamp: said }
}

export function withWords(record: StripeRecord, words: readonly Word[]): StripeRecord {
  const presences = new Map(record.presences)
  for (const word of words) {
    const key = presenceKey(word)
    const known = presences.get(key)
    if (known === undefined || known.stamp <= word.stamp) presences.set(key, word)
  }
  return { ...record, presences }
}

export function withCold(record: StripeRecord, word: ColdWord, stamp: Stamp): StripeRecord {
  const known = record.cold.get(word.tier)
  if (known !== undefined && known.stamp > stamp) return record
  return { ...record, cold: new Map(record.cold).set(word.tier, { ...word, stamp }) }
}

export function withRead(record: StripeRecord, stamp: Stamp): StripeRecord {
  return { ...record, read: newest(record.read, stamp) }
}

export function withCondemned(record: StripeRecord, stamp: Stamp): StripeRecord {
  return { ...record, condemned: newest(record.condemned, stamp) }
}

export function withSweep(record: StripeRecord, sweep: Sweep): StripeRecord {
  // It cannot have continued from what comes after it.
  if (sweep.condemned >= stampHlc(sweep.stamp)) return record
  return record.sweep !== undefined && record.sweep.stamp >= sweep.stamp
    ? record
    : { ...record, sweep }
}

/** True while there is something that oblivionOf() may come to take. */
export function hasTraces(record: StripeRecord): boolean {
  return (
    record.added === undefined ||
    record.sweep !== undefined ||
    [...record.presences.values()].some(({ isHeld }) => !isHeld) ||
    [...record.cold.values()].some(({ pack }) => pack === undefined)
  )
}

/**
 * The part of a record in the state at a cut that may be forgotten, when everyone who made an op
 * above the cut had seen all up to `upTo`; undefined if nothing.
 */
export function oblivionOf(record: StripeRecord, upTo: Hlc): Oblivion | undefined {
  const isGone = isSwept(record) ? isRipe(record.sweep, upTo) : record.added === undefined
  const oblivion = { upTo, isGone }
  const rest = forget(record, oblivion)
  const isSame =
    rest.presences.size === record.presences.size &&
    rest.cold.size === record.cold.size &&
    rest.read === record.read &&
    rest.added === record.added &&
    rest.condemned === record.condemned &&
    rest.sweep === record.sweep
  return isSame ? undefined : oblivion
}

/** The record without that: the same whether ops from above the cut were taken before or after. */
export function forget(record: StripeRecord, { upTo, isGone }: Oblivion): StripeRecord {
  const isOld = (stamp: Stamp | undefined): boolean =>
    stamp !== undefined && stampHlc(stamp) <= upTo
  // A receipt is older than the op that it comes in, so one from before the cut may still come.
  const isOutdated = (stamp: Stamp): boolean => stampMs(stamp) + RECEIPT_AGE_MS <= hlcMillis(upTo)
  const presences = [...record.presences].filter(
    ([, { isHeld, stamp }]) => !isOutdated(stamp) || (isHeld && !isGone),
  )
  const cold = [...record.cold].filter(
    ([, { pack, stamp }]) => !isOld(stamp) || (pack !== undefined && !isGone),
  )
  const added = isGone && isOld(record.added) ? undefined : record.added
  return {
    facts: added === undefined ? undefined : record.facts,
    added,
    condemned: isGone && isOld(record.condemned) ? undefined : record.condemned,
    sweep: isRipe(record.sweep, upTo) ? undefined : record.sweep,
    presences: new Map(presences),
    cold: new Map(cold),
    read: isGone && isOld(record.read) ? undefined : record.read,
  }
}

/** True if nothing is said of the stripe. */
export function isEmpty(record: StripeRecord): boolean {
  const { added, condemned, sweep, presences, cold, read } = record
  const stamps = [added, condemned, sweep, read]
  return stamps.every((one) => one === undefined) && presences.size + cold.size === 0
}

/**
 * DAG-CBOR of `[facts, recorded, condemned, sweep, words]`, words by rising stamp, with `cold` (by
 * tier) and `read` after that if there are any; one form for each record.
 */
export function encodeRecord({
  facts,
  added,
  condemned,
  sweep,
  presences,
  cold,
  read,
}: StripeRecord): Uint8Array {
  const byStamp = Map.groupBy(presences.values(), ({ stamp }) => stamp)
  const words = [...byStamp].sort(byKey).map(([stamp, said]) => [
    fromByteString(stamp),
    said
      .map((word) => [presenceKey(word), word] as const)
      .sort(byKey)
      .map(([, { index, peer, isHeld }]) => [index, fromByteString(peer), isHeld]),
  ])
  return encodeCbor([
    facts === undefined ? null : [facts.k, facts.m, facts.shardBytes, facts.class],
    stampBytes(added),
    stampBytes(condemned),
    sweep === undefined ? null : [fromByteString(sweep.stamp), sweep.condemned],
    words,
    ...(cold.size === 0 && read === undefined ? [] : [coldWords(cold), stampBytes(read)]),
  ])
}

function coldWords(cold: StripeRecord['cold']): EncodedCold[] {
  return [...cold]
    .sort(byKey)
    .map(([tier, { stamp, pack, offset }]) => [
      tier,
      fromByteString(stamp),
      pack === undefined ? null : hexIdBytes(pack),
      offset,
    ])
}

type EncodedCold = readonly [
  tier: string,
  stamp: Uint8Array,
  pack: Uint8Array | null,
  offset: number,
]

type Encoded = readonly [
  facts: readonly [number, number, number, string] | null,
  added: Uint8Array | null,
  condemned: Uint8Array | null,
  sweep: readonly [Uint8Array, unknown] | null,
  words: readonly (readonly [Uint8Array, readonly (readonly [number, Uint8Array, boolean])[]])[],
  cold?: readonly EncodedCold[],
  read?: Uint8Array | null,
]

/** Inverse of encodeRecord. */
export function decodeRecord(bytes: Uint8Array): StripeRecord {
  const encoded = decodeCbor(bytes, 'stripe record') as Encoded
  const [facts, added, condemned, sweep, words, cold = [], read = null] = encoded
  const presences = new Map<ByteString, Word>()
  for (const [saidAt, said] of words) {
    const stamp = toByteString(saidAt) as Stamp
    for (const [index, key, isHeld] of said) {
      const peer = toByteString(key)
      presences.set(presenceKey({ index, peer }), { index, peer, isHeld, stamp })
    }
  }
  return {
    facts:
      facts === null
        ? undefined
        : { k: facts[0], m: facts[1], shardBytes: facts[2], class: facts[3] },
    added: stampOf(added),
    condemned: stampOf(condemned),
    sweep:
      sweep === null
        ? undefined
        : { stamp: toByteString(sweep[0]) as Stamp, condemned: decodeHlc(sweep[1]) },
    presences,
    cold: new Map(
      cold.map(([tier, saidAt, pack, offset]) => {
        const stamp = toByteString(saidAt) as Stamp
        return [
          tier,
          { tier, stamp, offset, pack: pack === null ? undefined : packIdFromBytes(pack) },
        ]
      }),
    ),
    read: stampOf(read),
  }
}

/** Was it long enough ago that all who need something of it have said so? */
function isRipe(sweep: Sweep | undefined, upTo: Hlc): boolean {
  return sweep !== undefined && stampMs(sweep.stamp) + SWEPT_KEPT_MS <= hlcMillis(upTo)
}

function presenceKey({ index, peer }: Pick<Word, 'index' | 'peer'>): ByteString {
  return String.fromCharCode(index) + peer
}

function newest(a: Stamp | undefined, b: Stamp): Stamp {
  return a === undefined || a < b ? b : a
}

function stampBytes(stamp: Stamp | undefined): Uint8Array | null {
  return stamp === undefined ? null : fromByteString(stamp)
}

function stampOf(bytes: Uint8Array | null): Stamp | undefined {
  return bytes === null ? undefined : (toByteString(bytes) as Stamp)
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}
