// Security events of a node, as its parts report them.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'

/** The kind of event, in words that scripts can rely on. */
export type SecurityEventKind =
  | 'account-set' // an admin changed who may come in by doors
  | 'attested-twice' // a member attests two states at one cut
  | 'checkpoint-differs' // what was announced is not what this node has
  | 'snapshot-differs' // the same of a snapshot
  | 'snapshot-lost' // nobody has the state that a snapshot names
  | 'checkpoint-refused' // a peer served one that is not attested, or false
  | 'backup-false' // a head whose author, a member, tells of a backup what is not so
  | 'backup-lost' // an announced head has gone from its tier, and none after it is there
  | 'backup-refused' // an object in a cold tier has the name of a backup's head, and is none
  | 'ballot-leap' // somebody wants ballots to leap
  | 'clock-differs' // of a member
  | 'cold-false' // a tier does not hold what it is said to hold
  | 'false-file' // nobody can read what its writer says that it holds
  | 'home-copied' // it was restored or copied, and runs under a new incarnation
  | 'home-mended' // files of the home were open to other users of the machine
  | 'join-refused' // somebody showed a ticket in vain
  | 'joined' // this node became a member
  | 'left' // this node gave a volume up
  | 'live-stripe-condemned' // somebody gave up a stripe that a file needs
  | 'log-altered' // this very log was cut or changed
  | 'mass-loss' // a member replaced or removed much of a volume within minutes
  | 'member-removed'
  | 'peer-costly' // a peer is cut off for a while, or what it writes is held back
  | 'peer-log-back' // the security log of a member is shorter than it was, or another
  | 'policy-set'
  | 'role-given'
  | 'shard-denied' // a member says that somebody does not hold a shard, who does
  | 'stripe-false' // a stripe lists chunks that it does not hold
  | 'tier-set'
  | 'ticket-made'
  | 'ticket-revoked'
  | 'ticket-used'
  | 'volume-stopped' // an entry could not be applied here: what depends on it is not taken
  | 'vote-unreadable' // what this node has promised as a voter cannot be read
  | 'voter-lied' // it gave two answers that exclude each other

export interface SecurityEvent {
  readonly kind: SecurityEventKind
  readonly volume?: VolumeId | undefined
  /**
   * The peer that caused it, or that it concerns. Absent for what this node or its owner did: only
   * those are never left out.
   */
  readonly peer?: PeerId | undefined
  /** For people: what happened, to what, and what to do. */
  readonly message: string
}

/** Takes an event; never throws, never waits. */
export type RecordSecurity = (event: SecurityEvent) => void
