// The tickets of a node: what they allow, who used them, and that both survive a restart.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Joining } from '../../../node/peers/join.ts'
import { Tickets, stateOf, ticketIdOf } from '../../../node/peers/tickets.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { decodeJoinReply, encodeJoinRequest } from '../../../protocol/wire/join.ts'
import type { JoinReply } from '../../../protocol/wire/join.ts'
import { TICKETS_MAX } from '../../../protocol/limits.ts'
import { parseTicket } from '../../../protocol/membership/ticket.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { plantWeakness } from '../../../protocol/trust.ts'
import { DAY_MS, HOUR_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { PeerId, VolumeId } from '../../../protocol/ids.ts'
import type { Channel } from '../../../node/world/world.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { channelPair, networkOf } from '../log/wires.ts'

const VOLUME = '4d'.repeat(32) as VolumeId
const hashOf = (n: number): string => n.toString(16).padStart(64, '0')
const peerOf = (n: number): PeerId => identityFromSeed(new Uint8Array(32).fill(n)).peer
const SELF = peerOf(200)

class Door {
  readonly kv: MemoryKv = MemoryKv.open()
  readonly clock: ManualClock = new ManualClock()
  readonly recorded: string[] = []
  readonly admitted: PeerId[] = []
  #serve: (channel: Channel) => Promise<void> = () => Promise.reject(new Error('not started'))

  async start(): Promise<{ tickets: Tickets; joining: Joining }> {
    const { clock, kv } = this
    const tickets = new Tickets({ kv, clock })
    const network = networkOf(SELF, {
      handle: async (_, serve) => void (this.#serve = serve),
    })
    const joining = new Joining({
      world: { clock, network, random: new SeededRandom(1, 'door') },
      tickets,
      record: ({ kind }) => this.recorded.push(kind),
      admit: async (_, peer) => {
        this.admitted.push(peer)
        return { kind: 'admitted', genesis: new Uint8Array(), keys: [] }
      },
      isMember: (_, peer) => this.admitted.includes(peer),
      wasRemoved: () => false,
    })
    await joining.start()
    return { tickets, joining }
  }

  async knock(peer: PeerId, ticket: string): Promise<JoinReply> {
    const { volume, secret } = parseTicket(ticket)
    const [there, here] = channelPair(peer, SELF, 'join')
    const { signal } = new AbortController()
    await there.send([encodeJoinRequest({ kind: 'join', volume, secret })], { signal })
    await this.#serve(here)
    return decodeJoinReply((await there.receive({ signal })) ?? new Uint8Array())
  }
}

describe('tickets', () => {
  test('issued, used and revoked tickets survive a restart of the node', async () => {
    const [kv, clock] = [MemoryKv.open(), new ManualClock()]
    const tickets = new Tickets({ kv, clock })
    const given = { volume: VOLUME, role: 'writer', expires: DAY_MS as WallTime } as const
    await tickets.add({ ...given, hash: hashOf(1), uses: 2 })
    clock.advance(1)
    await tickets.add({ ...given, hash: hashOf(2), uses: 1 })
    await tickets.use(hashOf(1), peerOf(1))
    clock.advance(1)
    await tickets.use(hashOf(1), peerOf(2))
    assert.ok(tickets.isOpen())
    await tickets.revoke(hashOf(2))
    assert.ok(!tickets.isOpen(), 'none lets anybody in')
    assert.equal(kv.unsyncedCount, 0)
    const again = new Tickets({ kv, clock })
    await again.load()
    assert.deepEqual(again.all(), tickets.all())
    assert.deepEqual(
      again.all().map((ticket) => stateOf(ticket, clock.wall())),
      ['revoked', 'used'],
    )
    assert.deepEqual(await again.usesOf(hashOf(1)), [
      { peer: peerOf(1), atMs: 1 },
      { peer: peerOf(2), atMs: 2 },
    ])
    clock.advance(92 * DAY_MS)
    await again.load()
    assert.deepEqual(again.all(), [])
    for await (const [key] of kv.scan({ from: '', to: '\xff' })) assert.fail(key)
  })

  test('a bounded number of tickets is remembered', async () => {
    const tickets = new Tickets({ kv: MemoryKv.open(), clock: new ManualClock() })
    const given = { volume: VOLUME, role: 'writer', expires: DAY_MS as WallTime, uses: 1 } as const
    for (let n = 0; n < TICKETS_MAX; n++) await tickets.add({ ...given, hash: hashOf(n) })
    const tooMany = tickets.add({ ...given, hash: hashOf(TICKETS_MAX) })
    await assert.rejects(tooMany, { code: 'EBUSY', message: /shoal invite revoke/ })
  })

  test('a ticket admits while it is open, also after a restart; each use is recorded', async () => {
    const door = new Door()
    const { joining } = await door.start()
    const expires = HOUR_MS as WallTime
    const used = await joining.invite(VOLUME, 'writer', 1, expires)
    const revoked = await joining.invite(VOLUME, 'writer', 9, expires)
    const late = await joining.invite(VOLUME, 'writer', 1, expires)
    assert.equal((await door.knock(peerOf(1), used.ticket)).kind, 'admitted')
    const { tickets } = await door.start()
    for (const { hash } of tickets.all())
      if (ticketIdOf(hash) === revoked.id) await tickets.revoke(hash)
    const codeFor = async (ticket: string): Promise<string> => {
      const reply = await door.knock(peerOf(2), ticket)
      return reply.kind === 'refused' ? reply.code : reply.kind
    }
    assert.equal(await codeFor(used.ticket), 'ticket-used')
    assert.equal(await codeFor(revoked.ticket), 'ticket-revoked')
    door.clock.advance(HOUR_MS)
    assert.equal(await codeFor(late.ticket), 'ticket-expired')
    assert.deepEqual(door.admitted, [peerOf(1)])
    const made = Array.from({ length: 3 }, () => 'ticket-made')
    const refused = Array.from({ length: 3 }, () => 'join-refused')
    assert.deepEqual(door.recorded, [...made, 'ticket-used', ...refused])
  })

  test('without the check, a revoked ticket would admit', async () => {
    const door = new Door()
    const { joining, tickets } = await door.start()
    const { ticket } = await joining.invite(VOLUME, 'writer', 2, HOUR_MS as WallTime)
    for (const { hash } of tickets.all()) await tickets.revoke(hash)
    const enforce = plantWeakness('ticket-open')
    try {
      assert.equal((await door.knock(peerOf(3), ticket)).kind, 'admitted')
    } finally {
      enforce()
    }
    assert.equal((await door.knock(peerOf(4), ticket)).kind, 'refused')
  })
})
