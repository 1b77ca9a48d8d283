// Chunks out of cold tiers: just their bytes, of the pack in which their stripe lies. Ranges of a pack that are asked for at
// about the same time, and lie close together, are one request. Nothing is returned that does not match its chunk's id. An
// object that lies in an archive is asked back, and said to be on its way ('cold-archived').
import { LRUCache } from 'lru-cache'
import { concatBytes } from '../../protocol/bytes.ts'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { chunkRange, packKey } from '../../protocol/cold/pack.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { KIB, MIB } from '../../protocol/units.ts'
import type { ByteRange } from '../../protocol/cold/pack.ts'
import type { PackId, VolumeId } from '../../protocol/ids.ts'
import type { Clock, ObjectTier } from '../world/world.ts'
import type { MappedStripe } from './stripe-map.ts'

/** How long a range waits for others of its pack. */
const GATHER_MS = 1
/** Ranges with less between them are read as one, up to so many bytes. */
const GAP_BYTES_MAX: number = 64 * KIB
const RUN_BYTES_MAX: number = 8 * MIB
/** An object that is asked back from an archive stays so long. */
const RESTORE_DAYS = 7
const ARCHIVED_MAX = 4096

export interface ColdReaderParts {
  readonly volume: VolumeId
  readonly clock: Clock
  /** throws ShoalError 'ENOENT' for a tier that the volume does not have. */
  readonly open: (tier: string) => ObjectTier
}

interface Wanted {
  readonly range: ByteRange
  readonly signal: AbortSignal
  readonly done: (bytes: Uint8Array) => void
  readonly failed: (error: unknown) => void
}

export class ColdReader {
  readonly #parts: ColdReaderParts
  /** Tiers and packs that were found to be archived when they were last asked for. */
  readonly #archived = new LRUCache<string, true>({ max: ARCHIVED_MAX })
  /** By tier and pack, what is to be asked for in a moment. */
  readonly #waiting = new Map<string, Wanted[]>()

  constructor(parts: ColdReaderParts) {
    this.#parts = parts
  }

  /**
   * A chunk of a stripe, from the first tier that gives it. throws ShoalError 'cold-archived' if one would later, else what
   * the last tier threw.
   */
  async chunk(
    { header, cold }: Pick<MappedStripe, 'header' | 'cold'>,
    index: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    let failure: unknown = new ShoalError('cold-missing', 'the stripe lies in no cold tier')
    for (const { tier, pack, offset } of cold) {
      try {
        const sealed = await this.#read(tier, pack, chunkRange(header, index, offset), signal)
        const id = header.chunks[index]?.id
        this.#archived.delete(`${tier} ${pack}`)
        if (id !== undefined && verifyChunk(id, sealed)) return sealed
        throw new ShoalError(
          'cold-corrupt',
          `cold tier ${tier}: ${packKey(this.#parts.volume, pack)} does not hold chunk ${id} as it did`,
        )
      } catch (error) {
        signal.throwIfAborted()
        if (hasCode(error, 'cold-archived')) await this.#askBack(tier, pack, signal)
        if (!hasCode(failure, 'cold-archived')) failure = error
      }
    }
    throw failure
  }

  /** Did all tiers say so that hold the stripe, when they were asked last? */
  isArchived({ cold }: Pick<MappedStripe, 'cold'>): boolean {
    return cold.every(({ tier, pack }) => this.#archived.has(`${tier} ${pack}`))
  }

  #read(tier: string, pack: PackId, range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    const key = `${tier} ${pack}`
    return new Promise((done, failed) => {
      const wanted = { range, signal, done, failed }
      const waiting = this.#waiting.get(key)
      if (waiting !== undefined) return void waiting.push(wanted)
      this.#waiting.set(key, [wanted])
      this.#parts.clock.timer(GATHER_MS, () => {
        const all = this.#waiting.get(key) ?? []
        this.#waiting.delete(key)
        for (const run of runsOf(all)) void this.#fetch(tier, pack, run)
      })
    })
  }

  /** Never rejects. */
  async #fetch(tier: string, pack: PackId, run: readonly Wanted[]): Promise<void> {
    const ended = new AbortController()
    let interested = run.length
    for (const { signal, failed } of run) {
      const leave = (): void => {
        failed(signal.reason)
        if (--interested === 0) ended.abort(signal.reason)
      }
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave, { once: true, signal: ended.signal })
    }
    try {
      ended.signal.throwIfAborted()
      const from = Math.min(...run.map(({ range }) => range.from))
      const to = Math.max(...run.map(({ range }) => range.to))
      const key = packKey(this.#parts.volume, pack)
      const parts: Uint8Array[] = []
      const options = { signal: ended.signal }
      for await (const part of this.#parts.open(tier).get(key, { from, to }, options))
        parts.push(part)
      const bytes = concatBytes(parts)
      for (const { range, done } of run) done(bytes.subarray(range.from - from, range.to - from))
    } catch (error) {
      for (const { failed } of run) failed(error)
    } finally {
      // Lets go of the listeners.
      ended.abort()
    }
  }

  async #askBack(tier: string, pack: PackId, signal: AbortSignal): Promise<void> {
    this.#archived.set(`${tier} ${pack}`, true)
    try {
      const key = packKey(this.#parts.volume, pack)
      await this.#parts.open(tier).restore(key, RESTORE_DAYS, { signal })
    } catch {
      // Whoever reads again asks again.
    }
  }
}

/** In order of place, those that are close together in one. */
function runsOf(all: readonly Wanted[]): Wanted[][] {
  const runs: Wanted[][] = []
  let [from, end] = [-Infinity, -Infinity]
  for (const wanted of all.toSorted((a, b) => a.range.from - b.range.from)) {
    const { range } = wanted
    if (range.from - end > GAP_BYTES_MAX || range.to - from > RUN_BYTES_MAX) {
      runs.push([])
      from = range.from
      end = range.to
    }
    runs.at(-1)?.push(wanted)
    end = Math.max(end, range.to)
  }
  return runs
}
