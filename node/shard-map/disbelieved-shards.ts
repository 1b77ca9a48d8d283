// The shards of the map that this node does not believe in: a peer could not show it the bytes of a
// shard that it is said to hold. The map names the peer still, for the others and until the peer
// says otherwise, but here it does not count, until it proves that it has the shard. In memory, and
// bounded: what is forgotten is found again by the next audit.
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { GroupId, Holders, MappedStripe, StripeGroup } from './stripe-map.ts'

/** The oldest are forgotten. */
const DISBELIEVED_MAX = 16_384
const ALONE = 'alone '

/** A shard that a peer says it holds. */
export interface BelievedShard {
  readonly stripe: StripeId
  readonly index: number
  readonly peer: PeerId
}

/** Selects shards that are not believed: those of a peer, or of a stripe. */
export type Disbelieved = { readonly peer: PeerId } | { readonly stripe: StripeId }

export interface DisbelievedShardsParts {
  /** As the log tells it. */
  readonly stripe: (id: StripeId) => MappedStripe | undefined
  /** The group that the stripe is counted in there. */
  readonly groupOf: (id: StripeId) => GroupId | undefined
  /** May a peer hold shards? What a former member held does not count. */
  readonly mayStore: (peer: PeerId) => boolean
  /** A stripe has other holders now. */
  readonly onChange: (stripe: StripeId) => void
}

export class DisbelievedShards {
  readonly #parts: DisbelievedShardsParts
  readonly #disbelieved = new Map<StripeId, Map<string, BelievedShard>>()
  #count = 0
  #version = 0
  #last:
    | {
        readonly all: readonly StripeGroup[]
        readonly version: number
        readonly groups: readonly StripeGroup[]
      }
    | undefined

  constructor(parts: DisbelievedShardsParts) {
    this.#parts = parts
  }

  /** returns false if that is known. */
  disbelieve(shard: BelievedShard): boolean {
    const { stripe } = shard
    const known = this.#disbelieved.get(stripe) ?? new Map<string, BelievedShard>()
    const key = keyOf(shard)
    if (known.has(key)) return false
    this.#disbelieved.delete(stripe)
    this.#disbelieved.set(stripe, known.set(key, shard))
    this.#count++
    const [oldest] = this.#disbelieved.keys()
    if (this.#count > DISBELIEVED_MAX && oldest !== undefined) this.#forget(oldest)
    this.#changed(stripe)
    return true
  }

  believe(shard: BelievedShard): void {
    const known = this.#disbelieved.get(shard.stripe)
    if (known?.delete(keyOf(shard)) !== true) return
    this.#count--
    if (known.size === 0) this.#disbelieved.delete(shard.stripe)
    this.#changed(shard.stripe)
  }

  /** Shards that are not believed. cost: for a peer O(all of them). */
  of(which: Disbelieved): BelievedShard[] {
    if ('stripe' in which) return [...(this.#disbelieved.get(which.stripe)?.values() ?? [])]
    return [...this.#disbelieved.values()].flatMap((shards) =>
      [...shards.values()].filter(({ peer }) => peer === which.peer),
    )
  }

  /** Members, or what they may, have changed. */
  membersChanged(): void {
    this.#version++
  }

  stripe(id: StripeId): MappedStripe | undefined {
    const stripe = this.#parts.stripe(id)
    if (stripe === undefined) return undefined
    const known = this.#disbelieved.get(id)
    const holders = this.#members(stripe.holders)
    if (known === undefined) return holders === stripe.holders ? stripe : { ...stripe, holders }
    const believed = holders.map((peers, index) =>
      peers.filter((peer) => !known.has(keyOf({ index, peer }))),
    )
    return { ...stripe, holders: believed }
  }

  /**
   * The groups as they are with that: a stripe of which somebody is not believed is one by itself.
   */
  groups(all: readonly StripeGroup[]): readonly StripeGroup[] {
    if (this.#last?.all !== all || this.#last.version !== this.#version) {
      const groups = this.#look(all)
      this.#last = { all, version: this.#version, groups }
    }
    return this.#last.groups
  }

  /** The stripe of a group that is one by itself. */
  stripeAlone(group: GroupId): StripeId | undefined {
    return group.startsWith(ALONE) ? (group.slice(ALONE.length) as StripeId) : undefined
  }

  #look(all: readonly StripeGroup[]): StripeGroup[] {
    const alone: StripeGroup[] = []
    const taken = new Map<GroupId, { count: number; shardBytes: number }>()
    for (const id of this.#disbelieved.keys()) {
      const group = this.#parts.groupOf(id)
      const stripe = this.stripe(id)
      if (group === undefined || stripe === undefined) {
        this.#forget(id)
        continue
      }
      const { shardBytes } = stripe.header
      const sum = taken.get(group) ?? { count: 0, shardBytes: 0 }
      taken.set(group, { count: sum.count + 1, shardBytes: sum.shardBytes + shardBytes })
      alone.push(groupAlone(id, stripe))
    }
    const others = all.flatMap((group) => {
      const holders = this.#members(group.holders)
      const { count = 0, shardBytes = 0 } = taken.get(group.id) ?? {}
      if (count >= group.count) return []
      if (holders === group.holders && count === 0) return group
      const left = { count: group.count - count, shardBytes: group.shardBytes - shardBytes }
      return { ...group, holders, ...left }
    })
    return [...others, ...alone]
  }

  /** The members among these that may hold shards: the same object if all may. */
  #members(holders: Holders): Holders {
    const { mayStore } = this.#parts
    if (holders.every((peers) => peers.every(mayStore))) return holders
    return holders.map((peers) => peers.filter(mayStore))
  }

  #forget(stripe: StripeId): void {
    this.#count -= this.#disbelieved.get(stripe)?.size ?? 0
    this.#disbelieved.delete(stripe)
    this.#version++
  }

  #changed(stripe: StripeId): void {
    this.#version++
    this.#parts.onChange(stripe)
  }
}

function groupAlone(id: StripeId, stripe: MappedStripe): StripeGroup {
  const { header, holders, class: cls, isCondemned, isSwept, cold } = stripe
  const { k, m, shardBytes } = header
  const facts = { k, m, class: cls, isCondemned, isSwept, holders, count: 1, shardBytes }
  const groupId = `${ALONE}${id}` as GroupId
  const tiers = cold.map(({ tier }) => tier)
  return { ...facts, id: groupId, placementGroup: placementGroup(id), tiers }
}

function keyOf({ index, peer }: Pick<BelievedShard, 'index' | 'peer'>): string {
  return `${index} ${peer}`
}
