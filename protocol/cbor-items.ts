// DAG-CBOR item by item, for the small records of hot paths: the same bytes as cbor.ts makes of the
// same values, without a tree of values between. RFC 8949 with the rules of
// https://ipld.io/specs/codecs/dag-cbor/spec/ (least heads, definite lengths). Only what records
// hold: integers of 64 bits, byte strings, lists, null.
import type { ByteString } from './bytes.ts'
import { ShoalError } from './errors.ts'

const UNSIGNED = 0
const NEGATIVE = 1
const BYTES = 2
const LIST = 4
const NULL = 0xf6
/** Head and longest argument. */
const HEAD_MAX = 9

/** Puts items one after another. A list is its count, then its items. */
export class CborWriter {
  #bytes: Buffer = Buffer.alloc(4096)
  #at = 0

  /** Returns the written bytes as a copy, and resets the writer. The writer begins anew. */
  finish(): Uint8Array {
    const out = Buffer.copyBytesFrom(this.#bytes, 0, this.#at)
    this.#at = 0
    return out
  }

  /** Forget what was written. */
  reset(): void {
    this.#at = 0
  }

  null(): void {
    this.#room(1)
    this.#bytes[this.#at++] = NULL
  }

  list(count: number): void {
    this.#head(LIST, count)
  }

  /** A safe integer. */
  integer(value: number): void {
    if (value >= 0) this.#head(UNSIGNED, value)
    else this.#head(NEGATIVE, -1 - value)
  }

  /** An integer of at most 64 bits and a sign. */
  bigint(value: bigint): void {
    const argument = value >= 0n ? value : -1n - value
    const major = value >= 0n ? UNSIGNED : NEGATIVE
    if (argument <= 0xffff_ffffn) return this.#head(major, Number(argument))
    this.#room(HEAD_MAX)
    this.#bytes[this.#at] = (major << 5) | 27
    this.#bytes.writeBigUInt64BE(argument, this.#at + 1)
    this.#at += HEAD_MAX
  }

  bytes(value: Uint8Array): void {
    this.#head(BYTES, value.length)
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  /** A byte string, one char per byte in memory. */
  byteString(value: ByteString): void {
    this.#head(BYTES, value.length)
    this.#room(value.length)
    this.#at += this.#bytes.write(value, this.#at, 'latin1')
  }

  /** A byte string, hexadecimal in memory. */
  hex(value: string): void {
    this.#head(BYTES, value.length / 2)
    this.#room(value.length)
    this.#at += this.#bytes.write(value, this.#at, 'hex')
  }

  #head(major: number, argument: number): void {
    this.#room(HEAD_MAX)
    const type = major << 5
    const bytes = this.#bytes
    if (argument < 24) {
      bytes[this.#at++] = type | argument
    } else if (argument < 0x100) {
      bytes[this.#at++] = type | 24
      bytes[this.#at++] = argument
    } else if (argument < 0x1_0000) {
      bytes[this.#at] = type | 25
      this.#at = bytes.writeUInt16BE(argument, this.#at + 1)
    } else if (argument < 0x1_0000_0000) {
      bytes[this.#at] = type | 26
      this.#at = bytes.writeUInt32BE(argument, this.#at + 1)
    } else {
      bytes[this.#at] = type | 27
      this.#at = bytes.writeBigUInt64BE(BigInt(argument), this.#at + 1)
    }
  }

  #room(count: number): void {
    const needed = this.#at + count
    if (needed <= this.#bytes.length) return
    const larger = Buffer.alloc(Math.max(needed, 2 * this.#bytes.length))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

/**
 * Takes items one after another. Every method throws ShoalError 'corrupt' for what is not that
 * item.
 */
export class CborReader {
  readonly #bytes: Buffer
  readonly #what: string
  #at = 0

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
  }

  /** True and taken if null is next. */
  null(): boolean {
    if (this.#bytes[this.#at] !== NULL) return false
    this.#at++
    return true
  }

  isInteger(): boolean {
    return (this.#bytes[this.#at] ?? NULL) >> 5 <= NEGATIVE
  }

  isBytes(): boolean {
    return (this.#bytes[this.#at] ?? NULL) >> 5 === BYTES
  }

  /** How many items follow as those of a list. */
  list(): number {
    const count = this.#argument(LIST)
    // An item is a byte at least: nothing can make a reader expect more than there is.
    return count > this.#bytes.length - this.#at ? this.#fail() : count
  }

  /** A safe integer. */
  integer(): number {
    const first = this.#bytes[this.#at] ?? NULL
    const major = first >> 5
    if (major > NEGATIVE) this.#fail()
    const argument = this.#argument(major)
    const value = major === UNSIGNED ? argument : -1 - argument
    return Number.isSafeInteger(value) ? value : this.#fail()
  }

  bigint(): bigint {
    const first = this.#bytes[this.#at] ?? this.#fail()
    const major = first >> 5
    if (major > NEGATIVE) this.#fail()
    let argument: bigint
    if ((first & 31) === 27) {
      if (this.#at + HEAD_MAX > this.#bytes.length) this.#fail()
      argument = this.#bytes.readBigUInt64BE(this.#at + 1)
      this.#at += HEAD_MAX
    } else {
      argument = BigInt(this.#argument(major))
    }
    return major === UNSIGNED ? argument : -1n - argument
  }

  /** A view of the bytes read: the caller must not write to it. */
  bytes(): Uint8Array {
    const start = this.#take()
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#at - start)
  }

  byteString(): ByteString {
    const start = this.#take()
    return this.#bytes.toString('latin1', start, this.#at)
  }

  hex(): string {
    const start = this.#take()
    return this.#bytes.toString('hex', start, this.#at)
  }

  /** Steps over a byte string. returns where it begins. */
  #take(): number {
    const length = this.#argument(BYTES)
    const start = this.#at
    if (length > this.#bytes.length - start) this.#fail()
    this.#at += length
    return start
  }

  #argument(major: number): number {
    const bytes = this.#bytes
    const first = bytes[this.#at++]
    if (first === undefined || first >> 5 !== major) return this.#fail()
    const short = first & 31
    if (short < 24) return short
    const width = 1 << (short - 24)
    if (short > 27 || this.#at + width > bytes.length) return this.#fail()
    const at = this.#at
    this.#at += width
    if (width === 8) return Number(bytes.readBigUInt64BE(at))
    return bytes.readUIntBE(at, width)
  }

  #fail(): never {
    throw new ShoalError('corrupt', `${this.#what} is malformed`)
  }
}
