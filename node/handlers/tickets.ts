// The owner's calls about tickets: those that this node gave out, and to become a member by one.
import { ShoalError } from '../../protocol/errors.ts'
import type { TicketStatus, TicketsApi } from '../control/tickets.ts'
import { parseTicket } from '../../protocol/membership/ticket.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { stateOf, ticketIdOf } from '../peers/tickets.ts'
import type { GivenTicket } from '../peers/tickets.ts'
import { describeVolumeInfo } from './describe.ts'
import { peerName } from './find-peer.ts'
import type { NodeParts } from './parts.ts'

export function ticketsApi(parts: NodeParts): TicketsApi {
  const { tickets, volumes, hosted, joining, security, world } = parts
  const describe = async (ticket: GivenTicket): Promise<TicketStatus> => {
    const { hash, role, uses, usesLeft, madeMs, expires, revokedMs, volume: id } = ticket
    const named = volumes.all().find(({ volume }) => volume.id === id)
    const usedBy = await tickets.usesOf(hash)
    return {
      id: ticketIdOf(hash),
      volume: named?.name ?? id,
      role,
      state: stateOf(ticket, world.clock.wall()),
      uses,
      usesLeft,
      madeMs,
      expiresMs: expires,
      revokedMs,
      usedBy: usedBy.map(({ peer, atMs }) => ({ peer, name: peerName(peer, volumes), atMs })),
    }
  }
  return {
    async invite({ volume, role = 'writer', uses = 1, expiresInMs = DAY_MS }) {
      const named = await hosted.findOrCreate(volume)
      volumes.checkAdmin(named.volume)
      const expiresMs = (world.clock.wall() + expiresInMs) as WallTime
      const { ticket, id } = await joining.invite(named.volume.id, role, uses, expiresMs)
      return { ticket, id, volume: named.name, role, uses, expiresMs }
    },

    async join(text, { signal } = {}) {
      const ticket = parseTicket(text)
      if (ticket.addresses.some((address) => address.endsWith(`/p2p/${world.network.self}`)))
        throw new ShoalError('usage', 'this node issued that ticket; use it on the other machine')
      const joined = await hosted.join(ticket, signal)
      const message = `this node joined ${joined.name} as ${ticket.role}`
      security.record({ kind: 'joined', volume: joined.volume.id, message })
      return describeVolumeInfo(parts, joined)
    },

    listTickets: () => Promise.all(tickets.all().map(describe)),

    async revokeTickets(id) {
      const meant = id === undefined ? tickets.all() : [find(tickets.all(), id)]
      const open = meant.filter((ticket) => stateOf(ticket, world.clock.wall()) === 'open')
      for (const { hash, volume } of open) {
        await tickets.revoke(hash)
        const message = `ticket ${ticketIdOf(hash)} was revoked by the owner of this node`
        security.record({ kind: 'ticket-revoked', volume, message })
      }
      const revoked = open.flatMap(({ hash }) => tickets.get(hash) ?? [])
      return Promise.all(revoked.map(describe))
    },
  }
}

function find(all: readonly GivenTicket[], id: string): GivenTicket {
  const found = /^[0-9a-f]{4,64}$/.test(id) ? all.filter(({ hash }) => hash.startsWith(id)) : []
  const [ticket] = found
  if (ticket !== undefined && found.length === 1) return ticket
  const what = ticket === undefined ? 'is not a ticket of this node' : 'matches several tickets'
  throw new ShoalError('ticket-unknown', `"${id}" ${what}; see "shoal invite ls"`)
}
