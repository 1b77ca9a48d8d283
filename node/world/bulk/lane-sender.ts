// The frames that a lane sends, cut into pieces as its credit and the turns of other lanes allow.
// Always true: frames go out in order and unmixed; no part of one is read any more once its send()
// has settled, also when that fails, so its memory may be reused.
import { Buffer } from 'node:buffer'
import { concatBytes } from '../../../protocol/bytes.ts'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import { FRAME_MAX } from '../../../protocol/limits.ts'
import { KIB } from '../../../protocol/units.ts'
import {
  CREDIT_MAX,
  RECORD,
  RECORD_DATA_MAX,
  RECORD_HEAD_BYTES,
  writeRecordHead,
} from '../../../protocol/wire/bulk.ts'
import { onAbort } from '../abort-listeners.ts'
import { LENGTH_BYTES } from './lane-reader.ts'

/** Parts up to this size are copied together; larger ones are encrypted where they are. */
const COPY_MAX: number = 16 * KIB

/** The bytes of one record: the head and what is small, then what is large. */
export interface Piece {
  readonly small: Uint8Array
  readonly large: Uint8Array | undefined
  /** To be called once the memory is not read any more. */
  readonly written: () => void
}

/** A frame under way. */
interface Outgoing {
  readonly parts: readonly Uint8Array[]
  /** The next byte: of this part, at this place. */
  part: number
  at: number
  begun: boolean
  /** The memory is being read now. */
  isRead: boolean
  failure: Error | undefined
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class LaneSender {
  readonly #lane: number
  readonly #queue: Outgoing[] = []
  #credit = 0
  #failure: Error | undefined
  #emptied = Promise.withResolvers<void>()

  constructor(lane: number) {
    this.#lane = lane
  }

  /** Whether next() has something. */
  get isReady(): boolean {
    return this.#queue.length > 0 && this.#credit > 0
  }

  /** Resolves once all frames were handed to the connection, or never will be. */
  async drained(): Promise<void> {
    while (this.#queue.length > 0) await this.#emptied.promise
  }

  /** throws ShoalError 'malformed' if that cannot be. */
  allow(bytes: number): void {
    this.#credit += bytes
    if (this.#credit > CREDIT_MAX) throw new ShoalError('malformed', 'a lane of too much credit')
  }

  /**
   * Sends a frame. A signal that aborts before it has begun takes it back; after that `broken` is
   * called, since nothing sensible can follow.
   */
  async send(
    parts: readonly Uint8Array[],
    signal: AbortSignal,
    { changed, broken }: { changed: () => void; broken: (error: Error) => void },
  ): Promise<void> {
    if (signal.aborted) throw asShoalError(signal.reason)
    if (this.#failure !== undefined) throw this.#failure
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const state = { part: 0, at: 0, begun: false, isRead: false, failure: undefined }
    const outgoing: Outgoing = { parts: withLength(parts), ...state, resolve, reject }
    this.#queue.push(outgoing)
    const forget = onAbort(signal, () => {
      const error = asShoalError(signal.reason)
      outgoing.failure = error
      if (outgoing.begun) return broken(error)
      this.#remove(outgoing)
      reject(error)
    })
    changed()
    try {
      await promise
    } finally {
      forget()
      changed()
    }
  }

  /** The next record; only to be called when isReady. */
  next(): Piece {
    const frame = this.#queue[0]
    if (frame === undefined) throw new ShoalError('internal', 'a lane has nothing to send')
    const room = Math.min(RECORD_DATA_MAX, this.#credit)
    const small: Uint8Array[] = [new Uint8Array(RECORD_HEAD_BYTES)]
    let large: Uint8Array | undefined
    let n = 0
    while (n < room && frame.part < frame.parts.length && large === undefined) {
      const bytes = advance(frame, room - n)
      n += bytes.length
      if (bytes.length > COPY_MAX) large = bytes
      else small.push(bytes)
    }
    frame.begun = true
    frame.isRead = true
    this.#credit -= n
    const isLast = frame.part === frame.parts.length
    if (isLast) this.#remove(frame)
    const head = concatBytes(small)
    writeRecordHead(head, 0, { kind: RECORD.DATA, lane: this.#lane, n })
    return { small: head, large, written: () => written(frame, isLast) }
  }

  /** Nothing is sent any more. */
  break(error: Error): void {
    this.#failure ??= error
    for (const frame of this.#queue.splice(0)) {
      frame.failure ??= error
      if (!frame.isRead) frame.reject(frame.failure)
    }
    this.#tellIfEmpty()
  }

  #remove(frame: Outgoing): void {
    const at = this.#queue.indexOf(frame)
    if (at >= 0) this.#queue.splice(at, 1)
    this.#tellIfEmpty()
  }

  #tellIfEmpty(): void {
    if (this.#queue.length > 0) return
    this.#emptied.resolve()
    this.#emptied = Promise.withResolvers()
  }
}

function written(frame: Outgoing, isLast: boolean): void {
  frame.isRead = false
  if (frame.failure !== undefined) frame.reject(frame.failure)
  else if (isLast) frame.resolve()
}

function withLength(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
  if (length > FRAME_MAX)
    throw new ShoalError(
      'malformed',
      `a frame of ${length} bytes; at most ${FRAME_MAX} are allowed`,
    )
  const head = Buffer.alloc(LENGTH_BYTES)
  head.writeUInt32BE(length)
  return [head, ...parts.filter((part) => part.byteLength > 0)]
}

/** Up to `most` bytes of the part that is next. */
function advance(frame: Outgoing, most: number): Uint8Array {
  const part = frame.parts[frame.part] ?? new Uint8Array()
  const bytes = part.subarray(frame.at, frame.at + most)
  frame.at += bytes.length
  if (frame.at === part.length) {
    frame.part++
    frame.at = 0
  }
  return bytes
}
