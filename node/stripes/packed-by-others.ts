// Chunks that are to be packed, and that a stripe lists which another node recorded, or this one
// before. It is gone by only where they are surely in it (dedup-check.ts); else it is looked into
// in the background, once, and they wait for that.
import type { StripeId } from '../../protocol/ids.ts'
import type { DedupCheck } from './dedup-check.ts'
import { classOfText } from './placement-queue-keys.ts'
import type { UnplacedChunk } from './placement-queue-keys.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { PlacedCopies } from './placed-copies.ts'
import type { PlacementQueue } from './placement-queue.ts'

/** Stripes that are known to have been looked into. */
const LOOKED_INTO_MAX = 4096

export interface PackedByOthersParts {
  readonly map: Pick<StripeMap, 'stripe'>
  readonly dedupCheck: DedupCheck
  readonly placementQueue: PlacementQueue
  readonly placedCopies: Pick<PlacedCopies, 'add'>
  /** It is known more of a stripe. */
  readonly onLooked: () => void
}

export class PackedByOthers {
  readonly #parts: PackedByOthersParts
  /** One that could not be had is not waited for again. */
  readonly #lookedInto = new Set<StripeId>()
  readonly #incomplete = new Set<StripeId>()

  constructor(parts: PackedByOthersParts) {
    this.#parts = parts
  }

  /**
   * Is the chunk surely in a stripe of its class? Then it is unmarked, and the stripe is marked if
   * it lacks holders.
   */
  async have(chunk: UnplacedChunk, signal: AbortSignal): Promise<boolean> {
    const { dedupCheck, map, placementQueue, placedCopies } = this.#parts
    const found = await dedupCheck.look(chunk.id, classOfText(chunk.class), { signal })
    if (found === undefined) return false
    placedCopies.add(found)
    placementQueue.remove([chunk])
    if (map.stripe(found)?.holders.every((peers) => peers.length > 0) === true) return true
    placementQueue.addStripe(found)
    this.#incomplete.add(found)
    return true
  }

  /** Does a stripe list it that is being looked into, or is to be? */
  mayHave(chunk: UnplacedChunk, signal: AbortSignal): boolean {
    const { dedupCheck, onLooked } = this.#parts
    const stripes = dedupCheck.unverified(chunk.id, classOfText(chunk.class))
    for (const stripe of stripes) {
      if (dedupCheck.verified.isPending(stripe)) return true
      if (this.#lookedInto.has(stripe)) continue
      if (this.#lookedInto.size >= LOOKED_INTO_MAX) this.#lookedInto.clear()
      this.#lookedInto.add(stripe)
      dedupCheck.verified.verify(stripe, signal).then(onLooked, onLooked)
      return true
    }
    return false
  }

  /** Stripes found to lack holders since the last call. */
  *takeIncomplete(): Generator<StripeId, void, undefined> {
    for (const stripe of this.#incomplete) {
      this.#incomplete.delete(stripe)
      yield stripe
    }
  }
}
