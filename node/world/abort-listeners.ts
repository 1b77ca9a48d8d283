// Waiting for long-lived signals. EventTarget looks through all listeners of a signal to add one,
// and thousands of deadlines hang on the signal that stops a node: here they share one listener,
// and come and go at O(1).
const waitsOf = new WeakMap<AbortSignal, Waits>()

interface Waits {
  readonly listeners: Set<() => void>
  /** Called when none is left: a signal of AbortSignal.any() with a listener is not collected. */
  readonly end: () => void
}

/**
 * Calls `run` once when the signal, which is not aborted yet, aborts. returns what takes it back;
 * idempotent.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const waits = waitsOf.get(signal) ?? listen(signal)
  // Another function each time: two waits may share one.
  const listener = (): void => run()
  waits.listeners.add(listener)
  return () => {
    if (waits.listeners.delete(listener) && waits.listeners.size === 0) waits.end()
  }
}

function listen(signal: AbortSignal): Waits {
  const listeners = new Set<() => void>()
  const end = (): void => {
    waitsOf.delete(signal)
    signal.removeEventListener('abort', tell)
  }
  const tell = (): void => {
    for (const listener of listeners) listener()
    listeners.clear()
  }
  const waits = { listeners, end }
  waitsOf.set(signal, waits)
  signal.addEventListener('abort', tell, { once: true })
  return waits
}
