// Bounded parallel work on what comes one by one: nothing is taken from the source before there is a hand free for it.

/**
 * Call `run` with each item, at most `countMax` at a time, started in order. Ends when all have ended; after a failure
 * no more are started. throws the first failure.
 */
export async function inParallel<Item>(
  items: AsyncGenerator<Item, void, undefined>,
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
      await items.return()
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: countMax }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
