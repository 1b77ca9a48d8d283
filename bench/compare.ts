// Finds the benchmarks that became slower between two runs, by more than their noise.
//
// Only ratios to a baseline of the same run are compared: other load on the machine, and the
// machine itself, change them less than seconds. The noise of a figure is half the range of its
// rounds around their median, but never less than NOISE_MIN; with fewer rounds than ROUNDS_KNOWN it
// is taken to be NOISE_UNKNOWN.
import { median } from './growth/quantile.ts'

/** One row of a table, in each round of a run. A ratio above 1 is faster than the baseline. */
export interface Figure {
  readonly name: string
  readonly ratios: readonly number[]
}

export interface Comparison {
  readonly name: string
  /** The median ratios. */
  readonly before: number
  readonly now: number
  /** The part of `before` by which the two may differ with nothing changed. */
  readonly noise: number
  readonly isSlower: boolean
}

/** From so many rounds on their range says something. */
const ROUNDS_KNOWN = 3
/** The noise of a single run, as RESULTS.md has it. */
const NOISE_UNKNOWN = 0.2
/** A few rounds may agree by chance. */
const NOISE_MIN = 0.05

/** Compare the figures that both runs have, in the order of `now`. */
export function compare(before: readonly Figure[], now: readonly Figure[]): readonly Comparison[] {
  const known = new Map(before.map((figure) => [figure.name, figure]))
  return now.flatMap((figure) => {
    const old = known.get(figure.name)
    if (old === undefined || old.ratios.length === 0 || figure.ratios.length === 0) return []
    const [then, today] = [median(old.ratios), median(figure.ratios)]
    const noise = noiseOf(old) + noiseOf(figure)
    const isSlower = today < then * (1 - noise)
    return [{ name: figure.name, before: then, now: today, noise, isSlower }]
  })
}

/** A line for each figure, those that became slower first; and those that only `before` has. */
export function formatComparison(
  compared: readonly Comparison[],
  before: readonly Figure[],
): readonly string[] {
  const names = new Set(compared.map(({ name }) => name))
  const unmeasured = before.filter(({ name }) => !names.has(name)).length
  const lines = compared
    .toSorted((a, b) => Number(b.isSlower) - Number(a.isSlower))
    .map(({ name, before: then, now, noise, isSlower }) => {
      const change = `${then.toFixed(2)} -> ${now.toFixed(2)}, noise ${Math.round(100 * noise)} %`
      return `${isSlower ? 'SLOWER' : noise < 1 ? 'ok' : 'too noisy to tell'}  ${name}: ${change}`
    })
  const slower = compared.filter(({ isSlower }) => isSlower).length
  return [...lines, `${slower} of ${compared.length} are slower, ${unmeasured} were not measured`]
}

/** Relative to the median. */
function noiseOf({ ratios }: Figure): number {
  if (ratios.length < ROUNDS_KNOWN) return NOISE_UNKNOWN
  const range = Math.max(...ratios) - Math.min(...ratios)
  return Math.max(NOISE_MIN, range / 2 / median(ratios))
}
