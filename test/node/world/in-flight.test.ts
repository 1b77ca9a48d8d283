// Data received and not taken is bounded, by peer and in all, and a peer that has little is read
// from in any case.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InFlight } from '../../../node/world/in-flight.ts'
import { IN_FLIGHT_ALL_MAX, IN_FLIGHT_PEER_MAX } from '../../../protocol/limits.ts'
import type { PeerId } from '../../../protocol/ids.ts'

const [a, b, c] = ['a', 'b', 'c'] as [PeerId, PeerId, PeerId]

describe('data in flight', () => {
  test('data in flight of one peer is bounded, until some of it is taken', () => {
    const inFlight = new InFlight()
    inFlight.take(a, IN_FLIGHT_PEER_MAX)
    assert.ok(!inFlight.isFull(a))
    inFlight.take(a, 1)
    assert.ok(inFlight.isFull(a) && !inFlight.isFull(b))
    let looks = 0
    const stop = inFlight.wait(a, () => looks++)
    for (let n = 1; n < 8; n++) assert.ok(inFlight.wait(a, () => undefined) !== undefined)
    assert.equal(
      inFlight.wait(a, () => undefined),
      undefined,
      'so many wait already',
    )
    assert.ok(inFlight.wait(b, () => undefined) !== undefined)
    inFlight.giveBack(a, 1)
    assert.ok(!inFlight.isFull(a))
    stop?.()
    inFlight.giveBack(a, IN_FLIGHT_PEER_MAX)
    assert.equal(looks, 1)
  })

  test('data in flight of all peers is bounded, and stops those with the most', () => {
    const inFlight = new InFlight()
    const many = Array.from({ length: 5 }, (_, n) => `peer ${n}` as PeerId)
    for (const peer of many) inFlight.take(peer, IN_FLIGHT_ALL_MAX / 5 + 1)
    inFlight.take(b, 10)
    inFlight.take(c, 10)
    for (const peer of many) assert.ok(inFlight.isFull(peer))
    assert.ok(!inFlight.isFull(b) && !inFlight.isFull(c))
    for (const peer of many) inFlight.giveBack(peer, 5)
    for (const peer of many) assert.ok(!inFlight.isFull(peer))
  })
})
