// When an alert is raised and cleared, from what is found at each look: it is raised once, after it
// was true for as long as its condition asks, and cleared once, after it was not true for a while,
// so that what comes and goes does not ring each time. A pure function of what was known and found.
import { MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Alert } from '../control/observe/alerts.ts'
import type { Condition } from './conditions.ts'
import type { Facts } from './facts.ts'

/** Not true for so long before it is cleared. */
export const CLEAR_AFTER_MS: number = 5 * MINUTE_MS
/** Alerts of one condition: more at once tell nobody more. */
export const SUBJECTS_MAX = 100

export interface AlertState extends Alert {
  readonly isRaised: boolean
  /** Since when a raised one is not true any more. */
  readonly goneMs?: WallTime | undefined
}

/** The owner's own choice of what is raised, and when. */
export interface Raising {
  /** Conditions that are not told. */
  readonly off: readonly string[]
  /** By condition: for how long it must be true, ms. */
  readonly afterMs: Readonly<Record<string, number>>
}

export interface Raised {
  readonly states: readonly AlertState[]
  readonly changes: readonly { readonly state: 'raised' | 'cleared'; readonly alert: Alert }[]
}

/** Find the conditions that are true now, each since now. */
export function look(conditions: readonly Condition[], facts: Facts): Alert[] {
  return conditions.flatMap(({ name, severity, find }) => {
    const found = new Map(find(facts).map((one) => [one.subject, one]))
    return [...found.values()]
      .slice(0, SUBJECTS_MAX)
      .map((one) => ({ name, severity, ...one, sinceMs: facts.nowMs }))
  })
}

/** before: the states of the last look. found: what is true now. cost: O(before + found) */
export function raise(
  before: readonly AlertState[],
  found: readonly Alert[],
  {
    nowMs,
    afterMsOf,
    off,
  }: { nowMs: WallTime; afterMsOf: (name: string) => number } & Pick<Raising, 'off'>,
): Raised {
  const states: AlertState[] = []
  const changes: Raised['changes'][number][] = []
  const known = new Map(before.map((state) => [keyOf(state), state]))
  for (const alert of found) {
    if (off.includes(alert.name)) continue
    const was = known.get(keyOf(alert))
    // A clock that was set back begins anew.
    const sinceMs = was === undefined || was.sinceMs > nowMs ? nowMs : was.sinceMs
    const isDue = was?.isRaised === true || nowMs - sinceMs >= afterMsOf(alert.name)
    const state = { ...alert, sinceMs, isRaised: isDue }
    states.push(state)
    if (isDue && was?.isRaised !== true) changes.push({ state: 'raised', alert: plain(state) })
  }
  const now = new Set(found.map(keyOf))
  for (const state of before) {
    const isOff = off.includes(state.name)
    if (!state.isRaised || (now.has(keyOf(state)) && !isOff)) continue
    const goneMs = state.goneMs ?? nowMs
    if (!isOff && nowMs >= goneMs && nowMs - goneMs < CLEAR_AFTER_MS)
      states.push({ ...state, goneMs })
    else changes.push({ state: 'cleared', alert: plain(state) })
  }
  return { states, changes }
}

/** An alert without how it stands. */
export function plain({ name, severity, subject, message, next, sinceMs }: Alert): Alert {
  return { name, severity, subject, message, next, sinceMs }
}

function keyOf({ name, subject }: Alert): string {
  return `${name} ${subject}`
}
