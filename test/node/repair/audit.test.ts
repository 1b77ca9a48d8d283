// Audits of a real holder on a simulated network: an honest holder is never blamed, and one that
// lies or has lost its shards is.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../../protocol/errors.ts'
import { DAY_MS, KIB } from '../../../protocol/units.ts'
import { Audit } from '../../../node/repair/audit.ts'
import { Quarantine } from '../../../node/repair/quarantine.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { peerOf } from '../stripes/peer-group.ts'
import { scenario, shardOf, stripeOf } from '../peers/shard-swarm.ts'
import { PlainMap } from './plain-map.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import type { AuditParts } from '../../../node/repair/audit.ts'
import type { ShardSwarm } from '../peers/shard-swarm.ts'

const GRACE_MS: number = DAY_MS
const STRIPES: readonly CodedStripe[] = [1, 2, 3, 4].map((seed) => stripeOf(seed, 900 * KIB, 2, 1))

describe('audit', () => {
  scenario('an honest holder passes every round', async (swarm) => {
    const { audit, map, quarantine } = await audited(swarm)
    for (let round = 0; round < 20; round++) await audit.run(swarm.signal)
    assert.deepEqual(map.recorded, [])
    assert.equal(quarantine.isAvoided(swarm.self), false)
  })

  scenario(
    'a shard that is damaged counts no more at once, and its holder is trusted',
    async (swarm) => {
      const { audit, map, quarantine } = await audited(swarm, STRIPES.slice(0, 1))
      await swarm.rot(100 * KIB)
      await audit.run(swarm.signal)
      assert.deepEqual(map.recorded, [recordOf(swarm, 0)])
      assert.equal(quarantine.isAvoided(swarm.self), false)
    },
  )

  scenario(
    'a holder that sends other bytes is found out at once, and distrusted',
    async (swarm) => {
      const { audit, map, quarantine } = await audited(swarm, STRIPES.slice(0, 1), (parts) => ({
        ...parts,
        client: {
          get: async (...request) => {
            const { bytes, proof } = await parts.client.get(...request)
            return { bytes: bytes.map((byte) => byte ^ 1), proof }
          },
        },
      }))
      await audit.run(swarm.signal)
      assert.deepEqual(map.recorded, [recordOf(swarm, 0)])
      assert.equal(quarantine.isAvoided(swarm.self), true)
    },
  )

  test('a distrusted peer is trusted again a day later', () => {
    const clock = new ManualClock()
    const quarantine = new Quarantine(clock)
    quarantine.quarantine(peerOf(1))
    clock.advance(DAY_MS - 1)
    assert.deepEqual(
      [1, 2].map((n) => quarantine.isAvoided(peerOf(n))),
      [true, false],
    )
    clock.advance(1)
    assert.equal(quarantine.isAvoided(peerOf(1)), false)
  })

  test('each failure after a quarantine doubles it, until there was none for long', () => {
    const clock = new ManualClock()
    const quarantine = new Quarantine(clock)
    const daysAvoided = (): number => {
      quarantine.quarantine(peerOf(1))
      for (let days = 0; ; days++) {
        if (!quarantine.isAvoided(peerOf(1))) return days
        clock.advance(DAY_MS)
      }
    }
    assert.deepEqual([1, 2, 3, 4, 5].map(daysAvoided), [1, 2, 4, 8, 8])
    assert.equal(quarantine.isSuspect(peerOf(1)), false, 'it is not challenged for all that time')
    clock.advance(32 * DAY_MS)
    assert.equal(daysAvoided(), 1)
  })

  test('a peer to which the same shard is moved again within a month has not kept it', () => {
    const clock = new ManualClock()
    const quarantine = new Quarantine(clock)
    const [peer, other] = [peerOf(1), peerOf(2)]
    const shard = { stripe: first().id, index: 0, peer }
    quarantine.noteMoved(shard)
    quarantine.noteMoved({ ...shard, index: 1 })
    quarantine.noteMoved({ ...shard, peer: other })
    clock.advance(32 * DAY_MS)
    quarantine.noteMoved(shard)
    assert.deepEqual(
      [peer, other].filter((one) => quarantine.isAvoided(one)),
      [],
    )
    clock.advance(DAY_MS)
    quarantine.noteMoved(shard)
    assert.deepEqual(
      [peer, other].filter((one) => quarantine.isAvoided(one)),
      [peer],
    )
  })

  test('a failure in a quarantine begins it anew, and does not double it', () => {
    const clock = new ManualClock()
    const quarantine = new Quarantine(clock)
    quarantine.quarantine(peerOf(1))
    clock.advance(DAY_MS / 2)
    quarantine.quarantine(peerOf(1))
    clock.advance(DAY_MS - 1)
    assert.ok(quarantine.isAvoided(peerOf(1)))
    clock.advance(1)
    assert.equal(quarantine.isAvoided(peerOf(1)), false)
  })

  scenario('a holder that drops a shard is found out after three rounds', async (swarm) => {
    const { audit, map, quarantine } = await audited(swarm, STRIPES.slice(0, 1))
    swarm.holder.store.shards.delete(first().id, 0)
    await audit.run(swarm.signal)
    await audit.run(swarm.signal)
    assert.deepEqual(map.recorded, [])
    await audit.run(swarm.signal)
    assert.deepEqual(map.recorded, [recordOf(swarm, 0)])
    assert.equal(quarantine.isAvoided(swarm.self), true)
  })

  scenario(
    'of a peer that was found out, all that it has dropped is found in the same round',
    async (swarm) => {
      const { audit, map } = await audited(swarm)
      for (const { id } of STRIPES) swarm.holder.store.shards.delete(id, 0)
      for (let round = 0; round < 3; round++) await audit.run(swarm.signal)
      assert.equal(map.recorded.length, STRIPES.length)
    },
  )

  scenario('a shard that comes back meanwhile is not held against its holder', async (swarm) => {
    const { audit, map, quarantine } = await audited(swarm, STRIPES.slice(0, 1))
    swarm.holder.store.shards.delete(first().id, 0)
    await audit.run(swarm.signal)
    await audit.run(swarm.signal)
    await put(swarm, first())
    for (let round = 0; round < 5; round++) await audit.run(swarm.signal)
    assert.deepEqual(map.recorded, [])
    assert.equal(quarantine.isAvoided(swarm.self), false)
  })

  scenario(
    'what the map ascribes to another meanwhile is not held against the holder',
    async (swarm) => {
      const { audit, map, quarantine } = await audited(swarm, STRIPES.slice(0, 1))
      swarm.holder.store.shards.delete(first().id, 0)
      await audit.run(swarm.signal)
      await audit.run(swarm.signal)
      map.add(first(), [[], [], []])
      for (let round = 0; round < 5; round++) await audit.run(swarm.signal)
      assert.deepEqual(map.recorded, [])
      assert.equal(quarantine.isAvoided(swarm.self), false)
    },
  )

  scenario('a peer that is away is not blamed, however often it is asked', async (swarm) => {
    const connected = new Set([swarm.self])
    const { audit, map, quarantine } = await audited(swarm, STRIPES, (parts) => ({
      ...parts,
      network: { self: parts.network.self, peers: () => [...connected] },
      client: {
        get: () => {
          // It goes just when it is asked, and comes back for the next round.
          connected.clear()
          return Promise.reject(new Error('gone'))
        },
      },
    }))
    for (let round = 0; round < 10; round++) {
      connected.add(swarm.self)
      await audit.run(swarm.signal)
    }
    assert.deepEqual(map.recorded, [])
    assert.equal(quarantine.isAvoided(swarm.self), false)
  })

  scenario(
    'a holder that is silent about one shard and answers for others is found out after three rounds',
    async (swarm) => {
      const { audit, map, quarantine } = await audited(swarm, STRIPES, (parts) => ({
        ...parts,
        client: {
          get: (peer, range, options) =>
            range.stripe === first().id
              ? Promise.reject(new ShoalError('timeout', 'no answer'))
              : parts.client.get(peer, range, options),
        },
      }))
      for (let round = 0; round < 60 && map.recorded.length === 0; round++)
        await audit.run(swarm.signal)
      assert.deepEqual(map.recorded, [recordOf(swarm, 0)])
      assert.equal(quarantine.isAvoided(swarm.self), true)
    },
  )

  scenario(
    'a holder that answers nothing though it is connected counts only after a grace',
    async (swarm) => {
      const time = new ManualClock()
      const { audit, map } = await audited(swarm, STRIPES, (parts) => ({
        ...parts,
        clock: {
          now: () => time.now(),
          sleep: (...args) => parts.clock.sleep(...args),
          timeout: (...args) => parts.clock.timeout(...args),
        },
        client: { get: () => Promise.reject(new ShoalError('timeout', 'no answer')) },
      }))
      for (let round = 0; round < 10; round++) await audit.run(swarm.signal)
      time.advance(GRACE_MS - 1)
      await audit.run(swarm.signal)
      assert.deepEqual(map.recorded, [])
      time.advance(1)
      await audit.run(swarm.signal)
      assert.equal(map.recorded.length, 1)
    },
  )

  scenario('every shard of a holder is challenged in time', async (swarm) => {
    const asked = new Set<string>()
    const { audit } = await audited(swarm, STRIPES, (parts) => ({
      ...parts,
      client: {
        get: (peer, range, options) => {
          asked.add(range.stripe)
          return parts.client.get(peer, range, options)
        },
      },
    }))
    for (let round = 0; round < 60; round++) await audit.run(swarm.signal)
    assert.deepEqual(asked, new Set(STRIPES.map(({ id }) => id)))
  })
})

function first(): CodedStripe {
  const [stripe] = STRIPES
  assert.ok(stripe !== undefined)
  return stripe
}

function recordOf({ self }: ShardSwarm, index: number): object {
  return { stripe: first().id, index, peer: self, isHeld: false }
}

/** An auditor, and a holder of the first shard of these stripes. */
async function audited(
  swarm: ShardSwarm,
  stripes: readonly CodedStripe[] = STRIPES,
  change: (parts: AuditParts) => AuditParts = (parts) => parts,
): Promise<{ audit: Audit; map: PlainMap; quarantine: Quarantine }> {
  const map = new PlainMap()
  const { client, network, random, clock } = await swarm.asker('auditor', 'writer')
  for (const stripe of stripes) {
    await client.put(swarm.self, shardOf(stripe, 0), { signal: swarm.signal })
    map.add(stripe, [[swarm.self], [], []])
  }
  const quarantine = new Quarantine(clock)
  const graceMs = (): number => GRACE_MS
  const parts = { map, client, network, clock, random, quarantine, graceMs, log: () => undefined }
  return { audit: new Audit(change(parts)), map, quarantine }
}

async function put(
  { holder }: ShardSwarm,
  { id, headerBytes, shards }: CodedStripe,
): Promise<void> {
  await holder.store.shards.put(id, 0, headerBytes, shards[0] ?? new Uint8Array(0))
  await holder.store.commit([])
}
