// The sealed chunks in this node's own store that it need not have:
//   those that no stripe has and nobody reaches go, once they were found so, all writers are known
//     to have the log up to there, so that nobody can bring their file back any more, and they are
//     found so again
//   copies of what surely lies in whole stripes (stripes/dedup-check.ts) go when space is short,
//     the oldest first, where one more peer may fail of those that are there: a stripe whose
//     holders are away, or lie, may have no other bytes than these; but none that is pinned here.
//     With more room, copy-release.ts lets them go
// A chunk that lives, lies in no stripe and is marked nowhere is marked to be packed. A deleted
// chunk's mark is gone, durably, before the chunk is.
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ChunkId, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { Packer } from '../stripes/packer.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { InFlightReferences } from '../content/in-flight-references.ts'
import type { Volume } from '../log/volume.ts'
import type { Liveness } from '../peers/detector.ts'
import type { TellGarbage } from '../control/garbage.ts'
import type { HeldChunk } from '../store/chunks.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'
import type { LocalPinning } from '../pinning/local-pinning.ts'
import type { LiveChunks } from './mark.ts'

/** Chunks looked at before others have their turn, and deleted between two commits. */
const PACE = 512
/** Chunks that one pass dooms: the names of all are in memory. */
const DOOMED_MAX = 262_144

export interface LocalCopiesParts {
  readonly store: Pick<Store, 'chunks' | 'commit' | 'usage'>
  readonly clock: Clock
}

/** A volume that may want chunks in the store here. */
export interface WantingVolume {
  readonly packer: Pick<Packer, 'isMarked' | 'unplacedBytes'>
  readonly inFlight: Pick<InFlightReferences, 'has'>
  /** Local pins of this node. */
  readonly kept: Pick<LocalPinning, 'has'>
}

/** A volume whose chunks are copied here. */
export interface CopiedVolume extends WantingVolume {
  readonly map: Pick<StripeMap, 'stripe'>
  readonly dedupCheck: Pick<DedupCheck, 'look'>
  readonly livenessOf: (peer: PeerId) => Liveness
}

/** A volume as a survey found it. */
export interface SurveyedVolume {
  readonly volume: Volume
  readonly map: StripeMap
  readonly packer: Packer
  readonly inFlight: InFlightReferences
  /** Undefined where this node can read nothing. */
  readonly live: LiveChunks | undefined
  /** Up to where the log was stable before the survey. */
  readonly stable: Hlc
  /** The clock of all that the survey saw. */
  readonly seen: Hlc
}

interface Doomed {
  readonly chunks: ReadonlySet<ChunkId>
  readonly seen: ReadonlyMap<VolumeId, Hlc>
}

export class LocalCopies {
  readonly #parts: LocalCopiesParts
  #doomed: Doomed = { chunks: new Set(), seen: new Map() }

  constructor(parts: LocalCopiesParts) {
    this.#parts = parts
  }

  /** Chunks that wait to be found unneeded again. */
  get doomedCount(): number {
    return this.#doomed.chunks.size
  }

  /** Would a pass with volumes stable up to here delete what is doomed? */
  isReady(stableOf: (volume: VolumeId) => Hlc | undefined): boolean {
    return [...this.#doomed.seen].every(([id, seen]) => (stableOf(id) ?? seen) >= seen)
  }

  /** volumes: all of this node. returns the bytes deleted. */
  async sweep(
    volumes: readonly SurveyedVolume[],
    tell: TellGarbage,
    signal: AbortSignal,
  ): Promise<number> {
    const { store, clock } = this.#parts
    const stable = new Map(volumes.map(({ volume, stable }) => [volume.id, stable]))
    const isReady = this.isReady((id) => stable.get(id))
    const doomed = new Set<ChunkId>()
    let dead: HeldChunk[] = []
    const { chunkBytes: total } = store.usage()
    let deletedBytes = 0
    let done = 0
    let steps = 0
    for await (const chunk of store.chunks.scan()) {
      signal.throwIfAborted()
      if (++steps % PACE === 0) await clock.sleep(1, { signal })
      tell({ step: 'copies', done, total })
      done += chunk.length
      if (this.#isNeeded(chunk, volumes)) continue
      if (isReady && this.#doomed.chunks.has(chunk.id)) dead.push(chunk)
      else if (doomed.size < DOOMED_MAX) doomed.add(chunk.id)
      if (dead.length < PACE) continue
      deletedBytes += await this.#delete(dead, volumes)
      dead = []
    }
    deletedBytes += await this.#delete(dead, volumes)
    // Those that are not ready yet stay doomed since when they were.
    if (isReady || this.#doomed.chunks.size === 0) {
      const seen = new Map(volumes.map(({ volume, seen }) => [volume.id, seen]))
      this.#doomed = { chunks: doomed, seen }
    }
    return deletedBytes
  }

  /** Delete copies of so many bytes in all. returns how many that were. */
  async evict(
    bytes: number,
    volumes: readonly CopiedVolume[],
    signal: AbortSignal,
  ): Promise<number> {
    const { store, clock } = this.#parts
    let evictedBytes = 0
    let steps = 0
    for await (const { id, length } of store.chunks.oldest()) {
      signal.throwIfAborted()
      if (evictedBytes >= bytes) break
      if (++steps % PACE === 0) {
        await store.commit([])
        await clock.sleep(1, { signal })
      }
      if (!(await isCopy(id, volumes, signal))) continue
      store.chunks.delete(id)
      evictedBytes += length
    }
    await store.commit([])
    return evictedBytes
  }

  #isNeeded({ id, length }: HeldChunk, volumes: readonly SurveyedVolume[]): boolean {
    if (volumes.some(({ map }) => isInStripe(id, map))) return true
    const reached = volumes.filter(({ live }) => live?.has(id) === true)
    for (const { packer, live } of reached)
      for (const cls of live?.classesOf(id) ?? []) packer.add(id, length, cls)
    if (reached.length > 0) return true
    return volumes.some(
      ({ inFlight, live, packer }) =>
        inFlight.has(id) || (live === undefined && packer.isMarked(id)),
    )
  }

  async #delete(dead: readonly HeldChunk[], volumes: readonly SurveyedVolume[]): Promise<number> {
    const { store } = this.#parts
    if (dead.length === 0) return 0
    for (const { id } of dead) for (const { packer } of volumes) packer.forget(id)
    await Promise.all(volumes.map(({ volume }) => volume.commit()))
    // A write may have begun to rely on one meanwhile.
    const gone = dead.filter(({ id }) =>
      volumes.every(({ map, packer, inFlight }) => {
        return !isInStripe(id, map) && !packer.isMarked(id) && !inFlight.has(id)
      }),
    )
    for (const { id } of gone) store.chunks.delete(id)
    await store.commit([])
    return gone.reduce((sum, { length }) => sum + length, 0)
  }
}

/** Does a stripe list it that nobody has given up? */
function isInStripe(id: ChunkId, map: Pick<StripeMap, 'locations'>): boolean {
  return map.locations(id).some(({ isSwept }) => !isSwept)
}

/** Does anything in a volume ask for the chunk to be here? */
export function isWanted(id: ChunkId, { packer, inFlight, kept }: WantingVolume): boolean {
  return packer.isMarked(id) || inFlight.has(id) || kept.has(id)
}

/** Does the chunk surely lie in a stripe that can spare it, and is it wanted here by nobody? */
async function isCopy(
  id: ChunkId,
  volumes: readonly CopiedVolume[],
  signal: AbortSignal,
): Promise<boolean> {
  const isWantedHere = (): boolean => volumes.some((volume) => isWanted(id, volume))
  if (isWantedHere()) return false
  for (const { map, dedupCheck, livenessOf } of volumes) {
    const found = await dedupCheck.look(id, 'any', { others: 'verified', signal })
    const stripe = found === undefined ? undefined : map.stripe(found)
    if (stripe === undefined) continue
    const { holders, header } = stripe
    const there = holders.filter((peers) => peers.some((peer) => livenessOf(peer) === 'online'))
    const isWhole = holders.every((peers) => peers.length > 0)
    if (!isWhole || there.length < Math.min(header.k + 1, holders.length)) continue
    return !isWantedHere()
  }
  return false
}
