// Scrub of a store on a real disk that is damaged under it: the findings, the reports to the map,
// and the data that stays.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../../protocol/errors.ts'
import { DAY_MS, HOUR_MS, KIB, MIB } from '../../../protocol/units.ts'
import { collect } from '../store/fixtures.ts'
import { VOLUME, stripeOf } from '../peers/shard-swarm.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { A, B, OTHER_VOLUME, SELF, ScrubbedNode } from './scrubbed-node.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import type { ScrubFinding } from '../../../node/control/upkeep.ts'

const STRIPE = stripeOf(1, 900 * KIB, 2, 1)
const ANOTHER = stripeOf(2, 500 * KIB, 2, 1)
const CHUNK = xorshiftBytes(7, 300 * KIB)
const { signal } = new AbortController()

describe('scrub of shards', () => {
  test('a whole shard where the map has it stays, without a finding', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    node.map.add(STRIPE, [[SELF], [A], [B]])
    assert.deepEqual(await node.scrub(), [])
    assert.deepEqual(node.map.recorded, [])
    assert.deepEqual(node.store.shards.indices(STRIPE.id), [0])
  })

  test('a shard with a flipped bit is reported to the map, and dropped', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    node.map.add(STRIPE, [[SELF], [A], [B]])
    await node.flip(shardOf(STRIPE, 0))
    assert.deepEqual(await node.scrub(), [finding(STRIPE, 0, 'damaged', 'recorded')])
    assert.deepEqual(node.map.stripe(STRIPE.id)?.holders, [[], [A], [B]])
    assert.deepEqual(node.store.shards.indices(STRIPE.id), [])
    assert.deepEqual(await node.scrub(), [])
  })

  test('all shards of a truncated or deleted segment are found', async (t) => {
    for (const harm of ['cut', 'delete'] as const) {
      const node = await ScrubbedNode.open(t)
      for (const stripe of [STRIPE, ANOTHER]) {
        await node.hold(stripe, 0)
        node.map.add(stripe, [[SELF], [A], [B]])
      }
      await node.harmSegments(harm)
      const found = await node.scrub()
      assert.deepEqual(
        new Set(found),
        new Set([STRIPE, ANOTHER].map((stripe) => finding(stripe, 0, 'damaged', 'recorded'))),
        harm,
      )
    }
  })

  test('a damaged shard stays while too few others can be reached to rebuild it', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    node.map.add(STRIPE, [[SELF], [A], [B]])
    node.connected.delete(B)
    await node.flip(shardOf(STRIPE, 0))
    assert.deepEqual(await node.scrub(), [finding(STRIPE, 0, 'damaged', 'kept')])
    assert.deepEqual(node.map.stripe(STRIPE.id)?.holders, [[], [A], [B]])
    assert.deepEqual(node.store.shards.indices(STRIPE.id), [0])
    node.connected.add(B)
    assert.deepEqual(await node.scrub(), [finding(STRIPE, 0, 'damaged', 'dropped')])
    assert.deepEqual(node.store.shards.indices(STRIPE.id), [])
  })

  test('a missing shard is restored from the trash, or reported to the map', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    await node.hold(STRIPE, 1)
    node.store.shards.trash(STRIPE.id, 1)
    node.store.shards.delete(STRIPE.id, 0)
    await node.store.commit([])
    node.map.add(STRIPE, [[SELF], [SELF], [B]])
    assert.deepEqual(await node.scrub(), [
      finding(STRIPE, 0, 'missing', 'recorded'),
      finding(STRIPE, 1, 'missing', 'restored'),
    ])
    assert.deepEqual(node.map.stripe(STRIPE.id)?.holders, [[], [SELF], [B]])
    assert.deepEqual(node.store.shards.indices(STRIPE.id), [1])
  })

  test('a shard that the map ascribes to nobody is reported to the map', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    node.map.add(STRIPE, [[], [A], [B]])
    assert.deepEqual(await node.scrub(), [finding(STRIPE, 0, 'stray', 'returned')])
    assert.deepEqual(node.map.stripe(STRIPE.id)?.holders, [[SELF], [A], [B]])
  })

  test('shards of other nodes are trashed in an hour, of unknown stripes in a day', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    await node.hold(ANOTHER, 0)
    node.map.add(STRIPE, [[A], [A], [B]])
    const [known, unknown] = [finding(STRIPE, 0, 'stray', 'kept'), stranger(ANOTHER, 'kept')]
    assert.deepEqual(new Set(await node.scrub()), new Set([known, unknown]))
    await node.restart()
    node.clock.advance(HOUR_MS)
    const gone = finding(STRIPE, 0, 'stray', 'trashed')
    assert.deepEqual(new Set(await node.scrub()), new Set([gone, unknown]))
    node.clock.advance(DAY_MS - HOUR_MS)
    assert.deepEqual(await node.scrub(), [stranger(ANOTHER, 'trashed')])
    assert.equal(await node.store.shards.restore(STRIPE.id, 0), true)
  })

  test('a shard that comes into the map in time is never dropped', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    assert.deepEqual(await node.scrub(), [stranger(STRIPE, 'kept')])
    node.map.add(STRIPE, [[SELF], [A], [B]])
    node.clock.advance(2 * DAY_MS)
    assert.deepEqual(await node.scrub(), [])
    // Later it is another's: that is a new beginning.
    node.map.add(STRIPE, [[A], [A], [B]])
    assert.deepEqual(await node.scrub(), [finding(STRIPE, 0, 'stray', 'kept')])
  })

  test('a suspected shard is checked, and no other', async (t) => {
    const node = await ScrubbedNode.open(t)
    for (const stripe of [STRIPE, ANOTHER]) {
      await node.hold(stripe, 0)
      node.map.add(stripe, [[SELF], [A], [B]])
      await node.flip(shardOf(stripe, 0))
    }
    const recorded = new Promise<void>((resolve) => {
      node.onLog = () => resolve()
    })
    node.scrubber.suspect(STRIPE.id, 0)
    node.scrubber.suspect(STRIPE.id, 0)
    await recorded
    assert.deepEqual(
      node.map.recorded.map(({ stripe }) => stripe),
      [STRIPE.id],
    )
  })
})

describe('scrub of chunks', () => {
  test('a damaged copy of a packed chunk stays until a peer sends a good one', async (t) => {
    const node = await ScrubbedNode.open(t)
    const [{ id, bytes }] = [chunkOf(STRIPE)]
    await node.store.chunks.put(id, bytes)
    await node.store.commit([])
    node.map.add(STRIPE, [[A], [A], [B]])
    await node.flip(bytes)
    assert.deepEqual(await node.scrub(), [chunkFinding(id, 'kept')])
    assert.ok(node.store.chunks.has(id))
    node.elsewhere.set(id, bytes)
    assert.deepEqual(await node.scrub(), [chunkFinding(id, 'replaced')])
    assert.equal(await node.store.chunks.verify(id), 'whole')
  })

  test('a damaged chunk in no stripe is replaced by the copy of another node', async (t) => {
    const node = await ScrubbedNode.open(t)
    const id = await node.write(CHUNK)
    node.elsewhere.set(id, CHUNK)
    await node.flip(CHUNK)
    assert.deepEqual(await node.scrub(), [chunkFinding(id, 'replaced')])
    assert.deepEqual(await node.store.chunks.read(id), CHUNK)
    assert.equal(await node.store.chunks.verify(id), 'whole')
  })

  test('a damaged chunk without another copy stays, and is reported each time', async (t) => {
    const node = await ScrubbedNode.open(t)
    const id = await node.write(CHUNK)
    await node.flip(CHUNK)
    assert.deepEqual(await node.scrub(), [chunkFinding(id, 'lost')])
    assert.deepEqual(await node.scrub(), [chunkFinding(id, 'lost')])
    assert.ok(node.logged.includes('scrub.lost'))
    assert.equal(node.store.chunks.has(id), true)
  })
})

describe('scrub passes', () => {
  test('a monthly pass reads everything by itself, at its pace', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    node.map.add(STRIPE, [[SELF], [A], [B]])
    await node.scrubber.run(signal)
    // 5 MiB in a second.
    const paceMs = (STRIPE.header.shardBytes / (5 * MIB)) * 1000
    assert.ok(Math.abs(node.clock.now() - paceMs) < 1, `${node.clock.now()} ms`)
    await node.flip(shardOf(STRIPE, 0))
    node.clock.advance(29 * DAY_MS)
    await node.scrubber.run(signal)
    assert.deepEqual(node.map.recorded, [])
    node.clock.advance(DAY_MS)
    await node.scrubber.run(signal)
    assert.equal(node.map.recorded.length, 1)
    assert.equal(node.scrubber.progress, undefined)
  })

  test('an interrupted pass continues where it was, also after a restart', async (t) => {
    const node = await ScrubbedNode.open(t)
    const stripes = [1, 2, 3, 4, 5, 6].map((seed) => stripeOf(seed, 100 * KIB, 2, 1))
    for (const stripe of stripes) {
      await node.hold(stripe, 0)
      node.map.add(stripe, [[SELF], [A], [B]])
    }
    const stop = new AbortController()
    // Each takes a minute, so that its place is written down.
    node.onSleep = () => node.clock.advance(HOUR_MS)
    let count = 0
    node.onVerify = () => {
      if (++count === 4) stop.abort(new ShoalError('stopped', 'the node stops'))
    }
    await assert.rejects(node.scrubber.run(stop.signal), { code: 'stopped' })
    await node.restart()
    count = 0
    node.onVerify = () => count++
    await node.scrubber.run(signal)
    // What was under way, and the one before it of which there might have been more.
    assert.equal(count, 4)
  })

  test('a pass over one volume reads nothing of others', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    await node.hold(ANOTHER, 0)
    node.map.add(STRIPE, [[SELF], [A], [B]])
    await node.write(CHUNK)
    let count = 0
    node.onVerify = () => count++
    await collect(node.scrubber.now(VOLUME, signal))
    assert.equal(count, 2)
    await collect(node.scrubber.now(OTHER_VOLUME, signal))
    assert.equal(count, 2)
    await collect(node.scrubber.now(undefined, signal))
    assert.equal(count, 5)
  })

  test('a pass reports its progress, and ends at the total', async (t) => {
    const node = await ScrubbedNode.open(t)
    await node.hold(STRIPE, 0)
    node.map.add(STRIPE, [[SELF], [A], [B]])
    const last = (await collect(node.scrubber.now(undefined, signal))).flat().at(-1)
    const bytes = STRIPE.header.shardBytes
    assert.deepEqual(last, { kind: 'progress', doneBytes: bytes, totalBytes: bytes })
  })
})

function shardOf({ shards }: CodedStripe, index: number): Uint8Array {
  const shard = shards[index]
  assert.ok(shard !== undefined)
  return shard
}

function chunkOf({ header, shards }: CodedStripe): { id: ChunkId; bytes: Uint8Array } {
  const [chunk] = header.chunks
  assert.ok(chunk !== undefined)
  const data = Buffer.concat(shards.slice(0, header.k))
  return { id: chunk.id, bytes: data.subarray(0, chunk.length) }
}

function finding(
  { id }: CodedStripe,
  index: number,
  state: ScrubFinding['state'],
  action: ScrubFinding['action'],
): ScrubFinding {
  return { kind: 'shard', id, index, volume: 'main', state, action }
}

/** A finding about a stripe that no volume knows. */
function stranger({ id }: CodedStripe, action: ScrubFinding['action']): ScrubFinding {
  return { kind: 'shard', id, index: 0, volume: undefined, state: 'stray', action }
}

function chunkFinding(id: ChunkId, action: ScrubFinding['action']): ScrubFinding {
  return { kind: 'chunk', id, volume: 'main', state: 'damaged', action }
}
