// Lost shards are rebuilt on other peers, by the node whose turn it is, and nothing unverified
// counts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { rankForGroup } from '../../../protocol/placement/plan.ts'
import { placementGroup } from '../../../protocol/placement/placement-group.ts'
import { Caretakers, GRACE_MS } from './caretakers.ts'
import { holdings } from '../stripes/volume-state.ts'
import type { PeerId, StripeId } from '../../../protocol/ids.ts'

const BYTES = 300_000

describe('repair', () => {
  test('the shards of gone peers are rebuilt on others, and all stripes are whole', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    for (let seed = 1; seed <= 8; seed++) await swarm.place(seed, BYTES, 4, 2)
    const [, second, third] = swarm.group.peers
    swarm.vanish(second as PeerId)
    await swarm.quiet()
    // Both at once would be no chance.
    swarm.vanish(second as PeerId, 3 * GRACE_MS)
    swarm.vanish(third as PeerId)
    await swarm.quiet()
    for (const id of swarm.stripes) await swarm.assertWhole(withoutGone(swarm, id))
  })

  test('a stripe with m shards lost is repaired with k reads and m writes', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const lost = holdersOf(swarm, id)
      .filter((peer) => peer !== swarm.group.self)
      .slice(0, 2)
    swarm.group.puts.length = 0
    for (const peer of lost) swarm.vanish(peer)
    await swarm.quiet()
    assert.equal(swarm.group.puts.length + ownPuts(swarm, id), 2)
    await swarm.assertWhole(withoutGone(swarm, id))
  })

  test('a late peer is waited for, unless no shard can be spared', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const [one, other] = holdersOf(swarm, id).filter((peer) => peer !== swarm.group.self)
    assert(one !== undefined && other !== undefined)
    swarm.vanish(one, 10 * MINUTE_MS)
    await swarm.quiet()
    assert.equal(swarm.map.recorded.length, 1)
    swarm.vanish(other, MINUTE_MS)
    await swarm.quiet()
    assert.equal(swarm.map.recorded.length, 1, 'a machine may take a minute to restart')
    swarm.vanish(other, 10 * MINUTE_MS)
    await swarm.quiet()
    await swarm.assertWhole(withoutGone(swarm, id))
  })

  test('a shard that contradicts its stripe is not used, but counts as lost', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const [lost, liar] = holdersOf(swarm, id).filter((peer) => peer !== swarm.group.self)
    assert(lost !== undefined && liar !== undefined)
    swarm.group.rotten.add(liar)
    swarm.map.avoided.add(liar)
    swarm.vanish(lost)
    await swarm.quiet()
    await swarm.assertWhole(withoutGone(swarm, id))
    const { holders } = swarm.stripe(id)
    const isRead = swarm.logged.includes('transfer.no-such-shard')
    assert.equal(holders.flat().includes(liar), !isRead)
  })

  test('a shard that its holder denies is rebuilt at once', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const [holder] = holdersOf(swarm, id)
    assert(holder !== undefined)
    await swarm.map.recordShards(id, [{ index: 0, peer: holder, isHeld: false }])
    await swarm.quiet()
    await swarm.assertWhole(id)
  })

  test('a slow holder is not read from if others can be', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const { client, self } = swarm.group
    const rank = rankForGroup(placementGroup(id), swarm.map.candidates()).map(({ peer }) => peer)
    const [first, ...others] = rank.filter((peer) => holdersOf(swarm, id).includes(peer))
    const [lost, slow] = others.filter((peer) => peer !== self).sort()
    assert(first !== undefined && lost !== undefined)
    const asked = new Set<PeerId>()
    const get = client.get.bind(client)
    client.get = (peer, range, options) => {
      asked.add(peer)
      return get(peer, range, options)
    }
    client.expectedMs = (peer) => (peer === slow ? MINUTE_MS : 0)
    swarm.vanish(lost)
    await swarm.quiet()
    await swarm.assertWhole(withoutGone(swarm, id))
    assert(asked.size >= 3 && !asked.has(slow as PeerId))
  })

  test('a peer that refuses a shard is passed over', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const holders = holdersOf(swarm, id)
    const others = swarm.group.peers.filter((peer) => !holders.includes(peer))
    const [first, second] = rankForGroup(
      placementGroup(id),
      swarm.map.candidates().filter(({ peer }) => others.includes(peer)),
    )
    assert(first !== undefined && second !== undefined && first.peer !== swarm.group.self)
    swarm.group.refusals.set(first.peer, 'ENOSPC')
    swarm.vanish(holders.find((peer) => peer !== swarm.group.self) as PeerId)
    await swarm.quiet()
    await swarm.assertWhole(withoutGone(swarm, id))
    assert(holdersOf(swarm, id).includes(second.peer))
  })

  test('if all peers refuse slowly, other stripes have their turn', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const holders = holdersOf(swarm, id)
    for (const peer of swarm.group.peers)
      if (!holders.includes(peer)) swarm.group.refusals.set(peer, 'timeout')
    let putCount = 0
    swarm.group.onPut = () => {
      swarm.group.clock.advance(MINUTE_MS)
      // So that this test ends.
      if (++putCount === 100) swarm.group.refusals.clear()
      return Promise.resolve()
    }
    swarm.vanish(holders.find((peer) => peer !== swarm.group.self) as PeerId)
    await swarm.quiet()
    assert(putCount < 100)
  })

  test('a shard that a crash left stored but not recorded is recorded', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    swarm.vanish(holdersOf(swarm, id).find((peer) => peer !== swarm.group.self) as PeerId)
    // The entry is not written: as if the node had died between the put and the record.
    swarm.map.failure = new Error('crashed')
    await swarm.quiet()
    assert.equal(swarm.map.recorded.length, 1)
    await swarm.quiet()
    await swarm.assertWhole(withoutGone(swarm, id))
    const stripes = new Set(swarm.group.puts.map(({ index }) => index))
    assert.equal(stripes.size, 1)
  })

  test('the first online holder in rank repairs, the next only if it does nothing', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const rank = rankForGroup(placementGroup(id), swarm.map.candidates()).map(({ peer }) => peer)
    const holders = holdersOf(swarm, id).toSorted((a, b) => rank.indexOf(a) - rank.indexOf(b))
    const lost = holders.findLast((peer) => peer !== swarm.group.self) as PeerId
    const [first, second] = holders.filter((peer) => peer !== lost) as [PeerId, PeerId]
    const { signal } = new AbortController()
    swarm.vanish(lost)
    await swarm.of(second).repairNow(signal)
    assert.equal(swarm.of(second).report().repairedBytes, 0, 'it is not its turn')
    swarm.group.clock.advance(10 * MINUTE_MS)
    await swarm.of(second).repairNow(signal)
    assert(swarm.of(second).report().repairedBytes > 0, 'nobody else did')
    await swarm.assertWhole(withoutGone(swarm, id))
    await swarm.of(first).repairNow(signal)
    assert.equal(swarm.of(first).report().repairedBytes, 0, 'nothing is left to do')
  })

  test('a condemned stripe without a spare is repaired: it may still be needed', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    await swarm.map.condemn([id])
    const lost = holdersOf(swarm, id).filter((peer) => peer !== swarm.group.self)
    for (const [count, peer] of lost.slice(0, 3).entries()) {
      swarm.vanish(peer)
      await swarm.quiet()
      assert.equal(swarm.map.recorded.length > 1, count > 0, 'it is garbage as long as it can be')
      swarm.map.members = swarm.map.members.filter((one) => one !== peer)
    }
    const { headerBytes, holders } = swarm.stripe(id)
    await swarm.map.recordStripe(headerBytes, holdings(holders))
    await swarm.quiet()
    withoutGone(swarm, id)
  })

  test('while many peers seem gone, only stripes without a spare are repaired', async (t) => {
    const swarm = await Caretakers.open(t, { count: 12, redundancy: 'rs4+2' })
    for (let seed = 1; seed <= 6; seed++) await swarm.place(seed, BYTES, 4, 2)
    const [, one, other] = swarm.group.peers as [PeerId, PeerId, PeerId]
    swarm.vanish(one)
    swarm.vanish(other)
    await swarm.quiet()
    assert(swarm.of(swarm.group.self).report().brake)
    for (const id of swarm.stripes) {
      const lost = swarm
        .stripe(id)
        .holders.filter((peers) => peers.every((peer) => swarm.group.away.has(peer))).length
      const repaired = swarm.stripe(id).holders.filter((peers) => peers.length > 1).length
      assert.deepEqual([lost === 2, repaired !== 0 && repaired !== 2], [false, false])
    }
  })
})

function holdersOf(swarm: Caretakers, id: StripeId): PeerId[] {
  return swarm.stripe(id).holders.flat()
}

/** The stripe's id, once it is sure that every shard has someone who is there. */
function withoutGone(swarm: Caretakers, id: StripeId): StripeId {
  for (const peers of swarm.stripe(id).holders)
    assert(peers.some((peer) => !swarm.group.away.has(peer)))
  return id
}

/** Shards that the node which repaired kept itself: they cross no network. */
function ownPuts(swarm: Caretakers, id: StripeId): number {
  const put = new Set(swarm.group.puts.map(({ peer }) => peer))
  const { holders } = swarm.stripe(id)
  return holders.filter((peers) => peers.length > 1 && !peers.some((peer) => put.has(peer))).length
}
