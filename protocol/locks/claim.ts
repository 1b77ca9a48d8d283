// The claim of a node to locks of a volume, as sent to the voters: always complete, so that one
// message takes, renews and releases, and a voter that has forgotten learns it again.
import type { NodeId } from '../ids.ts'
import { SECOND_MS } from '../units.ts'
import type { HeldLocks } from './held-locks.ts'

/** The families of fcntl(2) and flock(2), which do not interact. */
export type LockFamily = 'fcntl' | 'flock'

/** The locks held in one file. */
export interface FileLocks {
  readonly file: NodeId
  readonly family: LockFamily
  readonly held: HeldLocks
}

export interface Claim {
  /**
   * One run of locks of a node, from the first that it takes until it has lost or given up all.
   * Hex.
   */
  readonly session: string
  /** Grows with each claim of a session: an older one that comes late changes nothing. */
  readonly number: number
  /** The voters as far as the claimant knows: the text of the policy. */
  readonly voters: string
  readonly locks: readonly FileLocks[]
  /** Which of `locks` is new. */
  readonly wanted: number | undefined
  /** The voter that is asked first keeps the order of who waits. */
  readonly isFirst: boolean
  /** The claimant comes again if it is refused. */
  readonly isPatient: boolean
}

export type Verdict =
  | { readonly kind: 'granted' }
  /**
   * Somebody else has what is claimed, or comes first. What the session had is kept, but not for
   * longer.
   */
  | { readonly kind: 'busy' }
  /** Not yet: others may hold what this voter has not been told of. */
  | { readonly kind: 'starting' }
  /** The claim is an older one, or names other voters. */
  | { readonly kind: 'stale' }

/** A voter forgets what it was not told again for so long, by its own clock. */
export const LEASE_MS: number = 5 * SECOND_MS
/**
 * Whoever holds locks counts on them for so long after it has begun to claim them: clocks may run
 * 20 % apart.
 */
export const TRUSTED_MS: number = 0.8 * LEASE_MS
