// What concerns the security of a node, as its parts report it.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'

/** What happened, in words that scripts can rely on. */
export type SecurityEventKind =
  | 'ballot-leap' // somebody wants ballots to leap
  | 'clock-ahead' // of a member
  | 'home-copied' // it was restored or copied, and runs under a new incarnation
  | 'home-mended' // files of the home were open to other users of the machine
  | 'join-refused' // somebody showed a ticket in vain
  | 'joined' // this node became a member
  | 'log-altered' // this very log was cut or changed
  | 'member-removed'
  | 'peer-costly' // a peer is cut off for a while
  | 'peer-log-back' // the security log of a member is shorter than it was, or another
  | 'policy-set'
  | 'role-given'
  | 'tier-set'
  | 'ticket-made'
  | 'ticket-revoked'
  | 'ticket-used'
  | 'vote-unreadable' // what this node has promised as a voter cannot be read
  | 'voter-lied' // it gave two answers that exclude each other

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
