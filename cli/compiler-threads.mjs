// V8's compiler threads, kept from making objects. A thread that has no room for what it compiles
// waits for a collection by the main thread; if that is ending the process by then, it waits for
// the thread, and both for ever (V8's CollectionBarrier::AwaitCollectionBackground, Node's
// NodePlatform::Shutdown). Plain JavaScript, for the first file that runs (shoal.mjs).
import v8 from 'node:v8'

/**
 * In this order: a thread that finds code made by itself, and the data by which that is left made
 * elsewhere, ends the process (MaglevCodeGenerator::BuildCodeObject), so the data goes first.
 */
const FLAGS = [
  'concurrent-sparkplug',
  'maglev-deopt-data-on-background',
  'maglev-build-code-on-background',
]

/** From here on only the main thread makes code, and what belongs to it. */
export function keepCodeOnMainThread() {
  for (const flag of FLAGS) v8.setFlagsFromString(`--no-${flag}`)
}
