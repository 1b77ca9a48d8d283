// Bounded parallel work on what comes one by one: nothing is taken from the source before there is
// a hand free for it.
import { ignoreFailure } from '../world/ignore-failure.ts'

/**
 * Call `run` with each item, at most `countMax` at a time, started in order. Ends when all have
 * ended; after a failure no more are started. throws the first failure.
 */
export async function inParallel<Item>(
  items: AsyncIterator<Item, unknown> | Iterator<Item, unknown>,
  countMax: number,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const worker = async (): Promise<void> => {
    try {
      for (;;) {
        const next = await items.next()
        if (next.done === true) return
        await run(next.value)
      }
    } finally {
      await items.return?.()
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: countMax }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/**
 * The same, for who is to hear whenever one has ended, or some have. Whoever leaves waits for those
 * that run.
 */
export async function* asTheyEnd<Item>(
  items: Iterable<Item>,
  countMax: number,
  run: (item: Item) => Promise<void>,
): AsyncGenerator<void, void, undefined> {
  const underway = new Set<Promise<void>>()
  try {
    for (const item of items) {
      const running = run(item).then(() => void underway.delete(running))
      // It is told of below.
      void ignoreFailure(running, 'it is thrown where it is awaited')
      underway.add(running)
      if (underway.size === countMax) yield await Promise.race(underway)
    }
    while (underway.size > 0) yield await Promise.race(underway)
  } finally {
    await Promise.allSettled(underway)
  }
}

/**
 * `run` of each item, in the order of the items, `countMax` at a time. throws the first failure,
 * and starts no more.
 */
export async function mapInBatches<Item, Result>(
  items: readonly Item[],
  countMax: number,
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  for (let at = 0; at < items.length; at += countMax) {
    const batch = await Promise.all(items.slice(at, at + countMax).map(run))
    for (const result of batch) results.push(result)
  }
  return results
}

/** The promise, or the signal's reason as soon as it aborts. */
export async function untilAborted<Result>(
  promise: Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
