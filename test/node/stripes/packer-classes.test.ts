// Packing for several classes, again because a stripe is given up, and past peers that are to be
// given nothing.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isListed } from '../../../node/shard-map/stripe-map.ts'
import { parseClass } from '../../../protocol/placement/redundancy.ts'
import { KIB } from '../../../protocol/units.ts'
import { peerOf } from './peer-group.ts'
import { keep, open, placementQueue } from './unplaced.ts'

const { signal } = new AbortController()

describe('packer, with classes', () => {
  test('packs the chunks of each class together, once for each class of a chunk', async (t) => {
    const volume = await open(t, 3, { redundancy: 'copies2' })
    const [a, b] = await keep(volume, 2, 100 * KIB)
    assert.ok(a !== undefined && b !== undefined)
    const cls = parseClass('copies3')
    volume.packer.add(b, 100 * KIB, cls)
    volume.packer.add(a, 100 * KIB, cls)
    await volume.packer.settle({ signal })
    const found = volume
      .stripes()
      .toSorted((x, y) => x.header.m - y.header.m)
      .map(({ header, class: c }) => [header.k, header.m, c, header.chunks.map(({ id }) => id)])
    assert.deepEqual(found, [
      [1, 1, undefined, [a, b]],
      [1, 2, cls, [b, a]],
    ])
    assert.ok(isListed(volume.map, a, undefined) && isListed(volume.map, a, cls))
    assert.equal(volume.packer.unplacedBytes, 0)
  })

  test('makes two stripes of the same chunks with the same code for two classes', async (t) => {
    const volume = await open(t, 3, { redundancy: 'copies3' })
    const [id] = await keep(volume, 1, 100 * KIB)
    assert.ok(id !== undefined)
    volume.packer.add(id, 100 * KIB, parseClass('copies3'))
    await volume.packer.settle({ signal })
    assert.equal(volume.stripes().length, 2)
    assert.deepEqual((await placementQueue(volume)).chunks, [])
  })

  test('repacks a condemned stripe, which is in use again if it comes out the same', async (t) => {
    const volume = await open(t, 3, { redundancy: 'copies2' })
    const [id] = await keep(volume, 1, 100 * KIB)
    assert.ok(id !== undefined)
    await volume.packer.settle({ signal })
    const [stripe] = volume.map.recorded
    assert.ok(stripe !== undefined)
    await volume.map.condemn([stripe])
    volume.packer.add(id, 100 * KIB, undefined)
    await volume.packer.settle({ signal })
    assert.equal(volume.map.stripe(stripe)?.isCondemned, false)
    assert.ok(isListed(volume.map, id, undefined))
    assert.equal(
      volume.group.puts.length,
      2,
      'who holds it was given it again, and shows that it has it',
    )
  })

  test('does not count on holders of a condemned stripe that are unreachable now', async (t) => {
    const volume = await open(t, 4, { redundancy: 'copies2' })
    const [id] = await keep(volume, 1, 100 * KIB)
    await volume.packer.settle({ signal })
    const [stripe] = volume.map.recorded
    assert.ok(id !== undefined && stripe !== undefined)
    await volume.map.condemn([stripe])
    for (const peer of volume.map.stripe(stripe)?.holders.flat() ?? [])
      if (peer !== volume.group.self) volume.group.away.add(peer)
    volume.packer.add(id, 100 * KIB, undefined)
    await volume.packer.settle({ signal })
    const { holders = [] } = volume.map.stripe(stripe) ?? {}
    for (const peers of holders) assert.ok(peers.some((peer) => !volume.group.away.has(peer)))
  })

  test('does not bring back a stripe that is swept while it is completed', async (t) => {
    const volume = await open(t, 4, { redundancy: 'copies3' })
    volume.group.away.add(peerOf(2)).add(peerOf(3))
    await keep(volume, 1, 100 * KIB)
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    const [stripe] = volume.map.recorded
    assert.ok(stripe !== undefined)
    const before = volume.map.stripe(stripe)?.holders.flat() ?? []
    assert.equal(before.length, 2)
    volume.group.away.delete(peerOf(2))
    volume.group.onPut = async () => {
      await volume.map.condemn([stripe])
      await volume.map.sweep([stripe])
    }
    await volume.packer.settle({ signal })
    assert.equal(volume.map.stripe(stripe)?.isSwept, true)
    assert.deepEqual(volume.map.stripe(stripe)?.holders.flat(), before, 'it is not completed')
    assert.deepEqual((await placementQueue(volume)).stripes, [])
  })

  test('counts only new shards of a stripe that was swept meanwhile', async (t) => {
    const volume = await open(t, 4, { redundancy: 'copies3' })
    volume.group.away.add(peerOf(2)).add(peerOf(3))
    const [id] = await keep(volume, 1, 100 * KIB)
    assert.ok(id !== undefined)
    await assert.rejects(volume.packer.settle({ signal }), { code: 'not-placed' })
    const [stripe] = volume.map.recorded
    assert.ok(stripe !== undefined)
    await volume.map.condemn([stripe])
    volume.packer.add(id, 100 * KIB, undefined)
    volume.group.away.delete(peerOf(2))
    volume.group.onPut = () => volume.map.sweep([stripe])
    const before = volume.group.puts.length
    await volume.packer.settle({ signal })
    assert.equal(volume.group.puts.length - before, 2, 'also who was said to hold it already')
    assert.equal(volume.map.stripe(stripe)?.isSwept, false)
    assert.equal(new Set(volume.map.stripe(stripe)?.holders.flat()).size, 3)
  })

  test('gives nothing to avoided peers, and codes for the remaining ones', async (t) => {
    const volume = await open(t, 3)
    volume.map.avoided.add(peerOf(1))
    await keep(volume, 1, 100 * KIB)
    await volume.packer.settle({ signal })
    const [{ header, holders } = assert.fail()] = volume.stripes()
    assert.deepEqual([header.k, header.m], [1, 1])
    assert.equal(holders.flat().includes(peerOf(1)), false)
  })
})
