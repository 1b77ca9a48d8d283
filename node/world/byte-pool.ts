// Memory that is used again and again, of any length. Whoever takes some owns it until it is given
// back, and fills it before anybody reads it: nobody may keep a part of it after that, and what is
// not given back is garbage like any other. What is free is bounded, and let go of after a while in
// which nobody wanted any.
import { Buffer } from 'node:buffer'
import { KIB, SECOND_MS } from '../../protocol/units.ts'
import type { Clock, Timer } from './world.ts'

/** Lengths are rounded up to it, so that memory fits the next one. */
const STEP_BYTES: number = 64 * KIB
const IDLE_MS: number = 10 * SECOND_MS
/** Written over what is given back: whoever still reads it sees that. */
const POISON = 0xdb

export interface BytePoolOptions {
  /** Bytes that are kept free. */
  readonly freeBytesMax: number
  readonly isPoisoned?: boolean
}

export class BytePool {
  readonly #clock: Pick<Clock, 'timer'>
  readonly #freeBytesMax: number
  readonly #isPoisoned: boolean
  /** The last given back last. */
  readonly #free: Uint8Array[] = []
  #freeBytes = 0
  #idle: Timer | undefined

  constructor({ clock }: { clock: Pick<Clock, 'timer'> }, options: BytePoolOptions) {
    this.#clock = clock
    this.#freeBytesMax = options.freeBytesMax
    this.#isPoisoned = options.isPoisoned ?? process.env['SHOAL_POISON_BUFFERS'] !== undefined
  }

  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Memory of this length, with whatever was in it. */
  take(length: number): Uint8Array {
    const size = Math.ceil(length / STEP_BYTES) * STEP_BYTES
    const at = this.#free.findLastIndex((free) => free.length === size)
    const [free] = at < 0 ? [] : this.#free.splice(at, 1)
    if (free !== undefined) this.#freeBytes -= size
    const memory = free ?? new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
    return memory.subarray(0, length)
  }

  /** Nobody reads it any more. Only what take() gave, once. */
  giveBack(bytes: Uint8Array): void {
    if (this.#isPoisoned) bytes.fill(POISON)
    const memory = new Uint8Array(bytes.buffer)
    if (memory.length > this.#freeBytesMax) return
    this.#free.push(memory)
    this.#freeBytes += memory.length
    while (this.#freeBytes > this.#freeBytesMax) this.#freeBytes -= this.#free.shift()?.length ?? 0
    this.#idle?.cancel()
    this.#idle = this.#clock.timer(IDLE_MS, () => this.release())
  }

  /** Lets go of what is free. */
  release(): void {
    this.#idle?.cancel()
    this.#idle = undefined
    this.#free.length = 0
    this.#freeBytes = 0
  }
}
