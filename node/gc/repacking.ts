// Packs chunks that are in stripes already into a new one: whole, on distinct peers, before it is
// recorded. So what was there before may be condemned then, and at no moment is less redundancy
// there.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import { codeFor } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import { disperse, provenHolders, withGiven } from '../stripes/shard-dispersal.ts'
import type { DisperseParts, ProvenParts } from '../stripes/shard-dispersal.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { ChunkFetcher } from '../stripes/chunk-fetcher.ts'
import { mapInBatches } from '../stripes/in-parallel.ts'
import type { Budget } from '../world/budget.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Chunks fetched at a time. */
const READS_MAX = 16

export interface RepackerParts extends DisperseParts, ProvenParts {
  readonly dedupCheck: Pick<DedupCheck, 'verified' | 'noteTaken'>
  readonly fetcher: Pick<ChunkFetcher, 'fetch'>
  readonly budget: Pick<Budget, 'take'>
  /** Peers that are given nothing now. */
  readonly isAvoided: (peer: PeerId) => boolean
  readonly log: WriteLog
}

/** A chunk and its sealed bytes. */
export interface SealedChunk {
  readonly id: ChunkId
  readonly length: number
}

export class Repacker {
  readonly #parts: RepackerParts

  constructor(parts: RepackerParts) {
    this.#parts = parts
  }

  /**
   * Put chunks, the bytes of at most a stripe, into one of this class. In memory: all of it.
   * returns the stripe, which may be one that there was. throws 'not-placed' where too few peers
   * take shards, 'chunk-unavailable'.
   */
  async place(
    chunks: readonly SealedChunk[],
    cls: RedundancyClass | undefined,
    signal: AbortSignal,
  ): Promise<StripeId> {
    const { map, dedupCheck, fetcher, budget, isAvoided, log } = this.#parts
    const bytes = bytesOf(chunks)
    const eligible = map.candidates().filter(({ weight }) => weight > 0).length
    const code = codeFor(cls ?? map.redundancy(), eligible, bytes)
    if (code === undefined || code.k + code.m < 2)
      throw new ShoalError('not-placed', 'the class asks for no other peer')
    await budget.take(bytes, signal)
    const sealed = await mapInBatches(chunks, READS_MAX, async ({ id }) => ({
      id,
      bytes: await fetcher.fetch(id, { hints: [], signal }),
    }))
    const stripe = codeStripe(sealed, code.k, code.m, cls)
    const known = await provenHolders(this.#parts, stripe, signal)
    const given = await disperse(this.#parts, stripe, known, {
      isAvoided,
      onRefused: (peer, error) => {
        const { code: reason, message } = asShoalError(error)
        log('transfer.shard-not-taken', { peer, stripe: stripe.id, code: reason, message })
      },
      signal,
    })
    const holders = withGiven(known, given)
    const heldCount = holders.filter((peers) => peers.length > 0).length
    if (heldCount < holders.length) {
      throw new ShoalError(
        'not-placed',
        `${heldCount} of ${holders.length} shards of a repacked stripe were accepted by peers`,
      )
    }
    dedupCheck.verified.add(stripe.id)
    await map.recordStripe(stripe.headerBytes, given)
    dedupCheck.noteTaken(stripe.id, heldCount)
    return stripe.id
  }
}

export function bytesOf(chunks: readonly SealedChunk[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0)
}
