// How long what was replaced or removed is kept: the setting `versions` of a volume. It says up to
// which age what is kept: all, or of each step of time the state that stood at its end. So whether
// a former state is kept follows from when it began and ended, and from the time that is asked
// about; no other state has a say.
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../units.ts'

export interface VersionStep {
  /** Up to this age. */
  readonly ageMs: number
  /** One of each such step of time, as clocks have it in UTC; 0: all. */
  readonly stepMs: number
}

/** Keeps what any of its steps keeps; empty: nothing. Of one that was set the steps ascend. */
export type VersionRule = readonly VersionStep[]

export const VERSIONS_DEFAULT = '1h:all,1d:1h,30d:1d'
export const VERSIONS_OFF = 'off'
const STEPS_MAX = 8

const UNITS_MS = {
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
  y: 365 * DAY_MS,
} as const

/** Undefined for a text that is no rule. */
export function parseVersionRule(text: string): VersionRule | undefined {
  if (text === VERSIONS_OFF) return []
  const rule: VersionStep[] = []
  for (const part of text.split(',')) {
    const [age = '', step = '', ...more] = part.split(':')
    const ageMs = duration(age)
    const stepMs = step === 'all' ? 0 : duration(step)
    const last = rule.at(-1)
    if (ageMs === undefined || stepMs === undefined || more.length > 0) return undefined
    if (stepMs > ageMs || rule.length >= STEPS_MAX) return undefined
    if (last !== undefined && (ageMs <= last.ageMs || stepMs <= last.stepMs)) return undefined
    rule.push({ ageMs, stepMs })
  }
  return rule
}

/**
 * The last moment at which a state is kept that stood from `beganMs` until `endedMs`. Below it for
 * a state that ends sooner, or began later.
 */
export function keptUntilMs(rule: VersionRule, beganMs: number, endedMs: number): number {
  let until = -Infinity
  for (const { ageMs, stepMs } of rule) {
    const stoodAt = stepMs === 0 ? endedMs : Math.floor((endedMs - 1) / stepMs) * stepMs
    if (stepMs === 0 || stoodAt >= beganMs) until = Math.max(until, stoodAt + ageMs)
  }
  return until
}

/** The age up to which anything is kept. */
export function longestMs(rule: VersionRule): number {
  return Math.max(0, ...rule.map(({ ageMs }) => ageMs))
}

/** Does a rule surely keep all that another keeps, for as long? */
export function covers(rule: VersionRule, other: VersionRule): boolean {
  return other.every(({ ageMs, stepMs }) =>
    rule.some(
      (step) =>
        step.ageMs >= ageMs && (step.stepMs === 0 || (stepMs > 0 && stepMs % step.stepMs === 0)),
    ),
  )
}

function duration(text: string): number | undefined {
  const [, count = '', unit = ''] = /^([1-9]\d{0,3})(m|h|d|w|y)$/.exec(text) ?? []
  return isUnit(unit) ? Number(count) * UNITS_MS[unit] : undefined
}

function isUnit(unit: string): unit is keyof typeof UNITS_MS {
  return Object.hasOwn(UNITS_MS, unit)
}
