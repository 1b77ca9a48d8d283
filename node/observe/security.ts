// What concerns the security of a node, as its parts report it.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'

/** What happened, in words that scripts can rely on. */
export type SecurityEventKind =
  | 'peer-costly'
  /** An object in a cold tier that has the name of a head of a backup, and counts as none. */
  | 'backup-refused'
  /** A head whose author, a member, tells of a backup what is not so. */
  | 'backup-false'
  /** A head that a member announced is in its tier no more, and none that came after it. */
  | 'backup-lost'

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
