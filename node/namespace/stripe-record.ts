// What the log says of one stripe, and what follows from it. All of it is registers of which the greatest stamp wins, so
// the order in which ops come does not matter:
//   per shard and peer the newest word on whether it is held there
//   when the stripe was last recorded, when last condemned, and the newest sweep with the clock of the `condemn` it names
//   per cold tier the newest word on where in it the stripe lies; and when somebody was last said to have read of it
// A sweep takes what it had seen: a stripe that was recorded after the `condemn` stays. A later record brings a swept
// stripe back, and what was said of its holders up to that `condemn` stays void.
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { stampHlc } from '../../protocol/log/dot.ts'
import type { Stamp } from '../../protocol/log/dot.ts'
import { hexIdBytes, packIdFromBytes } from '../../protocol/ids.ts'
import type { PackId } from '../../protocol/ids.ts'
import { decodeHlc } from '../../protocol/log/entry.ts'

/** What its header says of a stripe, as far as those need it who don't want its chunks. */
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
}

interface Presence extends Word {
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

/** Where all sealed chunks of a stripe lie in a tier: verified there at `since`. */
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
  readonly presences: ReadonlyMap<ByteString, Presence>
  /** By tier. */
  readonly cold: ReadonlyMap<string, ColdRegister>
  readonly read: Stamp | undefined
}

export const UNKNOWN: StripeRecord = {
  facts: undefined,
  added: undefined,
  condemned: undefined,
  sweep: undefined,
  presences: new Map(),
  cold: new Map(),
  read: undefined,
}

/** What of a record may be forgotten: everything up to `upTo` that has no effect any more. */
export interface Oblivion {
  readonly upTo: Hlc
  /** Nothing has. */
  readonly isGone: boolean
  /** What was said of holders up to here is void. */
  readonly voidTo: Hlc
}

/** Somebody recorded it, and no sweep has taken it since. */
export function isLive(record: StripeRecord): boolean {
  return record.added !== undefined && !isSwept(record)
}

function isSwept({ added, sweep }: StripeRecord): boolean {
  return sweep !== undefined && (added === undefined || sweep.condemned > stampHlc(added))
}

export function isCondemned({ added, condemned }: StripeRecord): boolean {
  // By clock, as a sweep that goes on from it will be judged.
  return condemned !== undefined && (added === undefined || stampHlc(condemned) > stampHlc(added))
}

/** Per shard who holds it, as public keys in their order. */
export function holdersOf({ facts, sweep, presences }: StripeRecord): ByteString[][] {
  const holders: ByteString[][] = Array.from(
    { length: facts === undefined ? 0 : facts.k + facts.m },
    () => [],
  )
  for (const { index, peer, isHeld, stamp } of presences.values())
    if (isHeld && !isVoid(stamp, sweep)) holders[index]?.push(peer)
  return holders.map((peers) => peers.sort())
}

/** Where it lies in cold tiers, by name of the tier. */
export function coldCopiesOf({ sweep, cold }: StripeRecord): ColdCopy[] {
  return [...cold.values()]
    .flatMap(({ tier, pack, offset, stamp }) =>
      pack === undefined || isVoid(stamp, sweep)
        ? []
        : [{ tier, pack, offset, since: stampHlc(stamp) }],
    )
    .sort((a, b) => (a.tier < b.tier ? -1 : 1))
}

/** Has the record no word that counts on a tier? */
export function isColdUnsaid({ cold, sweep }: StripeRecord, tier: string): boolean {
  const known = cold.get(tier)
  return known === undefined || isVoid(known.stamp, sweep)
}

/** Of these words those on which the record has none that counts. */
export function unsaid<Said extends Word>(record: StripeRecord, words: readonly Said[]): Said[] {
  return words.filter((word) => {
    const known = record.presences.get(presenceKey(word))
    return known === undefined || isVoid(known.stamp, record.sweep)
  })
}

export function withRecorded(record: StripeRecord, facts: StripeFacts, stamp: Stamp): StripeRecord {
  return { ...record, facts, added: newest(record.added, stamp) }
}

export function withWords(
  record: StripeRecord,
  words: readonly Word[],
  stamp: Stamp,
): StripeRecord {
  const presences = new Map(record.presences)
  for (const { index, peer, isHeld } of words) {
    const key = presenceKey({ index, peer })
    const known = presences.get(key)
    if (known === undefined || known.stamp <= stamp)
      presences.set(key, { index, peer, isHeld, stamp })
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
  // What comes after it, it can't have gone on from.
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
 * What may be forgotten of a record of the state at a cut, when everyone who made an op above the cut had seen all up to
 * `upTo`; undefined if nothing.
 */
export function oblivionOf(record: StripeRecord, upTo: Hlc): Oblivion | undefined {
  const { sweep } = record
  const isOld = sweep !== undefined && stampHlc(sweep.stamp) <= upTo
  const isGone = isSwept(record) ? isOld : record.added === undefined
  const oblivion = { upTo, isGone, voidTo: isOld ? sweep.condemned : HLC_ZERO }
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
export function forget(record: StripeRecord, { upTo, isGone, voidTo }: Oblivion): StripeRecord {
  const isOld = (stamp: Stamp | undefined): boolean =>
    stamp !== undefined && stampHlc(stamp) <= upTo
  const presences = [...record.presences].filter(([, { isHeld, stamp }]) => {
    if (isOld(stamp) && (isGone || !isHeld)) return false
    return stampHlc(stamp) > voidTo
  })
  const cold = [...record.cold].filter(([, { pack, stamp }]) => {
    if (isOld(stamp) && (isGone || pack === undefined)) return false
    return stampHlc(stamp) > voidTo
  })
  const added = isGone && isOld(record.added) ? undefined : record.added
  return {
    facts: added === undefined ? undefined : record.facts,
    added,
    condemned: isGone && isOld(record.condemned) ? undefined : record.condemned,
    sweep: isOld(record.sweep?.stamp) ? undefined : record.sweep,
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
 * DAG-CBOR of `[facts, recorded, condemned, sweep, words]`, words by rising stamp, with `cold` (by tier) and `read` after
 * that if there are any; one form for each record.
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
  const presences = new Map<ByteString, Presence>()
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

function isVoid(stamp: Stamp, sweep: Sweep | undefined): boolean {
  return sweep !== undefined && stampHlc(stamp) <= sweep.condemned
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
