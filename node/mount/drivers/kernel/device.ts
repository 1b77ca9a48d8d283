// The descriptor of /dev/fuse: a thread of its own reads frames from it (reader-thread.ts), replies
// are written here.
//
// - At most LARGE_MAX large frames are held by writes that the file system has not finished, but
//   for those that take long.
// - Nothing touches the descriptor once it is closed: its number may by then be another file's.
// - Replies are written synchronously; the kernel copies them and never blocks on that.
import { close, writevSync } from 'node:fs'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { concatBytes } from '../../../../protocol/bytes.ts'
import { FRAME_SMALL, REPLY_HEADER_BYTES, writeU64 } from './protocol.ts'
import { EIO } from '../errno.ts'
import { EMPTY } from './replies.ts'
import type { ReaderData } from './reader-thread.ts'
import type { Parts } from './replies.ts'
import type { Report } from './session.ts'

/** Takes a frame; a promise, which never rejects, keeps the frame's bytes from being used again. */
export type Receive = (frame: Uint8Array) => Promise<void> | undefined

const LARGE_MAX = 32
/** Parts a writev(2) takes (IOV_MAX), the header aside. */
const PARTS_MAX = 1023
/** Nobody waits for this reply any more. */
const UNWANTED: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENODEV', 'ECONNABORTED'])

export class Device {
  readonly descriptor: number
  readonly #report: Report
  readonly #header = Buffer.alloc(REPLY_HEADER_BYTES)
  readonly #ended = Promise.withResolvers<void>()
  readonly #credits = new Int32Array(new SharedArrayBuffer(4)).fill(LARGE_MAX)
  #isClosed = false

  /** Takes over `descriptor`. */
  constructor(descriptor: number, report: Report) {
    this.descriptor = descriptor
    this.#report = report
  }

  /** Begin to read. Keeps the process alive until the mount is gone. */
  start(receive: Receive): void {
    const workerData: ReaderData = { descriptor: this.descriptor, credits: this.#credits }
    const thread = new Worker(new URL('./reader-thread.ts', import.meta.url), { workerData })
    thread.on('message', (frame: Uint8Array<ArrayBuffer>) => {
      const held = receive(frame)
      if (frame.byteLength <= FRAME_SMALL) return
      if (held === undefined) this.#giveBack(thread, frame)
      else void held.then(() => this.#giveBack(thread, frame))
    })
    thread.on('error', this.#report)
    thread.on('exit', () => this.#ended.resolve())
  }

  /** Resolves when the kernel has no more requests: the mount is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Must only be called after `ended`. */
  async close(): Promise<void> {
    this.#isClosed = true
    await promisify(close)(this.descriptor)
  }

  /**
   * Send a reply. Never throws. What the kernel refuses as malformed is answered EIO, so that
   * nobody waits for ever.
   */
  readonly send = (unique: number, errno: number, body: Parts): void => {
    if (this.#isClosed) return
    const parts = body.length > PARTS_MAX ? [concatBytes(body)] : body
    const header = this.#header
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, REPLY_HEADER_BYTES)
    header.writeUInt32LE(bytes, 0)
    header.writeInt32LE(-errno, 4)
    writeU64(header, 8, unique)
    try {
      writevSync(this.descriptor, [header, ...parts])
    } catch (error) {
      const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
      if (UNWANTED.has(code)) return
      this.#report(error)
      if (errno === 0) this.send(unique, EIO, EMPTY)
    }
  }

  /** The reader may use a large frame's buffer again. */
  #giveBack(thread: Worker, { buffer }: Uint8Array<ArrayBuffer>): void {
    thread.postMessage(buffer, [buffer])
    Atomics.add(this.#credits, 0, 1)
    Atomics.notify(this.#credits, 0)
  }
}
