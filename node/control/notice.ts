// Notices for the owner of a node about homes that exist twice, or did: a kind and its facts; each
// door has its own words.
import type { VolumeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'

/**
 * 'restored': this node's home was copied or restored, and it writes on under a new identity. 'copies': two copies of
 * the home of `member` have written to the volume, as one (all are told), or beside each other (they are told).
 * 'removed': `member` answers that this node is no member of the volume. 'clock': the clock of `member` is `aheadMs` ahead of
 * this node's, and stays so. 'voter-lied': the voter `member` gave two answers that exclude each other, and is not counted.
 * 'vote-lost': this node is a voter and may have forgotten what it promised: it does not vote.
 */
export interface Notice {
  readonly kind: 'restored' | 'copies' | 'removed' | 'clock' | 'voter-lied' | 'vote-lost'
  /** When that was noticed, or last seen. */
  readonly timeMs: WallTime
  readonly volume: VolumeId
  readonly volumeName: string
  readonly member: string
  /** True for this node's own home. */
  readonly isSelf: boolean
  readonly aheadMs?: number | undefined
}
