// The least of a script that still breaks the same invariant: delta debugging over its steps
// (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", TSE 2002), within a
// bounded number of runs.
import type { InvariantId } from './check-error.ts'
import type { Failure, Outcome } from './performer.ts'
import type { Script, Step } from './script.ts'

/** Runs that shrinking may take. */
const RUNS_MAX = 60

export interface Shrunk {
  readonly script: Script
  readonly runCount: number
  /** The message of the last run that failed. */
  readonly message: string
}

/** returns undefined if not even the whole script fails again. */
export async function shrink(
  script: Script,
  failure: Failure,
  perform: (script: Script) => Promise<Outcome>,
): Promise<Shrunk | undefined> {
  const search = new Search(script, failure.invariant, perform)
  // What was decided needs no draws: a step less changes nothing for the others. Only where that is
  // not the same run are the steps as they were planned.
  const decided = failure.decided.toSorted((a, b) => a.atMs - b.atMs)
  for (const steps of [decided, script.steps]) {
    if (!(await search.fails(steps))) continue
    const least = await search.minimize(steps)
    return {
      script: { ...script, steps: least },
      runCount: search.runCount,
      message: search.message,
    }
  }
  return undefined
}

class Search {
  runCount = 0
  message = ''
  readonly #script: Script
  readonly #invariant: InvariantId
  readonly #perform: (script: Script) => Promise<Outcome>

  constructor(
    script: Script,
    invariant: InvariantId,
    perform: (script: Script) => Promise<Outcome>,
  ) {
    this.#script = script
    this.#invariant = invariant
    this.#perform = perform
  }

  /** Do these steps break the same invariant? */
  async fails(steps: readonly Step[]): Promise<boolean> {
    this.runCount++
    const outcome = await this.#perform({ ...this.#script, steps })
    if (outcome.kind !== 'failed' || outcome.invariant !== this.#invariant) return false
    this.message = outcome.message
    return true
  }

  /** Leave out ever smaller parts, for as long as runs are left. */
  async minimize(all: readonly Step[]): Promise<readonly Step[]> {
    let steps = all
    for (let parts = 2; steps.length > 1 && this.runCount < RUNS_MAX;) {
      const size = Math.ceil(steps.length / parts)
      const without = await this.#leaveOut(steps, size)
      if (without !== undefined) {
        steps = without
        parts = Math.max(2, parts - 1)
      } else if (size === 1) break
      else parts = Math.min(steps.length, parts * 2)
    }
    return steps
  }

  async #leaveOut(steps: readonly Step[], size: number): Promise<readonly Step[] | undefined> {
    // From the end: what comes late often does not matter.
    for (let end = steps.length; end > 0 && this.runCount < RUNS_MAX; end -= size) {
      const without = [...steps.slice(0, Math.max(0, end - size)), ...steps.slice(end)]
      if (await this.fails(without)) return without
    }
    return undefined
  }
}
