// A pass through all the work of a node may take days: urgent work does not wait for its end.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { placementGroup } from '../../../protocol/placement/placement-group.ts'
import { coordinators, rankForGroup } from '../../../protocol/placement/plan.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { Caretakers } from './caretakers.ts'
import type { PeerId, StripeId } from '../../../protocol/ids.ts'
import type { PlacePeer } from '../../../protocol/placement/plan.ts'

const BYTES = 100_000
const STRIPES = 30
const { signal } = new AbortController()

describe('an upkeep pass', () => {
  test('a pass retries what failed before it ends', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    for (let seed = 1; seed <= STRIPES; seed++) await swarm.place(seed, BYTES, 4, 2)
    for (const id of swarm.stripes) {
      const [peer] = swarm.stripe(id).holders[0] as [PeerId]
      await swarm.map.recordShards(id, [{ index: 0, peer, isHeld: false }])
    }
    const byPeer = Map.groupBy(swarm.stripes, (id) => coordinatorOf(swarm, id))
    const [most] = [...byPeer].sort(([, a], [, b]) => b.length - a.length)
    assert(most?.[0] !== undefined && most[1].length >= 3)
    const [busiest, own] = most
    for (const peer of swarm.group.peers) if (peer !== busiest) await swarm.of(peer).stop()
    swarm.map.failure = new Error('the disk was busy')
    swarm.map.onRecorded = () => swarm.group.clock.advance(20 * SECOND_MS)
    await swarm.of(busiest).repairNow(signal)
    for (const id of own) await swarm.assertWhole(id)
  })

  test('a pass drops the shards it gave away before it ends', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2' })
    for (let seed = 1; seed <= STRIPES; seed++) await swarm.place(seed, BYTES, 4, 2)
    const [, leaver] = swarm.group.peers as [PeerId, PeerId]
    const { shards } = swarm.group.storeOf(leaver)
    const heldCount = (): number =>
      swarm.stripes.reduce((sum, id) => sum + shards.indices(id).length, 0)
    const before = heldCount()
    let least = before
    swarm.map.onRecorded = () => {
      swarm.group.clock.advance(MINUTE_MS)
      least = Math.min(least, heldCount())
    }
    swarm.map.draining.add(leaver)
    await swarm.of(leaver).repairNow(signal)
    assert(least < before / 2, `${least} of ${before} were here at the end`)
  })

  test('a pass does all its work without delay when somebody waits for it', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs4+2', lookMs: 0 })
    for (let seed = 1; seed <= STRIPES; seed++) await swarm.place(seed, BYTES, 4, 2)
    const [, newcomer] = swarm.group.peers as [PeerId, PeerId]
    swarm.map.members = swarm.group.peers.filter((peer) => peer !== newcomer)
    await swarm.quiet()
    swarm.map.members = swarm.group.peers
    for (const peer of swarm.group.peers) await swarm.of(peer).repairNow(signal)
    for (const id of swarm.stripes) {
      const [first] = rankForGroup(placementGroup(id), swarm.map.candidates())
      assert(first !== undefined && swarm.stripe(id).holders.flat().includes(first.peer))
    }
  })
})

/** The peer that sees to a stripe while everybody is there. */
function coordinatorOf(swarm: Caretakers, id: StripeId): PeerId | undefined {
  const { header, holders } = swarm.stripe(id)
  const all: PlacePeer[] = swarm.map
    .candidates()
    .map((candidate) => ({ ...candidate, presence: 'online', isFull: false }))
  const shards = { k: header.k, m: header.m, holders }
  return coordinators(shards, rankForGroup(placementGroup(id), all))[0]
}
