// The rules in force over time, of all that the setting `versions` was: what is longer holds at
// once, what is shorter a day after it was set. Until then what was kept before is kept as well, so
// a mistake can be taken back, and nothing is lost by it. What has expired stays so, whatever is
// set later: so it does not matter at which times somebody looked. Where a disk is almost full, the
// oldest goes before its time, by a policy of its own that tells up to when.
import { STAMP_ZERO, stampMs } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import { hlcMillis } from '../clock/hlc.ts'
import type { Hlc } from '../clock/hlc.ts'
import { isPlanted } from '../planted-faults.ts'
import { DAY_MS, HOUR_MS } from '../units.ts'
import {
  VERSIONS_DEFAULT,
  covers,
  keptUntilMs,
  longestMs,
  parseVersionRule,
} from './version-rule.ts'
import type { VersionRule } from './version-rule.ts'

/** After this a rule is forgotten that another took the place of. */
const SHORTENED_AFTER_MS: number = DAY_MS
/** The policy by which what ended up to a time, in ms, is let go of; an admin's node sets it. */
export const RELIEF_POLICY = 'relief-to'
/** Nothing goes by it that ended within this time before it was set. */
const RELIEF_SPARES_MS: number = DAY_MS
/** A rule set within this time of a volume's making has always been that. */
const FOUNDING_MS: number = HOUR_MS

/** A value of a policy, and when it was set. */
export type PolicyChange = readonly [value: string, stamp: Stamp]

/** All values of the setting, in the order of their stamps, and when the volume was made. */
export interface RuleHistory {
  readonly changes: readonly PolicyChange[]
  /** The values of RELIEF_POLICY. */
  readonly reliefs: readonly PolicyChange[]
  readonly createdMs: number
}

/** Tells up to when what ended was let go of. */
export interface Relief {
  readonly endedUpToMs: number
  readonly setMs: number
}

/** A time at which the same rules were in force. */
export interface Era {
  /** The steps of all of them, one rule after the other. */
  readonly rule: VersionRule
  readonly untilMs: number
  /** All that ended up to then was let go of, and that is all it says. */
  readonly endedUpToMs?: number | undefined
}

/**
 * The reliefs together, if there were any, then eras by rules. Of these each goes on from the one
 * before; the last ends at the time that is asked about.
 */
export type Eras = readonly Era[]

export interface Shortening {
  /** The former values, by which more is kept until then. */
  readonly until: readonly string[]
  readonly fromMs: number
}

/** A value that was set, or the default, and for how long it is in force. */
interface Phase {
  readonly value: string
  readonly fromMs: number
  /** When another value was set; infinite for the last. */
  readonly endedMs: number
}

/** afterMs: how long a rule is in force after another was set. */
export function erasAt(
  history: RuleHistory,
  at: Hlc,
  afterMs: number = isPlanted('shortened-at-once') ? 0 : SHORTENED_AFTER_MS,
): Eras {
  const phases = phasesOf(history)
  const atMs = hlcMillis(at)
  const ends = phases.flatMap(({ fromMs, endedMs }) => [fromMs, endedMs + afterMs])
  const times = [...ends.filter((ms) => ms < atMs), atMs].sort((a, b) => a - b)
  const reliefs = reliefsOf(history).filter(({ setMs }) => setMs <= atMs)
  const endedUpToMs = Math.max(...reliefs.map((relief) => relief.endedUpToMs))
  const relieved: Eras = reliefs.length === 0 ? [] : [{ rule: [], untilMs: atMs, endedUpToMs }]
  const ruled = times
    .filter((ms, index) => ms > (times[index - 1] ?? -Infinity))
    .map((untilMs): Era => {
      const isInForce = ({ fromMs, endedMs }: Phase): boolean =>
        fromMs < untilMs && endedMs + afterMs >= untilMs
      return { untilMs, rule: phases.filter(isInForce).flatMap(({ value }) => ruleOf(value)) }
    })
  return [...relieved, ...ruled]
}

/** How much was let go of for want of space, one after the other. */
export function reliefsOf({ reliefs }: RuleHistory): readonly Relief[] {
  return reliefs.map(([value, stamp]) => {
    const setMs = stampMs(stamp)
    const upToMs = /^\d{1,15}$/.test(value) ? Number(value) : 0
    return { setMs, endedUpToMs: Math.min(upToMs, setMs - RELIEF_SPARES_MS) }
  })
}

/** Was a state kept all the time that stood from the one time to the other? */
export function isKeptThrough(eras: Eras, beganMs: number, endedMs: number): boolean {
  return eras.every(({ rule, untilMs, endedUpToMs }) =>
    endedUpToMs === undefined
      ? untilMs <= endedMs || keptUntilMs(rule, beganMs, endedMs) >= untilMs
      : endedMs > endedUpToMs,
  )
}

/** Is nothing kept that ended at this time, whenever it began? */
export function isPastAll(eras: Eras, endedMs: number): boolean {
  return eras.some(({ rule, untilMs, endedUpToMs }) =>
    endedUpToMs === undefined
      ? untilMs > endedMs && untilMs > endedMs + longestMs(rule)
      : endedMs <= endedUpToMs,
  )
}

/** Was there a time since then at which nothing was to be kept, or is it now? */
export function wasGivenUp(eras: Eras, endedMs: number): boolean {
  const last = eras.at(-1)
  const ruled = eras.filter(({ endedUpToMs }) => endedUpToMs === undefined)
  return ruled.some((era) => era.rule.length === 0 && (era === last || era.untilMs > endedMs))
}

/** Tells what is kept for a day yet, that the setting as it is does not keep. */
export function shorteningAt(history: RuleHistory, atMs: number): Shortening | undefined {
  const phases = phasesOf(history)
  const now = ruleOf(phases.at(-1)?.value ?? '')
  const before = phases.filter(
    ({ value, endedMs }) =>
      endedMs < Infinity && endedMs + SHORTENED_AFTER_MS > atMs && !covers(now, ruleOf(value)),
  )
  if (before.length === 0) return undefined
  const lastMs = Math.max(...before.map(({ endedMs }) => endedMs))
  return { until: before.map(({ value }) => value), fromMs: lastMs + SHORTENED_AFTER_MS }
}

/** Says what comes of a policy that was set, if it has to do with this. */
export function policyText(key: string, history: RuleHistory, nowMs: number): string {
  if (key === RELIEF_POLICY)
    return ': a disk is almost full, and the oldest that is kept of the past goes before its time'
  const less = key === 'versions' ? shorteningAt(history, nowMs) : undefined
  if (less === undefined) return ''
  const at = new Date(less.fromMs).toISOString()
  return `: it keeps less, from ${at}; until then also ${less.until.join(' and ')}`
}

function phasesOf({ changes, createdMs }: RuleHistory): readonly Phase[] {
  const all: readonly PolicyChange[] = [[VERSIONS_DEFAULT, STAMP_ZERO], ...changes]
  const phases = all.map(([value, stamp], index): Phase => {
    const next = all[index + 1]
    const endedMs = next === undefined ? Infinity : stampMs(next[1])
    return { value, fromMs: stampMs(stamp), endedMs }
  })
  const [first, ...rest] = phases.filter(({ endedMs }) => endedMs >= createdMs + FOUNDING_MS)
  return first === undefined ? rest : [{ ...first, fromMs: -Infinity }, ...rest]
}

function ruleOf(value: string): VersionRule {
  return parseVersionRule(value) ?? []
}
