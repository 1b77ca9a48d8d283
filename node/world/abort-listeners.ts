// Waiting for long-lived signals. EventTarget looks through all listeners of a signal to add one,
// and thousands of deadlines hang on the signal that stops a node: here they share one listener,
// and come and go at O(1).
const listenersOf = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `run` once when the signal, which is not aborted yet, aborts. returns what takes it back;
 * idempotent.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const listeners = listenersOf.get(signal) ?? listen(signal)
  // Another function each time: two waits may share one.
  const listener = (): void => run()
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function listen(signal: AbortSignal): Set<() => void> {
  const listeners = new Set<() => void>()
  listenersOf.set(signal, listeners)
  const tell = (): void => {
    for (const listener of listeners) listener()
    listeners.clear()
  }
  signal.addEventListener('abort', tell, { once: true })
  return listeners
}
