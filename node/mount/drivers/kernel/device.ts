// The descriptor of /dev/fuse: reads frames from it in the thread pool and writes replies to it at once.
//
// - READERS reads are outstanding (each blocks a thread of the pool until the kernel has a request), but for when
//   BUFFERS_MAX frames are held by writes that the file system has not finished: then the kernel's queue waits.
// - A buffer is either with one reader, or held by one frame, or idle.
// - Nothing touches the descriptor once it is closed: its number may by then be another file's.
// - Replies are written synchronously; the kernel copies them and never blocks on that.
import { close, read, writevSync } from 'node:fs'
import { promisify } from 'node:util'
import { concatBytes } from '../../../../protocol/bytes.ts'
import { FRAME_MAX, REPLY_HEADER_BYTES } from './protocol.ts'
import { EIO } from './errno.ts'
import { EMPTY } from './replies.ts'
import { writeU64 } from './u64.ts'
import type { Parts } from './replies.ts'
import type { Report } from './session.ts'

/** Takes a frame; a promise, which never rejects, keeps the frame's bytes from being used again. */
export type Receive = (frame: Uint8Array) => Promise<void> | undefined

const READERS = 2
const BUFFERS_MAX = 64
const IDLE_MAX = 4
/** Parts a writev(2) takes (IOV_MAX), the header aside. */
const PARTS_MAX = 1023

/** The kernel took the request back (ENOENT), or the read was interrupted. */
const TRY_AGAIN: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EINTR', 'EAGAIN'])
/** Nobody waits for this reply any more. */
const UNWANTED: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENODEV', 'ECONNABORTED'])
const UNMOUNTED: ReadonlySet<string | undefined> = new Set(['ENODEV', 'ECONNABORTED'])

export class Device {
  readonly descriptor: number
  readonly #report: Report
  readonly #header = Buffer.alloc(REPLY_HEADER_BYTES)
  readonly #ended = Promise.withResolvers<void>()
  readonly #idle: Buffer[] = []
  #buffers = 0
  #readers = 0
  #receive: Receive = () => undefined
  #isOver = false
  #isClosed = false

  /** Takes over `descriptor`. */
  constructor(descriptor: number, report: Report) {
    this.descriptor = descriptor
    this.#report = report
  }

  /** Begin to read. Keeps the process alive until the mount is gone. */
  start(receive: Receive): void {
    this.#receive = receive
    this.#fill()
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

  /** Send a reply. Never throws. What the kernel refuses as malformed is answered EIO, so that nobody waits for ever. */
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
      if (UNWANTED.has(codeOf(error))) return
      this.#report(error)
      if (errno === 0) this.send(unique, EIO, EMPTY)
    }
  }

  #fill(): void {
    while (this.#readers < READERS && !this.#isOver) {
      const buffer = this.#take()
      if (buffer === undefined) return
      this.#readers++
      this.#read(buffer)
    }
  }

  #read(buffer: Buffer): void {
    read(this.descriptor, buffer, 0, buffer.byteLength, null, (error, length) => {
      if (error !== null) return this.#failed(error, buffer)
      const held = this.#receive(buffer.subarray(0, length))
      if (held === undefined) return this.#read(buffer)
      this.#readers--
      this.#fill()
      void held.then(() => {
        this.#give(buffer)
        this.#fill()
      })
    })
  }

  #failed(error: NodeJS.ErrnoException, buffer: Buffer): void {
    if (TRY_AGAIN.has(error.code)) return this.#read(buffer)
    if (!UNMOUNTED.has(error.code)) this.#report(error)
    this.#isOver = true
    this.#readers--
    if (this.#readers === 0) this.#ended.resolve()
  }

  #take(): Buffer | undefined {
    const idle = this.#idle.pop()
    if (idle !== undefined || this.#buffers === BUFFERS_MAX) return idle
    this.#buffers++
    return Buffer.allocUnsafeSlow(FRAME_MAX)
  }

  #give(buffer: Buffer): void {
    if (this.#idle.length < IDLE_MAX) this.#idle.push(buffer)
    else this.#buffers--
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}
