// A shard map of stripes that a test says everything of, each a group of its own.
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
    for (const [id, said] of Object.entries(stripes))
      this.#stripes.set(id as StripeId, mapped(id, said))
  }

  stripe(id: StripeId): MappedStripe | undefined {
    return this.#stripes.get(id)
  }

  groups(): readonly StripeGroup[] {
    return Array.from(this.#stripes, ([id, { header, holders, isCondemned, cold, floor }]) => ({
      id: String(id) as GroupId,
      placementGroup: 0,
      k: header.k,
      m: header.m,
      class: undefined,
      isCondemned,
      isSwept: false,
      holders,
      tiers: cold.map(({ tier }) => tier),
      ...(floor === undefined ? {} : { floor }),
      count: 1,
      shardBytes: header.shardBytes,
    }))
  }

  async *stripesOf(group: GroupId): AsyncGenerator<StripeId> {
    yield String(group) as StripeId
  }

  /** As `id -index holder`. */
  async recordShards(id: StripeId, changes: readonly ShardChange[]): Promise<void> {
    for (const { index, peer, isHeld } of changes)
      this.recorded.push(`${id} ${isHeld ? '+' : '-'}${index} ${peer}`)
  }
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
