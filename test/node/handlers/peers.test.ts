// The status of the other nodes, as they come and go.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { put, withMembers } from './members.ts'
import type { PeerStatus } from '../../../node/control/status.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'

async function seen(by: ClusterNode, of: ClusterNode): Promise<PeerStatus> {
  const peers = await by.ask((api) => api.listPeers())
  const found = peers.find(({ id }) => id === of.peer)
  assert.ok(found !== undefined)
  return found
}

test('a machine that loses power is late, gone after the grace, and online when back', async () => {
  await withMembers(3, 1, async ({ nodes: [a, b, c], clock }) => {
    await a.ask((api) => api.setVolume('main', { grace: '10m' }))
    // Two of the three hold each: so of some c does.
    for (const text of ['w', 'x', 'y', 'z'])
      await a.ask((api) => put(api, `/${text}`, text.repeat(100_000), { ack: 'placed' }))
    const well = await seen(a, c)
    assert.equal(well.state, 'online')
    assert.equal(well.isConnected, true)
    assert.equal(well.goneInMs, undefined)
    assert.ok((well.roundTripMs ?? 0) > 0, 'measured')
    assert.ok(well.shards > 0 && well.shardBytes > 0, 'it holds something')
    c.kill('power loss')
    await clock.sleep(MINUTE_MS)
    const late = await seen(a, c)
    assert.equal(late.state, 'late')
    assert.ok(late.goneInMs !== undefined && late.goneInMs < 10 * MINUTE_MS)
    assert.equal((await seen(a, b)).state, 'online')
    await clock.sleep(10 * MINUTE_MS)
    const gone = await seen(a, c)
    assert.equal(gone.state, 'gone')
    assert.equal(gone.roundTripMs, undefined)
    assert.ok((gone.lastSeenMs ?? Infinity) < clock.wall() - 10 * MINUTE_MS)
    const { stripes } = await a.ask((api) => api.volumeInfo('main'))
    assert.deepEqual({ ...stripes, full: 0 }, { full: 0, degraded: 0, atRisk: 0, lost: 0 })
    await c.start()
    await clock.sleep(MINUTE_MS)
    assert.equal((await seen(a, c)).state, 'online')
  })
})

test('a power cut overnight makes nobody gone, and last-seen times are kept', async () => {
  await withMembers(3, 2, async ({ nodes, clock }) => {
    const [a, b, c] = nodes
    await a.ask((api) => api.setVolume('main', { grace: '1h' }))
    await clock.sleep(10 * SECOND_MS)
    for (const node of nodes) node.kill('power loss')
    await clock.sleep(8 * HOUR_MS)
    await a.start()
    await b.start()
    const before = await seen(a, c)
    assert.equal(before.state, 'late')
    assert.ok((before.lastSeenMs ?? 0) > 0, 'before the cut')
    await clock.sleep(50 * MINUTE_MS)
    assert.equal((await seen(a, c)).state, 'late')
    assert.equal((await seen(a, b)).state, 'online')
    await clock.sleep(20 * MINUTE_MS)
    assert.equal((await seen(a, c)).state, 'gone')
  })
})

test('grace is a number with a unit, from seconds to days', async () => {
  await withMembers(3, 3, async ({ nodes: [a] }) => {
    for (const grace of ['30s', '15m', '24h', '7d']) {
      const { settings } = await a.ask((api) => api.setVolume('main', { grace }))
      assert.equal(settings['grace'], grace)
    }
    for (const grace of ['0h', '30', 'soon', '-1d', '1w'])
      await assert.rejects(
        a.ask((api) => api.setVolume('main', { grace })),
        { code: 'usage' },
      )
  })
})

test('the free space of a peer is updated by its beacons, without a request', async () => {
  await withMembers(3, 3, async ({ nodes: [a, b], clock }) => {
    const before = await seen(a, b)
    await a.ask((api) => put(api, '/file', 'x'.repeat(100_000), { ack: 'placed' }))
    await clock.sleep(MINUTE_MS)
    const after = await seen(a, b)
    assert.ok(after.shardBytes > 0, 'it holds something')
    const lessBytes = (before.freeBytes ?? 0) - (after.freeBytes ?? 0)
    assert.ok(lessBytes >= after.shardBytes, `${lessBytes} less for ${after.shardBytes} of shards`)
  })
})
