// Beacons: what a node says of itself, and what it makes of what others say
// (docs/formats/sync.md#beacons).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Inbox } from '../../../node/log/inbox.ts'
import { Gossip } from '../../../node/sync/gossip.ts'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { BEACON_ACTORS_MAX, GOSSIP_MAX } from '../../../protocol/limits.ts'
import { openGossip, sealGossip } from '../../../protocol/wire/gossip.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Replica, exchange, firstEntryOf } from '../log/replicas.ts'
import { networkOf } from '../log/wires.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { TopicListener } from '../../../node/world/world.ts'
import type { Beacon } from '../../../protocol/wire/gossip.ts'

/** The gossip of a replica, what it publishes and what it makes of messages. */
function gossipOf(replica: Replica): {
  gossip: Gossip
  published: Uint8Array[]
  heard: Beacon[]
  missingAt: PeerId[]
  deliver: TopicListener
} {
  const published: Uint8Array[] = []
  const heard: Beacon[] = []
  const missingAt: PeerId[] = []
  let deliver: TopicListener = () => 'ignore'
  const network = networkOf(replica.identity.peer, {
    publish: async (_topic, message) => void published.push(message),
    subscribe: (_topic, listener) => {
      deliver = listener
      return () => undefined
    },
  })
  const { clock, volume } = replica
  const world = { clock, network, random: new SeededRandom(1, 'gossip') }
  const gossip = new Gossip({
    world,
    volume,
    inbox: new Inbox({ volume, clock }),
    freeBytes: () => 1,
    beaconMs: 10_000,
    onMissing: (from) => missingAt.push(from),
    onBeacon: (beacon) => heard.push(beacon),
    onTime: () => undefined,
  })
  gossip.start()
  return { gossip, published, heard, missingAt, deliver: (message, from) => deliver(message, from) }
}

describe('beacons', () => {
  test('name the actors that wrote last, if not all fit', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const { published } = gossipOf(b)
    const seq = a.volume.actors.get(a.volume.actor)?.seq ?? 0
    const hash = a.volume.actors.get(a.volume.actor)?.hash
    assert.ok(hash !== undefined)
    const deps = [{ actor: a.volume.actor, seq, hash }]
    for (let n = 0; n < 700; n++)
      b.volume.receive(firstEntryOf(a, Buffer.from(String(n).padStart(16, '0')), deps))
    b.clock.advance(1000)
    b.write('last', 'x')
    await b.volume.commit()
    published.length = 0
    b.clock.advance(12_000)
    assert.ok(published.length > 0)
    for (const bytes of published) {
      assert.ok(bytes.length <= GOSSIP_MAX)
      const message = openGossip(bytes, b.volume.id, () => b.volume.membership.swarmKeys(1))
      assert.ok(message.kind === 'beacon')
      assert.equal(message.beacon.vector.size, BEACON_ACTORS_MAX)
      assert.ok(message.beacon.vector.has(b.volume.actor))
    }
  })

  test('the last beacon counts, and older or repeated ones are ignored', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    await exchange(a, b)
    const { deliver, heard, missingAt } = gossipOf(a)
    const [swarmKey = new Uint8Array()] = b.volume.membership.swarmKeys(1)
    const sender = { identity: b.identity, volume: b.volume.id, epoch: 1, swarmKey }
    const beaconAt = (sentMs: number): Uint8Array => {
      const beacon = {
        peer: b.identity.peer,
        sentMs,
        vector: new Map(),
        digest: undefined,
        hlc: HLC_ZERO,
        cut: HLC_ZERO,
        root: undefined,
        freeBytes: sentMs,
      }
      const message = { kind: 'beacon', beacon: { ...beacon, addresses: [] } } as const
      return sealGossip(message, sender, new Uint8Array(32).fill(sentMs))
    }
    for (const sentMs of [5, 3, 5, 6]) deliver(beaconAt(sentMs), b.identity.peer)
    assert.deepEqual(
      heard.map(({ sentMs }) => sentMs),
      [5, 6],
    )
    assert.deepEqual(missingAt, [])
  })

  test('a beacon of a log with another branch of one name only causes an exchange', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const c = await a.member('c')
    await exchange(a, b, c)
    // As it starts it describes itself: on either disk.
    const [disk, copy] = [await c.reopen(), await c.clone('copy of c')]
    disk.write('on the disk', 'x')
    copy.write('on its copy', 'x')
    await exchange(a, disk)
    await exchange(b, copy)
    const { deliver, missingAt } = gossipOf(a)
    const { published } = gossipOf(b)
    b.clock.advance(12_000)
    const [beacon] = published
    assert.ok(beacon !== undefined)
    assert.deepEqual(a.volume.actors.vector(), b.volume.actors.vector())
    assert.equal(deliver(beacon, b.identity.peer), 'accept')
    assert.deepEqual(missingAt, [b.identity.peer])
    assert.equal(a.volume.beacons.of(b.identity.peer)?.vector.size, 0)
  })
})
