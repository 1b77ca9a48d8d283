// What concerns the security of a node, as its parts report it.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'

/** What happened, in words that scripts can rely on. */
export type SecurityEventKind =
  | 'peer-costly'
  // a file of which nobody can read what its writer says that it holds
  | 'false-file'

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
