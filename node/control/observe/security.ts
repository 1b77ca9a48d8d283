// The owner's calls about the security log: the events that this node recorded, and whether the log
// is intact.
import { call, pages } from '../route.ts'
import type { PeerId, VolumeId } from '../../../protocol/ids.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { SecurityEventKind } from '../../observe/security.ts'
import type { CallOptions } from '../api.ts'
import type { RoutesOf } from '../route.ts'

export interface SecurityApi {
  /**
   * Events in the order in which they were recorded, in pages. With `follow` also those to come,
   * until the call is aborted.
   */
  readSecurity(options?: CallOptions & ChainReadOptions): AsyncIterable<readonly SecurityEntry[]>
  /** Read the whole log, and ask the members that are connected what they hold of it. */
  checkSecurity(options?: CallOptions): Promise<SecurityCheck>
}

export const securityRoutes: RoutesOf<SecurityApi> = {
  readSecurity: pages('security', [], ({ wallTime, integer, flag }) => ({
    sinceMs: wallTime.optional(),
    limit: integer(0).optional(),
    follow: flag,
  })),
  checkSecurity: call([], () => ({})),
}

export interface ChainReadOptions {
  /** The earliest time. */
  readonly sinceMs?: WallTime | undefined
  /** The newest of them, so many at most. */
  readonly limit?: number | undefined
  readonly follow?: boolean | undefined
}

export interface SecurityEntry {
  readonly number: number
  readonly timeMs: WallTime
  readonly kind: SecurityEventKind
  readonly volume?: VolumeId | undefined
  readonly peer?: PeerId | undefined
  /** The name of that peer then. */
  readonly name?: string | undefined
  readonly message: string
}

/** Whether a chained log is as it was written. */
export interface ChainCheck {
  /** First and last event that is kept; undefined: none was recorded. */
  readonly first: number | undefined
  readonly last: number | undefined
  /** Damage to the log of this node, in words. Empty: it is intact. */
  readonly problems: readonly string[]
}

export interface SecurityCheck extends ChainCheck {
  /** The heads of it that members hold. */
  readonly witnesses: readonly Witness[]
}

/**
 * 'same': it holds an event that is in the log as it was. 'differs': this node signed another log.
 * 'older': what it holds is of before what is kept. 'none': it holds nothing yet. 'unreachable': it
 * did not say.
 */
export interface Witness {
  readonly peer: PeerId
  readonly name: string
  readonly holds: 'same' | 'differs' | 'older' | 'none' | 'unreachable'
  /** The event whose hash it holds. */
  readonly number?: number | undefined
}

/** The part of another node's security log that this node holds. */
export interface HeldLog {
  readonly number: number
  /** When that was first heard. */
  readonly heardMs: WallTime
  /** It was longer, or another: up to which event, and when that was noticed. */
  readonly back?: { readonly number: number; readonly atMs: WallTime } | undefined
}
