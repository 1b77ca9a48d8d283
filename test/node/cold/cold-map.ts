// A shard map of stripes that a test says everything of; those of which it says the same are a
// group.
import { SHARD_LEAF } from '../../../protocol/limits.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ChunkId, PackId, PeerId, StripeId } from '../../../protocol/ids.ts'
import type { ShardChange } from '../../../protocol/op/op.ts'
import type { GroupId, MappedStripe, StripeGroup } from '../../../node/shard-map/stripe-map.ts'

interface Said {
  /** Per shard the names of its holders: `['a', 'b+c', '']`. */
  readonly holders: readonly string[]
  readonly k?: number
  readonly floor?: number
  /** Tiers, and since when they hold it, in ms. */
  readonly cold?: Readonly<Record<string, number>>
  readonly usedMs?: number
  readonly isCondemned?: boolean
}

export class ColdMap {
  readonly recorded: string[] = []
  readonly #stripes = new Map<StripeId, MappedStripe>()

  constructor(stripes: Readonly<Record<string, Said>>) {
    for (const [id, said] of Object.entries(stripes)) this.set(id, said)
  }

  stripe(id: StripeId): MappedStripe | undefined {
    return this.#stripes.get(id)
  }

  groups(): readonly StripeGroup[] {
    const all = Map.groupBy(this.#stripes.values(), groupOf)
    return [...all].flatMap(([id, stripes]) => {
      const [first] = stripes
      if (first === undefined) return []
      const { header, holders, isCondemned, cold, floor } = first
      const { k, m, shardBytes } = header
      const tiers = cold.map(({ tier }) => tier)
      const shared = { placementGroup: 0, k, m, class: undefined, isCondemned, isSwept: false }
      const limit = floor === undefined ? {} : { floor }
      return [{ id, ...shared, holders, tiers, ...limit, count: stripes.length, shardBytes }]
    })
  }

  async *stripesOf(group: GroupId): AsyncGenerator<StripeId> {
    for (const [id, stripe] of this.#stripes) if (groupOf(stripe) === group) yield id
  }

  set(id: string, said: Said): void {
    this.#stripes.set(id as StripeId, mapped(id, said))
  }

  /** Records, as `id -index holder`, and does it. */
  async recordShards(id: StripeId, changes: readonly ShardChange[]): Promise<void> {
    for (const { index, peer, isHeld } of changes) {
      this.recorded.push(`${id} ${isHeld ? '+' : '-'}${index} ${peer}`)
      this.lose(id, peer)
    }
  }

  /** A holder gives up its shards of a stripe. */
  lose(id: StripeId, holder: string): void {
    const stripe = this.#stripes.get(id)
    if (stripe === undefined) return
    const holders = stripe.holders.map((peers) => peers.filter((peer) => peer !== holder))
    this.#stripes.set(id, { ...stripe, holders })
  }
}

function groupOf({ holders, cold, floor, isCondemned }: MappedStripe): GroupId {
  const tiers = cold.map(({ tier }) => tier)
  return JSON.stringify([holders, tiers, floor, isCondemned]) as GroupId
}

function mapped(id: string, said: Said): MappedStripe {
  const { holders, k = 2, floor, cold = {}, usedMs = 0, isCondemned = false } = said
  const header = {
    k,
    m: holders.length - k,
    shardBytes: SHARD_LEAF,
    chunks: [{ id: `${id} chunk` as ChunkId, length: 100 }],
    shardRoots: [],
  }
  return {
    header,
    headerBytes: new Uint8Array(0),
    holders: holders.map((peers) => (peers === '' ? [] : peers.split('+')) as PeerId[]),
    class: undefined,
    isCondemned,
    isSwept: false,
    cold: Object.entries(cold).map(([tier, sinceMs]) => {
      return { tier, pack: 'ca'.repeat(16) as PackId, offset: 59, since: hlcOf(sinceMs) }
    }),
    usedAt: hlcOf(usedMs),
    ...(floor === undefined ? {} : { floor }),
  }
}

export function hlcOf(ms: number): Hlc {
  return (BigInt(ms) << 16n) as Hlc
}
