// How many events of each kind a log takes in an hour: a peer that makes many must not push out of
// it what others did, or what it did itself before. What is above is counted, and told in one line
// when the hour is over.
import type { PeerId } from '../../protocol/ids.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { SecurityEvent, SecurityEventKind } from './security.ts'

const OF_KIND_MAX = 64
const OF_PEER_MAX = 8

interface Hour {
  readonly startMs: WallTime
  /** Taken of each peer: at most OF_KIND_MAX of them. */
  readonly taken: Map<PeerId, number>
  count: number
  leftOut: number
}

export class EventRates {
  readonly #hours = new Map<SecurityEventKind, Hour>()

  /** Is this one taken? What nobody else made always is. */
  takes({ kind, peer }: SecurityEvent, nowMs: WallTime): boolean {
    if (peer === undefined) return true
    const hour = this.#hourOf(kind, nowMs)
    const ofPeer = hour.taken.get(peer) ?? 0
    if (hour.count >= OF_KIND_MAX || ofPeer >= OF_PEER_MAX) {
      hour.leftOut++
      return false
    }
    hour.count++
    hour.taken.set(peer, ofPeer + 1)
    return true
  }

  /**
   * Events that tell of those that were left out in hours that are over, or (`all`) also in those
   * that are not.
   */
  drain(nowMs: WallTime, all: boolean): SecurityEvent[] {
    return [...this.#hours].flatMap(([kind, { startMs, leftOut }]) => {
      if (!all && !isOver(startMs, nowMs)) return []
      this.#hours.delete(kind)
      if (leftOut === 0) return []
      const since = new Date(startMs).toISOString()
      return [{ kind, message: `and ${leftOut} more of these since ${since}, not recorded` }]
    })
  }

  #hourOf(kind: SecurityEventKind, nowMs: WallTime): Hour {
    const known = this.#hours.get(kind)
    if (known !== undefined) return known
    const hour = { startMs: nowMs, taken: new Map<PeerId, number>(), count: 0, leftOut: 0 }
    this.#hours.set(kind, hour)
    return hour
  }
}

/** A clock that was set back ends an hour, too. */
function isOver(startMs: WallTime, nowMs: WallTime): boolean {
  return nowMs < startMs || nowMs >= startMs + HOUR_MS
}
