// How often beacons have the disk measured.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Space } from '../../../node/handlers/space.ts'
import { MIB, SECOND_MS } from '../../../protocol/units.ts'
import type { Instant } from '../../../protocol/units.ts'

test('an idle node has its disk measured once a minute, one that grows at once', async () => {
  let now = 0
  let segmentBytes = 0
  let freeBytes = 1000
  let measured = 0
  const usage = {
    segmentBytes: 0,
    shardBytes: 0,
    chunkBytes: 0,
    trashBytes: 0,
    reclaimableBytes: 0,
  }
  const store = {
    usage: () => ({ ...usage, segmentBytes }),
    space: () => Promise.resolve({ freeBytes, totalBytes: 1e12 }),
    indexBytes: () => Promise.resolve(++measured),
  } as unknown as ConstructorParameters<typeof Space>[0]['store']
  const space = new Space({ store, clock: { now: () => now as Instant } })
  const beacons = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      space.forBeacon()
      await new Promise((resolve) => setImmediate(resolve))
      now += 10 * SECOND_MS
    }
  }
  await beacons(12)
  assert.equal(measured, 2)
  segmentBytes += 65 * MIB
  freeBytes = 7
  await beacons(2)
  assert.equal(measured, 3)
  assert.equal(space.forBeacon(), 7)
})
