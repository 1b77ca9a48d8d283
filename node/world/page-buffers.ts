// Buffers that begin at a page of memory, as writes past the page cache need them, used again and
// again. Whoever takes one owns it until it is given back, and fills it before anybody reads it:
// nobody may keep a part of it after that. What is free is kept for the next, up to a bound.
import { KIB, MIB } from '../../protocol/units.ts'

/** Pages of memory, and blocks of disks. */
export const PAGE_BYTES: number = 4 * KIB
/** The length of each. */
export const PAGE_BUFFER_BYTES: number = 4 * MIB
const KEPT_MAX = 6
/** Written over what is given back: whoever still reads it sees that. */
const POISON = 0xdb

export class PageBuffers {
  readonly #free: Uint8Array[] = []
  readonly #isPoisoned: boolean

  constructor({ isPoisoned = false }: { isPoisoned?: boolean } = {}) {
    this.#isPoisoned = isPoisoned
  }

  /** Bytes that are free. */
  get freeBytes(): number {
    return this.#free.length * PAGE_BUFFER_BYTES
  }

  /** A buffer of PAGE_BUFFER_BYTES with whatever was in it. */
  take(): Uint8Array {
    return this.#free.pop() ?? pageBuffer()
  }

  /** The first `usedBytes` of it were written to. */
  giveBack(buffer: Uint8Array, usedBytes: number = PAGE_BUFFER_BYTES): void {
    if (this.#isPoisoned) buffer.fill(POISON, 0, usedBytes)
    if (this.#free.length < KEPT_MAX) this.#free.push(buffer)
  }

  /** Let go of what is free. */
  release(): void {
    this.#free.length = 0
  }
}

/** Those of this process. */
export const pageBuffers: PageBuffers = new PageBuffers({
  isPoisoned: process.env['SHOAL_POISON_BUFFERS'] !== undefined,
})

/** True if the first byte of `bytes` lies as far from the beginning of a page as `position`. */
export function liesInPageAs(position: number, bytes: Uint8Array): boolean {
  return isPaged(bytes.buffer) && (position - bytes.byteOffset) % PAGE_BYTES === 0
}

/** V8 takes memory that can grow from the kernel, in pages; other buffers begin anywhere. */
function pageBuffer(): Uint8Array {
  return new Uint8Array(new ArrayBuffer(PAGE_BUFFER_BYTES, { maxByteLength: PAGE_BUFFER_BYTES }))
}

function isPaged(buffer: ArrayBufferLike): boolean {
  return buffer instanceof ArrayBuffer && buffer.resizable
}
