// Tells of long work while it goes on.
import { ShoalError } from '../../protocol/errors.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** The events of work as it goes, in pages; whoever leaves ends it, and waits for its end. */
export async function* eventsOf<Event extends { readonly kind: string }>(
  signal: AbortSignal,
  work: (emit: (event: Event) => void, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<readonly Event[]> {
  const left = new AbortController()
  let events: Event[] = []
  let told = Promise.withResolvers<void>()
  const emit = (event: Event): void => {
    // Only the newest progress matters.
    if (event.kind === 'progress') events = events.filter(({ kind }) => kind !== 'progress')
    events.push(event)
    told.resolve()
  }
  let isOver = false
  const running = work(emit, AbortSignal.any([signal, left.signal])).finally(() => {
    isOver = true
    told.resolve()
  })
  const ended = ignoreFailure(running, 'it is thrown where it is awaited')
  try {
    while (!isOver || events.length > 0) {
      if (events.length === 0) await told.promise
      const page = events
      events = []
      told = Promise.withResolvers<void>()
      if (page.length > 0) yield page
    }
    await running
  } finally {
    left.abort(new ShoalError('aborted', 'nobody waits for it any more'))
    await ended
  }
}
