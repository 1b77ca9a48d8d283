// The traffic of upkeep: shards fetched whole, shards given to others, and leaves that prove
// possession. A shard counts as one, whatever its length.
import { hasCode } from '../../protocol/errors.ts'
import { ShardClient } from '../../node/peers/shards.ts'
import type { ShardRange } from '../../node/peers/shards.ts'
import type { PeerId } from '../../protocol/ids.ts'

/** The traffic of all nodes together. */
export interface Traffic {
  fetched: number
  given: number
  proofs: number
}

/** The real client, counted. */
export class MeteredClient extends ShardClient {
  readonly #traffic: Traffic

  constructor(
    components: ConstructorParameters<typeof ShardClient>[0],
    options: ConstructorParameters<typeof ShardClient>[1] & { readonly traffic: Traffic },
  ) {
    super(components, options)
    this.#traffic = options.traffic
  }

  override async put(
    peer: PeerId,
    shard: Parameters<ShardClient['put']>[1],
    options: { signal: AbortSignal },
  ): ReturnType<ShardClient['put']> {
    try {
      const receipt = await super.put(peer, shard, options)
      this.#traffic.given++
      return receipt
    } catch (error) {
      // Who cannot be reached is not sent anything.
      if (!hasCode(error, 'unreachable') && !hasCode(error, 'timeout')) this.#traffic.given++
      throw error
    }
  }

  override async get(
    peer: PeerId,
    range: ShardRange,
    options: { proof: boolean; signal: AbortSignal },
  ): ReturnType<ShardClient['get']> {
    const answer = await super.get(peer, range, options)
    if (options.proof) this.#traffic.proofs++
    else this.#traffic.fetched++
    return answer
  }
}
