// The time of a volume: by this node's wall clock, unless those of the members agree on another.
// A node whose clock is behind takes what the others write, and what it writes comes after that by
// itself (a hybrid logical clock is bounded below by what it has seen); one whose clock is ahead
// writes by the time of the others, so that they take it at once. Measured when logs are exchanged,
// which only proven peers do. A single member moves nobody's time but that of its only partner, or
// of one who joins by it, and by a day at most.
import type { PeerId } from '../../protocol/ids.ts'
import { enforces } from '../../protocol/trust.ts'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { Listeners } from '../replica/listeners.ts'
import type { Clock } from '../world/world.ts'

/** A smaller difference may come of the network, and harms nobody. */
export const CLOCKS_DIFFER_MS: number = MINUTE_MS
/** The wall clock was set, or the machine slept, if it moved by more against the monotonic one. */
const JUMP_MS: number = 10 * SECOND_MS
/** Half of the members, who are no majority, move the time by at most this. */
const UNSURE_MAX_MS: number = DAY_MS

export interface VolumeTimeParts {
  readonly clock: Pick<Clock, 'wall' | 'now'>
  /** The other members that may write; undefined while the log tells not that this one is in. */
  readonly others: () => readonly PeerId[] | undefined
}

export class VolumeTime {
  /** Told after a measurement by which the time of the volume is another. */
  readonly onMoved: Listeners<[]> = new Listeners()
  readonly #parts: VolumeTimeParts
  /** By how much the clocks of peers are ahead; of those who differ by less than counts, 0. */
  readonly #aheadMs = new Map<PeerId, number>()
  #correctionMs = 0
  /** Wall clock less monotonic clock when these were measured. */
  #base: number

  constructor(parts: VolumeTimeParts) {
    this.#parts = parts
    this.#base = this.#baseNow()
  }

  /** The time of this node's own clock. */
  wall(): WallTime {
    return this.#parts.clock.wall()
  }

  /** Now, in ms since 1970. */
  now(): WallTime {
    return (this.#parts.clock.wall() + this.correctionMs) as WallTime
  }

  /** By how much most are ahead of this node's wall clock; 0 while they agree on no other. */
  get correctionMs(): number {
    this.#forgetIfSet()
    return this.#correctionMs
  }

  /**
   * A peer's wall clock is so much ahead, or behind if negative. returns whether it differs where
   * it did not before.
   */
  measured(peer: PeerId, aheadMs: number): boolean {
    this.#forgetIfSet()
    const before = this.#aheadMs.get(peer) ?? 0
    const now = Math.abs(aheadMs) < CLOCKS_DIFFER_MS ? 0 : Math.round(aheadMs)
    // The latest last.
    this.#aheadMs.delete(peer)
    this.#aheadMs.set(peer, now)
    const others = this.#parts.others()
    for (const known of this.#aheadMs.keys())
      if (known !== peer && others?.includes(known) === false) this.#aheadMs.delete(known)
    const all = (others ?? [...this.#aheadMs.keys()]).map((one) => this.#aheadMs.get(one) ?? 0)
    const correctionMs = enforces('time-by-majority') ? correctionOf(all) : Math.max(0, ...all)
    const hasMoved = Math.abs(correctionMs - this.#correctionMs) >= CLOCKS_DIFFER_MS
    this.#correctionMs = correctionMs
    if (hasMoved) this.onMoved.tell()
    return now !== 0 && Math.abs(now - before) >= CLOCKS_DIFFER_MS
  }

  /** Peers whose clocks differ, and by how much they are ahead. */
  differences(): readonly (readonly [peer: PeerId, aheadMs: number])[] {
    this.#forgetIfSet()
    return [...this.#aheadMs].filter(([, aheadMs]) => aheadMs !== 0)
  }

  #forgetIfSet(): void {
    const base = this.#baseNow()
    if (Math.abs(base - this.#base) < JUMP_MS) return
    this.#base = base
    this.#aheadMs.clear()
    this.#correctionMs = 0
  }

  #baseNow(): number {
    return this.#parts.clock.wall() - this.#parts.clock.now()
  }
}

/**
 * By how much the members' time is ahead of this node's clock. Who is behind goes with the greatest
 * difference that at least half of all, this one included, have; who is ahead goes back only as far
 * as most are behind: of two, the one that is ahead keeps its time and the other follows.
 * others: by how much each other member is ahead; 0 of those not measured.
 */
export function correctionOf(others: readonly number[]): number {
  const count = others.length + 1
  const half = Math.ceil(count / 2)
  const most = Math.floor(count / 2) + 1
  const ascending = others.toSorted((a, b) => a - b)
  const behind = ascending[most - 1] ?? 0
  if (behind < 0) return behind
  const sure = ascending.at(-most) ?? 0
  const unsure = ascending.at(-half) ?? 0
  return Math.max(0, sure, unsure <= UNSURE_MAX_MS ? unsure : 0)
}
