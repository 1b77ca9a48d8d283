// Makes the lost shards of a stripe anew: any k are read and verified, only the missing ones are
// computed, given to peers and recorded. Crashes need no recovery: a shard that was put but not
// recorded is found held when it is put again.
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import { planShards } from '../../protocol/placement/plan.ts'
import { reconstruct } from '../../protocol/stripe/reed-solomon.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { shardRoot } from '../../protocol/stripe/shard-tree.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
import { mapInBatches } from '../stripes/in-parallel.ts'
import { REFUSALS_MAX } from './cluster-view.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { ShardChange } from '../../protocol/op/op.ts'
import type { Plan } from '../../protocol/placement/plan.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { ClusterView, ClusterObserver } from './cluster-view.ts'
import type { ShardTransfer, TransferOptions } from './shard-transfer.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Chunks fetched at a time: enough of a tier's ranges to be few requests. */
const FETCHES_MAX = 64

export interface RepairParts {
  readonly map: Pick<StripeMap, 'stripe' | 'recordShards'>
  readonly clusterView: Pick<ClusterObserver, 'take' | 'avoid'>
  readonly transfer: ShardTransfer
  /** A stripe whose shards match their roots, and none of which others follow. */
  readonly onFalse: (stripe: StripeId) => void
  /**
   * The sealed chunk. throws ShoalError 'chunk-unavailable'. Undefined where there are no tiers.
   */
  readonly fetch?: (chunk: ChunkId, signal: AbortSignal) => Promise<Uint8Array>
  readonly log: WriteLog
}

/** A stripe with what is to be done about it now. */
interface PlannedStripe {
  readonly id: StripeId
  readonly stripe: MappedStripe
  readonly plan: Plan
  readonly clusterView: ClusterView
}

export class Repair {
  readonly #parts: RepairParts
  #writtenBytes = 0

  constructor(parts: RepairParts) {
    this.#parts = parts
  }

  /** Bytes of shards made anew. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  /**
   * Bring the shards of a stripe to peers that lack a holder, as far as there are peers that take
   * them.
   * throws ShoalError 'stripe-unrecoverable' when fewer than k can be read now, 'not-placed' when
   * many did not take theirs.
   */
  async run(id: StripeId, signal: AbortSignal): Promise<void> {
    let shards: (Uint8Array | undefined)[] | undefined
    for (let round = 0; round < REFUSALS_MAX; round++) {
      signal.throwIfAborted()
      const planned = this.#plan(id)
      if (planned === undefined || planned.plan.repairs.length === 0) return
      const { stripe, plan } = planned
      const options = { isUrgent: plan.isUrgent && !stripe.isCondemned, signal }
      shards ??= await this.#read(planned, options)
      const refused = await this.#place(planned, shards, options)
      // A peer that refused gets nothing for a while, so the next plan names others.
      if (!refused) return
    }
    throw new ShoalError('not-placed', `peers did not accept the shards of ${id}`)
  }

  /**
   * From other shards; or all, coded anew, where those are too few and the stripe lies in a tier,
   * too.
   */
  async #read(
    { id, stripe, clusterView }: PlannedStripe,
    options: TransferOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    const { transfer, fetch } = this.#parts
    const { header, cold } = stripe
    const isInTier = cold.length > 0 && fetch !== undefined
    const held = stripe.holders.filter((peers) => peers.length > 0).length
    try {
      if (held >= header.k || !isInTier)
        return await transfer.readAny(id, stripe, clusterView, options)
    } catch (error) {
      if (!isInTier || !hasCode(error, 'stripe-unrecoverable')) throw error
    }
    const chunks = await mapInBatches(header.chunks, FETCHES_MAX, async (chunk) => ({
      id: chunk.id,
      bytes: await fetch(chunk.id, options.signal),
    }))
    return [...codeStripe(chunks, header.k, header.m, stripe.class).shards]
  }

  #plan(id: StripeId): PlannedStripe | undefined {
    const stripe = this.#parts.map.stripe(id)
    if (stripe === undefined || stripe.isSwept) return undefined
    const { header, holders, floor } = stripe
    const clusterView = this.#parts.clusterView.take()
    const shards = { k: header.k, m: header.m, holders, floor }
    const plan = planShards(shards, clusterView.ranked(placementGroup(id)))
    return stripe.isCondemned && !plan.isUrgent ? undefined : { id, stripe, clusterView, plan }
  }

  /** returns whether a peer did not take its shard. */
  async #place(
    { id, stripe, plan }: PlannedStripe,
    shards: readonly (Uint8Array | undefined)[],
    options: TransferOptions,
  ): Promise<boolean> {
    const { map, clusterView, transfer, log } = this.#parts
    const { k, m, shardBytes } = stripe.header
    const missing = plan.repairs.map(({ index }) => index)
    const known = missing.map((index) => shards[index])
    const isKnown = known.every((shard) => shard !== undefined)
    const rebuilt = isKnown ? known : reconstruct(k, m, shards, missing)
    // Shards may each be as their roots say, and not be of one stripe: others are not to be made of
    // them.
    const isTrue = missing.every((index, n) => isShardOf(stripe.header, index, rebuilt[n]))
    if (!isTrue) {
      this.#parts.onFalse(id)
      throw new ShoalError('corrupt', `the shards of ${id} do not belong to one stripe`)
    }
    const placed: ShardChange[] = []
    const putting = plan.repairs.map(async ({ index, to }, n) => {
      const shard = rebuilt[n]
      if (shard === undefined) return
      try {
        if (isPlanted('recorded-before-put'))
          await map.recordShards(id, [{ index, peer: to, isHeld: true }])
        placed.push(await transfer.put(id, stripe, { index, to, shard }, options))
      } catch (error) {
        options.signal.throwIfAborted()
        const { code, message } = asShoalError(error)
        log('transfer.shard-not-taken', { stripe: id, index, peer: to, code, message })
        clusterView.avoid(to)
      }
    })
    const ends = await Promise.allSettled(putting)
    if (placed.length > 0) await map.recordShards(id, placed)
    this.#writtenBytes += placed.length * shardBytes
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    return placed.length < plan.repairs.length
  }
}

function isShardOf({ shardRoots }: StripeHeader, index: number, shard?: Uint8Array): boolean {
  const root = shardRoots[index]
  return root !== undefined && shard !== undefined && equalBytes(shardRoot(shard), root)
}
