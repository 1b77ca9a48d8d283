// What concerns the security of a node, as its parts report it.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'

/** What happened, in words that scripts can rely on. */
export type SecurityEventKind =
  | 'peer-costly'
  /** A voter gave two answers that exclude each other. */
  | 'voter-lied'
  /** Somebody wants ballots to leap. */
  | 'ballot-leap'
  /** What this node has promised as a voter cannot be read. */
  | 'vote-unreadable'

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
