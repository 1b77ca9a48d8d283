// Stripes follow the code of their class as members come and go, and have at no moment less
// redundancy than before.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes, toHex } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { Caretakers } from './caretakers.ts'
import type { PeerId } from '../../../protocol/ids.ts'

const BYTES = 300_000

describe('recode', () => {
  test('a volume that grows from 2 to 12 members is recoded step by step', async (t) => {
    const swarm = await Caretakers.open(t, { count: 12, members: 2 })
    for (let seed = 1; seed <= 4; seed++) await swarm.place(seed, BYTES, 1, 1)
    const codes = [
      [2, 1],
      [2, 2],
      [3, 2],
      [4, 2],
      [4, 2],
      [4, 2],
      [6, 3],
      [6, 3],
      [6, 3],
      [6, 3],
    ]
    let toleratedMin = 1
    for (const [step, [k = 0, m = 0]] of codes.entries()) {
      swarm.map.members = swarm.group.peers.slice(0, step + 3)
      swarm.map.onRecorded = () => assert(tolerance(swarm) >= toleratedMin, 'less than before')
      await swarm.quiet()
      assert.equal(swarm.used().length, 4)
      for (const { header } of swarm.used()) assert.deepEqual([header.k, header.m], [k, m])
      toleratedMin = tolerance(swarm)
      assert.equal(toleratedMin, m)
    }
    assert(await isReadable(swarm, [1, 2, 3, 4]))
  })

  test('the old stripe stays in use where the new one finds too few peers', async (t) => {
    const swarm = await Caretakers.open(t, { count: 6 })
    swarm.map.className = 'rs2+1'
    const id = await swarm.place(1, BYTES, 2, 1)
    for (const peer of swarm.group.peers.slice(1, 4)) swarm.group.refusals.set(peer, 'ENOSPC')
    swarm.map.className = 'rs4+2'
    await swarm.quiet()
    assert.equal(swarm.stripe(id).isCondemned, false)
    assert.deepEqual(
      swarm.used().map(({ header }) => [header.k, header.m]),
      [[2, 1]],
    )
  })

  test('a condemned stripe that has lost its holders is not taken for whole', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9, redundancy: 'rs2+1' })
    const id = await swarm.place(1, BYTES, 2, 1)
    swarm.map.className = 'rs4+2'
    await swarm.quiet()
    const lost = swarm.stripe(id).holders.flat()
    assert.deepEqual([lost.length, swarm.stripe(id).isCondemned], [3, true])
    for (const peer of lost.filter((one) => one !== swarm.group.self).slice(0, 2)) {
      swarm.vanish(peer)
      swarm.map.members = swarm.map.members.filter((one) => one !== peer)
      await swarm.quiet()
    }
    swarm.map.className = 'rs2+1'
    swarm.map.onRecorded = () => assert(tolerance(swarm) >= 1, 'not to be read without its holders')
    await swarm.quiet()
    assert.equal(swarm.stripe(id).isCondemned, false)
    await swarm.assertWhole(id)
  })

  test('members that are only offline change no code', async (t) => {
    const swarm = await Caretakers.open(t, { count: 9 })
    const id = await swarm.place(1, BYTES, 6, 3)
    swarm.vanish(swarm.group.peers[1] as PeerId)
    await swarm.quiet()
    assert.equal(swarm.stripe(id).isCondemned, false)
    assert.equal(swarm.map.recorded.length, 1)
  })

  test('small stripes stay copies, and large ones among them are recoded', async (t) => {
    const swarm = await Caretakers.open(t, { count: 6 })
    const small = await swarm.place(1, 10_000, 1, 2)
    const large = await swarm.place(2, BYTES, 1, 2)
    const { self } = swarm.group
    assert.equal(swarm.of(self).report().outdated, 1, 'the large one')
    await swarm.quiet()
    assert.equal(swarm.of(self).report().outdated, 0, 'the small one has the code it should have')
    assert.equal(swarm.stripe(small).isCondemned, false)
    assert.equal(swarm.stripe(large).isCondemned, true)
    assert.deepEqual(new Set(swarm.used().map(({ header }) => header.k)), new Set([1, 4]))
  })

  test('a stripe that a crash left recoded but not condemned is not recoded again', async (t) => {
    const swarm = await Caretakers.open(t, { count: 6 })
    const id = await swarm.place(1, BYTES, 1, 1)
    const condemn = swarm.map.condemn.bind(swarm.map)
    swarm.map.condemn = () => Promise.reject(new Error('crashed'))
    await swarm.quiet()
    assert.equal(swarm.used().length, 2)
    swarm.map.condemn = condemn
    swarm.group.puts.length = 0
    await swarm.quiet()
    await swarm.quiet()
    assert.equal(swarm.stripe(id).isCondemned, true)
    assert.deepEqual([swarm.used().length, swarm.group.puts.length], [1, 0])
  })
})

/** How many members may vanish before some chunk can't be read, whatever stripes it lies in. */
function tolerance(swarm: Caretakers): number {
  const byChunk = new Map<string, number>()
  for (const { header, holders } of swarm.used()) {
    const held = holders.filter((peers) => peers.some((peer) => !swarm.group.away.has(peer)))
    const spare = held.length - header.k
    for (const { id } of header.chunks) byChunk.set(id, Math.max(byChunk.get(id) ?? 0, spare))
  }
  return Math.min(...byChunk.values())
}

/** Do the data shards of the stripes in use hold what was put in? */
async function isReadable(swarm: Caretakers, seeds: readonly number[]): Promise<boolean> {
  const found = new Set<string>()
  for (const { headerBytes, header, holders } of swarm.used()) {
    const id = stripeIdOf(headerBytes)
    await swarm.assertWhole(id)
    const shards: Uint8Array[] = []
    for (const [index, [peer]] of holders.slice(0, header.k).entries()) {
      const store = swarm.group.storeOf(peer as PeerId)
      const shard = await store.shards.read(id, index, 0, header.shardBytes)
      if (shard !== undefined) shards.push(shard)
    }
    found.add(toHex(blake3(concatBytes(shards).subarray(0, BYTES))))
  }
  return seeds.every((seed) => found.has(toHex(blake3(xorshiftBytes(seed, BYTES)))))
}
