// Protects references of this node's open operations from garbage collection: the chunks that
// writes which are in no version yet have stored or referenced, and the files that are open. Always
// true: a chunk touched since the oldest open write began is found.
//
// Chunks are kept in generations of Bloom filters. A write holds the one it began in and all later
// ones; a generation that no open write began in or before is forgotten. So memory is two bytes a
// chunk touched while the oldest open write lasts, up to GENERATIONS_MAX; beyond, more is found
// than was touched, and kept for nothing.
import { BloomFilter } from '../../protocol/bloom-filter.ts'
import type { Manifest } from '../../protocol/chunk/manifest.ts'
import type { ChunkId, NodeId } from '../../protocol/ids.ts'

const GENERATION_CHUNKS = 65_536
const GENERATIONS_MAX = 256

/** An operation that is under way. end() is idempotent. */
export interface Lease {
  end(): void
}

/** An open file: the content that is read or edited, or undefined for whatever the file holds. */
export interface HeldFile {
  readonly inode: NodeId
  readonly manifest: Manifest | undefined
}

interface Generation {
  readonly filter: BloomFilter
  /** Operations that began in it. */
  openCount: number
}

export class InFlightReferences {
  #generations: Generation[] = []
  readonly #held = new Set<HeldFile>()

  /** A write begins: what it touches is found until its version is logged, and the lease ended. */
  begin(): Lease {
    return this.#begin(this.#newest() ?? this.#open())
  }

  /**
   * The same for all that is touched by writes that are open now: for who must not miss what they
   * log meanwhile.
   */
  beginWithOldest(): Lease {
    return this.#begin(this.#generations[0] ?? this.#open())
  }

  /** Writes that begin from now on do not hold what was touched before. */
  startGeneration(): void {
    if ((this.#newest()?.filter.count ?? 0) > 0) this.#open()
  }

  /** A write has stored or referenced a chunk. */
  add(chunk: ChunkId): void {
    const newest = this.#newest()
    // Nobody would end up referencing it: it is in no write.
    if (newest === undefined) return
    const isFull = newest.filter.count >= GENERATION_CHUNKS
    const isRoom = this.#generations.length < GENERATIONS_MAX
    const { filter } = isFull && isRoom ? this.#open() : newest
    filter.add(chunk)
  }

  /** Has an open write touched it? Also true, though rarely, for a chunk that none has. */
  has(chunk: ChunkId): boolean {
    return this.#generations.some(({ filter }) => filter.has(chunk))
  }

  /** Keep what a file holds, or one content of it, while it is open. */
  hold(file: HeldFile): Lease {
    const held = { ...file }
    this.#held.add(held)
    return { end: () => void this.#held.delete(held) }
  }

  /** The files that are open: each object the same as long as it is. */
  held(): readonly HeldFile[] {
    return [...this.#held]
  }

  #newest(): Generation | undefined {
    return this.#generations.at(-1)
  }

  #open(): Generation {
    const generation = { filter: new BloomFilter(GENERATION_CHUNKS), openCount: 0 }
    this.#generations.push(generation)
    return generation
  }

  #begin(generation: Generation): Lease {
    generation.openCount++
    let isOpen = true
    const end = (): void => {
      if (!isOpen) return
      isOpen = false
      generation.openCount--
      this.#forget()
    }
    return { end }
  }

  #forget(): void {
    const kept = this.#generations.findIndex(({ openCount }) => openCount > 0)
    this.#generations = kept < 0 ? [] : this.#generations.slice(kept)
  }
}

/** Holds a lease while it is iterated. */
export async function* leased(
  take: () => Lease,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const lease = take()
  try {
    yield* source
  } finally {
    lease.end()
  }
}
