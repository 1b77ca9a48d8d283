// Group commit: one run serves everyone who asked before it began (DeWitt et al., SIGMOD 1984).
import { ignoreFailure } from '../world/ignore-failure.ts'

/**
 * A function whose calls share runs of `run`. A run never begins before the calls it serves, and
 * two never overlap: a call made during one waits for the next, which serves all such calls. A
 * failed run fails those it served.
 */
export function groupCommit(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= running.then(() => {
      next = undefined
      const current = run()
      running = ignoreFailure(current, 'those who waited for it are told')
      return current
    })
    return next
  }
}
