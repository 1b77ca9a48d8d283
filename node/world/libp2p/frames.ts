// Frames on a byte stream: a u32 big-endian length, then that many bytes. Pure: bytes in, frames
// out, in order, each copied once into memory of its own. Format: docs/formats/network.md.
import { Buffer } from 'node:buffer'
import { concatBytes } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { FRAME_MAX } from '../../../protocol/limits.ts'
import { KIB } from '../../../protocol/units.ts'

/** Bytes of the length before each frame. */
export const LENGTH_BYTES = 4
/** Parts up to this size are copied together; larger ones go out as they are. */
const COPY_MAX: number = 16 * KIB
/**
 * Largest block given to the stream at once, so that several streams take turns on a connection.
 */
const BLOCK_MAX: number = 256 * KIB

/**
 * The bytes of one frame made of `parts`, as blocks to send in order. Large parts are not copied.
 * throws ShoalError 'malformed' if it is larger than FRAME_MAX.
 */
export function encodeFrame(parts: readonly Uint8Array[]): Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
  if (length > FRAME_MAX) throw tooLarge(length, FRAME_MAX)
  const blocks: Uint8Array[] = []
  let small: Uint8Array[] = [encodeLength(length)]
  for (const part of parts) {
    if (part.byteLength <= COPY_MAX) {
      small.push(part)
      continue
    }
    blocks.push(...split(concatBytes(small)), ...split(part))
    small = []
  }
  blocks.push(...split(concatBytes(small)))
  return blocks
}

/** Cuts a stream of bytes into frames. */
export class FrameDecoder {
  readonly #deliver: (frame: Uint8Array) => void
  readonly #frameMax: number
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  #lengthFilled = 0
  #frame: Uint8Array | undefined
  #frameFilled = 0

  /** `deliver` is called with each whole frame, which belongs to the callee. */
  constructor(deliver: (frame: Uint8Array) => void, frameMax: number = FRAME_MAX) {
    this.#deliver = deliver
    this.#frameMax = frameMax
  }

  /** True while a frame has begun and not ended. */
  get insideFrame(): boolean {
    return this.#lengthFilled > 0
  }

  /**
   * Take the next bytes. throws ShoalError 'malformed' at a length above the limit; the decoder is
   * then done for.
   */
  push(bytes: Uint8Array): void {
    let offset = 0
    while (offset < bytes.byteLength) {
      offset += this.#frame === undefined ? this.#fillLength(bytes, offset) : 0
      if (this.#frame !== undefined) offset += this.#fillFrame(this.#frame, bytes, offset)
    }
  }

  #fillLength(bytes: Uint8Array, offset: number): number {
    const count = Math.min(LENGTH_BYTES - this.#lengthFilled, bytes.byteLength - offset)
    this.#length.set(bytes.subarray(offset, offset + count), this.#lengthFilled)
    this.#lengthFilled += count
    if (this.#lengthFilled === LENGTH_BYTES) {
      const length = this.#length.readUInt32BE()
      if (length > this.#frameMax) throw tooLarge(length, this.#frameMax)
      // Not zeroed: memory is touched, and so taken, only as bytes really come.
      this.#frame = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
      this.#frameFilled = 0
    }
    return count
  }

  #fillFrame(frame: Uint8Array, bytes: Uint8Array, offset: number): number {
    const count = Math.min(frame.byteLength - this.#frameFilled, bytes.byteLength - offset)
    frame.set(bytes.subarray(offset, offset + count), this.#frameFilled)
    this.#frameFilled += count
    if (this.#frameFilled === frame.byteLength) {
      this.#frame = undefined
      this.#lengthFilled = 0
      this.#deliver(frame)
    }
    return count
  }
}

function encodeLength(length: number): Uint8Array {
  const out = Buffer.alloc(LENGTH_BYTES)
  out.writeUInt32BE(length)
  return out
}

function split(bytes: Uint8Array): Uint8Array[] {
  if (bytes.byteLength <= BLOCK_MAX) return bytes.byteLength === 0 ? [] : [bytes]
  const blocks: Uint8Array[] = []
  for (let offset = 0; offset < bytes.byteLength; offset += BLOCK_MAX) {
    blocks.push(bytes.subarray(offset, offset + BLOCK_MAX))
  }
  return blocks
}

function tooLarge(length: number, max: number): ShoalError {
  return new ShoalError('malformed', `a frame of ${length} bytes; at most ${max} are allowed`)
}
