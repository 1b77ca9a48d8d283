// Codes stripes anew whose code is no longer that of their class: because members came or went, or
// the class was set anew. The chunks stay as they are, in a new stripe that has the same id whoever
// makes it. Only when each of its shards has a holder is it recorded, and the old one condemned: at
// no moment is less redundancy there than before.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { STRIPE_COPIES_BELOW, STRIPE_DATA_TARGET } from '../../protocol/limits.ts'
import { codeFor } from '../../protocol/placement/redundancy.ts'
import { reconstruct } from '../../protocol/stripe/reed-solomon.ts'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { chunksOf, codeStripe } from '../../protocol/stripe/stripe.ts'
import { disperse, provenHolders, withGiven } from '../stripes/shard-dispersal.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { PlacePeer } from '../../protocol/placement/plan.ts'
import type { Code, RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { CodedStripe } from '../../protocol/stripe/stripe.ts'
import type { DisperseParts, ProvenParts } from '../stripes/shard-dispersal.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { MappedStripe, StripeGroup, StripeMap } from '../shard-map/stripe-map.ts'
import type { Budget } from '../world/budget.ts'
import type { ClusterView, ClusterObserver } from './cluster-view.ts'
import type { ShardTransfer } from './shard-transfer.ts'
import type { WriteLog } from '../observe/log-events.ts'

export interface RecodeParts extends DisperseParts, ProvenParts {
  readonly dedupCheck: Pick<DedupCheck, 'verified' | 'noteTaken'>
  readonly clusterView: Pick<ClusterObserver, 'take' | 'avoid'>
  readonly transfer: ShardTransfer
  readonly budget: Pick<Budget, 'take'>
  readonly log: WriteLog
}

export class Recode {
  readonly #parts: RecodeParts
  #writtenBytes = 0

  constructor(parts: RecodeParts) {
    this.#parts = parts
  }

  /** Bytes of shards of new stripes. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  /** Does the stripe have another code than its class asks for? */
  isOutdated(id: StripeId): boolean {
    return this.#outdated(id) !== undefined
  }

  /**
   * Replace the stripe if it is outdated. throws ShoalError 'not-placed', 'stripe-unrecoverable'.
   */
  async run(id: StripeId, signal: AbortSignal): Promise<void> {
    const outdated = this.#outdated(id)
    if (outdated === undefined) return
    const { stripe, code } = outdated
    await this.#place(await this.#code(id, stripe, code, signal), signal)
    await this.#parts.map.condemn([id])
  }

  /** With the code it should have. */
  #outdated(id: StripeId): { stripe: MappedStripe; code: Code } | undefined {
    const { map, clusterView } = this.#parts
    const stripe = map.stripe(id)
    if (stripe === undefined || stripe.isCondemned || stripe.cold.length > 0) return undefined
    const { header } = stripe
    const dataBytes = header.chunks.reduce((sum, { length }) => sum + length, 0)
    const eligible = countEligible(clusterView.take())
    const code = wantedCode(stripe.class ?? map.redundancy(), eligible, dataBytes)
    return code === undefined || isSameCode(code, header) ? undefined : { stripe, code }
  }

  async #code(
    id: StripeId,
    stripe: MappedStripe,
    { k, m }: Code,
    signal: AbortSignal,
  ): Promise<CodedStripe> {
    const { transfer, clusterView, dedupCheck } = this.#parts
    const { header } = stripe
    const shards = await transfer.readAny(id, stripe, clusterView.take(), {
      isUrgent: false,
      signal,
    })
    const data = reconstruct(header.k, header.m, shards, [...Array(header.k).keys()])
    const chunks = chunksOf(header, data)
    if (chunks.every((chunk) => verifyChunk(chunk.id, chunk.bytes)))
      return codeStripe(chunks, k, m, stripe.class)
    // Recording it again would list missing chunks, too.
    dedupCheck.verified.refute(id)
    throw new ShoalError('corrupt', `stripe ${id} does not contain what it lists`)
  }

  async #place(coded: CodedStripe, signal: AbortSignal): Promise<void> {
    const { map, dedupCheck, clusterView, budget, log } = this.#parts
    const { id, header, headerBytes } = coded
    const known = await provenHolders(this.#parts, coded, signal)
    const missing = header.k + header.m - known.filter((peers) => peers.length > 0).length
    dedupCheck.verified.add(id)
    if (missing === 0 && map.stripe(id)?.isCondemned === false) return
    if (missing > 0) await budget.take(missing * header.shardBytes, signal)
    const full = new Set(clusterView.take().peers.flatMap((p) => (p.isFull ? [p.peer] : [])))
    const given = await disperse(this.#parts, coded, known, {
      isAvoided: (peer) => full.has(peer),
      onRefused: (peer, error) => {
        const { code, message } = asShoalError(error)
        log('transfer.shard-not-taken', { stripe: id, peer, code, message })
        clusterView.avoid(peer)
      },
      signal,
    })
    const holders = withGiven(known, given)
    const held = holders.filter((peers) => peers.length > 0).length
    if (held < holders.length) {
      throw new ShoalError(
        'not-placed',
        `${held} of the ${holders.length} shards of ${id} were accepted by peers`,
      )
    }
    this.#writtenBytes += missing * header.shardBytes
    await map.recordStripe(headerBytes, given)
    dedupCheck.noteTaken(id, held)
  }
}

/**
 * Might stripes of the group be outdated, and are there peers for the other code? Certain, but
 * where small and large stripes have the same code.
 */
export function isOutdated(
  group: StripeGroup,
  volumeClass: RedundancyClass,
  clusterView: ClusterView,
): boolean {
  // A stripe in a tier would have to be uploaded again.
  if (group.tiers.length > 0) return false
  const code = wantedCode(
    group.class ?? volumeClass,
    countEligible(clusterView),
    STRIPE_DATA_TARGET,
  )
  if (code === undefined || isSameCode(code, group)) return false
  const takers = clusterView.peers.filter(
    (p) => p.presence === 'online' && !p.isFull && isEligible(p),
  )
  if (takers.length < code.k + code.m) return false
  const isSmall = isSameCode({ k: 1, m: code.m }, group)
  return !isSmall || group.shardBytes >= STRIPE_COPIES_BELOW
}

/**
 * How many stripes are outdated, about: of small and large ones in one group, what their mean would
 * be. cost: O(groups)
 */
export function countOutdated(
  map: Pick<StripeMap, 'groups' | 'redundancy'>,
  clusterView: ClusterView,
): number {
  const redundancy = map.redundancy()
  return map
    .groups()
    .filter(({ isCondemned }) => !isCondemned)
    .map((group) => ({ ...group, shardBytes: group.shardBytes / group.count }))
    .filter((mean) => isOutdated(mean, redundancy, clusterView))
    .reduce((sum, { count }) => sum + count, 0)
}

/**
 * Members that count for the code of a class: those that may be given shards, though they are full
 * or away.
 */
function countEligible({ peers }: ClusterView): number {
  return peers.filter(isEligible).length
}

function isEligible({ weight }: PlacePeer): boolean {
  return weight > 0
}

/** Undefined where data is to be on one node only: what is in stripes stays there. */
function wantedCode(cls: RedundancyClass, eligible: number, dataBytes: number): Code | undefined {
  const code = codeFor(cls, eligible, dataBytes)
  return code === undefined || code.k + code.m === 1 ? undefined : code
}

function isSameCode(a: Code, b: Code): boolean {
  return a.k === b.k && a.m === b.m
}
