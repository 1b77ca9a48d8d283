// What concerns the security of a node, as its parts report it.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'

/** What happened, in words that scripts can rely on. */
export type SecurityEventKind =
  | 'clock-ahead' // of a member
  | 'cold-false' // a tier does not hold what it is said to hold
  | 'false-file' // nobody can read what its writer says that it holds
  | 'home-copied' // it was restored or copied, and runs under a new incarnation
  | 'home-mended' // files of the home were open to other users of the machine
  | 'join-refused' // somebody showed a ticket in vain
  | 'joined' // this node became a member
  | 'live-stripe-condemned' // somebody gave up a stripe that a file needs
  | 'log-altered' // this very log was cut or changed
  | 'member-removed'
  | 'peer-costly' // a peer is cut off for a while
  | 'peer-log-back' // the security log of a member is shorter than it was, or another
  | 'policy-set'
  | 'role-given'
  | 'shard-denied' // a member says that somebody does not hold a shard, who does
  | 'stripe-false' // a stripe lists chunks that it does not hold
  | 'tier-set'
  | 'ticket-made'
  | 'ticket-revoked'
  | 'ticket-used'

export interface SecurityEvent {
  readonly kind: SecurityEventKind
  readonly volume?: VolumeId | undefined
  /** Who did it, or whom it concerns. Absent for what this node or its owner did: only those are never left out. */
  readonly peer?: PeerId | undefined
  /** For people: what happened, to what, and what to do. */
  readonly message: string
}

/** Takes an event; never throws, never waits. */
export type RecordSecurity = (event: SecurityEvent) => void
