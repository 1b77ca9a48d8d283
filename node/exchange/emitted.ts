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
  let news = Promise.withResolvers<void>()
  const waiting: { readonly part: Uint8Array; readonly taken: () => void }[] = []
  let isOver = false
  const emit: Emit = (part) => {
    left.signal.throwIfAborted()
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.push({ part, taken: resolve })
    news.resolve()
    return promise
  }
  const running = run(emit, left.signal).finally(() => {
    isOver = true
    news.resolve()
  })
  // It is awaited at the end; until then a failure is nobody's.
  void ignoreFailure(running, 'it is thrown where it is awaited')
  try {
    for (;;) {
      for (let [next] = waiting; next !== undefined; [next] = waiting) {
        yield next.part
        waiting.shift()
        next.taken()
      }
      if (isOver) break
      await news.promise
      news = Promise.withResolvers()
    }
    await running
  } finally {
    left.abort(new ShoalError('aborted', 'the export was abandoned'))
    for (const { taken } of waiting) taken()
    await ignoreFailure(running, 'it is thrown where it is awaited')
  }
}
