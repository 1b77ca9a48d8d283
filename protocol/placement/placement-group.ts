// Placement groups: peers are ranked for one of 1024 groups of stripes and not for each stripe,
// which bounds how many distinct sets of holders there are, and with it the chance that some set is
// lost at once (Cidon et al., "Copysets: Reducing the Frequency of Data Loss in Cloud Storage",
// USENIX ATC 2013; docs/decisions says with which numbers).
import { HASH_BYTES, deriveKey } from '../hash.ts'
import {
  CODEC_DAG_CBOR,
  MULTIHASH_BLAKE3,
  encodeCid,
  stripeIdBytes,
  stripeIdFromCid,
  CODEC_RAW,
} from '../ids.ts'
import type { StripeId, VolumeId } from '../ids.ts'
import { utf8 } from '../bytes.ts'

const GROUP_BITS = 10

/** How many placement groups there are. */
export const PLACEMENT_GROUPS: number = 2 ** GROUP_BITS

const GROUP_CONTEXT = 'shoal 2026 announced placement group v1'

/** The group of a stripe: the first bits of its hash. In 0..PLACEMENT_GROUPS - 1. */
export function placementGroup(stripe: StripeId): number {
  const id = stripeIdBytes(stripe)
  const [first = 0, second = 0] = id.subarray(id.length - HASH_BYTES)
  return ((first << 8) | second) >> (16 - GROUP_BITS)
}

/**
 * The id that a stripe of a group would have with this hash, but for its first bits: a place among
 * those that are.
 */
export function stripeIn(group: number, hash: Uint8Array): StripeId {
  const digest = Uint8Array.from(hash)
  const rest = 16 - GROUP_BITS
  const [, second = 0] = hash
  digest[0] = (group << rest) >> 8
  digest[1] = ((group << rest) & 0xff) | (second & (2 ** rest - 1))
  return stripeIdFromCid(encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, digest))
}

/**
 * CID bytes that stand for the stripes of a volume in a placement group. Who does not know the
 * volume learns nothing.
 */
/**
 * CID bytes under which holders announce all of a volume's stripes in a placement group in the DHT
 * (docs/formats/network.md), where a node holds so many that announcing each by its own id would
 * cost too much. Who does not know the volume learns nothing.
 */
export function groupAnnouncement(volume: VolumeId, placementGroup: number): Uint8Array {
  const digest = deriveKey(GROUP_CONTEXT, utf8(`${volume} ${placementGroup}`))
  return encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, digest)
}
