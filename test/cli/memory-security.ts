// The calls about security of a node in memory, which records what a test says.
import type { CallOptions } from '../../node/control/api.ts'
import type { VolumeInfo } from '../../node/control/volumes.ts'
import type {
  Invitation,
  InviteRequest,
  TicketStatus,
  TicketsApi,
} from '../../node/control/tickets.ts'
import type {
  SecurityApi,
  SecurityCheck,
  SecurityEntry,
  ChainReadOptions,
} from '../../node/control/observe/security.ts'

export abstract class MemorySecurity implements SecurityApi, TicketsApi {
  abstract invite(request: InviteRequest): Promise<Invitation>
  abstract join(ticket: string): Promise<VolumeInfo>

  /** The result of readSecurity(). */
  events: readonly SecurityEntry[] = []
  /** The result of checkSecurity(). */
  checked: SecurityCheck = { first: undefined, last: undefined, problems: [], witnesses: [] }

  async *readSecurity({
    sinceMs,
    limit = Infinity,
  }: CallOptions & ChainReadOptions = {}): AsyncGenerator<readonly SecurityEntry[]> {
    yield this.events.filter(({ timeMs }) => timeMs >= (sinceMs ?? 0)).slice(-limit)
  }

  /** The result of listTickets(). */
  tickets: readonly TicketStatus[] = []

  async listTickets(): Promise<readonly TicketStatus[]> {
    return this.tickets
  }

  async revokeTickets(id: string | undefined): Promise<readonly TicketStatus[]> {
    const isMeant = (ticket: TicketStatus): boolean =>
      ticket.state === 'open' && (id === undefined || ticket.id === id)
    const revoked = this.tickets.filter(isMeant)
    this.tickets = this.tickets.filter((ticket) => !isMeant(ticket))
    return revoked
  }

  async checkSecurity(): Promise<SecurityCheck> {
    return this.checked
  }
}
