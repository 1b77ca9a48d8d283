// The shard map's log of one simulated volume, without the rest of a namespace: entries that each
// replica takes over from others in an order in which every entry comes after all that its author
// knew. Which replica gets which entry when is the swarm's business.
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { HeldShard, Holding, ShardChange } from '../../protocol/op/op.ts'

/** A member that may hold shards. */
export interface MapMember {
  readonly peer: PeerId
  readonly zone: string
  /** 0: it gives away what it has. */
  readonly weight: number
}

export type MapOp =
  | {
      readonly kind: 'stripe'
      readonly stripe: StripeId
      readonly headerBytes: Uint8Array
      readonly holders: readonly Holding[]
    }
  | {
      readonly kind: 'shards'
      readonly stripe: StripeId
      readonly changes: readonly ShardChange[]
    }
  | {
      readonly kind: 'doubt'
      readonly stripe: StripeId
      readonly shards: readonly HeldShard[]
    }
  | { readonly kind: 'condemn'; readonly stripes: readonly StripeId[] }
  /** condemned: stamp of the entry that it goes on from. */
  | { readonly kind: 'sweep'; readonly condemned: number; readonly stripes: readonly StripeId[] }
  | { readonly kind: 'member'; readonly member: MapMember }
  | { readonly kind: 'remove'; readonly peer: PeerId }
  | { readonly kind: 'file'; readonly file: string; readonly stripe: StripeId }
  | { readonly kind: 'delete'; readonly file: string }

export interface MapEntry {
  readonly author: PeerId
  /** From 0, without gaps. */
  readonly seq: number
  /**
   * Greater than that of every entry its author knew; no two are equal. Milliseconds of the run
   * times STAMPS_PER_MS.
   */
  readonly stamp: number
  readonly op: MapOp
}

/** Authors that a stamp can tell apart; and what a hybrid logical clock counts in a millisecond. */
export const STAMPS_PER_MS = 65_536

/**
 * The entries known to one replica, in the order in which it learned them. It survives restarts of
 * its machine.
 */
export class MapLog {
  readonly #entries: MapEntry[] = []
  readonly #counts = new Map<PeerId, number>()
  /** How much of another's log was looked at. */
  readonly #seen = new Map<MapLog, number>()
  #clock = 0

  /** The greatest stamp that is known. */
  get clock(): number {
    return this.#clock
  }

  get length(): number {
    return this.#entries.length
  }

  /** All, in order. */
  entries(): readonly MapEntry[] {
    return this.#entries
  }

  /** Entries of an author that are known. */
  countOf(author: PeerId): number {
    return this.#counts.get(author) ?? 0
  }

  /**
   * Above every stamp that is known, at this time; below that of an entry of any author made now.
   */
  stampAt(nowMs: number): number {
    const ms = Math.max(Math.floor(nowMs), Math.floor(this.#clock / STAMPS_PER_MS) + 1)
    return ms * STAMPS_PER_MS
  }

  /** ordinal: the author's number, its own. */
  append(author: PeerId, ordinal: number, op: MapOp, nowMs: number): MapEntry {
    const stamp = this.stampAt(nowMs) + 1 + ordinal
    const entry = { author, seq: this.countOf(author), stamp, op }
    this.#add(entry)
    return entry
  }

  /**
   * Take over what another knows and this one does not, in its order. cost: O(what it learned since
   * the last time).
   */
  pull(source: MapLog): readonly MapEntry[] {
    const news: MapEntry[] = []
    for (let at = this.#seen.get(source) ?? 0; at < source.#entries.length; at++) {
      const entry = source.#entries[at]
      if (entry === undefined || entry.seq < this.countOf(entry.author)) continue
      this.#add(entry)
      news.push(entry)
    }
    this.#seen.set(source, source.#entries.length)
    return news
  }

  #add(entry: MapEntry): void {
    this.#entries.push(entry)
    this.#counts.set(entry.author, entry.seq + 1)
    this.#clock = Math.max(this.#clock, entry.stamp)
  }
}
