// What the owner of a node should know of homes that exist twice, or did: a kind and its facts; the words are the door's.
import type { VolumeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'

/**
 * 'restored': this node's home was copied or restored, and it writes on under a new identity. 'copies': two copies of
 * the home of `member` have written to the volume, as one (all are told), or beside each other (they are told).
 * 'removed': `member` answers that this node is no member of the volume. 'clock': the clock of `member` is `aheadMs` ahead of
 * this node's, and stays so.
 */
export interface Notice {
  readonly kind: 'restored' | 'copies' | 'removed' | 'clock'
  /** When that was noticed, or last seen. */
  readonly timeMs: WallTime
  readonly volume: VolumeId
  readonly volumeName: string
  readonly member: string
  /** True for this node's own home. */
  readonly isSelf: boolean
  readonly aheadMs?: number | undefined
}
