// How many events of each kind a log takes in an hour: a peer that makes many must not push out of
// it what others did, or what it did itself before. What is above is counted, and told in one line
// when the hour is over.
import { HOUR_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'

const OF_KIND_MAX = 64
const OF_SOURCE_MAX = 8

interface Hour {
  readonly startMs: WallTime
  /** Taken of each source: at most OF_KIND_MAX of them. */
  readonly taken: Map<string, number>
  count: number
  leftOut: number
}

/** Events of a kind that were not taken in an hour. */
export interface LeftOut<Kind extends string> {
  readonly kind: Kind
  /** In words. */
  readonly message: string
}

export class EventRates<Kind extends string> {
  readonly #hours = new Map<Kind, Hour>()

  /** Is this one taken? What nobody else made (no source) always is. */
  takes(kind: Kind, source: string | undefined, nowMs: WallTime): boolean {
    if (source === undefined) return true
    const hour = this.#hourOf(kind, nowMs)
    const ofSource = hour.taken.get(source) ?? 0
    if (hour.count >= OF_KIND_MAX || ofSource >= OF_SOURCE_MAX) {
      hour.leftOut++
      return false
    }
    hour.count++
    hour.taken.set(source, ofSource + 1)
    return true
  }

  /**
   * Those that were left out in hours that are over, or (`all`) also in those that are not.
   */
  drain(nowMs: WallTime, all: boolean): LeftOut<Kind>[] {
    return [...this.#hours].flatMap(([kind, { startMs, leftOut }]) => {
      if (!all && !isOver(startMs, nowMs)) return []
      this.#hours.delete(kind)
      if (leftOut === 0) return []
      const since = new Date(startMs).toISOString()
      return [{ kind, message: `and ${leftOut} more of these since ${since}, not recorded` }]
    })
  }

  #hourOf(kind: Kind, nowMs: WallTime): Hour {
    const known = this.#hours.get(kind)
    if (known !== undefined) return known
    const hour = { startMs: nowMs, taken: new Map<string, number>(), count: 0, leftOut: 0 }
    this.#hours.set(kind, hour)
    return hour
  }
}

/** A clock that was set back ends an hour, too. */
function isOver(startMs: WallTime, nowMs: WallTime): boolean {
  return nowMs < startMs || nowMs >= startMs + HOUR_MS
}
