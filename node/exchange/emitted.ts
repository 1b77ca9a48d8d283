// Turns the parts pushed by one side into parts pulled by the other: nothing waits in between but
// what was just pushed.
import { ShoalError } from '../../protocol/errors.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** Waits until all that was given before was taken. */
export type Emit = (part: Uint8Array) => Promise<void>

/**
 * The parts that `run` emits, until it ends; fails as it fails. A consumer that breaks off fails
 * the next emit with the reason of the signal that `run` is given.
 */
export async function* emitted(
  run: (emit: Emit, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  const left = new AbortController()
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const running = run((part) => writer.write(part), left.signal).then(
    () => writer.close(),
    (error: unknown) => writer.abort(error),
  )
  const ended = ignoreFailure(running, 'nobody takes what is left')
  try {
    yield* readable.values({ preventCancel: true })
  } finally {
    const reason = new ShoalError('aborted', 'the export was abandoned')
    left.abort(reason)
    await ignoreFailure(readable.cancel(reason), 'what it failed with was thrown')
    await ended
  }
}
