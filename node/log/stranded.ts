// A node that was away for so long that others have dropped what it lacks, and that cannot tell yet
// whether to believe what they go on from: it keeps its state, and writes nothing.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Membership } from '../replica/membership.ts'
import type { LogEvent } from '../observe/log-events.ts'

export interface Stranded {
  /** The peer with the checkpoint that others continue from. */
  readonly peer: PeerId
  /** Members whose word for it is missing. */
  readonly missing: readonly PeerId[]
}

/** The note for the log when it begins. */
export function noteOf(
  { peer, missing }: Stranded,
  membership: Membership,
): [event: LogEvent, fields: Record<string, unknown>] {
  return ['log.stranded', { peer, missing: missing.map((one) => membership.nameOf(one)) }]
}

/** The error with which writes are refused. */
export function cannotWrite({ peer, missing }: Stranded, membership: Membership): ShoalError {
  const names = missing.map((one) => membership.nameOf(one)).join(', ')
  return new ShoalError(
    'EROFS',
    'this node was offline for so long that others dropped log entries that it lacks, ' +
      `and too few members attest their checkpoint (missing: ${names}); ` +
      'it is read-only until they are online, ' +
      `or until you run "shoal volume accept-checkpoint ${peer}"`,
  )
}
