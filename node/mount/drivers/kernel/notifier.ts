// Tells the kernel what to drop from its caches, from a thread of its own (notifier-thread.ts says
// why).
//
// - One batch is under way at a time; what comes meanwhile is gathered, each thing once, for the
//   next.
// - At most NAMES_MAX names are gathered; beyond that one notification makes the kernel ask again
//   for every name (since Linux 6.16; before, the gathering is bounded only by the names that
//   change during one batch).
// - The thread starts with the first notification and does not keep the process alive.
import { Worker } from 'node:worker_threads'
import { concatBytes } from '../../../../protocol/bytes.ts'
import type { ByteRange } from './request.ts'
import type { Report } from './session.ts'
import { NOTIFY, REPLY_HEADER_BYTES, writeU64 } from './protocol.ts'

const NAMES_MAX = 65_536
const ALL: ByteRange = { start: 0, end: Infinity }

const BODY = REPLY_HEADER_BYTES

export class Notifier {
  readonly #descriptor: number
  readonly #report: Report
  readonly #hasEpoch: () => boolean
  /** Gathered inodes, each with what of its content is to be dropped too. */
  readonly #inodes = new Map<number, readonly ByteRange[]>()
  /** Gathered names, as 'parent/name'. */
  readonly #names = new Set<string>()
  #isEveryName = false
  /** The waiters for the batch that is under way, and for the next. */
  #waiting: (() => void)[] = []
  #waitingForNext: (() => void)[] = []
  #thread: Worker | undefined
  #isWriting = false
  #isClosed = false

  constructor(
    components: { descriptor: number; report: Report },
    options: { hasEpoch: () => boolean },
  ) {
    this.#descriptor = components.descriptor
    this.#report = components.report
    this.#hasEpoch = options.hasEpoch
  }

  /**
   * Drop the attributes of an inode, and content of it, which waits for what is being read or
   * written just there.
   */
  inode(inode: number, content: readonly ByteRange[]): void {
    const known = this.#inodes.get(inode) ?? []
    const more = content.filter((range) => !known.some((other) => covers(other, range)))
    const kept = known.filter((range) => !more.some((other) => covers(other, range)))
    this.#inodes.set(inode, [...kept, ...more])
    this.#write()
  }

  /**
   * Drop a name in a folder, and the folder's attributes and list, which the kernel keeps if it
   * knows no such name.
   */
  entry(parent: number, name: string): void {
    if (!this.#isEveryName) this.#names.add(`${parent}/${name}`)
    if (this.#names.size > NAMES_MAX && this.#hasEpoch()) {
      this.#isEveryName = true
      this.#names.clear()
    }
    this.inode(parent, [ALL])
  }

  /** Resolves when all that was gathered so far is written, or never will be. */
  settled(): Promise<void> {
    if (!this.#isWriting || this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => {
      const waiting = this.#inodes.size > 0 ? this.#waitingForNext : this.#waiting
      waiting.push(resolve)
    })
  }

  /** Ends the thread. Only once the mount is gone, when nothing holds the thread up. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#thread?.terminate()
    for (const resolve of [...this.#waiting, ...this.#waitingForNext]) resolve()
  }

  #written(): void {
    this.#isWriting = false
    for (const resolve of this.#waiting) resolve()
    this.#waiting = this.#waitingForNext
    this.#waitingForNext = []
    this.#write()
  }

  #write(): void {
    if (this.#isWriting || this.#isClosed || this.#inodes.size === 0) return
    this.#isWriting = true
    this.#thread ??= this.#start()
    this.#thread.postMessage(this.#batch())
  }

  /** All that was gathered, back to back. */
  #batch(): Uint8Array {
    const notifications = this.#isEveryName ? [epochNotification()] : []
    for (const entry of this.#names) {
      const slash = entry.indexOf('/')
      notifications.push(entryNotification(Number(entry.slice(0, slash)), entry.slice(slash + 1)))
    }
    for (const [inode, content] of this.#inodes) {
      if (content.length === 0) notifications.push(inodeNotification(inode, undefined))
      for (const range of content) notifications.push(inodeNotification(inode, range))
    }
    this.#isEveryName = false
    this.#names.clear()
    this.#inodes.clear()
    return concatBytes(notifications)
  }

  #start(): Worker {
    const thread = new Worker(new URL('./notifier-thread.ts', import.meta.url), {
      workerData: this.#descriptor,
    })
    thread.unref()
    thread.on('message', () => this.#written())
    thread.on('error', (error) => {
      this.#thread = undefined
      this.#report(error)
      this.#written()
    })
    return thread
  }
}

function covers(outer: ByteRange, inner: ByteRange): boolean {
  return outer.start <= inner.start && inner.end <= outer.end
}

/**
 * fuse_notify_inval_inode_out: the attributes, and this content if any; a length of 0 reaches to
 * the end.
 */
function inodeNotification(inode: number, content: ByteRange | undefined): Uint8Array {
  const out = notification(NOTIFY.inode, 24)
  writeU64(out, BODY, inode)
  if (content === undefined) out.writeBigInt64LE(-1n, BODY + 8)
  else {
    writeU64(out, BODY + 8, content.start)
    if (content.end < Infinity) writeU64(out, BODY + 16, content.end - content.start)
  }
  return out
}

/** fuse_notify_inval_entry_out, and the name with its NUL. */
function entryNotification(parent: number, name: string): Uint8Array {
  const out = notification(NOTIFY.entry, 16 + name.length + 1)
  writeU64(out, BODY, parent)
  out.writeUInt32LE(name.length, BODY + 8)
  out.write(name, BODY + 16, 'latin1')
  return out
}

/** Every cached name is asked for again. */
function epochNotification(): Uint8Array {
  return notification(NOTIFY.epoch, 0)
}

/** A header that is no reply's: unique 0, and the code in place of the error. */
function notification(code: number, bodyBytes: number): Buffer {
  const out = Buffer.alloc(BODY + bodyBytes)
  out.writeUInt32LE(out.byteLength, 0)
  out.writeInt32LE(code, 4)
  return out
}
