// The data paths' view of the shard map of a volume: which peers may be given shards, and that its
// records are in the log.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { compareBytes, utf8 } from '../../../protocol/bytes.ts'
import { OP_SHARDS_MAX, STRIPE_DATA_TARGET } from '../../../protocol/limits.ts'
import { stripeIdBytes } from '../../../protocol/ids.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { signReceipts } from '../../../protocol/stripe/receipt.ts'
import { encodeStripeHeader, stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { VolumeStripeMap, drainPolicy } from '../../../node/volume/volume-stripe-map.ts'
import { Replica, exchange } from '../log/replicas.ts'
import { chunkIdOf } from '../store/fixtures.ts'
import type { PeerId, StripeId } from '../../../protocol/ids.ts'
import type { MapEvent } from '../../../node/shard-map/stripe-map.ts'

/** A stripe of one chunk in two shards. */
function headerOf(n: number): Uint8Array {
  const chunks = [{ id: chunkIdOf(utf8(`${n}`)), length: 20 }]
  const shardRoots = [new Uint8Array(32), new Uint8Array(32)]
  return encodeStripeHeader({ k: 1, m: 1, shardBytes: 64, chunks, shardRoots })
}

function isOf(peer: PeerId): (candidate: { readonly peer: PeerId }) => boolean {
  return (candidate) => candidate.peer === peer
}

async function collect(ids: AsyncIterable<StripeId>): Promise<StripeId[]> {
  const all: StripeId[] = []
  for await (const id of ids) all.push(id)
  return all
}

describe('placement candidates', () => {
  test('candidates are the members that store, by capacity; draining ones weigh 0', async () => {
    const a = await Replica.founder('a')
    const keeper = await a.member('keeper', 'keeper')
    const reader = await a.member('reader', 'reader')
    await exchange(a, keeper, reader)
    const map = new VolumeStripeMap(a.volume)
    const weights = (): unknown =>
      [a, keeper].map(({ identity }) => map.candidates().find(isOf(identity.peer))?.weight)
    assert.deepEqual(weights(), [1000, 100e9])
    assert.equal(map.candidates().length, 2)
    const { peer } = keeper.identity
    const say = (value: string): void => {
      a.volume.submit({ kind: 'policy', key: drainPolicy(peer), value })
      // An act that governs counts once its entry is whole.
      a.volume.endBatch()
    }
    say('1')
    assert.deepEqual(weights(), [1000, 0])
    say('')
    assert.deepEqual(weights(), [1000, 100e9])
    // Each may say that it offers nothing any more, and that it does again.
    const { introductions } = keeper.volumes
    await introductions.setLeaving(keeper.volume, true)
    await exchange(a, keeper)
    assert.deepEqual(weights(), [1000, 0])
    await introductions.setLeaving(keeper.volume, false)
    await exchange(a, keeper)
    assert.ok(map.candidates().every(({ weight }) => weight > 1))
  })

  test('candidates get no new shards if they have no room for one, or are avoided', async () => {
    const a = await Replica.founder('a')
    const free = new Map<PeerId, number>()
    const bad = new Set<PeerId>()
    const hooks = {
      freeBytesOf: (peer: PeerId): number | undefined => free.get(peer),
      isAvoided: (peer: PeerId): boolean => bad.has(peer),
      stable: () => HLC_ZERO,
    }
    const map = new VolumeStripeMap(a.volume, hooks)
    const { peer } = a.identity
    assert.equal(map.isAvoided(peer), false)
    free.set(peer, STRIPE_DATA_TARGET - 1)
    assert.ok(map.isAvoided(peer))
    free.set(peer, STRIPE_DATA_TARGET)
    assert.equal(map.isAvoided(peer), false)
    bad.add(peer)
    assert.ok(map.isAvoided(peer))
    assert.equal(map.candidates()[0]?.weight, 1000, 'what it holds stays where it is')
  })
})

describe('stripe records', () => {
  test('stripe records are in the log when the call resolves, and reach others', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const map = new VolumeStripeMap(a.volume)
    const events: MapEvent[] = []
    const end = new VolumeStripeMap(b.volume).onChange((event) => events.push(event))
    const [p, q] = [a.identity.peer, b.identity.peer]
    const stripe = stripeIdOf(headerOf(1))
    await map.recordStripe(headerOf(1), [{ index: 0, peer: p }])
    await exchange(a, b)
    await new VolumeStripeMap(b.volume).recordShards(stripe, [{ index: 1, peer: q, isHeld: true }])
    await exchange(a, b)
    assert.deepEqual(new VolumeStripeMap(b.volume).stripe(stripe)?.holders, [[p], [q]])
    await map.sweep([stripe])
    assert.ok(map.stripe(stripe) !== undefined, 'what is not condemned is not swept')
    await map.condemn([stripe])
    assert.equal(map.stripe(stripe)?.isCondemned, true)
    await map.sweep([stripe])
    assert.equal(map.stripe(stripe)?.isSwept, true)
    await exchange(a, b)
    end()
    await map.recordStripe(headerOf(1), [{ index: 0, peer: p }])
    await exchange(a, b)
    const kinds = ['shards', 'shards', 'condemned', 'swept']
    assert.deepEqual(
      events.map(({ kind }) => kind),
      kinds,
    )
  })

  test('stripe records may be more than one op can hold', async () => {
    const a = await Replica.founder('a')
    const map = new VolumeStripeMap(a.volume)
    const stripe = stripeIdOf(headerOf(1))
    await map.recordStripe(headerOf(1), [])
    const at = { volume: a.volume.id, hlc: a.volume.actors.hlc }
    const changes = Array.from({ length: OP_SHARDS_MAX + 1 }, (_, n) => {
      const holder = identityFromSeed(new Uint8Array(32).fill(n & 255).fill(n >> 8, 16))
      const [receipt] = signReceipts(holder, at, [{ stripe, index: 1 }])
      return { index: 1, peer: holder.peer, isHeld: true, receipt }
    })
    await map.recordShards(stripe, changes)
    assert.equal(a.volume.stripes.get(stripe)?.holders[1]?.length, OP_SHARDS_MAX + 1)
    assert.deepEqual(map.stripe(stripe)?.holders[1], [], 'who is no member counts for nothing')
  })

  test('stripe records are read in pages, each as the map is then', async () => {
    const a = await Replica.founder('a')
    const map = new VolumeStripeMap(a.volume)
    const headers = Array.from({ length: 600 }, (_, n) => headerOf(n))
    for (const header of headers) a.volume.submit({ kind: 'stripe', header, holders: [] })
    await a.volume.commit()
    const all = await collect(map.stripes())
    assert.deepEqual(new Set(all), new Set(headers.map(stripeIdOf)))
    const last = all.at(-1) ?? assert.fail()
    const [first = assert.fail()] = all
    assert.deepEqual(await collect(map.stripes({ after: first })), all.slice(1))
    assert.deepEqual(await collect(map.stripes({ after: last })), [])
    const isLate = (header: Uint8Array): boolean =>
      compareBytes(stripeIdBytes(stripeIdOf(header)), stripeIdBytes(all[300] ?? last)) > 0
    const later = Array.from({ length: 100 }, (_, n) => headerOf(600 + n)).find(isLate)
    assert.ok(later)
    const seen: StripeId[] = []
    for await (const id of map.stripes()) {
      seen.push(id)
      if (seen.length > 1) continue
      await map.recordStripe(later, [])
      await map.condemn([last])
      await map.sweep([last])
    }
    assert.deepEqual(seen.toSorted(), [...all, stripeIdOf(later)].sort())
    assert.equal(map.stripe(last)?.isSwept, true)
    const inUse = map.groups().filter(({ isSwept }) => !isSwept)
    const groups = inUse.map(({ id }) => collect(map.stripesOf(id)))
    const left = seen.filter((id) => id !== last)
    assert.deepEqual((await Promise.all(groups)).flat().sort(), left.toSorted())
  })
})
