// One request of the kernel, read front to back. Whatever the bytes are, reading gives a value or
// throws ShoalError 'EINVAL' (or 'ENAMETOOLONG', 'EFBIG'), never anything else. Fields must be read
// before the first await of an operation: after that the buffer below belongs to the next request,
// but for the data of a WRITE.
import { ShoalError } from '../../../../protocol/errors.ts'
import { NAME_MAX } from '../../../../protocol/limits.ts'
import { OPCODE, PAGE, REQUEST_HEADER_BYTES, readU64 } from './protocol.ts'
import type { Caller } from '../../file-system.ts'

/** Bytes [start, end) of a file. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** A header that parsed, and a cursor over the body. */
export class Request {
  readonly opcode: number
  readonly unique: number
  readonly inode: number
  readonly caller: Caller
  readonly #frame: Buffer
  #at = REQUEST_HEADER_BYTES
  #controller: AbortController | undefined

  /** undefined if `frame` is too short to have a header, and so cannot be answered. */
  static parse(frame: Uint8Array): Request | undefined {
    if (frame.byteLength < REQUEST_HEADER_BYTES) return undefined
    return new Request(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength))
  }

  private constructor(frame: Buffer) {
    this.#frame = frame
    this.opcode = frame.readUInt32LE(4)
    this.unique = readU64(frame, 8)
    this.inode = readU64(frame, 16)
    this.caller = { uid: frame.readUInt32LE(24), gid: frame.readUInt32LE(28) }
  }

  /** Does the header tell the truth about the frame's length? */
  get isWhole(): boolean {
    return this.#frame.readUInt32LE(0) === this.#frame.byteLength
  }

  /** Only a WRITE goes on using its frame after the first await. */
  get keepsFrame(): boolean {
    return this.opcode === OPCODE.write
  }

  /**
   * The pages that a READ or WRITE fills or sends, which the kernel has locked until it is
   * answered.
   */
  get pages(): ByteRange | undefined {
    const isTransfer = this.opcode === OPCODE.read || this.opcode === OPCODE.write
    // Position and length are at the same place in both; shorter ones fail when they are read.
    if (!isTransfer || this.#frame.byteLength < REQUEST_HEADER_BYTES + 20) return undefined
    const position = readU64(this.#frame, REQUEST_HEADER_BYTES + 8)
    const end = position + this.#frame.readUInt32LE(REQUEST_HEADER_BYTES + 16)
    return { start: Math.floor(position / PAGE) * PAGE, end: Math.ceil(end / PAGE) * PAGE }
  }

  /**
   * Aborts when whoever waits for the answer was interrupted. Asking for it is what makes a request
   * interruptible.
   */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  /** returns false, and does nothing, for a request that is not interruptible. */
  abort(): boolean {
    this.#controller?.abort(new ShoalError('aborted', 'the reader was interrupted'))
    return this.#controller !== undefined
  }

  get isInterrupted(): boolean {
    return this.#controller?.signal.aborted ?? false
  }

  skip(bytes: number): void {
    this.#take(bytes)
  }

  u32(): number {
    return this.#frame.readUInt32LE(this.#take(4))
  }

  /** 64 bits as a number. throws 'EFBIG' above 2^53 - 1. */
  u64(): number {
    const value = readU64(this.#frame, this.#take(8))
    if (!Number.isSafeInteger(value)) throw new ShoalError('EFBIG', `${value} is beyond 2^53 - 1`)
    return value
  }

  /** Passes 64 bits, which mean something, and so must be right, only if `present`. */
  u64If(present: boolean): number | undefined {
    if (present) return this.u64()
    this.skip(8)
    return undefined
  }

  i64(): bigint {
    return this.#frame.readBigInt64LE(this.#take(8))
  }

  /** A file name. throws 'EINVAL' for what no file can be called, 'ENAMETOOLONG'. */
  name(): string {
    const name = this.text()
    if (name === '' || name === '.' || name === '..' || name.includes('/')) {
      throw new ShoalError('EINVAL', `${JSON.stringify(name)} cannot be a file name`)
    }
    if (name.length > NAME_MAX) {
      throw new ShoalError('ENAMETOOLONG', `a name of ${name.length} bytes; at most ${NAME_MAX}`)
    }
    return name
  }

  /** A byte string up to its NUL, which is passed. */
  text(): string {
    const end = this.#frame.indexOf(0, this.#at)
    if (end < 0) throw malformed('no NUL after a string')
    const text = this.#frame.toString('latin1', this.#at, end)
    this.#at = end + 1
    return text
  }

  /** Exactly `length` bytes; a view of the frame. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#frame.subarray(at, at + length)
  }

  #take(bytes: number): number {
    const at = this.#at
    const end = at + bytes
    if (end > this.#frame.byteLength) throw malformed(`ends at ${this.#frame.byteLength} of ${end}`)
    this.#at = end
    return at
  }
}

function malformed(what: string): ShoalError {
  return new ShoalError('EINVAL', `malformed FUSE request: ${what}`)
}
