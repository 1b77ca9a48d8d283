// Deletes what this node holds of volumes that it has left, once their time is over: first the
// data, then the state with the keys, last the record. What is in the store of which volume the
// volume itself tells, so it is opened for that, and its state is there until no data are.
// A crash at any point is gone on from at the next start: each step is durable before the next
// begins, and deleting again what is deleted does nothing. No chunk and no stripe that another
// volume of this node knows is touched.
import { asShoalError } from '../../protocol/errors.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { LeftVolume, LeftVolumes } from '../log/left-volumes.ts'
import type { Volume } from '../log/volume.ts'
import type { Volumes } from '../log/volumes.ts'
import { PlacementQueue } from '../stripes/placement-queue.ts'
import type { HostedVolumes } from '../volume/hosted-volumes.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** How often it is looked whether the time of one is over. */
export const LEFT_EVERY_MS: number = HOUR_MS
/** Records looked at before others have their turn, and deleted between two commits. */
const PACE = 512
/** Segments that are less live than this are compacted, so that the space comes back. */
const LIVE_RATIO = 0.9

export interface LeftDataParts {
  readonly store: Store
  readonly left: LeftVolumes
  readonly volumes: Volumes
  readonly hosted: HostedVolumes
  readonly clock: Clock
  readonly log: WriteLog
}

/** Is it a chunk, or a stripe, of the volume that is deleted, and of no other? */
interface Owned {
  readonly chunk: (id: ChunkId) => boolean
  readonly stripe: (id: StripeId) => boolean
}

export class LeftData {
  readonly #parts: LeftDataParts

  constructor(parts: LeftDataParts) {
    this.#parts = parts
  }

  /** Delete those that are due; one that cannot be deleted now is tried again. */
  async dropDue(signal: AbortSignal): Promise<void> {
    for (const left of this.#parts.left.due()) {
      try {
        await this.drop(left, signal)
      } catch (error) {
        signal.throwIfAborted()
        const { code, message } = asShoalError(error)
        const fields = { volume: left.id, name: left.name, code, message }
        this.#parts.log('gc.left-not-deleted', fields)
      }
    }
  }

  /** Delete one now, for good, unless it has come back. To break off is safe: it goes on later. */
  async drop({ id, name }: LeftVolume, signal: AbortSignal): Promise<void> {
    const { left, volumes, store, log } = this.#parts
    let at = left.get(id)
    if (at?.leaving.stage === 'kept') at = await volumes.advance(at, 'deleting')
    if (at?.leaving.stage === 'deleting') {
      await this.#deleteData(at, signal)
      at = await volumes.advance(at, 'deleted')
    }
    if (at === undefined) return
    await left.erase(at)
    log('gc.left-deleted', { volume: id, name })
    await store.compact({ maxLiveRatio: LIVE_RATIO, signal })
  }

  async #deleteData(left: LeftVolume, signal: AbortSignal): Promise<void> {
    const { store } = this.#parts
    const volume = await this.#parts.left.open(left)
    try {
      const owned = this.#ownedBy(volume, await PlacementQueue.open(volume.view))
      await this.#each(store.chunks.scan(), signal, ({ id }) => {
        if (owned.chunk(id)) store.chunks.delete(id)
      })
      await this.#each(store.shards.scan(), signal, ({ stripe, index }) => {
        if (owned.stripe(stripe)) store.shards.delete(stripe, index)
      })
      for await (const orphan of store.orphans.all())
        if (owned.stripe(orphan.stripe)) await store.orphans.forget(orphan)
      await store.shards.emptyTrash(0, owned.stripe)
      await store.fetched.clear()
    } finally {
      await volume.close()
    }
  }

  #ownedBy({ id, stripes }: Volume, unplaced: PlacementQueue): Owned {
    const { hosted, volumes, left } = this.#parts
    // Where there is no other volume, what no volume knows of goes as well.
    const isAlone = (): boolean =>
      volumes.all().length === 0 && left.all().every((other) => other.id === id)
    const others = (): readonly Volume[] => volumes.all().map(({ volume }) => volume)
    const isUsed = (chunk: ChunkId): boolean =>
      [...hosted.all()].some(
        ({ packer, inFlight }) => packer.isMarked(chunk) || inFlight.has(chunk),
      )
    const isListed = (chunk: ChunkId, one: Pick<Volume, 'stripes'>): boolean =>
      one.stripes.locations(chunk).length > 0
    return {
      chunk: (chunk) =>
        isAlone() ||
        ((isListed(chunk, { stripes }) || unplaced.hasChunk(chunk)) &&
          !isUsed(chunk) &&
          !others().some((other) => isListed(chunk, other))),
      stripe: (stripe) =>
        isAlone() || (stripes.has(stripe) && !others().some((other) => other.stripes.has(stripe))),
    }
  }

  /** Go through what is stored, and make durable what `look` does. */
  async #each<One>(
    all: AsyncIterable<One>,
    signal: AbortSignal,
    look: (one: One) => void,
  ): Promise<void> {
    const { store, clock } = this.#parts
    let steps = 0
    for await (const one of all) {
      signal.throwIfAborted()
      look(one)
      if (++steps % PACE > 0) continue
      await store.commit([])
      await clock.sleep(1, { signal })
    }
    await store.commit([])
  }
}
