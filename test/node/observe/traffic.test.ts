// Traffic by minute: what moved is in its minute, for an hour, and rates are of the last of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NO_METER } from '../../../node/metrics/meter.ts'
import { Traffic } from '../../../node/observe/traffic.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { WallTime } from '../../../protocol/units.ts'

const MINUTE_MS = 60_000
const PEER = 'peer' as unknown as PeerId

describe('traffic', () => {
  test('is told by minute for an hour, with what was repaired in it', () => {
    let now = 100 * MINUTE_MS
    let repaired = 0
    const traffic = new Traffic({ wall: () => now as WallTime })
    traffic.repaired = () => repaired
    const meter = traffic.meter(NO_METER)
    for (let minute = 0; minute < 90; minute++) {
      meter.moved(PEER, 'shard', 'in', minute)
      meter.moved(PEER, 'shard', 'out', 2 * minute)
      repaired += 5
      traffic.countCold(7)
      meter.moved(PEER, 'shard', 'out', 0)
      now += MINUTE_MS
    }
    const minutes = traffic.minutes()
    assert.equal(minutes.length, 60)
    assert.deepEqual(minutes.at(-2), {
      atMs: 189 * MINUTE_MS,
      inBytes: 89,
      outBytes: 178,
      repairedBytes: 5,
      coldBytes: 7,
    })
    now -= 30 * MINUTE_MS
    assert.ok(traffic.minutes().every(({ atMs }) => atMs <= now))
  })

  test('has rates of who moved something lately, and of nobody else', () => {
    let now = 100 * MINUTE_MS
    const traffic = new Traffic({ wall: () => now as WallTime })
    const meter = traffic.meter(NO_METER)
    meter.moved(PEER, 'shard', 'in', 6000)
    now += MINUTE_MS
    assert.deepEqual(traffic.rateOf(PEER), { inPerSecond: 100, outPerSecond: 0 })
    now += MINUTE_MS
    assert.deepEqual(traffic.rateOf(PEER), { inPerSecond: 0, outPerSecond: 0 })
    for (let at = 0; at < 5000; at++) meter.moved(`${at}` as unknown as PeerId, 'x', 'out', 60)
    assert.equal(traffic.rateOf('4999' as unknown as PeerId).outPerSecond, 0)
    assert.equal(traffic.rateOf('1' as unknown as PeerId).outPerSecond, 1)
  })
})
