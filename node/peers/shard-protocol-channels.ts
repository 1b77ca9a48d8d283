// A few long-lived channels per peer, each with one request in flight. A channel that failed is
// never used again; one that stays idle is closed. Waiting callers are served in order.
import { SHARD_FRAME_MAX, SHARD_PROTOCOL } from '../../protocol/wire/shard.ts'
import type { Instant } from '../../protocol/units.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { Semaphore } from '../world/semaphore.ts'
import type { Channel, Clock, Network, Timer } from '../world/world.ts'

/** A volume's share of STREAMS_PER_PEER_MAX. */
const CHANNELS_PER_PEER_MAX = 4
const IDLE_MS = 30_000
const OPEN_MS = 5_000
/** An older one is closed after its request: there may be a bulk connection by now. */
const AGE_MS = 60_000

/** A channel for one request. */
export interface Lease {
  readonly channel: Channel
  /** It has served before, so it may have died while idle. */
  readonly reused: boolean
  readonly openedAt: Instant
  /** Lets the next one have a channel, once. */
  readonly giveBack: () => void
}

interface Idle {
  readonly channel: Channel
  readonly openedAt: Instant
  readonly timer: Timer
}

interface PeerChannels {
  readonly idle: Idle[]
  readonly leases: Semaphore
}

export class ShardChannels {
  readonly #network: Network
  readonly #clock: Clock
  readonly #peers = new Map<PeerId, PeerChannels>()

  constructor({ network, clock }: { network: Network; clock: Clock }) {
    this.#network = network
    this.#clock = clock
  }

  /**
   * A channel to `peer`, an idle one if there is. `fresh` opens a new one. throws ShoalError
   * 'unreachable'.
   */
  async lease(
    peer: PeerId,
    { fresh, signal }: { fresh: boolean; signal: AbortSignal },
  ): Promise<Lease> {
    const channels = this.#of(peer)
    const giveBack = await channels.leases.take(signal)
    try {
      const idle = fresh ? undefined : channels.idle.pop()
      if (idle !== undefined) {
        idle.timer.cancel()
        return { channel: idle.channel, reused: true, openedAt: idle.openedAt, giveBack }
      }
      const deadline = this.#clock.timeout(OPEN_MS, signal)
      const how = { signal: deadline, frameMax: SHARD_FRAME_MAX, isBulk: true }
      const channel = await this.#network.open(peer, SHARD_PROTOCOL, how)
      return { channel, reused: false, openedAt: this.#clock.now(), giveBack }
    } catch (error) {
      giveBack()
      throw error
    }
  }

  /** Give a channel back after a whole answer. */
  release({ channel, openedAt, giveBack }: Lease): void {
    const channels = this.#of(channel.peer)
    const close = (): void => {
      channel.close().catch((error: unknown) => channel.abort(error as Error))
    }
    if (this.#clock.now() - openedAt > AGE_MS) {
      close()
      return giveBack()
    }
    const timer = this.#clock.timer(IDLE_MS, () => {
      channels.idle.splice(
        channels.idle.findIndex((idle) => idle.channel === channel),
        1,
      )
      close()
    })
    channels.idle.push({ channel, openedAt, timer })
    giveBack()
  }

  /** Give a channel back that must not be used again. */
  discard({ channel, giveBack }: Lease, error: Error): void {
    channel.abort(error)
    giveBack()
  }

  /** Close what is idle. */
  close(): void {
    for (const channels of this.#peers.values()) {
      for (const { channel, timer } of channels.idle.splice(0)) {
        timer.cancel()
        channel.abort(new Error('the node is stopping'))
      }
    }
  }

  #of(peer: PeerId): PeerChannels {
    const leases = new Semaphore(CHANNELS_PER_PEER_MAX)
    const channels = this.#peers.get(peer) ?? { idle: [], leases }
    this.#peers.set(peer, channels)
    return channels
  }
}
