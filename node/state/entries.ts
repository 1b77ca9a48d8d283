// The entries of one volume's log, by label (protocol/log/branches.ts) and seq: 'e' label seq ->
// hash (32 bytes) || entry in wire form. Below a checkpoint they may be dropped. Labels are part of
// a state: one that is built anew has its own copy of the log.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { HLC_MAX } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import {
  decodeStoredVector,
  dominates,
  encodeVector,
  mergeVectors,
} from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import type { Branches } from '../../protocol/log/branches.ts'
import { decodeKnownEntry, encodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { ReplicaView } from './state-view.ts'

const ENTRY: ByteString = STATE_PREFIXES.entry
const DROPPED: ByteString = STATE_PREFIXES.dropped
/** While entries are being erased: what was dropped before. */
const ERASING: ByteString = STATE_PREFIXES.erasing
const DROPPED_AT_ONCE = 4096

/** An entry of the log, and what it is found under. */
export interface Logged {
  readonly label: ActorId
  readonly entry: Entry
}

export class EntryTable {
  readonly #view: ReplicaView
  readonly #branches: Branches
  #dropped: VersionVector

  constructor(view: ReplicaView, branches: Branches) {
    this.#view = view
    this.#branches = branches
    const bytes = view.get(DROPPED)
    this.#dropped =
      bytes === undefined ? new Map() : decodeStoredVector(decodeCbor(bytes, 'dropped'))
  }

  /** Per actor how many of its first entries are not here any more, or never were. */
  get dropped(): VersionVector {
    return this.#dropped
  }

  /** How many entries are here, of those up to `vector`. */
  count(vector: VersionVector): number {
    let count = 0
    for (const [label, seq] of vector) {
      const before = Math.max(this.#dropped.get(label) ?? 0, this.#branches.firstSeq(label) - 1)
      count += Math.max(0, seq - before)
    }
    return count
  }

  /** True if all that a holder of `vector` lacks is still here. */
  canComplete(vector: VersionVector): boolean {
    return dominates(vector, this.#dropped)
  }

  /**
   * Forget all entries up to `vector`, in slices: `pause` is awaited between them, to make them
   * durable. returns how many were erased.
   */
  async drop(vector: VersionVector, pause: () => Promise<void>): Promise<number> {
    if (this.#view.get(ERASING) === undefined)
      this.#view.put(ERASING, encodeCbor(encodeVector(this.#dropped)))
    // First, so that what is half gone is not offered.
    this.skip(vector)
    return this.finishDrop(pause)
  }

  /**
   * Erase what is dropped and still here: a drop() was broken off, by a crash or for want of space.
   */
  async finishDrop(pause: () => Promise<void>): Promise<number> {
    const bytes = this.#view.get(ERASING)
    if (bytes === undefined) return 0
    const from = decodeStoredVector(decodeCbor(bytes, 'erasing'))
    let count = 0
    for (const [actor, last] of this.#dropped) {
      const first = Math.max((from.get(actor) ?? 0) + 1, this.#branches.firstSeq(actor))
      for (let seq = first; seq <= last; seq++) {
        this.#view.delete(entryKey(actor, seq))
        if (++count % DROPPED_AT_ONCE === 0) await pause()
      }
    }
    this.#view.delete(ERASING)
    await pause()
    return count
  }

  /** Entries up to `vector` are not here and will not be. */
  skip(vector: VersionVector): void {
    this.#dropped = mergeVectors(this.#dropped, vector)
    this.#view.put(DROPPED, encodeCbor(encodeVector(this.#dropped)))
  }

  /**
   * The greatest seq of an actor, in from..to, of an entry with at most this clock; from - 1 if
   * there is none.
   */
  lastUpTo(hlc: Hlc, actor: ActorId, from: number, to: number): number {
    const first = Math.max(from, this.#branches.firstSeq(actor))
    let [low, high] = [first - 1, to]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.hlc(actor, middle) ?? HLC_MAX) <= hlc) low = middle
      else high = middle - 1
    }
    return low < first ? from - 1 : low
  }

  /**
   * Entries in `held` and not in `theirs`, in an order in which each entry comes after its past: by
   * clock, which grows along prev and deps, then hash: so do the branches of a fork
   * (protocol/log/fork.ts). What comes under a label after an entry that is not here is left out.
   * cost: O(actors + entries * actors that have some).
   */
  *between(theirs: VersionVector, held: VersionVector): Generator<Logged> {
    const next: (Logged & { readonly last: number })[] = []
    for (const [label, last] of held) {
      const seen = Math.max(theirs.get(label) ?? 0, this.#branches.firstSeq(label) - 1)
      const entry = seen < last ? this.entry(label, seen + 1) : undefined
      if (entry !== undefined) next.push({ label, last, entry })
    }
    next.sort(byClock)
    for (let first = next.shift(); first !== undefined; first = next.shift()) {
      yield first
      const { seq } = first.entry.header
      const entry = seq < first.last ? this.entry(first.label, seq + 1) : undefined
      if (entry === undefined) continue
      const item = { ...first, entry }
      const at = next.findIndex((other) => byClock(item, other) < 0)
      next.splice(at < 0 ? next.length : at, 0, item)
    }
  }

  put(label: ActorId, entry: Entry): void {
    const record = Buffer.concat([fromHex(entry.hash), encodeEntry(entry)])
    this.#view.put(entryKey(label, entry.header.seq), record)
  }

  /** In wire form. */
  bytes(actor: ActorId, seq: number): Uint8Array | undefined {
    return this.#view.get(entryKey(actor, seq))?.subarray(HASH_BYTES)
  }

  entry(actor: ActorId, seq: number): Entry | undefined {
    const record = this.#view.get(entryKey(actor, seq))
    if (record === undefined) return undefined
    return decodeKnownEntry(record.subarray(HASH_BYTES), hashOf(record))
  }

  hlc(actor: ActorId, seq: number): Hlc | undefined {
    return this.entry(actor, seq)?.header.hlc
  }

  hash(actor: ActorId, seq: number): EntryHash | undefined {
    const record = this.#view.get(entryKey(actor, seq))
    return record === undefined ? undefined : hashOf(record)
  }
}

function hashOf(record: Uint8Array): EntryHash {
  return toHex(record.subarray(0, HASH_BYTES)) as EntryHash
}

/** Orders entries by clock, then hash. */
export function byClock({ entry: a }: { entry: Entry }, { entry: b }: { entry: Entry }): number {
  if (a.header.hlc !== b.header.hlc) return a.header.hlc < b.header.hlc ? -1 : 1
  return a.hash < b.hash ? -1 : 1
}

function entryKey(actor: ActorId, seq: number): ByteString {
  const number = Buffer.alloc(6)
  number.writeUIntBE(seq, 0, 6)
  return ENTRY + toByteString(fromHex(actor)) + toByteString(number)
}
