// Shards that lie in the wrong place: this node gives those of its own away to whom they belong,
// and lets go of its own that another makes needless, when the other has shown that it has it.
// Nobody lets go for another. The map names the new holder before the old one forgets anything
// (shard-trimming.ts).
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import { planShards } from '../../protocol/placement/plan.ts'
import { enforces } from '../../protocol/trust.ts'
import { challenge, randomLeaf } from '../stripes/challenge.ts'
import { REFUSALS_MAX } from './cluster-view.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Plan } from '../../protocol/placement/plan.ts'
import type { ShardChange } from '../../protocol/op/op.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Clock, Network, Random } from '../world/world.ts'
import type { ClusterObserver } from './cluster-view.ts'
import type { Quarantine } from './quarantine.ts'
import type { ShardTransfer } from './shard-transfer.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { WriteLog } from '../observe/log-events.ts'

export interface RebalanceParts {
  readonly map: Pick<StripeMap, 'stripe' | 'recordShards' | 'disbelieve'>
  readonly clock: Pick<Clock, 'timeout'>
  readonly client: Pick<ShardClient, 'get'>
  readonly network: Pick<Network, 'self'>
  readonly random: Pick<Random, 'number' | 'unlucky'>
  readonly clusterView: Pick<ClusterObserver, 'take' | 'avoid'>
  readonly transfer: ShardTransfer
  readonly quarantine: Pick<Quarantine, 'noteMoved'>
  readonly log: WriteLog
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
   * Give away what this node holds of a stripe and others should. throws what the map throws,
   * 'not-placed' when many did not take it.
   */
  async giveAway(id: StripeId, signal: AbortSignal): Promise<void> {
    const { map, network, random, clusterView, transfer, quarantine, log } = this.#parts
    for (let refusals = 0; refusals < REFUSALS_MAX;) {
      signal.throwIfAborted()
      const { stripe, plan } = this.#plan(id)
      const move = plan?.moves.find(({ from }) => from === network.self)
      if (stripe === undefined || move === undefined) return
      const { index, from, to } = move
      const options = { isUrgent: false, signal }
      const shard = await transfer.read(id, stripe, index, from, options)
      if (isPlanted('given-before-taken'))
        await map.recordShards(id, [
          { index, peer: to, isHeld: true },
          { index, peer: from, isHeld: false },
        ])
      let taken: ShardChange
      try {
        if (random.unlucky('repair.move-refused'))
          throw new ShoalError('ENOSPC', 'there is no room for a shard now')
        taken = await transfer.put(id, stripe, { index, to, shard }, options)
      } catch (error) {
        signal.throwIfAborted()
        const { code, message } = asShoalError(error)
        log('transfer.shard-not-taken', { stripe: id, index, peer: to, code, message })
        clusterView.avoid(to)
        refusals++
        continue
      }
      this.#writtenBytes += shard.length
      quarantine.noteMoved({ stripe: id, index, peer: to })
      await map.recordShards(id, [taken])
    }
    throw new ShoalError('not-placed', `peers did not accept the shards of ${id}`)
  }

  /**
   * Say of this node's own shard that it is held here no more, where another makes it needless: one
   * that is there, that does not have another shard of the stripe alone, and that shows a leaf of
   * this one.
   * throws ShoalError 'unreachable' where none does.
   */
  async letGo(id: StripeId, signal: AbortSignal): Promise<void> {
    const { map, network } = this.#parts
    const { stripe, plan } = this.#plan(id)
    const own = plan?.drops.filter(({ peer }) => peer === network.self) ?? []
    if (stripe === undefined || plan === undefined) return
    for (const { index, peer } of own) {
      if (!(await this.#isKept(id, stripe, plan, index, signal)))
        throw new ShoalError(
          'unreachable',
          `no other holder could prove that it has a shard of ${id}`,
        )
      await map.recordShards(id, [{ index, peer, isHeld: false }])
    }
  }

  #plan(id: StripeId): { stripe: MappedStripe | undefined; plan: Plan | undefined } {
    const stripe = this.#parts.map.stripe(id)
    if (stripe === undefined || stripe.isCondemned) return { stripe, plan: undefined }
    const { header, holders, floor } = stripe
    const ranked = this.#parts.clusterView.take().ranked(placementGroup(id))
    return { stripe, plan: planShards({ k: header.k, m: header.m, holders, floor }, ranked) }
  }

  /** Does one of those who stay have the shard? */
  async #isKept(
    id: StripeId,
    { header, holders }: MappedStripe,
    { drops }: Plan,
    index: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { map, random } = this.#parts
    if (!enforces('trim-challenged')) return true
    const leaving = drops.filter((drop) => drop.index === index).map(({ peer }) => peer)
    const isAlone = (peer: PeerId): boolean =>
      holders.some((peers, other) => other !== index && peers.length === 1 && peers[0] === peer)
    const staying = (holders[index] ?? []).filter(
      (peer) => !leaving.includes(peer) && !isAlone(peer),
    )
    for (const peer of staying) {
      const shard = { stripe: id, index, peer }
      const outcome = await challenge(this.#parts, shard, header, randomLeaf(random, header), {
        signal,
      })
      if (outcome === 'proven') return true
      if (outcome !== 'silent') map.disbelieve(shard)
    }
    return false
  }
}
