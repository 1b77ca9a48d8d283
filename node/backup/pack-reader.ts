// Chunks out of packs, each checked against its reference. What lies around a chunk is read with it
// and kept for a while: chunks of one file, and of files that were beside each other, lie together.
// Where a pack is damaged or gone, a copy in another one serves as well.
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { openChunk } from '../../protocol/chunk/seal.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import { MIB } from '../../protocol/units.ts'
import { chunkCache } from '../content/decoded-cache.ts'
import type { ChunkCache } from '../content/decoded-cache.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import type { ChunkPlace } from './chunk-index.ts'
import type { Repository } from './repository.ts'

/** Read at once. */
const SEGMENT_BYTES: number = 4 * MIB
/** Kept. */
const CACHE_BYTES: number = 64 * MIB

/** Chunks that are not at the place yet. */
export interface Unsent {
  find(id: ChunkId): Uint8Array | undefined
}

export class PackReader implements ChunkReader {
  readonly #repository: Repository
  readonly #unsent: Unsent | undefined
  readonly #segments: ChunkCache = chunkCache(CACHE_BYTES)

  constructor({
    repository,
    unsent,
  }: {
    readonly repository: Repository
    readonly unsent?: Unsent | undefined
  }) {
    this.#repository = repository
    this.#unsent = unsent
  }

  /** throws ShoalError 'chunk-unavailable' that names the pack, 'cold-*'. */
  async read(ref: ChunkRef, { signal }: { signal: AbortSignal }): Promise<Uint8Array> {
    const { chunks } = this.#repository.place.keys
    const unsent = this.#unsent?.find(ref.id)
    if (unsent !== undefined) return openChunk(chunks, ref, unsent)
    const faults: string[] = []
    for (const place of this.#repository.index.findAll(ref.id)) {
      try {
        return openChunk(chunks, ref, await this.#sealed(place, signal))
      } catch (error) {
        signal.throwIfAborted()
        if (!isDamage(error)) throw error
        faults.push(`pack ${place.pack.id} is ${isMissing(error) ? 'missing' : 'damaged'}`)
      }
    }
    const why = faults.length === 0 ? 'no pack has it' : faults.join(', ')
    throw new ShoalError('chunk-unavailable', `a part of it cannot be restored: ${why}`, {
      permanent: true,
    })
  }

  readOnce(ref: ChunkRef, options: { signal: AbortSignal }): Promise<Uint8Array> {
    return this.read(ref, options)
  }

  isNear(): boolean {
    return false
  }

  async #sealed({ pack, offset, length }: ChunkPlace, signal: AbortSignal): Promise<Uint8Array> {
    const out = new Uint8Array(length)
    for (let at = 0; at < length;) {
      const segment = Math.floor((offset + at) / SEGMENT_BYTES)
      const start = segment * SEGMENT_BYTES
      const end = Math.min(start + SEGMENT_BYTES, pack.bytes)
      const load = (abandoned: AbortSignal): Promise<Uint8Array> =>
        this.#repository.place.readPack(pack.id, start, end, { signal: abandoned })
      const bytes = await this.#segments.get(`${pack.id} ${segment}`, load, { signal })
      const part = bytes.subarray(offset + at - start, offset + length - start)
      if (part.length === 0) throw new ShoalError('corrupt', `pack ${pack.id} is cut off`)
      out.set(part, at)
      at += part.length
    }
    return out
  }
}

function isMissing(error: unknown): boolean {
  return hasCode(error, 'cold-missing')
}

function isDamage(error: unknown): boolean {
  const { code } = asShoalError(error)
  return ['corrupt', 'contradiction', 'malformed', 'cold-corrupt', 'cold-missing'].includes(code)
}
