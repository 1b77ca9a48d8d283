// Clocks of members that are ahead, and stay so, are reported once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClockWatch } from '../../../node/sync/heard-peers.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { WallTime } from '../../../protocol/units.ts'

const PEER = 'peer' as PeerId
const at = (ms: number): WallTime => ms as WallTime

test('a clock that stays ahead is reported once, until it was right again', () => {
  const clocks = new ClockWatch()
  for (const round of [0, 1]) {
    const startMs = 1e9 + round * 1e6
    assert.equal(clocks.heard(PEER, startMs + 90_000, at(startMs)), undefined)
    assert.deepEqual(clocks.all(), [], 'it may be an accident')
    assert.equal(clocks.heard(PEER, startMs + 130_000, at(startMs + 40_000)), 90_000)
    assert.equal(clocks.heard(PEER, startMs + 145_000, at(startMs + 50_000)), undefined)
    assert.deepEqual(clocks.all(), [[PEER, 95_000]])
    assert.equal(clocks.heard(PEER, startMs - 90_000, at(startMs + 51_000)), undefined)
    assert.equal(clocks.all().length, 1, 'an old beacon that somebody sends again changes nothing')
    clocks.heard(PEER, startMs + 59_000, at(startMs + 60_000))
    assert.deepEqual(clocks.all(), [])
  }
})

test('a clock a few seconds ahead, or behind, is not reported', () => {
  const clocks = new ClockWatch()
  for (let ms = 0; ms < 200_000; ms += 10_000) {
    assert.equal(clocks.heard(PEER, ms + 4000, at(ms)), undefined)
    assert.equal(clocks.heard(PEER, ms - 60_000, at(ms)), undefined)
  }
  assert.deepEqual(clocks.all(), [])
})
