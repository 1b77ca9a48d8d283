// Chunks out of cold tiers: just their bytes, of the pack in which their stripe lies
// (pack-reader.ts). Nothing is returned that does not match its chunk's id. An object that lies in
// an archive is asked back, and said to be on its way ('cold-archived').
import { LRUCache } from 'lru-cache'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { blockBytes, chunkRange, packKey } from '../../protocol/cold/pack.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { ByteRange } from '../../protocol/cold/pack.ts'
import type { PackId, VolumeId } from '../../protocol/ids.ts'
import type { Clock, ObjectTier } from '../world/world.ts'
import { PackReader } from './pack-reader.ts'
import type { PackRange } from './pack-reader.ts'
import type { ColdCopy, MappedStripe } from '../shard-map/stripe-map.ts'

/** An object that is asked back from an archive stays so long. */
const RESTORE_DAYS = 7
const ARCHIVED_MAX = 4096

export interface ColdReaderParts {
  readonly volume: VolumeId
  readonly clock: Clock
  /** throws ShoalError 'ENOENT' for a tier that the volume does not have. */
  readonly open: (tier: string) => ObjectTier
}

export class ColdReader {
  readonly #parts: ColdReaderParts
  /** Tiers and packs that were found to be archived when they were last asked for. */
  readonly #archived = new LRUCache<string, true>({ max: ARCHIVED_MAX })
  readonly #packs: PackReader

  constructor(parts: ColdReaderParts) {
    this.#parts = parts
    this.#packs = new PackReader(parts)
  }

  /** Nothing is read any more. */
  stop(): void {
    this.#packs.stop()
  }

  /**
   * A chunk of a stripe, from the first tier that gives it. throws ShoalError 'cold-archived' if
   * one would later, else what the last tier threw.
   */
  async chunk(
    { header, cold }: Pick<MappedStripe, 'header' | 'cold'>,
    index: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    if (cold.length === 0) throw new ShoalError('cold-missing', 'the stripe is in no cold tier')
    let failure: unknown
    for (const copy of cold) {
      try {
        return await this.#read(header, copy, index, signal)
      } catch (error) {
        signal.throwIfAborted()
        if (hasCode(error, 'cold-archived')) await this.#askBack(copy.tier, copy.pack, signal)
        if (!hasCode(failure, 'cold-archived')) failure = error
      }
    }
    throw failure
  }

  /**
   * Does a tier give a chunk of a stripe as it should be? Nothing is asked back from an archive:
   * 'archived'.
   * throws the signal's reason.
   */
  async shows(
    header: MappedStripe['header'],
    copy: ColdCopy,
    index: number,
    signal: AbortSignal,
  ): Promise<'shown' | 'archived' | 'unreachable' | 'not'> {
    try {
      await this.#read(header, copy, index, signal)
      return 'shown'
    } catch (error) {
      signal.throwIfAborted()
      if (hasCode(error, 'cold-archived')) return 'archived'
      return hasCode(error, 'cold-missing') || hasCode(error, 'cold-corrupt')
        ? 'not'
        : 'unreachable'
    }
  }

  async #read(
    header: MappedStripe['header'],
    { tier, pack, offset }: ColdCopy,
    index: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const place = { tier, key: packKey(this.#parts.volume, pack) }
    const sealed = await this.#packs.read(place, rangeOf(header, index, offset), signal)
    const id = header.chunks[index]?.id
    this.#archived.delete(`${tier} ${pack}`)
    if (id !== undefined && verifyChunk(id, sealed)) return sealed
    this.#packs.forget(place)
    const what = `${place.key} does not hold chunk ${id} as it did`
    throw new ShoalError('cold-corrupt', `cold tier ${tier}: ${what}`)
  }

  /** Did all tiers say so that hold the stripe, when they were asked last? */
  isArchived({ cold }: Pick<MappedStripe, 'cold'>): boolean {
    return cold.every(({ tier, pack }) => this.#archived.has(`${tier} ${pack}`))
  }

  async #askBack(tier: string, pack: PackId, signal: AbortSignal): Promise<void> {
    this.#archived.set(`${tier} ${pack}`, true)
    try {
      const key = packKey(this.#parts.volume, pack)
      await this.#parts.open(tier).restore(key, RESTORE_DAYS, { signal })
    } catch {
      // The next read asks again.
    }
  }
}

/** The range of a chunk; those beside it in the stripe may be wanted next. */
function rangeOf(header: MappedStripe['header'], index: number, offset: number): PackRange {
  const range = chunkRange(header, index, offset)
  const lengthAt = (at: number): number => header.chunks[at]?.length ?? 0
  const around = (low: number, high: number): ByteRange => {
    let { from, to } = range
    for (let at = index - 1; at >= 0; at--) {
      const before = from - (blockBytes(lengthAt(at + 1)) - lengthAt(at + 1)) - lengthAt(at)
      if (before < low) break
      from = before
    }
    for (let at = index + 1; at < header.chunks.length; at++) {
      const next = to + blockBytes(lengthAt(at))
      if (next > high) break
      to = next
    }
    return { from, to }
  }
  return { ...range, around }
}
