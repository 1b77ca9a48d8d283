// Proven ranges of the shards held here. The leaf hashes of the shards that were asked for last are
// kept, so that a reader who goes through a shard costs one hash of it and not one a range. What is
// kept belongs to the shard that the stripe's header names: a shard that is damaged here proves
// nothing, and is told of instead.
import { LRUCache } from 'lru-cache'
import { equalBytes } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { SHARD_LEAF } from '../../protocol/limits.ts'
import { leavesProof, leavesRoot, shardLeaves } from '../../protocol/stripe/shard-tree.ts'
import { decodeStripeHeader } from '../../protocol/stripe/stripe.ts'
import { PAYLOAD_PIECE } from '../../protocol/wire/shard.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { Store } from '../store/store.ts'

/** Leaf hashes kept, in number: of a thousand shards of 4 MiB. */
const LEAVES_MAX = 65_536

/** Whole leaves of a shard, and the hashes that prove them. */
export interface ProvenLeaves {
  readonly bytes: Uint8Array
  readonly proof: readonly Uint8Array[]
}

export class ShardProofs {
  readonly #store: Store
  readonly #leaves = new LRUCache<string, readonly Uint8Array[]>({
    maxSize: LEAVES_MAX,
    sizeCalculation: (leaves) => leaves.length,
  })

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * The leaves [firstLeaf, endLeaf) of a shard. throws ShoalError 'ENOENT', 'corrupt' where the
   * disk changed it.
   */
  async prove(
    stripe: StripeId,
    index: number,
    firstLeaf: number,
    endLeaf: number,
  ): Promise<ProvenLeaves> {
    const leaves = await this.#leavesOf(stripe, index)
    const length = (endLeaf - firstLeaf) * SHARD_LEAF
    return {
      bytes: await this.#read(stripe, index, firstLeaf * SHARD_LEAF, length),
      proof: leavesProof(leaves, firstLeaf, endLeaf - firstLeaf),
    }
  }

  async #leavesOf(stripe: StripeId, index: number): Promise<readonly Uint8Array[]> {
    const key = `${stripe} ${index}`
    const known = this.#leaves.get(key)
    if (known !== undefined) return known
    const header = this.#store.shards.header(stripe)
    const { shardBytes = 0, shardRoots } = header === undefined ? {} : decodeStripeHeader(header)
    const leaves: Uint8Array[] = []
    for (let at = 0; at < shardBytes; at += PAYLOAD_PIECE) {
      leaves.push(...shardLeaves(await this.#read(stripe, index, at, PAYLOAD_PIECE)))
    }
    const root = shardRoots?.[index]
    if (root === undefined) throw noShard(stripe, index)
    if (!equalBytes(leavesRoot(leaves), root)) {
      throw new ShoalError('corrupt', `shard ${index} of stripe ${stripe} is damaged here`)
    }
    this.#leaves.set(key, leaves)
    return leaves
  }

  /** Cut at the end of the shard. */
  async #read(
    stripe: StripeId,
    index: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    const bytes = await this.#store.shards.read(stripe, index, offset, length)
    if (bytes === undefined) throw noShard(stripe, index)
    return bytes
  }
}

export function noShard(stripe: StripeId, index: number): ShoalError {
  return new ShoalError('ENOENT', `shard ${index} of stripe ${stripe} is not held here`)
}
