// Race what may be slow: the next attempt starts when one fails, or when no answer came for
// `hedgeMs`, so that a dead peer costs a hedge interval and not a timeout. Whatever is not needed
// any more is aborted. (Dean, Barroso, "The Tail at Scale", 2013.)
import { ShoalError } from '../../protocol/errors.ts'
import type { Clock } from '../world/world.ts'

/** Made once: an error takes longer to make than a chunk to find. */
const NOT_NEEDED = new ShoalError('aborted', 'it is not needed any more')

/** One way to get a value. Must end soon after its signal aborts. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T>

export interface HedgeOptions {
  readonly clock: Clock
  readonly hedgeMs: number
  readonly signal: AbortSignal
}

/**
 * The first `count` values that the attempts give, started in order, `count` at once at first.
 *
 * throws AggregateError with every failure when too few succeed; the signal's reason when it
 * aborts.
 */
export function firstOf<T>(
  attempts: readonly Attempt<T>[],
  count: number,
  { clock, hedgeMs, signal }: HedgeOptions,
): Promise<readonly T[]> {
  const ended = new AbortController()
  const scope = AbortSignal.any([signal, ended.signal])
  const values: T[] = []
  const failures: unknown[] = []
  let started = 0

  return new Promise<readonly T[]>((resolve, reject) => {
    const end = (settle: () => void): void => {
      if (ended.signal.aborted) return
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      settle()
      ended.abort(NOT_NEEDED)
    }
    const onAbort = (): void => end(() => reject(signal.reason))
    const start = (): void => {
      const attempt = attempts[started]
      if (attempt === undefined || ended.signal.aborted) return
      started++
      attempt(scope).then(
        (value) => {
          values.push(value)
          if (values.length === count) end(() => resolve(values))
        },
        (error: unknown) => {
          failures.push(error)
          if (attempts.length - failures.length < count) {
            end(() => reject(new AggregateError(failures, 'no source gave the bytes')))
          } else start()
        },
      )
    }
    const tick = (): void => {
      start()
      if (started < attempts.length) timer = clock.timer(hedgeMs, tick)
    }
    let timer = clock.timer(hedgeMs, tick)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    else if (attempts.length < count) {
      end(() => reject(new AggregateError([], 'there are too few sources')))
    } else if (count === 0) end(() => resolve(values))
    else while (started < count) start()
  })
}
