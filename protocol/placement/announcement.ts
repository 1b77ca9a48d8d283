// Under which key holders announce themselves in the DHT (docs/formats/network.md): each stripe by
// its own id, or, where a node holds so many that this would cost too much, all of a placement
// group by one key.
import { utf8 } from '../bytes.ts'
import { deriveKey } from '../hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, encodeCid } from '../ids.ts'
import type { VolumeId } from '../ids.ts'

const GROUP_CONTEXT = 'shoal 2026 announced placement group v1'

/**
 * CID bytes that stand for the stripes of a volume in a placement group. Who does not know the
 * volume learns nothing.
 */
export function groupAnnouncement(volume: VolumeId, placementGroup: number): Uint8Array {
  const digest = deriveKey(GROUP_CONTEXT, utf8(`${volume} ${placementGroup}`))
  return encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, digest)
}
