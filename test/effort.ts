// How much random tests try: a little in `npm test`, far more where test/long/random.test.ts runs
// the same files.

/** The variable of the environment that says how many times as much. */
export const EFFORT = 'SHOAL_TEST_EFFORT'

/** A number of runs or seeds, of which the first are always the same. */
export function tries(count: number): number {
  return Math.ceil(count * Number(process.env[EFFORT] ?? 1))
}
