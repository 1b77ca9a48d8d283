// Keeping members connected: each member that is away is dialled again, with growing pauses, for as
// long as it is a member. Who may connect at all is decided here too.
import { hasCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock, Luck, Network, Random, Timer } from '../world/world.ts'
import { Backoff } from '../jobs/backoff.ts'
import type { Pauses } from '../jobs/backoff.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

const FIRST_PAUSE_MS = 500
/**
 * A member is dialled out of turn at most this often: one that drops every connection must not set
 * off a storm.
 */
const HURRY_PAUSE_MS = 10_000
const DIAL_MS = 30_000

interface Attempt {
  readonly pauses: Backoff
  timer: Timer | undefined
}

export interface ReconnectComponents {
  readonly world: {
    readonly clock: Pick<Clock, 'now' | 'timer' | 'timeout'>
    readonly random: Pick<Random, 'number'> & Luck
    readonly network: Pick<Network, 'peers' | 'dial' | 'onConnect' | 'onDisconnect' | 'onDiscover'>
  }
  /** The members of this node's volumes but itself. */
  readonly wanted: () => readonly PeerId[]
}

export class Reconnect {
  readonly #c: ReconnectComponents
  readonly #pauses: Pauses
  readonly #attempts = new Map<PeerId, Attempt>()
  readonly #hurriedAt = new Map<PeerId, Instant>()
  readonly #stop = new AbortController()

  /** longestPauseMs: between two attempts to reach one member. */
  constructor(components: ReconnectComponents, options: { longestPauseMs: number }) {
    this.#c = components
    this.#pauses = { firstMs: FIRST_PAUSE_MS, longestMs: options.longestPauseMs }
  }

  start(): void {
    const { network } = this.#c.world
    network.onConnect((peer) => this.#forget(peer))
    network.onDisconnect((peer) => {
      if (!isPlanted('no-redial')) this.#plan(peer)
    })
    network.onDiscover((peer) => this.hurry(peer))
    this.refresh()
  }

  stop(): void {
    this.#stop.abort()
    for (const peer of this.#attempts.keys()) this.#forget(peer)
  }

  /** Members or their addresses have changed: see that each has an attempt planned. */
  refresh(): void {
    const connected = new Set(this.#c.world.network.peers())
    const wanted = new Set(this.#c.wanted())
    for (const peer of this.#attempts.keys()) if (!wanted.has(peer)) this.#forget(peer)
    for (const peer of wanted)
      if (!connected.has(peer) && !this.#attempts.has(peer)) this.#plan(peer)
  }

  /** There is reason to think that a peer can be reached now. */
  hurry(peer: PeerId): void {
    const { clock, network } = this.#c.world
    const now = clock.now()
    const last = this.#hurriedAt.get(peer)
    if (network.peers().includes(peer) || !this.#c.wanted().includes(peer)) return
    if (last !== undefined && now < last + HURRY_PAUSE_MS) return
    this.#hurriedAt.set(peer, now)
    this.#forget(peer)
    this.#plan(peer)
  }

  #plan(peer: PeerId): void {
    if (this.#stop.signal.aborted || !this.#c.wanted().includes(peer)) return
    const attempt = this.#attempts.get(peer) ?? {
      pauses: new Backoff(this.#pauses),
      timer: undefined,
    }
    this.#attempts.set(peer, attempt)
    const { clock, random } = this.#c.world
    attempt.timer?.cancel()
    const nextMs = attempt.pauses.next()
    const pauseMs = random.unlucky('peers.dials-late') ? this.#pauses.longestMs : nextMs
    attempt.timer = clock.timer(
      pauseMs * (0.5 + random.number()),
      () => void this.#dial(peer, attempt),
    )
  }

  async #dial(peer: PeerId, attempt: Attempt): Promise<void> {
    const { clock, network } = this.#c.world
    attempt.timer = undefined
    try {
      await network.dial(peer, { signal: clock.timeout(DIAL_MS, this.#stop.signal) })
      // It may have gone again meanwhile, and be planned anew.
      if (this.#attempts.get(peer) === attempt) this.#attempts.delete(peer)
    } catch (error) {
      if (this.#stop.signal.aborted || hasCode(error, 'stopped')) return
      if (this.#attempts.get(peer) === attempt) this.#plan(peer)
    }
  }

  #forget(peer: PeerId): void {
    this.#attempts.get(peer)?.timer?.cancel()
    this.#attempts.delete(peer)
  }
}
