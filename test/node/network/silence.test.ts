// The watch over silent connections: who is asked and cut off, and how often a node wakes for it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SilenceWatch } from '../../../node/world/libp2p/silence.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import type { Timer } from '../../../node/world/world.ts'
import type { Instant } from '../../../protocol/units.ts'

const SECOND = 1000

describe('the watch over silent connections', () => {
  test('a peer that talks is never asked', () => {
    const { clock, connect } = watch()
    const { asked, heard } = connect()
    for (let count = 0; count < 20; count++) {
      clock.advance(5 * SECOND)
      heard()
    }
    assert.equal(asked(), 0)
  })

  test('a silent peer is asked, and stays if it answers', () => {
    const { clock, connect } = watch()
    const { asked, isCutOff, heard } = connect()
    for (let count = 1; count <= 5; count++) {
      clock.advance(10 * SECOND)
      assert.equal(asked(), count)
      heard()
    }
    assert.equal(isCutOff(), false)
  })

  test('a dead peer is cut off within 20 s of its last word, and not before 17 s', () => {
    for (let laterMs = 0; laterMs < 2500; laterMs += 100) {
      const { clock, connect } = watch()
      const { isCutOff, heard } = connect()
      clock.advance(laterMs)
      heard()
      clock.advance(17 * SECOND)
      assert.equal(isCutOff(), false)
      clock.advance(3 * SECOND)
      assert.equal(isCutOff(), true)
    }
  })

  test('a node that stood still asks again before it cuts anybody off', () => {
    const { clock, connect } = watch()
    const { asked, isCutOff } = connect()
    clock.advance(7.5 * SECOND)
    assert.equal(asked(), 1)
    clock.stoodStillMs = 3600 * SECOND
    clock.advance(10 * SECOND)
    assert.deepEqual([asked(), isCutOff()], [2, false])
    clock.advance(10 * SECOND)
    assert.equal(isCutOff(), true)
  })

  test('a hundred connections wake a node no more often than one', () => {
    const { clock, connect, wakeUps } = watch()
    for (let count = 0; count < 100; count++) {
      connect({ answers: true })
      clock.advance(79)
    }
    const before = wakeUps()
    clock.advance(100 * SECOND)
    assert(wakeUps() - before <= 40, `${wakeUps() - before} wake-ups in 100 s`)
  })

  test('nothing wakes for connections that ended', () => {
    const { clock, connect, wakeUps } = watch()
    const { asked, end } = connect()
    end()
    clock.advance(100 * SECOND)
    assert.deepEqual([asked(), wakeUps()], [0, 0])
  })
})

/** A clock that counts what it runs, and can have stood still. */
class CountingClock extends ManualClock {
  wakeUps = 0
  stoodStillMs = 0

  override now(): Instant {
    return (super.now() + this.stoodStillMs) as Instant
  }

  override timer(delayMs: number, run: () => void): Timer {
    return super.timer(delayMs, () => {
      this.wakeUps++
      run()
    })
  }
}

interface TestConnection {
  readonly asked: () => number
  readonly isCutOff: () => boolean
  readonly heard: () => void
  readonly end: () => void
}

function watch(): {
  clock: CountingClock
  wakeUps: () => number
  connect: (options?: { answers?: boolean }) => TestConnection
} {
  const clock = new CountingClock()
  const silence = new SilenceWatch(clock)
  const connect = ({ answers = false } = {}): TestConnection => {
    let asked = 0
    let isCutOff = false
    const { heard, end } = silence.add({
      ask: () => {
        asked++
        if (answers) heard()
        return Promise.resolve()
      },
      cutOff: () => (isCutOff = true),
    })
    return { asked: () => asked, isCutOff: () => isCutOff, heard, end }
  }
  return { clock, wakeUps: () => clock.wakeUps, connect }
}
