// The losses that readers may record in the shard map: proven ones, little at a time.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KIB, SECOND_MS } from '../../../protocol/units.ts'
import { ReadFaults } from '../../../node/stripes/read-faults.ts'
import { PlainMap } from '../repair/plain-map.ts'
import { stripeOf } from '../peers/shard-swarm.ts'
import { ManualClock } from './manual-clock.ts'
import { peerOf } from './peer-group.ts'

const [SELF, PEER] = [peerOf(0), peerOf(1)]
const STRIPES = Array.from({ length: 70 }, (_, seed) => stripeOf(seed + 1, 10 * KIB, 1, 1))
const id = STRIPES[0]?.id ?? assert.fail()

describe('doubts about shards', () => {
  test('wrong bytes count at once, and once', () => {
    const { doubts, map } = doubting()
    doubts.report(id, 0, PEER, 'wrong')
    doubts.report(id, 0, PEER, 'wrong')
    assert.deepEqual(map.recorded, [{ stripe: id, index: 0, peer: PEER, isHeld: false }])
  })

  test('an absent shard counts only if it is absent again a while later', () => {
    const { doubts, map, clock } = doubting()
    for (let times = 0; times < 5; times++) doubts.report(id, 0, PEER, 'absent')
    assert.deepEqual(map.recorded, [])
    clock.advance(10 * SECOND_MS)
    doubts.report(id, 0, PEER, 'absent')
    assert.equal(map.recorded.length, 1)
  })

  test('shards that the map does not ascribe to the peer are ignored', () => {
    const { doubts, map } = doubting()
    doubts.report(id, 1, PEER, 'wrong')
    doubts.report(id, 0, peerOf(2), 'wrong')
    assert.deepEqual(map.recorded, [])
  })

  test('a shard of this node is checked here', () => {
    const { doubts, map, own } = doubting()
    doubts.report(id, 1, SELF, 'wrong')
    assert.deepEqual(own, [`${id} 1`])
    assert.deepEqual(map.recorded, [])
  })
})

function doubting() {
  const clock = new ManualClock()
  const map = new PlainMap()
  for (const stripe of STRIPES) map.add(stripe, [[PEER], [SELF]])
  const own: string[] = []
  const doubts = new ReadFaults({
    map,
    clock,
    self: SELF,
    log: () => undefined,
    onOwn: (stripe, index) => own.push(`${stripe} ${index}`),
  })
  return { doubts, map, clock, own }
}
