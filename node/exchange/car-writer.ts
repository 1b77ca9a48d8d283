// A CAR as it is written: the header, then each block once, as far back as is remembered. Small
// sections go out together.
import { concatBytes, toByteString } from '../../protocol/bytes.ts'
import { UNKNOWN_ROOT, encodeCarHeader, encodeSectionHead } from '../../protocol/car/car.ts'
import { KIB } from '../../protocol/units.ts'
import type { Block, Cid } from '../../protocol/car/car.ts'
import type { Emit } from './emitted.ts'

/** Blocks that are remembered: what repeats, such as zeros, repeats soon. */
const REMEMBERED_MAX = 65_536
const PART_BYTES: number = 256 * KIB

/** Takes the blocks of a tree, each before those that link to it. */
export interface BlockSink {
  put(block: Block): Promise<void>
}

/** For who wants nothing but the root. */
export const NO_BLOCKS: BlockSink = { put: async () => undefined }

export class CarWriter implements BlockSink {
  readonly #emit: Emit
  /** Oldest first. */
  readonly #remembered = new Set<string>()
  #parts: Uint8Array[] = []
  #length = 0

  constructor(emit: Emit) {
    this.#emit = emit
  }

  /** Comes first. Without a root, as long a header that is to be replaced. */
  async begin(root: Cid | undefined): Promise<void> {
    await this.#write([encodeCarHeader(root ?? UNKNOWN_ROOT)])
  }

  async put(block: Block): Promise<void> {
    const key = toByteString(block.cid.multihash.digest)
    if (this.#remembered.has(key)) return
    this.#remembered.add(key)
    if (this.#remembered.size > REMEMBERED_MAX) {
      const [oldest = ''] = this.#remembered
      this.#remembered.delete(oldest)
    }
    await this.#write([encodeSectionHead(block.cid.bytes, block.bytes.length), block.bytes])
  }

  async end(): Promise<void> {
    const parts = this.#parts
    this.#parts = []
    this.#length = 0
    if (parts.length > 0) await this.#emit(concatBytes(parts))
  }

  async #write(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      this.#parts.push(part)
      this.#length += part.length
    }
    if (this.#length >= PART_BYTES) await this.end()
  }
}
