// Remembers facts heard about other nodes: when last, how much room they have, and their clock. Of
// room, no more than the log says that a member offers.
import type { PeerId } from '../../protocol/ids.ts'
import { enforces } from '../../protocol/trust.ts'
import { SECOND_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Clock } from '../world/world.ts'
import type { Volume } from '../log/volume.ts'

/** More than networks and clocks that are kept in step by NTP make of it. */
const AHEAD_MS: number = 5 * SECOND_MS
/** A beacon that is older was sent again, or is of a clock that is behind. */
const OLD_MS: number = MINUTE_MS / 2
/** Ahead for so long, it is no accident. */
const LASTS_MS: number = MINUTE_MS / 2

export interface PeerNews {
  readonly lastSeenMs: WallTime
  readonly freeBytes: number | undefined
  readonly usedBytes: number | undefined
}

/** Facts that a node has heard, for its user. */
export interface Heard {
  /** Members that answered it that it is none, and have not exchanged logs with it since. */
  readonly refusedBy: readonly PeerId[]
  /** By how much the clocks of some are ahead, as their beacons say. */
  readonly clocksAhead: readonly (readonly [peer: PeerId, aheadMs: number])[]
  /** Entries that wait for their time, by author: how many, and when the first is taken. */
  readonly future: ReadonlyMap<PeerId, { readonly count: number; readonly fromMs: WallTime }>
}

interface Ahead {
  readonly sinceMs: WallTime
  readonly aheadMs: number
  readonly isTold: boolean
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
  get clocksAhead(): Heard['clocksAhead'] {
    return this.#clocks.all()
  }

  connected(peer: PeerId): void {
    const { freeBytes, usedBytes } = this.#news.get(peer) ?? {}
    this.#news.set(peer, { lastSeenMs: this.#clock.wall(), freeBytes, usedBytes })
  }

  forget(peer: PeerId): void {
    this.#news.delete(peer)
  }

  beacon({ membership }: Volume, { peer, freeBytes, usedBytes }: Beacon): void {
    const capacityBytes = membership.member(peer)?.capacityBytes || undefined
    const isCapped = enforces('space-within-capacity')
    const offered = capacityBytes === undefined ? undefined : Math.min(freeBytes, capacityBytes)
    this.#news.set(peer, {
      lastSeenMs: this.#clock.wall(),
      freeBytes: isCapped ? offered : freeBytes,
      usedBytes,
    })
  }

  /** Clocks were compared in an exchange: a peer's is so much ahead, or behind if negative. */
  compared({ id, membership, time }: Volume, peer: PeerId, aheadMs: number): void {
    if (!time.measured(peer, aheadMs)) return
    const seconds = Math.round(Math.abs(aheadMs) / SECOND_MS)
    const side = aheadMs > 0 ? 'ahead of' : 'behind'
    const message =
      `the clock of ${membership.nameOf(peer)} is ${seconds} s ${side} this node's: ` +
      'synchronize both with NTP'
    this.#security?.({ kind: 'clock-differs', volume: id, peer, message })
  }

  /** A member said what time it is. */
  time({ id, membership }: Volume, peer: PeerId, sentMs: number): void {
    const aheadMs = this.#clocks.heard(peer, sentMs, this.#clock.wall())
    if (aheadMs === undefined) return
    const name = membership.nameOf(peer)
    const message =
      `the clock of ${name} is ${Math.round(aheadMs / SECOND_MS)} s ahead of this node's, ` +
      'or this one is behind: synchronize both with NTP'
    this.#security?.({ kind: 'clock-differs', volume: id, peer, message })
  }
}

/**
 * Members whose wall clock is ahead of this node's, as their beacons say, and stays so: their
 * changes win over later ones of others, and from CLOCK_AHEAD_MS on are not taken. One record a
 * member that is ahead.
 */
export class ClockWatch {
  readonly #ahead = new Map<PeerId, Ahead>()

  /**
   * A member said what time it is. returns by how much it is ahead where that is to be told now,
   * once.
   */
  heard(peer: PeerId, sentMs: number, nowMs: WallTime): number | undefined {
    const known = this.#ahead.get(peer)
    const aheadMs = sentMs - nowMs
    if (aheadMs <= AHEAD_MS) {
      if (aheadMs > -OLD_MS) this.#ahead.delete(peer)
      return undefined
    }
    const sinceMs = known?.sinceMs ?? nowMs
    const isDue = nowMs >= sinceMs + LASTS_MS
    const isTold = isDue || known?.isTold === true
    this.#ahead.set(peer, { sinceMs, aheadMs, isTold })
    return isDue && known?.isTold !== true ? aheadMs : undefined
  }

  /** By how much each is ahead whose clock was told of and has not come back since. */
  all(): readonly (readonly [peer: PeerId, aheadMs: number])[] {
    return [...this.#ahead].flatMap(([peer, { aheadMs, isTold }]) =>
      isTold ? [[peer, aheadMs] as const] : [],
    )
  }
}
