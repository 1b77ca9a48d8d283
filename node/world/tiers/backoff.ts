// How long to wait before trying again: exponential, with full jitter, so that those who were
// turned away together do not come back together (Brooker, "Exponential Backoff And Jitter", AWS
// Architecture Blog, 2015).
import { SECOND_MS } from '../../../protocol/units.ts'
import type { Random } from '../world.ts'
import { pauseAfter } from '../../jobs/backoff.ts'

const DELAY_MAX_MS = 20 * SECOND_MS

/** attempt: how many failed so far, at least 1. */
export function backoffMs(random: Random, baseMs: number, attempt: number): number {
  return random.number() * pauseAfter(attempt, { firstMs: baseMs, longestMs: DELAY_MAX_MS })
}
