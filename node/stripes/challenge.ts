// One question to a holder: a leaf of a shard that it says it holds, with its Merkle proof. Who
// answers has the shard, or can get it from somebody who has: so nobody counts for two shards of a
// stripe.
import { hasCode } from '../../protocol/errors.ts'
import { SHARD_LEAF } from '../../protocol/limits.ts'
import { verifyShardRange } from '../../protocol/stripe/shard-tree.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
import { SECOND_MS, divCeil } from '../../protocol/units.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Clock, Random } from '../world/world.ts'
import type { BelievedShard } from '../shard-map/disbelieved-shards.ts'

/** A holder that takes longer is silent. */
const ANSWER_MS: number = 60 * SECOND_MS

export interface ChallengeParts {
  readonly client: Pick<ShardClient, 'get'>
  readonly clock: Pick<Clock, 'timeout'>
}

/**
 * proven: it holds the leaf. wrong: it sent other bytes. damaged, absent: it says so itself.
 * silent: any other answer.
 */
export type Outcome = 'proven' | 'wrong' | 'damaged' | 'absent' | 'silent'

/** Some leaf of a shard. */
export function randomLeaf(random: Pick<Random, 'number'>, { shardBytes }: StripeHeader): number {
  return Math.floor(random.number() * divCeil(shardBytes, SHARD_LEAF))
}

/** Ask a peer for a leaf. throws the signal's reason. */
export async function challenge(
  { client, clock }: ChallengeParts,
  { stripe, index, peer }: BelievedShard,
  { shardBytes, shardRoots }: StripeHeader,
  leaf: number,
  { answerMs = ANSWER_MS, signal }: { answerMs?: number; signal: AbortSignal },
): Promise<Outcome> {
  const offset = leaf * SHARD_LEAF
  const length = Math.min(SHARD_LEAF, shardBytes - offset)
  const root = shardRoots[index]
  if (root === undefined || length <= 0) return 'silent'
  try {
    const range = { stripe, index, offset, length }
    const options = { proof: true, signal: clock.timeout(answerMs, signal) }
    const { bytes, proof } = await client.get(peer, range, options)
    return verifyShardRange(root, shardBytes, leaf, bytes, proof) ? 'proven' : 'wrong'
  } catch (error) {
    signal.throwIfAborted()
    if (hasCode(error, 'corrupt')) return 'damaged'
    return hasCode(error, 'ENOENT') ? 'absent' : 'silent'
  }
}
