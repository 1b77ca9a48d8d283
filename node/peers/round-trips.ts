// How long it takes to each connected peer and back, as last measured, and how soon peers answer.
// Who asks waits a moment at most, however many peers there are and however slow some are: those
// are asked all at once, and what comes later is for the next to ask.
import type { PeerId } from '../../protocol/ids.ts'
import { SECOND_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { World, Clock } from '../world/world.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** A measure is good for this long. */
const FRESH_MS: number = 30 * SECOND_MS
const PING_MS: number = 5 * SECOND_MS
const WAIT_MS = 250

/** Weight of the newest answer in the mean. */
const NEWEST = 0.25
/** In this time half of what is remembered fades. */
const HALF_LIFE_MS: number = MINUTE_MS

interface Latency {
  readonly meanMs: number
  readonly at: Instant
}

export class RoundTrips {
  readonly #world: Pick<World, 'clock' | 'network'>
  readonly #measured = new Map<PeerId, { readonly ms: number; readonly at: Instant }>()
  readonly #underWay = new Map<PeerId, Promise<unknown>>()

  constructor(world: Pick<World, 'clock' | 'network'>) {
    this.#world = world
  }

  /**
   * In ms, over the connection there is; undefined if there is none, or it was not measured yet.
   */
  of(peer: PeerId): number | undefined {
    return this.#measured.get(peer)?.ms
  }

  /** Measure now. throws ShoalError 'unreachable', 'timeout'. */
  async ping(peer: PeerId, options: { signal: AbortSignal }): Promise<number> {
    const { clock, network } = this.#world
    const ms = await network.ping(peer, options)
    this.#measured.set(peer, { ms, at: clock.now() })
    return ms
  }

  /** Measure what is not known well. returns after WAIT_MS at the latest. */
  async refresh(): Promise<void> {
    const { clock, network } = this.#world
    const connected = new Set(network.peers())
    for (const peer of this.#measured.keys()) if (!connected.has(peer)) this.#measured.delete(peer)
    const oldestAt = clock.now() - FRESH_MS
    for (const peer of connected) {
      if (this.#underWay.has(peer) || (this.#measured.get(peer)?.at ?? -Infinity) > oldestAt)
        continue
      const pong = this.ping(peer, { signal: clock.timeout(PING_MS) })
      const ping = ignoreFailure(pong, 'the time stays unknown').finally(() =>
        this.#underWay.delete(peer),
      )
      this.#underWay.set(peer, ping)
    }
    const waitedFor = [...connected].flatMap((peer) => this.#underWay.get(peer) ?? [])
    if (waitedFor.length > 0) await Promise.race([Promise.all(waitedFor), clock.sleep(WAIT_MS)])
  }
}

/**
 * How soon each peer began to answer lately, to ask the quick ones first. A peer that let someone
 * wait, or failed, counts as slow for a while only: what is remembered of it fades, so that it is
 * asked again.
 */
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
