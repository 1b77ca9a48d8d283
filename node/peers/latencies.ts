// How soon each peer began to answer lately, to ask the quick ones first. A peer that let someone
// wait, or failed, counts as slow for a while only: what is remembered of it fades, so that it is
// asked again.
import { MINUTE_MS } from '../../protocol/units.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

/** Weight of the newest answer in the mean. */
const NEWEST = 0.25
/** In this time half of what is remembered fades. */
const HALF_LIFE_MS: number = MINUTE_MS

interface Latency {
  readonly meanMs: number
  readonly at: Instant
}

export class Latencies {
  readonly #clock: Pick<Clock, 'now'>
  readonly #peers = new Map<PeerId, Latency>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** It began to answer after so long. */
  answered(peer: PeerId, ms: number): void {
    const meanMs = this.expectedMs(peer)
    this.#set(peer, this.#peers.has(peer) ? meanMs + NEWEST * (ms - meanMs) : ms)
  }

  /** It had not answered after so long, when it was given up. */
  waited(peer: PeerId, ms: number): void {
    if (ms > this.expectedMs(peer)) this.#set(peer, ms)
  }

  /** 0 for a peer of which nothing is known. */
  expectedMs(peer: PeerId): number {
    const known = this.#peers.get(peer)
    if (known === undefined) return 0
    return known.meanMs * 2 ** ((known.at - this.#clock.now()) / HALF_LIFE_MS)
  }

  #set(peer: PeerId, meanMs: number): void {
    this.#peers.set(peer, { meanMs, at: this.#clock.now() })
  }
}
