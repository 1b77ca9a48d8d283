// Remembers facts heard about other nodes: when last, how much room they have, and their clock. Of
// room, no more than the log says that a member offers.
import type { PeerId } from '../../protocol/ids.ts'
import { enforces } from '../../protocol/trust.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import type { RecordSecurity } from '../observe/security.ts'
import { ClockWatch } from '../peers/clock-watch.ts'
import type { Clock } from '../world/world.ts'
import type { Volume } from '../log/volume.ts'

export interface PeerNews {
  readonly lastSeenMs: WallTime
  readonly freeBytes: number | undefined
}

export class HeardPeers {
  readonly #clock: Pick<Clock, 'wall'>
  readonly #security: RecordSecurity | undefined
  readonly #news = new Map<PeerId, PeerNews>()
  readonly #clocks = new ClockWatch()

  constructor(components: {
    readonly clock: Pick<Clock, 'wall'>
    readonly security?: RecordSecurity | undefined
  }) {
    this.#clock = components.clock
    this.#security = components.security
  }

  of(peer: PeerId): PeerNews | undefined {
    return this.#news.get(peer)
  }

  /** By how much the clocks of members are ahead that stay so. */
  get clocksAhead(): ReturnType<ClockWatch['all']> {
    return this.#clocks.all()
  }

  connected(peer: PeerId): void {
    const { freeBytes } = this.#news.get(peer) ?? {}
    this.#news.set(peer, { lastSeenMs: this.#clock.wall(), freeBytes })
  }

  forget(peer: PeerId): void {
    this.#news.delete(peer)
  }

  beacon({ membership }: Volume, { peer, freeBytes }: Beacon): void {
    const capacityBytes = membership.member(peer)?.capacityBytes || undefined
    const isCapped = enforces('space-within-capacity')
    const offered = capacityBytes === undefined ? undefined : Math.min(freeBytes, capacityBytes)
    this.#news.set(peer, {
      lastSeenMs: this.#clock.wall(),
      freeBytes: isCapped ? offered : freeBytes,
    })
  }

  /** A member said what time it is. */
  time({ id, membership }: Volume, peer: PeerId, sentMs: number): void {
    const aheadMs = this.#clocks.heard(peer, sentMs, this.#clock.wall())
    if (aheadMs === undefined) return
    const name = membership.nameOf(peer)
    const message =
      `the clock of ${name} is ${Math.round(aheadMs / SECOND_MS)} s ahead of this node's, ` +
      'or this one is behind: synchronize both with NTP'
    this.#security?.({ kind: 'clock-ahead', volume: id, peer, message })
  }
}
