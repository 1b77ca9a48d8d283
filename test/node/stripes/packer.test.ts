// Written data gets onto peers, or stays marked until it can; nothing is ever neither here nor
// there.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../../protocol/errors.ts'
import { stripeIdBytes } from '../../../protocol/ids.ts'
import { CHUNK_PLAIN_MAX, STRIPE_COPIES_BELOW } from '../../../protocol/limits.ts'
import { KIB } from '../../../protocol/units.ts'
import { stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { Recorder } from '../../../node/traces/recorder.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { ManualClock } from './manual-clock.ts'
import { peerOf } from './peer-group.ts'
import { keep, open, placementQueue } from './unplaced.ts'
import { VolumeState } from './volume-state.ts'
import type { EndedSpan } from '../../../node/traces/recorder.ts'
import type { ChunkId } from '../../../protocol/ids.ts'

const { signal } = new AbortController()

describe('packer', () => {
  test('puts the shards of a stripe on k+m distinct peers, this node among them', async (t) => {
    const volume = await open(t, 6, { redundancy: 'rs4+2' })
    const ids = await keep(volume, 8, 100 * KIB)
    await volume.packer.settle({ signal })
    const [stripe] = volume.stripes()
    assert.ok(stripe !== undefined && volume.stripes().length === 1)
    assert.deepEqual(new Set(stripe.holders.flat()), new Set(volume.group.peers))
    const id = stripeIdOf(stripe.headerBytes)
    for (const [index, holders] of stripe.holders.entries()) {
      assert.equal(holders.length, 1)
      const [peer = peerOf(0)] = holders
      assert.deepEqual(volume.group.storeOf(peer).shards.indices(id), [index])
    }
    assert.deepEqual(
      stripe.header.chunks.map((chunk) => chunk.id),
      ids,
    )
    assert.deepEqual(await placementQueue(volume), { chunks: [], stripes: [] })
    assert.deepEqual(volume.group.provided, [stripeIdBytes(id)])
  })

  test('chooses the code of class auto by the number of members', async (t) => {
    for (const [count, code] of [
      [2, [1, 1]],
      [3, [2, 1]],
      [6, [4, 2]],
    ] as const) {
      const volume = await open(t, count)
      await keep(volume, 1, STRIPE_COPIES_BELOW)
      await volume.packer.settle({ signal })
      const headers = volume.stripes().map(({ header }) => [header.k, header.m])
      assert.deepEqual(headers, [code], `${count} members`)
    }
  })

  test('makes a trace of each stripe that it places', async (t) => {
    const names: string[] = []
    const clock = new ManualClock()
    const random = new SeededRandom('traces', 'packer')
    const take = (spans: readonly EndedSpan[]): void => {
      names.push(...spans.map(({ name, code }) => `${name} ${code ?? ''}`))
    }
    const tracer = new Recorder({ clock, random, take }, { sample: 1, slowMs: Infinity })
    const volume = await open(t, 2, { tracer })
    await keep(volume, 1, 1000)
    await volume.packer.settle({ signal })
    assert.deepEqual(names, ['stripe.place '])
  })

  test('copies data too small to be split', async (t) => {
    const volume = await open(t, 6, { redundancy: 'rs4+2' })
    await keep(volume, 1, 1000)
    await volume.packer.settle({ signal })
    const [stripe] = volume.stripes()
    assert.deepEqual([stripe?.header.k, stripe?.header.m], [1, 2])
  })

  for (const [count, redundancy] of [
    [1, 'auto'],
    [3, 'local'],
  ] as const) {
    test(`keeps data local for ${redundancy} with ${count} members, and is settled`, async (t) => {
      const volume = await open(t, count, { redundancy })
      const ids = await keep(volume, 3, 100 * KIB)
      await volume.packer.settle({ signal })
      assert.deepEqual(volume.stripes(), [])
      assert.deepEqual(await placementQueue(volume), { chunks: ids, stripes: [] })
    })
  }

  test('records a stripe that lacks a holder, and completes it when there is one', async (t) => {
    const volume = await open(t, 6, { redundancy: 'rs4+2' })
    volume.group.away.add(peerOf(3))
    await keep(volume, 4, 100 * KIB)
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    const [partial] = volume.stripes()
    assert.ok(partial !== undefined)
    assert.equal(partial.holders.flat().length, 5)
    const ids = [stripeIdOf(partial.headerBytes)]
    assert.deepEqual(await placementQueue(volume), { chunks: [], stripes: ids })

    volume.group.away.clear()
    const completed = Promise.withResolvers<void>()
    volume.map.onRecorded = completed.resolve
    volume.packer.start()
    await completed.promise
    const [full] = volume.stripes()
    assert.equal(full?.holders.flat().length, 6)
    assert.deepEqual(await placementQueue(volume), { chunks: [], stripes: [] })
    // Only the shard that was missing has moved.
    assert.equal(volume.group.puts.length, 5)
  })

  test('completes a stripe from its shards when its chunks are no longer here', async (t) => {
    const volume = await open(t, 6, { redundancy: 'rs4+2' })
    volume.group.away.add(peerOf(3))
    await keep(volume, 4, 100 * KIB)
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    for (const { header } of volume.stripes()) volume.group.dropChunks(header.chunks)
    volume.group.away.clear()
    await volume.packer.settle({ signal })
    assert.equal(volume.stripes()[0]?.holders.flat().length, 6)
  })

  test('records nothing while fewer than k peers are reachable, and keeps the data', async (t) => {
    const volume = await open(t, 6, { redundancy: 'rs4+2' })
    for (const number of [1, 2, 3]) volume.group.away.add(peerOf(number))
    const ids = await keep(volume, 4, 100 * KIB)
    await assert.rejects(volume.packer.settle({ signal }), (error) => {
      assert.ok(error instanceof ShoalError && error.code === 'not-placed')
      assert.match(error.message, /6 peers are needed .* 3 of the 6 members/)
      return true
    })
    assert.deepEqual(volume.map.recorded, [])
    assert.deepEqual(volume.group.puts, [])
    assert.deepEqual(await placementQueue(volume), { chunks: ids, stripes: [] })
    for (const id of ids) assert.ok((await volume.group.store.chunks.read(id)) !== undefined)

    volume.group.away.clear()
    await volume.packer.settle({ signal })
    assert.equal(volume.stripes()[0]?.holders.flat().length, 6)
  })

  test('keeps no shard of a stripe that failed', async (t) => {
    const volume = await open(t, 6, { redundancy: 'rs4+2' })
    for (const peer of volume.group.network.peers()) volume.group.refusals.set(peer, 'ENOSPC')
    await keep(volume, 4, 100 * KIB)
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    await volume.map.commit()
    assert.equal(volume.group.store.usage().shardBytes, 0)
  })

  test('gives a shard that one peer refuses to another', async (t) => {
    const volume = await open(t, 7, { redundancy: 'rs4+2' })
    await keep(volume, 4, 100 * KIB)
    volume.group.refusals.set(peerOf(1), 'ENOSPC').set(peerOf(2), 'ENOSPC')
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    const expected = new Set(volume.group.peers)
    expected.delete(peerOf(1))
    expected.delete(peerOf(2))
    assert.deepEqual(new Set(volume.stripes()[0]?.holders.flat()), expected)
    volume.group.refusals.clear()
    await volume.packer.settle({ signal })
    assert.equal(new Set(volume.stripes()[0]?.holders.flat()).size, 6)
  })

  test('asks a peer again whose connection broke', async (t) => {
    const volume = await open(t, 6, { redundancy: 'rs4+2' })
    await keep(volume, 4, 100 * KIB)
    const { group } = volume
    group.refusals.set(peerOf(1), 'unreachable')
    const sleeps = t.mock.method(group.clock, 'sleep', async () => group.refusals.clear())
    await volume.packer.settle({ signal })
    assert.equal(sleeps.mock.callCount(), 1)
    assert.equal(new Set(volume.stripes()[0]?.holders.flat()).size, 6)

    await keep(volume, 4, 101 * KIB)
    group.refusals.set(peerOf(1), 'unreachable')
    sleeps.mock.mockImplementation(async () => undefined)
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
  })

  test('fills stripes in the order of writing, two at a time', async (t) => {
    const volume = await open(t, 3)
    const ids = await keep(volume, 14, CHUNK_PLAIN_MAX)
    const both = Promise.withResolvers<void>()
    let waiting = 0
    volume.group.onPut = async () => {
      // Each stripe goes to two others: the third put is of the second stripe, and none of the
      // first was answered.
      waiting++
      if (waiting === 3) both.resolve()
      await both.promise
    }
    await volume.packer.settle({ signal })
    const packed = volume.stripes().map(({ header }) => header.chunks.map(({ id }) => id))
    assert.deepEqual(
      packed.map((chunks) => chunks.length).toSorted((a, b) => b - a),
      [6, 6, 2],
    )
    for (const chunks of packed) {
      const start = ids.findIndex((id) => id === chunks[0])
      assert.deepEqual(chunks, ids.slice(start, start + chunks.length))
    }
  })

  test('continues past a damaged chunk, names it, and keeps its mark', async (t) => {
    const volume = await open(t, 3)
    const ids = await keep(volume, 3, 100 * KIB)
    const [first, damaged, last] = ids
    assert.ok(first !== undefined && damaged !== undefined && last !== undefined)
    const { chunks } = volume.group.store
    const intact = chunks.read.bind(chunks)
    t.mock.method(chunks, 'read', async (id: ChunkId) => {
      if (id === damaged) throw new ShoalError('corrupt', 'a bit has flipped')
      return intact(id)
    })
    await assert.rejects(volume.packer.settle({ signal }), (error) => {
      assert.ok(error instanceof ShoalError && error.code === 'not-placed')
      assert.ok(error.message.includes(damaged), error.message)
      return true
    })
    const packed = volume.stripes()[0]?.header.chunks.map(({ id }) => id)
    assert.deepEqual(packed, [first, last])
    assert.deepEqual((await placementQueue(volume)).chunks, [damaged])
  })

  test('leaves everything marked when the stripe cannot be logged', async (t) => {
    const volume = await open(t, 3)
    const ids = await keep(volume, 3, 100 * KIB)
    volume.map.failure = new ShoalError('ENOSPC', 'no room for the entry')
    await assert.rejects(volume.packer.settle({ signal }), { code: 'ENOSPC' })
    assert.deepEqual((await placementQueue(volume)).chunks, ids)
    await volume.packer.settle({ signal })
    assert.deepEqual(await placementQueue(volume), { chunks: [], stripes: [] })
  })

  test('resumes unplaced chunks and incomplete stripes after a crash', async (t) => {
    const volume = await open(t, 6, { redundancy: 'rs4+2' })
    volume.group.away.add(peerOf(5))
    await keep(volume, 3, 100 * KIB)
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    const ids = await keep(volume, 2, 101 * KIB)
    await volume.group.crash()
    volume.group.away.clear()

    const again = await VolumeState.open(volume.group, { redundancy: 'rs4+2' })
    t.after(() => again.packer.stop())
    assert.equal(again.packer.unplacedBytes, 2 * 101 * KIB)
    await again.packer.settle({ signal })
    assert.equal(again.packer.unplacedBytes, 0)
    assert.deepEqual(await placementQueue(again), { chunks: [], stripes: [] })
    assert.equal(again.stripes().length, 2)
    for (const { holders } of again.stripes()) assert.equal(new Set(holders.flat()).size, 6)
    for (const id of ids) assert.ok(again.map.locations(id).length > 0)
  })

  test('marks a chunk once, and not if it is in a stripe', async (t) => {
    const volume = await open(t, 3)
    const [id] = await keep(volume, 1, 100 * KIB)
    assert.ok(id !== undefined)
    volume.packer.add(id, 100 * KIB, undefined)
    assert.deepEqual((await placementQueue(volume)).chunks, [id])
    await volume.packer.settle({ signal })
    volume.packer.add(id, 100 * KIB, undefined)
    assert.deepEqual((await placementQueue(volume)).chunks, [])
  })

  test('closes a stripe by itself after a second without writes', async (t) => {
    const volume = await open(t, 3)
    volume.packer.start()
    const recorded = Promise.withResolvers<void>()
    volume.map.onRecorded = recorded.resolve
    await keep(volume, 1, 100 * KIB)
    volume.group.clock.advance(500)
    await keep(volume, 1, 101 * KIB)
    volume.group.clock.advance(999)
    assert.deepEqual(volume.group.puts, [])
    volume.group.clock.advance(1)
    await recorded.promise
    assert.equal(volume.stripes()[0]?.header.chunks.length, 2)
  })

  test('retries by itself', async (t) => {
    const volume = await open(t, 3, { redundancy: 'copies3' })
    volume.group.away.add(peerOf(2))
    await keep(volume, 1, 100 * KIB)
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    volume.packer.start()
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    // Nobody says that the peer is back.
    volume.group.away.clear()
    const recorded = Promise.withResolvers<void>()
    volume.map.onRecorded = recorded.resolve
    volume.group.clock.advance(60_000)
    await recorded.promise
    assert.equal(volume.stripes()[0]?.holders.flat().length, 3)
  })

  test('places local data once the first other member has come', async (t) => {
    const volume = await open(t, 2)
    volume.map.members = [peerOf(0)]
    await keep(volume, 1, 100 * KIB)
    volume.packer.start()
    await volume.packer.settle({ signal })
    assert.deepEqual(volume.stripes(), [])
    const recorded = Promise.withResolvers<void>()
    volume.map.onRecorded = recorded.resolve
    volume.map.members = volume.group.peers
    volume.packer.peersChanged()
    await recorded.promise
    assert.equal(volume.stripes()[0]?.holders.flat().length, 2)
  })

  test('waits no longer than asked, and stops though a peer does not answer', async (t) => {
    const volume = await open(t, 3)
    await keep(volume, 1, 100 * KIB)
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    volume.group.onPut = () => {
      asked.resolve()
      return answer.promise
    }
    const readTimeouts = new AbortController()
    const settling = volume.packer.settle({ signal: readTimeouts.signal })
    await asked.promise
    readTimeouts.abort(new ShoalError('timeout', 'enough'))
    await assert.rejects(settling, { code: 'timeout' })
    const stopping = volume.packer.stop()
    answer.resolve()
    await stopping
    assert.deepEqual(volume.map.recorded, [])
    await assert.rejects(volume.packer.settle({ signal }), { code: 'stopped' })
  })
})
