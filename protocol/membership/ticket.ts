// A ticket lets a machine ask to join: `shoal1` + base32 of DAG-CBOR. It names a volume, where to
// ask, and a one-time secret; the volume's key is never in it. The secret is shown to the admitting
// member over the connection that proves who it is (the peer id is part of each address), and only
// its hash is kept there.
import { fromHex, toHex, utf8 } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { blake3Concat } from '../hash.ts'
import { fromBase32, toBase32 } from '../ids.ts'
import type { VolumeId } from '../ids.ts'
import { TICKET_ADDRESSES_MAX, TICKET_TEXT_MAX } from '../limits.ts'
import type { WallTime } from '../units.ts'
import { parseRole } from '../roles.ts'
import type { Role } from '../roles.ts'

const PREFIX = 'shoal1'
const TICKET_VERSION = 1
export const TICKET_SECRET_BYTES = 16
/** Chars of a multiaddr. */
const ADDRESS_MAX = 256
const ITEMS_MAX = 64
/** As much as the clock of an entry holds, in ms. */
const EXPIRES_MAX = 2 ** 48 - 1

export interface Ticket {
  readonly volume: VolumeId
  /** Multiaddrs of admitting members, each ending in /p2p/<peer id>. */
  readonly addresses: readonly string[]
  readonly role: Role
  readonly expires: WallTime
  readonly uses: number
  readonly secret: Uint8Array
}

/**
 * The text of a ticket, with as many of its addresses, from the first on, as fit in
 * TICKET_TEXT_MAX.
 */
export function formatTicket(ticket: Ticket): string {
  const addresses = ticket.addresses.slice(0, TICKET_ADDRESSES_MAX)
  for (;;) {
    const text = PREFIX + toBase32(encodeTicket({ ...ticket, addresses }))
    if (text.length <= TICKET_TEXT_MAX || addresses.pop() === undefined) return text
  }
}

function encodeTicket(ticket: Ticket): Uint8Array {
  return encodeCbor({
    v: TICKET_VERSION,
    vol: fromHex(ticket.volume),
    at: ticket.addresses,
    r: ticket.role,
    e: ticket.expires,
    u: ticket.uses,
    s: ticket.secret,
  })
}

/** throws ShoalError 'ticket-malformed' with what to do, 'unsupported' for a newer ticket. */
export function parseTicket(text: string): Ticket {
  const trimmed = text.trim()
  if (!trimmed.startsWith(PREFIX) || trimmed.length > TICKET_TEXT_MAX) {
    throw new ShoalError(
      'ticket-malformed',
      'this is not a ticket: it must start with "shoal1"; copy it whole from `shoal invite`',
    )
  }
  try {
    const f = new Fields(
      decodeCbor(fromBase32(trimmed.slice(PREFIX.length)), 'ticket', ITEMS_MAX),
      'ticket',
    )
    if (f.integer('v') !== TICKET_VERSION)
      throw new ShoalError('unsupported', 'this ticket is newer than this node')
    return {
      volume: toHex(f.bytes('vol', 32, 32)) as VolumeId,
      addresses: f.list('at', TICKET_ADDRESSES_MAX).map((address) => {
        if (typeof address !== 'string' || address.length > ADDRESS_MAX)
          throw new ShoalError('malformed', 'bad address')
        return address
      }),
      role: parseRole(f.text('r', 16)),
      expires: f.integer('e', 0, EXPIRES_MAX) as WallTime,
      uses: f.integer('u', 1),
      secret: f.bytes('s', TICKET_SECRET_BYTES, TICKET_SECRET_BYTES),
    }
  } catch (cause) {
    if (hasCode(cause, 'unsupported')) throw cause
    throw new ShoalError(
      'ticket-malformed',
      'this ticket is damaged; copy it whole from `shoal invite`',
      { cause },
    )
  }
}

/** The hash of a ticket's secret, which the admitting member keeps. */
export function ticketSecretHash(secret: Uint8Array): string {
  return toHex(blake3Concat(utf8('shoal/ticket/1\0'), secret))
}
