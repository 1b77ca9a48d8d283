// Shards move to the peers they belong to, no more than necessary, and no copy is dropped that no
// other peer has.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { placementGroup } from '../../../protocol/placement/placement-group.ts'
import { rankForGroup } from '../../../protocol/placement/plan.ts'
import { RELEASE_AFTER_MS } from '../../../node/repair/shard-trimming.ts'
import { Caretakers, GRACE_MS } from './caretakers.ts'
import { holdings } from '../stripes/volume-state.ts'
import type { PeerId, StripeId } from '../../../protocol/ids.ts'

const BYTES = 200_000
const STRIPES = 40

describe('rebalance', () => {
  test('a member that joins gets its share, and nothing else moves', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, members: 8, redundancy: 'rs4+2' })
    for (let seed = 1; seed <= STRIPES; seed++) await swarm.place(seed, BYTES, 4, 2)
    const before = new Map(swarm.stripes.map((id) => [id, swarm.stripe(id).holders]))
    swarm.map.members = swarm.group.peers
    const newcomer = swarm.group.peers[8] as PeerId
    swarm.group.puts.length = 0
    await swarm.quiet()
    const moved = swarm.group.puts.length
    assert(swarm.group.puts.every(({ peer }) => peer === newcomer))
    // Four standard deviations around the share of one of nine.
    const share = (STRIPES * 6) / 9
    assert(Math.abs(moved - share) <= 4 * Math.sqrt(share), `${moved} moved, ${share} expected`)
    for (const id of swarm.stripes) {
      await swarm.assertWhole(id)
      const kept = swarm
        .stripe(id)
        .holders.filter((peers, index) => before.get(id)?.[index]?.[0] === peers[0])
      assert(kept.length >= 5)
      assert.deepEqual(
        new Set(swarm.stripe(id).holders.flat()),
        new Set(wantedOf(swarm, id)),
        'it lies where placement says',
      )
    }
  })

  test('the old holder keeps its shard until another has it, and for a while longer', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, members: 8, redundancy: 'rs4+2' })
    const id = await placedSoThat(swarm, (wanted) =>
      wanted.includes(swarm.group.peers[8] as PeerId),
    )
    const before = swarm.stripe(id).holders.map((peers) => peers[0] as PeerId)
    swarm.map.members = swarm.group.peers
    await swarm.quiet()
    const index = swarm.stripe(id).holders.findIndex((peers, at) => peers[0] !== before[at])
    const old = before[index] as PeerId
    assert.deepEqual(swarm.group.storeOf(old).shards.indices(id), [index])
    swarm.group.clock.advance(RELEASE_AFTER_MS)
    await swarm.of(old).repairNow(new AbortController().signal)
    assert.deepEqual(swarm.group.storeOf(old).shards.indices(id), [])
    // The map gives it back.
    await swarm.map.recordShards(id, [{ index, peer: old, isHeld: true }])
    await swarm.of(old).repairNow(new AbortController().signal)
    assert.deepEqual(swarm.group.storeOf(old).shards.indices(id), [index])
  })

  test('a holder of whole shards that the map takes for lost says so, and keeps them', async (t) => {
    const swarm = await Caretakers.open(t, { count: 3, redundancy: 'rs2+1' })
    const id = await swarm.place(1, BYTES, 2, 1)
    const holders = swarm.stripe(id).holders.map((peers) => peers[0] as PeerId)
    // One that could reach nobody says of all that they hold nothing.
    const wrong = holders.map((peer, index) => ({ index, peer, isHeld: false }))
    await swarm.map.recordShards(id, wrong)
    swarm.group.clock.advance(RELEASE_AFTER_MS)
    for (const peer of holders) await swarm.of(peer).repairNow(new AbortController().signal)
    assert.deepEqual(
      swarm.stripe(id).holders,
      holders.map((peer) => [peer]),
    )
    await swarm.assertWhole(id)
  })

  test('a peer says that it lacks a shard in the map, and the shard is rebuilt', async (t) => {
    const swarm = await Caretakers.open(t, { count: 4, redundancy: 'rs2+1' })
    const id = await swarm.place(1, BYTES, 2, 1)
    const [[holder]] = swarm.stripe(id).holders as [[PeerId]]
    const store = swarm.group.storeOf(holder)
    store.shards.delete(id, 0)
    await store.commit([])
    // Somebody who missed that it was swept records it again.
    const { headerBytes, holders } = swarm.stripe(id)
    await swarm.map.recordStripe(headerBytes, holdings(holders))
    await swarm.quiet()
    await swarm.assertWhole(id)
  })

  test('a returning peer keeps its shards, and those rebuilt meanwhile are dropped', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const before = swarm.stripe(id).holders
    const lost = before.flat().find((peer) => peer !== swarm.group.self) as PeerId
    swarm.vanish(lost)
    await swarm.quiet()
    assert.notDeepEqual(swarm.stripe(id).holders, before)
    swarm.group.puts.length = 0
    swarm.return(lost)
    await swarm.quiet()
    assert.deepEqual(swarm.stripe(id).holders, before)
    assert.equal(swarm.group.puts.length, 0)
  })

  test('a shard that a peer only claims to have does not release the other copy', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    // Others ask it, and not it itself.
    const lost = wantedOf(swarm, id).findLast((peer) => peer !== swarm.group.self) as PeerId
    swarm.vanish(lost)
    await swarm.quiet()
    swarm.group.rotten.add(lost)
    swarm.return(lost)
    await swarm.quiet()
    const there = swarm.stripe(id).holders.map((peers) => peers.filter((peer) => peer !== lost))
    assert(there.every((peers) => peers.length === 1))
  })

  test('a zone that holds too many shards gives some away', async (t) => {
    let isOneZone = false
    const zoneOf = (peer: PeerId): string => {
      const at = swarm.group.peers.indexOf(peer)
      return isOneZone && at < 4 ? 'cellar' : peer
    }
    const swarm: Caretakers = await Caretakers.open(t, { count: 12, zoneOf, redundancy: 'rs4+2' })
    for (let seed = 1; seed <= 10; seed++) await swarm.place(seed, BYTES, 4, 2)
    isOneZone = true
    await swarm.quiet()
    for (const id of swarm.stripes) {
      await swarm.assertWhole(id)
      const inCellar = swarm
        .stripe(id)
        .holders.flat()
        .filter((peer) => zoneOf(peer) === 'cellar')
      assert(inCellar.length <= 2)
    }
  })
})

describe('a peer that is being removed', () => {
  test('a peer to be removed gives all its shards away, and none are rebuilt', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    for (let seed = 1; seed <= 20; seed++) await swarm.place(seed, BYTES, 4, 2)
    const [, leaver] = swarm.group.peers as [PeerId, PeerId]
    const held = swarm.stripes.filter((id) =>
      swarm.stripe(id).holders.flat().includes(leaver),
    ).length
    swarm.map.draining.add(leaver)
    assert.deepEqual(swarm.of(swarm.group.self).drainOf(leaver), { left: held, stuck: 0, lost: 0 })
    swarm.group.puts.length = 0
    await swarm.quiet()
    assert.deepEqual(swarm.of(swarm.group.self).drainOf(leaver), { left: 0, stuck: 0, lost: 0 })
    assert(swarm.group.puts.length <= held)
    for (const id of swarm.stripes) {
      await swarm.assertWhole(id)
      assert(!swarm.stripe(id).holders.flat().includes(leaver))
    }
  })

  test('a peer to be removed keeps shards nobody can take, apart from lost ones', async (t) => {
    const swarm = await Caretakers.open(t, { count: 6, redundancy: 'rs4+2' })
    const id = await swarm.place(1, BYTES, 4, 2)
    const [self, leaver, one, other] = swarm.group.peers as PeerId[] as [
      PeerId,
      PeerId,
      PeerId,
      PeerId,
    ]
    swarm.map.draining.add(leaver)
    await swarm.quiet()
    assert.deepEqual(swarm.of(self).drainOf(leaver), { left: 1, stuck: 1, lost: 0 })
    swarm.vanish(one, 3 * GRACE_MS)
    swarm.vanish(other)
    assert.deepEqual(swarm.of(self).drainOf(leaver), { left: 1, stuck: 1, lost: 1 })
    assert(swarm.stripe(id).holders.flat().includes(leaver))
  })
})

function wantedOf(swarm: Caretakers, id: StripeId): PeerId[] {
  const ranked = rankForGroup(placementGroup(id), swarm.map.candidates())
  return ranked.slice(0, 6).map(({ peer }) => peer)
}

/** A stripe whose placement, once all are members, is as asked. */
async function placedSoThat(
  swarm: Caretakers,
  isRight: (wanted: readonly PeerId[]) => boolean,
): Promise<StripeId> {
  for (let seed = 1; ; seed++) {
    const { members } = swarm.map
    const id = await swarm.place(seed, BYTES, 4, 2)
    swarm.map.members = swarm.group.peers
    const wanted = wantedOf(swarm, id)
    swarm.map.members = members
    if (isRight(wanted)) return id
  }
}
