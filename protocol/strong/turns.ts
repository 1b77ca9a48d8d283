// Decides to whom a voter gives its promise, and how far a promise may go, so that no proposer can
// keep the others from having a value chosen, however it behaves. Of one voter, in memory.
// Invariants:
//   who has made nothing of many promises does not outbid before TURN_MS one that was without for
//     longer: so whoever comes again and again stands behind those who come now and then
//   who comes to one that has made nothing of many, but with too low a ballot, is not outbid again
//     by that one before TURN_MS: to ask higher takes a while, and a bid only a moment
//   who has made nothing of very many is given no more than a few a second
//   counters grow by GROWTH_PER_S on average: a leap, as after a long absence, is made once, and
//     BALLOT_MAX not reached before a voter has been started tens of thousands of times
import type { PeerId } from '../ids.ts'
import { SECOND_MS } from '../units.ts'
import type { Instant } from '../units.ts'
import { enforces } from '../trust.ts'

/** For a proposer to hear of its promises and have its value accepted. */
const TURN_MS: number = 2 * SECOND_MS
/**
 * How far a promise may leap since the start: more than a register takes that is written to for
 * twenty years.
 */
export const LEAP_MAX: number = 2 ** 36
/** How much further with each second: more than one takes that is written to without a pause. */
const GROWTH_PER_S: number = 2 ** 10
/**
 * Promises that a proposer makes nothing of: as many as chance explains, and how many are forgotten
 * a second.
 */
const IDLE_OFTEN = 16
const IDLE_MAX = 64
const IDLE_PER_S = 0.25
/** As many as are given in a row, and a second. */
const GIVEN_MAX = 64
const GIVEN_PER_S = 8
/** Proposers that are remembered: of those who were silent for longest nothing is lost. */
const PEERS_MAX = 256

interface Served {
  /** When it was given a promise last. */
  readonly at: Instant
  /**
   * Promises that it has made nothing of, as of then; and those that count for how many it is
   * given.
   */
  readonly idle: number
  readonly given: number
}

interface Turn {
  readonly peer: PeerId
  readonly since: Instant
  /** When its proposer was given one before this. */
  readonly before: number
  /** Is the promise still to be given? It counts already. */
  readonly isKept: boolean
}

export class Turns {
  /** By who was given a promise last. */
  readonly #served = new Map<PeerId, Served>()
  #turn: Turn | undefined
  #leap = LEAP_MAX
  #leapAt: Instant

  constructor(now: Instant) {
    this.#leapAt = now
  }

  /** May a proposer be given a promise? */
  mayTake(peer: PeerId, now: Instant): boolean {
    if (!enforces('turns-to-propose')) return true
    const { idle, given } = this.#servedAsOf(peer, now)
    if (given >= GIVEN_MAX) return false
    const turn = this.#turn
    if (idle < IDLE_OFTEN) return true
    if (turn === undefined || turn.peer === peer || now - turn.since >= TURN_MS) return true
    return this.#servedAt(peer) < turn.before
  }

  /** Does a promise go so much further than is bearable? */
  isLeap(steps: number, now: Instant): boolean {
    return enforces('ballots-in-steps') && steps > this.#leapLeft(now)
  }

  /** It may be given one, but for its ballot, which is too low. */
  missed(peer: PeerId, now: Instant): void {
    const turn = this.#turn
    if (turn === undefined || turn.peer === peer) return
    if (this.#servedAsOf(turn.peer, now).idle < IDLE_OFTEN) return
    this.#turn = { peer, since: now, before: this.#servedAt(peer), isKept: true }
    this.#count(peer, now)
  }

  /** It was given one, so many steps above the last. */
  took(peer: PeerId, steps: number, now: Instant): void {
    this.#leap = this.#leapLeft(now) - steps
    this.#leapAt = now
    const turn = this.#turn
    if (turn?.peer === peer && turn.isKept) {
      this.#turn = { ...turn, isKept: false }
      return
    }
    if (turn?.peer !== peer || now - turn.since >= TURN_MS)
      this.#turn = { peer, since: now, before: this.#servedAt(peer), isKept: false }
    this.#count(peer, now)
  }

  /** It has made use of one. */
  used(peer: PeerId, now: Instant): void {
    if (this.#turn?.peer === peer) this.#turn = undefined
    const { at, idle, given } = this.#servedAsOf(peer, now)
    const left = { at, idle: Math.max(0, idle - 1), given: Math.max(0, given - 1) }
    if (this.#served.has(peer)) this.#serve(peer, left)
  }

  #count(peer: PeerId, now: Instant): void {
    const { idle, given } = this.#servedAsOf(peer, now)
    this.#serve(peer, { at: now, idle: Math.min(IDLE_MAX, idle + 1), given: given + 1 })
  }

  #serve(peer: PeerId, served: Served): void {
    this.#served.delete(peer)
    this.#served.set(peer, served)
    const [oldest] = this.#served.keys()
    if (this.#served.size > PEERS_MAX && oldest !== undefined) this.#served.delete(oldest)
  }

  #servedAt(peer: PeerId): number {
    return this.#served.get(peer)?.at ?? -Infinity
  }

  #servedAsOf(peer: PeerId, now: Instant): Served {
    const { at, idle, given } = this.#served.get(peer) ?? { at: now, idle: 0, given: 0 }
    const seconds = (now - at) / SECOND_MS
    const left = (count: number, perS: number): number => Math.max(0, count - seconds * perS)
    return { at: now, idle: left(idle, IDLE_PER_S), given: left(given, GIVEN_PER_S) }
  }

  #leapLeft(now: Instant): number {
    return this.#leap + ((now - this.#leapAt) / SECOND_MS) * GROWTH_PER_S
  }
}
