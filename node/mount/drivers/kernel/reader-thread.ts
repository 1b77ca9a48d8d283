// The thread that reads requests from /dev/fuse, where it blocks until the kernel has one. A thread
// of its own, as a read in the thread pool of the process would take one from everybody else for as
// long as the mount lives.
//
// - A large frame takes its buffer along and one of `credits`; the main thread hands both back. A
//   small one is copied.
// - Without credits nothing is read: the kernel's queue waits, but not for long. Writes that wait
//   for what is away keep theirs, and then there are more: as many as such writes are under way at
//   a time, which is for the kernel to bound.
// - The thread ends when the mount is gone (ENODEV; ECONNABORTED when it was aborted); anything
//   else is thrown.
import { readSync } from 'node:fs'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { FRAME_MAX, FRAME_SMALL } from './protocol.ts'
import type { MessagePort } from 'node:worker_threads'

/** The data that the thread is started with. */
export interface ReaderData {
  readonly descriptor: number
  /** One number: how many more large frames may be out. */
  readonly credits: Int32Array<SharedArrayBuffer>
}

/** So long the queue waits for a credit, and then gets so many more. */
const CREDIT_WAIT_MS = 1000
const CREDITS_MORE = 32

/** The kernel took the request back, or the read was interrupted. */
const TRY_AGAIN: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EINTR', 'EAGAIN'])
const GONE: ReadonlySet<string | undefined> = new Set(['ENODEV', 'ECONNABORTED'])

if (parentPort !== null) readAll(workerData as ReaderData, parentPort)

function readAll({ descriptor, credits }: ReaderData, port: MessagePort): void {
  let buffer = new Uint8Array(FRAME_MAX)
  for (;;) {
    if (Atomics.wait(credits, 0, 0, CREDIT_WAIT_MS) === 'timed-out')
      Atomics.add(credits, 0, CREDITS_MORE)
    const length = readFrame(descriptor, buffer)
    if (length === undefined) return
    if (length <= FRAME_SMALL) {
      port.postMessage(buffer.slice(0, length))
      continue
    }
    Atomics.sub(credits, 0, 1)
    port.postMessage(buffer.subarray(0, length), [buffer.buffer])
    const returned = receiveMessageOnPort(port) as { message: ArrayBuffer } | undefined
    buffer = new Uint8Array(returned?.message ?? new ArrayBuffer(FRAME_MAX))
  }
}

/** Length of the next frame; undefined once the mount is gone. */
function readFrame(descriptor: number, buffer: Uint8Array): number | undefined {
  for (;;) {
    try {
      return readSync(descriptor, buffer, 0, buffer.byteLength, null)
    } catch (error) {
      const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
      if (GONE.has(code)) return undefined
      if (!TRY_AGAIN.has(code)) throw error
    }
  }
}
