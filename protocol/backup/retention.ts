// Which backups are kept: as by restic and borg, the newest of each of the last so many hours,
// days, weeks, months and years that have one. Times are in UTC.
import { DAY_MS, HOUR_MS } from '../units.ts'
import type { WallTime } from '../units.ts'

/** So many of each; left out: none by this rule. */
export interface Retention {
  readonly last?: number | undefined
  readonly hourly?: number | undefined
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
  readonly yearly?: number | undefined
}

interface Dated {
  readonly timeMs: WallTime
}

/** Monday 1970-01-05 began the first whole week. */
const MONDAY_MS: number = 4 * DAY_MS

const PERIODS: Readonly<Record<keyof Retention, (ms: number, at: number) => number | string>> = {
  last: (_, at) => at,
  hourly: (ms) => Math.floor(ms / HOUR_MS),
  daily: (ms) => Math.floor(ms / DAY_MS),
  weekly: (ms) => Math.floor((ms - MONDAY_MS) / (7 * DAY_MS)),
  monthly: (ms) => new Date(ms).toISOString().slice(0, 7),
  yearly: (ms) => new Date(ms).getUTCFullYear(),
}

/** Those that no rule keeps; none if there is no rule at all. The newest is always kept. */
export function expired<Backup extends Dated>(
  backups: readonly Backup[],
  retention: Retention,
): readonly Backup[] {
  const rules = Object.entries(PERIODS).flatMap(([name, periodOf]) => {
    const count = retention[name as keyof Retention]
    return count === undefined ? [] : [{ count, periodOf }]
  })
  if (rules.length === 0) return []
  const newestFirst = backups.toSorted((a, b) => b.timeMs - a.timeMs)
  const kept = new Set(newestFirst.slice(0, 1))
  for (const { count, periodOf } of rules) {
    const seen = new Set<number | string>()
    newestFirst.forEach((backup, at) => {
      const period = periodOf(backup.timeMs, at)
      if (seen.has(period) || seen.size >= count) return
      seen.add(period)
      kept.add(backup)
    })
  }
  return newestFirst.filter((backup) => !kept.has(backup))
}
