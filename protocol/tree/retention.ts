// The rule in force at a time, of all that the setting `versions` was: what is longer holds at
// once, what is shorter a day after it was set. Until then what was kept before is kept as well, so
// a mistake can be taken back, and nothing is lost by it.
import { stampHlc, stampMs, STAMP_ZERO } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import { HLC_ZERO, maxHlc } from '../clock/hlc.ts'
import type { Hlc } from '../clock/hlc.ts'
import { isPlanted } from '../planted-faults.ts'
import { DAY_MS, HOUR_MS } from '../units.ts'
import { VERSIONS_DEFAULT, covers, parseVersionRule } from './version-rule.ts'
import type { VersionRule } from './version-rule.ts'

/** After this a rule is forgotten that another took the place of. */
const SHORTENED_AFTER_MS: number = DAY_MS
/** A rule set within this time of a volume's making has always been that. */
const FOUNDING_MS: number = HOUR_MS

/** A value of a policy, and when it was set. */
export type PolicyChange = readonly [value: string, stamp: Stamp]

/** All values of the setting, in the order of their stamps, and when the volume was made. */
export interface RuleHistory {
  readonly changes: readonly PolicyChange[]
  readonly createdMs: number
}

export interface KeptAt {
  /** The steps of all rules in force, one rule after the other. */
  readonly rule: VersionRule
  /** Nothing that ended by then is kept: nothing was to be kept at that time. */
  readonly since: Hlc
}

export interface Shortening {
  /** The former values, by which more is kept until then. */
  readonly until: readonly string[]
  readonly fromMs: number
}

/** One that was set, or the default. */
interface Phase {
  readonly value: string
  readonly began: Stamp
  /** Undefined: it is the last. */
  readonly ended: Stamp | undefined
}

export function keptAt(history: RuleHistory, at: Hlc): KeptAt {
  const phases = phasesOf(history)
  const rule = phases.filter((phase) => isInForce(phase, at)).flatMap(({ value }) => ruleOf(value))
  const since = phases
    .filter((phase, index) => ruleOf(phase.value).length === 0 && wasAlone(phase, index === 0))
    .map(({ ended }) => (ended === undefined ? HLC_ZERO : stampHlc(ended)))
    .reduce(maxHlc, HLC_ZERO)
  return { rule, since }
}

/** Tells what is kept for a day yet, that the setting as it is does not keep. */
export function shorteningAt(history: RuleHistory, at: Hlc): Shortening | undefined {
  const phases = phasesOf(history)
  const now = ruleOf(phases.at(-1)?.value ?? '')
  const before = phases.filter(
    (phase) =>
      phase.ended !== undefined && isInForce(phase, at) && !covers(now, ruleOf(phase.value)),
  )
  if (before.length === 0) return undefined
  const lastMs = Math.max(...before.map(({ ended }) => stampMs(ended ?? STAMP_ZERO)))
  return { until: before.map(({ value }) => value), fromMs: lastMs + SHORTENED_AFTER_MS }
}

function phasesOf({ changes, createdMs }: RuleHistory): readonly Phase[] {
  const all: readonly PolicyChange[] = [[VERSIONS_DEFAULT, STAMP_ZERO], ...changes]
  const phases = all.map(([value, began], index) => ({ value, began, ended: all[index + 1]?.[1] }))
  return phases.filter(
    ({ ended }) => ended === undefined || stampMs(ended) >= createdMs + FOUNDING_MS,
  )
}

/** Is it the last, or was it replaced less than a day before? */
function isInForce({ ended }: Phase, at: Hlc): boolean {
  if (ended === undefined) return true
  return !isPlanted('shortened-at-once') && later(stampHlc(ended)) > at
}

/** Was there a time at which nothing else was in force? */
function wasAlone({ began, ended }: Phase, isFirst: boolean): boolean {
  return ended !== undefined && (isFirst || stampHlc(ended) >= later(stampHlc(began)))
}

function later(hlc: Hlc): Hlc {
  return (hlc + (BigInt(SHORTENED_AFTER_MS) << 16n)) as Hlc
}

function ruleOf(value: string): VersionRule {
  return parseVersionRule(value) ?? []
}
