// Members whose wall clock is ahead of this node's, as their beacons say, and stays so: their
// changes win over later ones of others, and from CLOCK_AHEAD_MS on are not taken. One record a
// member that is ahead.
import type { PeerId } from '../../protocol/ids.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'

/** More than networks and clocks that are kept in step by NTP make of it. */
const AHEAD_MS: number = 5 * SECOND_MS
/** A beacon that is older was sent again, or is of a clock that is behind. */
const OLD_MS: number = MINUTE_MS / 2
/** Ahead for so long, it is no accident. */
const LASTS_MS: number = MINUTE_MS / 2

interface Ahead {
  readonly sinceMs: WallTime
  readonly aheadMs: number
  readonly isTold: boolean
}

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
