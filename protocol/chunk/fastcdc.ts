// Content-defined chunking: FastCDC with normalized chunking (Xia et al., "FastCDC: a Fast and
// Efficient Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016). Where a
// chunk ends depends on its own bytes alone, so an insertion changes the chunks around it and no
// others. The bytes of the rule are in docs/formats/data.md.
//
// The gear table is derived from a secret of the volume: chunk lengths tell an outsider nothing
// about known files (Alexeev, Percival, Zhang, "Chunking attacks on file backup services", 2025).
import { assert } from '../errors.ts'
import { HASH_BYTES, deriveKey } from '../hash.ts'
import { gearKernel } from '../kernels/load.ts'
import { CHUNK_PLAIN_MAX } from '../limits.ts'
import { KIB } from '../units.ts'

/** In bytes. averageBytes is a power of two; 64 <= min < average < max. */
export interface ChunkSizes {
  readonly minBytes: number
  readonly averageBytes: number
  readonly maxBytes: number
}

/** Chunk sizes a volume can have, named by their average. */
export type ChunkSizeName = '64k' | '256k' | '1m'

/** Bytes that decide whether a chunk may end after the last of them. */
const WINDOW = 64
/**
 * How many more, or fewer, bits must be zero before, or after, the average size ("NC level 2" of
 * the paper).
 */
const NORMALIZATION = 2
const TABLE_CONTEXT = 'shoal 2026 gear table v1'
const TABLE_BYTES = 256 * 8

/** The sizes that a name stands for. */
export function chunkSizes(name: ChunkSizeName): ChunkSizes {
  const averageBytes = { '64k': 64, '256k': 256, '1m': 1024 }[name] * KIB
  return { minBytes: averageBytes / 4, averageBytes, maxBytes: averageBytes * 4 }
}

/**
 * Finds where chunks end. Has no state but its sizes and table: cutters of one volume are
 * interchangeable.
 */
export class Cutter {
  readonly #sizes: ChunkSizes
  readonly #table: Uint8Array
  readonly #averageBits: number

  /** secret: 32 bytes, of which the gear table is derived. */
  constructor(sizes: ChunkSizes, secret: Uint8Array) {
    const { minBytes, averageBytes, maxBytes } = sizes
    assert(minBytes >= WINDOW && minBytes < averageBytes, 'minimum and average chunk size')
    assert(averageBytes < maxBytes && maxBytes <= CHUNK_PLAIN_MAX, 'maximum chunk size')
    this.#averageBits = Math.log2(averageBytes)
    assert(Number.isInteger(this.#averageBits), 'the average chunk size is a power of two')
    this.#sizes = sizes
    this.#table = gearTable(secret)
  }

  /**
   * Length of the chunk at the start of `bytes`; 0 if more bytes are needed to tell, which is only
   * when not `final` and `bytes` are shorter than maxBytes. `final`: the file ends with `bytes`.
   */
  next(bytes: Uint8Array, final: boolean): number {
    const { minBytes, averageBytes, maxBytes } = this.#sizes
    const available = Math.min(bytes.length, maxBytes)
    gearKernel().table.set(this.#table)
    const length =
      this.#find(bytes, minBytes, Math.min(averageBytes, available + 1), NORMALIZATION) ??
      this.#find(bytes, averageBytes, Math.min(maxBytes, available + 1), -NORMALIZATION)
    if (length !== undefined) return length
    return final || available === maxBytes ? available : 0
  }

  /** The first length in [from, to) after which the chunk may end. */
  #find(bytes: Uint8Array, from: number, to: number, extraBits: number): number | undefined {
    const { input, positionsMax, findCut } = gearKernel()
    for (let start = from; start < to; start += positionsMax) {
      const positions = Math.min(positionsMax, to - start)
      input.set(bytes.subarray(start - WINDOW, start + positions - 1))
      const found = findCut(positions, this.#averageBits + extraBits)
      if (found >= 0) return start + found
    }
    return undefined
  }
}

/** 256 little-endian u64: the table's block i, of 32 bytes, is derived from secret || i. */
function gearTable(secret: Uint8Array): Uint8Array {
  const table = new Uint8Array(TABLE_BYTES)
  const material = new Uint8Array(secret.length + 1)
  material.set(secret)
  for (let block = 0; block < TABLE_BYTES / HASH_BYTES; block++) {
    material[secret.length] = block
    table.set(deriveKey(TABLE_CONTEXT, material), block * HASH_BYTES)
  }
  return table
}
