// The owner's calls about tickets: those that this node gave out, and to become a member by
// one.
import { TICKET_LIFETIME_MS_MAX, TICKET_TEXT_MAX, TICKET_USES_MAX } from '../../protocol/limits.ts'
import { ROLES } from '../../protocol/roles.ts'
import { call } from './route.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Role } from '../../protocol/roles.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions } from './api.ts'
import type { VolumeInfo } from './volumes.ts'
import type { RoutesOf } from './route.ts'

export interface TicketsApi {
  /**
   * A ticket for another machine; makes the volume `main` if there is none. throws 'EPERM' unless
   * this node is an admin.
   */
  invite(request: InviteRequest, options?: CallOptions): Promise<Invitation>
  /**
   * Become a member by a ticket. returns once the log is held. throws 'ticket-*', 'unreachable'.
   */
  join(ticket: string, options?: CallOptions): Promise<VolumeInfo>
  /** Newest first. Those that ended long ago are forgotten. */
  listTickets(options?: CallOptions): Promise<readonly TicketStatus[]>
  /**
   * Nobody gets in by it any more; who did stays a member. Undefined: by any. throws
   * 'ticket-unknown'.
   */
  revokeTickets(id: string | undefined, options?: CallOptions): Promise<readonly TicketStatus[]>
}

export const ticketsRoutes: RoutesOf<TicketsApi> = {
  invite: call(['*'], ({ volume, oneOf, integer }) => ({
    volume,
    role: oneOf(ROLES).optional(),
    uses: integer(1, TICKET_USES_MAX).optional(),
    expiresInMs: integer(1, TICKET_LIFETIME_MS_MAX).optional(),
  })),
  join: call(['ticket'], ({ text }) => ({ ticket: text(0, TICKET_TEXT_MAX) })),
  listTickets: call([], () => ({})),
  revokeTickets: call(['id'], ({ label }) => ({ id: label.optional() })),
}

export interface InviteRequest {
  readonly volume?: string | undefined
  /** Default 'writer'. */
  readonly role?: Role | undefined
  /** How many machines may join by it. Default 1. */
  readonly uses?: number | undefined
  /** Default 24 hours. */
  readonly expiresInMs?: number | undefined
}

export interface Invitation {
  readonly ticket: string
  /** By which it is listed and taken back. */
  readonly id: string
  readonly volume: string
  readonly role: Role
  readonly uses: number
  readonly expiresMs: WallTime
}

export interface TicketStatus {
  /** The beginning of the hash of its secret. */
  readonly id: string
  readonly volume: string
  readonly role: Role
  readonly state: 'open' | 'used' | 'expired' | 'revoked'
  readonly uses: number
  readonly usesLeft: number
  readonly madeMs: WallTime
  readonly expiresMs: WallTime
  readonly revokedMs?: WallTime | undefined
  /** In the order in which they came. */
  readonly usedBy: readonly {
    readonly peer: PeerId
    readonly name: string
    readonly atMs: WallTime
  }[]
}
