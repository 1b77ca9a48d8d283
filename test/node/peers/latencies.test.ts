// The memory of how soon peers answer.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import { Latencies } from '../../../node/peers/round-trips.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { peerOf } from '../stripes/peer-group.ts'

const PEER = peerOf(1)

describe('latencies', () => {
  test('a peer that was never asked has no expected latency', () => {
    assert.equal(new Latencies(new ManualClock()).expectedMs(PEER), 0)
  })

  test('the mean follows the time that answers take', () => {
    const latencies = new Latencies(new ManualClock())
    latencies.answered(PEER, 10)
    assert.equal(latencies.expectedMs(PEER), 10)
    for (let n = 0; n < 30; n++) latencies.answered(PEER, 50)
    assert.ok(Math.abs(latencies.expectedMs(PEER) - 50) < 1)
  })

  test('an abandoned request counts as slow at once, and is forgiven with time', () => {
    const clock = new ManualClock()
    const latencies = new Latencies(clock)
    latencies.answered(PEER, 10)
    latencies.waited(PEER, 300)
    assert.equal(latencies.expectedMs(PEER), 300)
    clock.advance(MINUTE_MS)
    assert.equal(latencies.expectedMs(PEER), 150)
    clock.advance(HOUR_MS)
    assert.ok(latencies.expectedMs(PEER) < 1)
  })

  test('a request abandoned before the expected time does not count as slow', () => {
    const latencies = new Latencies(new ManualClock())
    latencies.answered(PEER, 10)
    latencies.waited(PEER, 2)
    assert.equal(latencies.expectedMs(PEER), 10)
  })
})
