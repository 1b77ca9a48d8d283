// What concerns the security of a node, as its parts report it.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'

/** What happened, in words that scripts can rely on. */
export type SecurityEventKind =
  | 'peer-costly'
  /** A stripe lists chunks that it does not hold. */
  | 'stripe-false'
  /** A member says that somebody does not hold a shard. */
  | 'shard-denied'
  /** A tier does not hold what it is said to hold. */
  | 'cold-false'
  /** Somebody gave up a stripe that a file needs. */
  | 'live-stripe-condemned'

export interface SecurityEvent {
  readonly kind: SecurityEventKind
  readonly volume?: VolumeId
  /** Who did it, or whom it concerns. */
  readonly peer?: PeerId
  /** For people: what happened, to what, and what to do. */
  readonly message: string
}

/** Takes an event; never throws, never waits. */
export type RecordSecurity = (event: SecurityEvent) => void
