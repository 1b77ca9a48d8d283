// Stripes with known chunks, for tests of what is put into tiers.
import { blake3 } from '../../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../../protocol/ids.ts'
import { codeStripe } from '../../../protocol/stripe/stripe.ts'
import type { ChunkId, VolumeId } from '../../../protocol/ids.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'

export const VOLUME = 'ab'.repeat(32) as VolumeId

/** By rising id, of chunks of these lengths; and the chunks. */
export function stripesOf(lengths: readonly (readonly number[])[]): {
  stripes: readonly CodedStripe[]
  chunks: ReadonlyMap<ChunkId, Uint8Array>
} {
  const chunks = new Map<ChunkId, Uint8Array>()
  const stripes = lengths.map((each, n) => {
    const sealed = each.map((length, at) => {
      const bytes = xorshiftBytes(1 + 10 * n + at, length)
      const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(bytes)))
      chunks.set(id, bytes)
      return { id, bytes }
    })
    return codeStripe(sealed, 2, 1)
  })
  return { stripes: stripes.toSorted((a, b) => (a.id < b.id ? -1 : 1)), chunks }
}
