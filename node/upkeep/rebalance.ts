// Shards that lie in the wrong place: this node gives those of its own away to whom they belong, and says of shards that
// two hold who keeps them. The map names the new holder before the old one forgets anything (releases.ts).
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { SHARD_LEAF } from '../../protocol/limits.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import { planShards } from '../../protocol/placement/plan.ts'
import { verifyShardRange } from '../../protocol/stripe/shard-tree.ts'
import { divCeil } from '../../protocol/units.ts'
import { REFUSALS_MAX } from './census.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Plan } from '../../protocol/placement/plan.ts'
import type { MappedStripe, StripeMap } from '../data/stripe-map.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Network, Random } from '../world/world.ts'
import type { CensusTaker } from './census.ts'
import type { ShardTransfer } from './shard-transfer.ts'

export interface RebalanceParts {
  readonly map: Pick<StripeMap, 'stripe' | 'recordShards'>
  readonly client: Pick<ShardClient, 'get'>
  readonly network: Pick<Network, 'self'>
  readonly random: Pick<Random, 'number'>
  readonly census: Pick<CensusTaker, 'take' | 'avoid'>
  readonly transfer: ShardTransfer
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export class Rebalance {
  readonly #parts: RebalanceParts
  #writtenBytes = 0

  constructor(parts: RebalanceParts) {
    this.#parts = parts
  }

  /** Bytes of shards brought elsewhere. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  /**
   * Give away what this node holds of a stripe and others should. throws what the map throws, 'not-placed' when many did
   * not take it.
   */
  async giveAway(id: StripeId, signal: AbortSignal): Promise<void> {
    const { map, network, census, transfer, log } = this.#parts
    for (let refusals = 0; refusals < REFUSALS_MAX;) {
      signal.throwIfAborted()
      const { stripe, plan } = this.#plan(id)
      const move = plan?.moves.find(({ from }) => from === network.self)
      if (stripe === undefined || move === undefined) return
      const { index, from, to } = move
      const options = { isUrgent: false, signal }
      const shard = await transfer.read(id, stripe, index, from, options)
      try {
        await transfer.put(id, stripe, { index, to, shard }, options)
      } catch (error) {
        signal.throwIfAborted()
        const { code, message } = asShoalError(error)
        log('a peer did not take a shard', { stripe: id, index, peer: to, code, message })
        census.avoid(to)
        refusals++
        continue
      }
      this.#writtenBytes += shard.length
      await map.recordShards(id, [
        { index, peer: to, isHeld: true },
        { index, peer: from, isHeld: false },
      ])
    }
    throw new ShoalError('not-placed', `peers do not take the shards of ${id}`)
  }

  /**
   * Let those forget a shard whom another makes needless: one that is there, and proves that it has it.
   * throws ShoalError 'unreachable' where none does.
   */
  async dropNeedless(id: StripeId, signal: AbortSignal): Promise<void> {
    const { stripe, plan } = this.#plan(id)
    if (stripe === undefined || plan === undefined || plan.drops.length === 0) return
    const proven = new Map<number, boolean>()
    for (const { index } of plan.drops) {
      proven.set(index, proven.get(index) ?? (await this.#isKept(id, stripe, plan, index, signal)))
    }
    const changes = plan.drops
      .filter(({ index }) => proven.get(index) === true)
      .map(({ index, peer }) => ({ index, peer, isHeld: false }))
    if (changes.length > 0) await this.#parts.map.recordShards(id, changes)
    if (changes.length < plan.drops.length) {
      throw new ShoalError('unreachable', `no other holder proves that it has a shard of ${id}`)
    }
  }

  #plan(id: StripeId): { stripe: MappedStripe | undefined; plan: Plan | undefined } {
    const stripe = this.#parts.map.stripe(id)
    if (stripe === undefined || stripe.isCondemned) return { stripe, plan: undefined }
    const { header, holders, floor } = stripe
    const ranked = this.#parts.census.take().ranked(placementGroup(id))
    return { stripe, plan: planShards({ k: header.k, m: header.m, holders, floor }, ranked) }
  }

  /** Does one of those who stay have the shard? A random leaf shows it. */
  async #isKept(
    id: StripeId,
    stripe: MappedStripe,
    { drops }: Plan,
    index: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const leaving = drops.filter((drop) => drop.index === index).map(({ peer }) => peer)
    const staying = (stripe.holders[index] ?? []).filter((peer) => !leaving.includes(peer))
    for (const peer of staying) {
      if (await this.#proves(id, stripe, index, peer, signal)) return true
      signal.throwIfAborted()
    }
    return false
  }

  async #proves(
    id: StripeId,
    stripe: MappedStripe,
    index: number,
    peer: PeerId,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { client, network, random, transfer, log } = this.#parts
    const { shardBytes, shardRoots } = stripe.header
    try {
      if (peer === network.self) {
        await transfer.read(id, stripe, index, peer, { isUrgent: false, signal })
        return true
      }
      const leaf = Math.floor(random.number() * divCeil(shardBytes, SHARD_LEAF))
      const offset = leaf * SHARD_LEAF
      const length = Math.min(SHARD_LEAF, shardBytes - offset)
      const range = { stripe: id, index, offset, length }
      const { bytes, proof } = await client.get(peer, range, { proof: true, signal })
      const root = shardRoots[index]
      return root !== undefined && verifyShardRange(root, shardBytes, leaf, bytes, proof)
    } catch (error) {
      const { code, message } = asShoalError(error)
      log('a holder does not prove a shard', { stripe: id, index, holder: peer, code, message })
      return false
    }
  }
}
