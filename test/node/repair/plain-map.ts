// A shard map in memory, for the tests of upkeep: what is recorded holds at once, and nobody else
// writes to it.
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { placementGroup } from '../../../protocol/placement/placement-group.ts'
import type { ChunkId, PeerId, StripeId } from '../../../protocol/ids.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import type { ShardChange } from '../../../protocol/op/op.ts'
import type { BelievedShard, Disbelieved } from '../../../node/shard-map/disbelieved-shards.ts'
import type {
  ChunkLocation,
  GroupId,
  MappedStripe,
  StripeGroup,
} from '../../../node/shard-map/stripe-map.ts'

/** A recorded change, as `<index> <peer> <isHeld>` of a stripe. */
export interface Recorded extends ShardChange {
  readonly stripe: StripeId
}

export class PlainMap {
  readonly recorded: Recorded[] = []
  readonly #stripes = new Map<StripeId, MappedStripe>()
  #disbelieved: readonly BelievedShard[] = []

  /** A stripe and who holds its shards. */
  add({ id, header, headerBytes }: CodedStripe, holders: readonly (readonly PeerId[])[]): void {
    const facts = {
      class: undefined,
      isCondemned: false,
      isSwept: false,
      cold: [],
      usedAt: HLC_ZERO,
    }
    this.#stripes.set(id, { header, headerBytes, holders, ...facts })
  }

  stripe(id: StripeId): MappedStripe | undefined {
    return this.#stripes.get(id)
  }

  locations(chunk: ChunkId): readonly ChunkLocation[] {
    return [...this.#stripes].flatMap(([stripe, { header, isCondemned, isSwept }]) => {
      const index = header.chunks.findIndex(({ id }) => id === chunk)
      return index < 0 ? [] : [{ stripe, index, class: '', isCondemned, isSwept }]
    })
  }

  /** As holders that hold nothing of it, which `recorded` tells too. */
  disbelieve({ stripe, index, peer }: BelievedShard): void {
    void this.recordShards(stripe, [{ index, peer, isHeld: false }])
    this.#disbelieved = [...this.#disbelieved, { stripe, index, peer }]
  }

  believe({ stripe, index, peer }: BelievedShard): void {
    const rest = this.#disbelieved.filter(
      (one) => one.stripe !== stripe || one.index !== index || one.peer !== peer,
    )
    if (rest.length === this.#disbelieved.length) return
    this.#disbelieved = rest
    void this.recordShards(stripe, [{ index, peer, isHeld: true }])
  }

  disbelieved(of: Disbelieved): readonly BelievedShard[] {
    return this.#disbelieved.filter((one) =>
      'peer' in of ? one.peer === of.peer : one.stripe === of.stripe,
    )
  }

  /** Each stripe is a group of its own. */
  groups(): readonly StripeGroup[] {
    return [...this.#stripes].map(([id, { header, holders, isCondemned }]) => ({
      id: String(id) as GroupId,
      placementGroup: placementGroup(id),
      k: header.k,
      m: header.m,
      class: undefined,
      isCondemned,
      isSwept: false,
      holders,
      tiers: [],
      count: 1,
      shardBytes: header.shardBytes,
    }))
  }

  async *stripesOf(
    group: GroupId,
    { after }: { after?: StripeId } = {},
  ): AsyncGenerator<StripeId, void, undefined> {
    const id = String(group) as StripeId
    if (this.#stripes.has(id) && (after === undefined || id > after)) yield id
  }

  async recordShards(id: StripeId, changes: readonly ShardChange[]): Promise<void> {
    for (const change of changes) this.recorded.push({ ...change, stripe: id })
    const stripe = this.#stripes.get(id)
    if (stripe === undefined) return
    const holders = stripe.holders.map((peers, index) => {
      const said = new Set(peers)
      for (const change of changes.filter((each) => each.index === index)) {
        if (change.isHeld) said.add(change.peer)
        else said.delete(change.peer)
      }
      return [...said]
    })
    this.#stripes.set(id, { ...stripe, holders })
  }

  mayStore(): boolean {
    return true
  }

  isMember(): boolean {
    return true
  }

  nameOf(peer: PeerId): string {
    return peer
  }
}
