// A reader that waits for peers to come back: what no node that answers has is asked for again,
// less and less often, until the time is over. Without patience it is asked for once. Either way
// nobody waits longer than is said here, and who is interrupted waits no more.
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { Clock } from '../world/world.ts'
import type { ChunkReader } from './chunk-io.ts'
import { pauseAfter } from '../jobs/backoff.ts'
import type { Pauses } from '../jobs/backoff.ts'

/** For one attempt, where nothing is said. */
const ATTEMPT_MS: number = 30 * SECOND_MS
/** Between two attempts, at first and at most. */
const PAUSES: Pauses = { firstMs: SECOND_MS / 4, longestMs: 4 * SECOND_MS }

export interface ReadTimeouts {
  readonly clock: Clock
  /** undefined: one attempt, of ATTEMPT_MS at most. */
  readonly waitMs: number | undefined
}

type Read = (signal: AbortSignal) => Promise<Uint8Array>

/** The same chunks. What cannot be had by the end of the wait is 'chunk-unavailable'. */
export function patientReader(chunks: ChunkReader, readTimeouts: ReadTimeouts): ChunkReader {
  const patient = (ref: ChunkRef, signal: AbortSignal, read: Read): Promise<Uint8Array> =>
    chunks.isNear(ref.id) ? read(signal) : insist(read, signal, readTimeouts)
  return {
    isNear: (id) => chunks.isNear(id),
    read: (ref, options) => patient(ref, options.signal, (signal) => chunks.read(ref, { signal })),
    readOnce: (ref, options) =>
      patient(ref, options.signal, (signal) => chunks.readOnce(ref, { signal })),
  }
}

async function insist(
  read: Read,
  signal: AbortSignal,
  { clock, waitMs }: ReadTimeouts,
): Promise<Uint8Array> {
  const limitMs = waitMs ?? ATTEMPT_MS
  const over = new AbortController()
  let failure = new ShoalError(
    'chunk-unavailable',
    `no holder answered within ${limitMs / SECOND_MS} s`,
  )
  const timer = clock.timer(limitMs, () => over.abort(failure))
  const scope = AbortSignal.any([signal, over.signal])
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await read(scope)
      } catch (error) {
        if (scope.aborted || waitMs === undefined || !isAwaited(error)) throw error
        failure = asShoalError(error)
      }
      await clock.sleep(pauseAfter(attempt, PAUSES), { signal: scope })
    }
  } finally {
    timer.cancel()
  }
}

/**
 * Whether data may become available: a peer that is away may come back, and so does data that is
 * restored from an archive.
 */
function isAwaited(error: unknown): boolean {
  return hasCode(error, 'chunk-unavailable') || hasCode(error, 'cold-archived')
}
