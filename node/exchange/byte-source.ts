// Bytes that come in parts, taken in the lengths that a format has. What is held is no more than
// what was asked for at once and the part that it ends in.
import { concatBytes } from '../../protocol/bytes.ts'
import { VARINT_BYTES_MAX, decodeVarint } from '../../protocol/car/car.ts'
import { ShoalError } from '../../protocol/errors.ts'

export class ByteSource {
  readonly #parts: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array(0)
  #position = 0

  constructor(parts: AsyncIterable<Uint8Array>) {
    this.#parts = parts[Symbol.asyncIterator]()
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position
  }

  async isAtEnd(): Promise<boolean> {
    return (await this.peek(1)).length === 0
  }

  /**
   * The next `length` bytes; not to be written to. throws ShoalError 'corrupt' where there are
   * fewer.
   */
  async take(length: number): Promise<Uint8Array> {
    const bytes = await this.peek(length)
    if (bytes.length < length)
      throw new ShoalError(
        'corrupt',
        `the archive is truncated at byte ${this.#position + bytes.length}: ` +
          `${length - bytes.length} more bytes expected`,
      )
    this.#advance(length)
    return bytes
  }

  /**
   * A number in front of what it is the length of. throws ShoalError 'corrupt', 'malformed' if it
   * is above `max`.
   */
  async takeLength(max: number, what: string): Promise<number> {
    const at = this.#position
    const bytes = await this.peek(VARINT_BYTES_MAX)
    if (bytes.length === 0) await this.take(1)
    const { value, length } = decodeVarint(bytes)
    if (value > max || value === 0)
      throw new ShoalError(
        'malformed',
        `${what} at byte ${at} has a length of ${value}, not 1 to ${max}`,
      )
    this.#advance(length)
    return value
  }

  /** Go to `position`, which is not behind. */
  async skipTo(position: number): Promise<void> {
    if (position < this.#position)
      throw new ShoalError('malformed', `the archive refers back to its byte ${position}`)
    while (this.#position < position) {
      if (await this.isAtEnd()) await this.take(1)
      this.#advance(Math.min(this.#held.length, position - this.#position))
    }
  }

  /** Let the rest pass. */
  async drain(): Promise<void> {
    while ((await this.peek(1)).length > 0) this.#advance(this.#held.length)
  }

  /** Take no more: whoever sends is told. */
  async end(): Promise<void> {
    await this.#parts.return?.()
  }

  #advance(length: number): void {
    this.#held = this.#held.subarray(length)
    this.#position += length
  }

  /** The next bytes, which stay; fewer than `length` only at the end. */
  async peek(length: number): Promise<Uint8Array> {
    if (this.#held.length < length) {
      const parts = [this.#held]
      let total = this.#held.length
      while (total < length) {
        const next = await this.#parts.next()
        if (next.done === true) break
        parts.push(next.value)
        total += next.value.length
      }
      this.#held = concatBytes(parts)
    }
    return this.#held.subarray(0, length)
  }
}
