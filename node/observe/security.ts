// What concerns the security of a node, as its parts report it.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'

/** What happened, in words that scripts can rely on. */
export type SecurityEventKind =
  | 'peer-costly'
  /** An entry could not be applied here: the volume takes no more of what depends on it. */
  | 'volume-stopped'

export interface SecurityEvent {
  readonly kind: SecurityEventKind
  readonly volume?: VolumeId
  /** Who did it, or whom it concerns. */
  readonly peer?: PeerId | undefined
  /** For people: what happened, to what, and what to do. */
  readonly message: string
}

/** Takes an event; never throws, never waits. */
export type RecordSecurity = (event: SecurityEvent) => void
