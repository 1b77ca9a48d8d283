// Tickets (docs/formats/membership.md): golden text, damage is noticed, and one that is written can
// be read.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { blake3 } from '../../protocol/hash.ts'
import { fromBase32, toBase32 } from '../../protocol/ids.ts'
import { TICKET_ADDRESSES_MAX, TICKET_TEXT_MAX } from '../../protocol/limits.ts'
import { ROLES } from '../../protocol/roles.ts'
import {
  TICKET_SECRET_BYTES,
  formatTicket,
  parseTicket,
  ticketSecretHash,
} from '../../protocol/membership/ticket.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { Ticket } from '../../protocol/membership/ticket.ts'
import type { WallTime } from '../../protocol/units.ts'
import { bytes } from './arbitraries.ts'
import { ALICE, VOLUME, WALL_MS, filled, toJson } from './fixtures.ts'
import { assertRefusal, assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const BAD = { code: 'ticket-malformed' }
const ADDRESS = `/ip4/192.168.1.7/tcp/4001/p2p/${ALICE.peer}`
const TICKET: Ticket = {
  volume: VOLUME,
  addresses: [ADDRESS],
  role: 'writer',
  expires: (WALL_MS + 86_400_000) as WallTime,
  uses: 1,
  secret: filled(0x99, TICKET_SECRET_BYTES),
}
const TEXT = formatTicket(TICKET)

describe('ticket', () => {
  test('a ticket has the text that docs/formats/membership.md shows', () => {
    checkVectors('ticket', {
      ticket: toJson(TICKET),
      cbor: toHex(cborOf(TEXT)),
      text: TEXT,
      secretHash: ticketSecretHash(TICKET.secret),
    })
  })

  test('a ticket comes back from its text, with space around it too', () => {
    fc.assert(
      fc.property(anyTicket, (ticket) => {
        const text = formatTicket(ticket)
        assert.deepEqual(toJson(parseTicket(text)), toJson(ticket))
        assert.deepEqual(toJson(parseTicket(`  ${text}\n`)), toJson(ticket))
        assert.match(text, /^shoal1[a-z2-7]+$/)
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('a ticket with many addresses is cut to those that fit, and can be read', () => {
    const long = Array.from(
      { length: 12 },
      (_, n) => `/ip6/2001:db8:1234:5678:9abc:def0:1234:567${n % 10}/tcp/40001/p2p/${ALICE.peer}`,
    )
    for (let count = 0; count <= long.length; count++) {
      const text = formatTicket({ ...TICKET, addresses: long.slice(0, count) })
      assert.ok(text.length <= TICKET_TEXT_MAX)
      const { addresses } = parseTicket(text)
      assert.deepEqual(addresses, long.slice(0, addresses.length))
      assert.ok(addresses.length >= Math.min(count, 3))
    }
    const short = Array.from({ length: TICKET_ADDRESSES_MAX + 1 }, (_, n) => `/dns/${n}`)
    assert.deepEqual(
      parseTicket(formatTicket({ ...TICKET, addresses: short })).addresses,
      short.slice(0, -1),
    )
  })

  test('the node that gave a ticket out keeps a hash, not the secret', () => {
    const expected = toHex(blake3(Uint8Array.from([...utf8('shoal/ticket/1\0'), ...TICKET.secret])))
    assert.equal(ticketSecretHash(TICKET.secret), expected)
    assert.notEqual(ticketSecretHash(filled(0x98, TICKET_SECRET_BYTES)), expected)
  })

  test('a ticket changed in any char is refused or names another secret or place', () => {
    for (let i = 0; i < TEXT.length; i++) {
      const changed = TEXT.slice(0, i) + (TEXT[i] === 'a' ? 'b' : 'a') + TEXT.slice(i + 1)
      assertRefusal(
        () => assert.notDeepEqual(toJson(parseTicket(changed)), toJson(TICKET)),
        ['ticket-malformed', 'unsupported'],
      )
      if (i < TEXT.length)
        assertRefusal(
          () => assert.fail(JSON.stringify(parseTicket(TEXT.slice(0, i)))),
          ['ticket-malformed'],
        )
    }
  })

  test('hostile tickets are refused and do nothing else', () => {
    const parse = (cbor: Uint8Array): Ticket => parseTicket(`shoal1${toBase32(cbor)}`)
    assertRefusesOnly(parse, [cborOf(TEXT)], { codes: ['ticket-malformed', 'unsupported'] })
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        assert.throws(() => parseTicket(text), BAD)
        assertRefusal(() => parseTicket(`shoal1${text}`), ['ticket-malformed', 'unsupported'])
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('a newer ticket is called newer, not damaged', () => {
    assert.throws(() => parseTicket(withField('v', 2)), { code: 'unsupported' })
    assert.throws(() => parseTicket(TEXT.replace('shoal1', 'shoal2')), BAD)
  })

  test('every bound is enforced', () => {
    const bounds: [field: string, fits: unknown, tooMuch: unknown][] = [
      ['vol', filled(1, 32), filled(1, 33)],
      ['at', [], Array.from({ length: TICKET_ADDRESSES_MAX + 1 }, () => 'x')],
      ['at', ['x'.repeat(256)], ['x'.repeat(257)]],
      ['r', 'keeper', 'owner'],
      ['e', 2 ** 48 - 1, 2 ** 48],
      ['u', 1, 0],
      ['s', filled(1, 16), filled(1, 15)],
    ]
    for (const [field, fits, tooMuch] of bounds) {
      parseTicket(withField(field, fits))
      assert.throws(() => parseTicket(withField(field, tooMuch)), BAD, field)
    }
    const longest = TEXT + 'a'.repeat(TICKET_TEXT_MAX + 1 - TEXT.length)
    assert.throws(() => parseTicket(longest), { code: 'ticket-malformed', message: /not a ticket/ })
  })

  test('a field that this node does not know is ignored', () => {
    assert.deepEqual(toJson(parseTicket(withField('later', 1))), toJson(TICKET))
  })
})

const anyTicket: fc.Arbitrary<Ticket> = fc.record({
  volume: bytes(32).map((id) => toHex(id) as VolumeId),
  addresses: fc.array(fc.string({ maxLength: 60 }), { maxLength: 4 }),
  role: fc.constantFrom(...ROLES),
  expires: fc.nat(2 ** 48 - 1).map((ms) => ms as WallTime),
  uses: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  secret: bytes(TICKET_SECRET_BYTES),
})

function cborOf(text: string): Uint8Array {
  return fromBase32(text.slice('shoal1'.length))
}

function withField(name: string, value: unknown): string {
  const changed = { ...(decodeCbor(cborOf(TEXT), 'ticket') as object), [name]: value }
  return `shoal1${toBase32(encodeCbor(changed))}`
}
