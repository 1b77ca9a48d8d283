// How much each member may still make the log of a volume grow (protocol/log/growth.ts), on this
// node. Who used its share waits, and what depends on it, unless another member asks for it in what
// that one wrote: then it is of that one's share. So does who had others undo and redo too many
// moves of folders, by what it says to have done before them. While the node is full, only admins
// may make the log grow: they can remove who fills it.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { ENTRY_OVERHEAD, REDONE, growthRateOf, use, waitMs } from '../../protocol/log/growth.ts'
import { mayAdminister } from '../../protocol/roles.ts'
import { enforces } from '../../protocol/trust.ts'
import { HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { VolumeTime } from './volume-time.ts'
import type { Volume } from './volume.ts'

/** A full node looks again after this long. */
const FULL_MS: number = 1 * MINUTE_MS
/** That a member is paused is news again after this long. */
const NEWS_MS: number = 1 * HOUR_MS

export interface GrowthComponents {
  readonly volume: Pick<Volume, 'actors' | 'identity' | 'membership'>
  readonly time: Pick<VolumeTime, 'now'>
  /** Do log and index fill what this node may store? */
  readonly isFull: () => boolean
}

/** A member of whose entries some wait here. */
export interface Paused {
  readonly peer: PeerId
  readonly untilMs: WallTime
  /** Not for what it wrote: this node is full. */
  readonly isFull: boolean
}

interface Pause extends Paused {
  readonly toldMs: WallTime
}

export class GrowthLimits {
  readonly #c: GrowthComponents
  /** By author the time up to which it has used its rate. */
  readonly #used = new Map<PeerId, number>()
  /** The same of moves done again for it. */
  readonly #redone = new Map<PeerId, number>()
  readonly #paused = new Map<PeerId, Pause>()

  constructor(components: GrowthComponents) {
    this.#c = components
  }

  /** Do log and index fill what this node may store? */
  get isFull(): boolean {
    return this.#c.isFull()
  }

  /** Those of whom entries wait. */
  get paused(): readonly Paused[] {
    return [...this.#paused.values()].filter(({ peer }) => this.isPaused(peer))
  }

  isPaused(peer: PeerId | undefined): boolean {
    const untilMs = peer === undefined ? undefined : this.#paused.get(peer)?.untilMs
    return untilMs !== undefined && untilMs > this.#c.time.now()
  }

  /** How long an entry must wait that is of the share of this member; 0: it may be taken. */
  waitMs(payer: PeerId, { header }: Entry): number {
    if (this.#isSelf(payer) || !enforces('log-growth-bounded')) return 0
    const nowMs = this.#c.time.now()
    const role = this.#c.volume.membership.roleOf(payer)
    const rate = growthRateOf(role)
    const madeMs = hlcMillis(header.hlc)
    const used = use(this.#usedBy(payer, nowMs), header.bodyBytes, { rate, madeMs, nowMs })
    const ofMoves = waitMs(this.#redone.get(payer) ?? 0, REDONE, nowMs)
    const wait = Math.max(ofMoves, waitMs(used, rate, nowMs))
    if (wait > 0) return wait
    return this.isFull && !(role !== undefined && mayAdminister(role)) ? FULL_MS : 0
  }

  /**
   * An entry of so many bytes, unpacked, was taken of a member's share, for which so many moves
   * were done again.
   */
  charge(payer: PeerId, { bytes, redone }: { bytes: number; redone: number }, entry: Entry): void {
    if (this.#isSelf(payer)) return
    const nowMs = this.#c.time.now()
    const rate = growthRateOf(this.#c.volume.membership.roleOf(payer))
    const at = { rate, madeMs: hlcMillis(entry.header.hlc), nowMs }
    this.#used.set(payer, use(this.#usedBy(payer, nowMs), bytes + ENTRY_OVERHEAD, at))
    if (redone === 0) return
    // It is old by what it says itself: that counts for nothing.
    const now = { rate: REDONE, madeMs: nowMs, nowMs }
    this.#redone.set(payer, use(this.#redone.get(payer) ?? 0, redone, now))
  }

  /** Entries of a member wait. returns whether that is news. */
  pause(peer: PeerId, forMs: number): boolean {
    const nowMs = this.#c.time.now()
    const before = this.#paused.get(peer)
    const isNews = before === undefined || before.toldMs + NEWS_MS <= nowMs
    const untilMs = (nowMs + forMs) as WallTime
    const toldMs = isNews ? nowMs : before.toldMs
    this.#paused.set(peer, { peer, untilMs, isFull: forMs === FULL_MS, toldMs })
    return isNews
  }

  #isSelf(peer: PeerId): boolean {
    return peer === this.#c.volume.identity.peer
  }

  /** After a start: as if it had used up to its last entry. */
  #usedBy(peer: PeerId, nowMs: WallTime): number {
    const used = this.#used.get(peer)
    if (used !== undefined) return used
    let lastMs = 0
    for (const actor of this.#c.volume.actors.all())
      if (actor.peer === peer) lastMs = Math.max(lastMs, hlcMillis(actor.hlc))
    return Math.min(lastMs, nowMs)
  }
}

/** The error with which a full node refuses writes. */
export function full(): ShoalError {
  return new ShoalError(
    'ENOSPC',
    'this node is full: log, index and data held for others fill its storage limit; ' +
      'raise --capacity, or remove data (shoal rm, shoal gc), whose room comes back once ' +
      'versions= of the volume keeps it no longer',
  )
}
