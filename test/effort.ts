// How much tests try: a little in `npm test`, far more where test/long/{random,mount}.test.ts run
// the same files.

/** The variable of the environment that says how many times as much. */
export const EFFORT = 'SHOAL_TEST_EFFORT'

/** A number of runs, seeds or files, of which the first are always the same. */
export function tries(count: number): number {
  return Math.ceil(count * Number(process.env[EFFORT] ?? 1))
}
