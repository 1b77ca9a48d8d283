// The thread that writes notifications to /dev/fuse. It may block there for as long as the kernel
// waits for a lock that a request under way holds, and so never answers requests itself.
// Notifications are tried once each: one that the kernel refuses (ENOENT) is about something it
// does not have cached.
import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

const descriptor = Number(workerData)

/** Notifications back to back, each opening with its length. */
parentPort?.on('message', (batch: Uint8Array) => {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
  for (let at = 0; at < batch.byteLength; at += view.getUint32(at, true)) {
    try {
      writeSync(descriptor, batch, at, view.getUint32(at, true))
    } catch {
      // Not cached, or unmounted: nothing to drop.
    }
  }
  parentPort?.postMessage('written')
})
