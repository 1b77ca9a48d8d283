// Decoders of content as peers hold it: manifests, sealed chunks, stripes and their shards.
import { decodeManifestNode } from '../../../protocol/chunk/manifest.ts'
import { openChunk } from '../../../protocol/chunk/seal.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { chunkIdFromCid, encodeCid } from '../../../protocol/ids.ts'
import { verifyShardRange } from '../../../protocol/stripe/shard-tree.ts'
import { decodeStripeHeader } from '../../../protocol/stripe/stripe.ts'
import { KEY, VOLUME, vectors } from '../honest.ts'
import type { Target } from '../watch.ts'

export const contentTargets: readonly Target[] = [
  { name: 'stripe-header', run: decodeStripeHeader, honest: () => vectors('stripe', 'header') },
  {
    name: 'manifest-node',
    run: decodeManifestNode,
    honest: () => ['leaf', 'inner', 'innerWithHole'].flatMap((key) => vectors('manifest', key)),
  },
  {
    name: 'shard-proof',
    // Its length, the first leaf, hashes, then leaves.
    run: (input) => {
      const view = new DataView(input.slice(0, 9).buffer)
      const [length, first, count] =
        input.length < 9 ? [0, 0, 0] : [view.getUint32(0), view.getUint32(4), view.getUint8(8)]
      const proof = Array.from({ length: count }, (_, n) => input.subarray(9 + 32 * n, 41 + 32 * n))
      return verifyShardRange(KEY, length, first, input.subarray(9 + 32 * count), proof)
    },
    honest: () => [new Uint8Array(66_000)],
  },
  {
    name: 'sealed-chunk',
    run: (input) => {
      const id = chunkIdFromCid(encodeCid(0x55, 0x1e, blake3(input)))
      const keys = { volume: VOLUME, chunkSecret: KEY, epoch: 1, hash: 'blake3' } as const
      return openChunk(keys, { id, plainHash: KEY, length: 12, codec: 1, epoch: 1 }, input)
    },
    honest: () => vectors('chunk-sealing').slice(0, 40),
    codes: ['malformed', 'unsupported', 'corrupt', 'contradiction'],
  },
]
