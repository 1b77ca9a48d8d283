// The presence of peers: online, late and gone as time passes, and events that must not make
// anybody gone.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Detector } from '../../../node/peers/detector.ts'
import type { Watched } from '../../../node/peers/detector.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import type { Instant, WallTime } from '../../../protocol/units.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const BEAT_MS = 10_000
const GRACE_MS: number = 30 * MINUTE_MS
const self = 'self' as PeerId
const ann = 'ann' as PeerId
const bob = 'bob' as PeerId

/** A clock whose machine may be suspended: some then go on to count, all stop their timers. */
class LaptopClock extends ManualClock {
  readonly #aheadMs = { wall: 0, now: 0 }

  override wall(): WallTime {
    return (super.wall() + this.#aheadMs.wall) as WallTime
  }

  override now(): Instant {
    return (super.now() + this.#aheadMs.now) as Instant
  }

  /** countsSleep: whether the monotonic clock goes on, as on macOS; on Linux it does not. */
  suspend(forMs: number, { countsSleep }: { countsSleep: boolean }): void {
    this.#aheadMs.wall += forMs
    if (countsSleep) this.#aheadMs.now += forMs
  }
}

/** A detector, and peers that beat to it. */
class Watch {
  readonly clock = new LaptopClock()
  readonly told: string[] = []
  readonly detector: Detector
  watched: readonly Watched[] = [{ peers: [self, ann, bob], graceMs: GRACE_MS }]
  readonly #random = new SeededRandom(1, 'beats')

  constructor() {
    this.detector = new Detector(
      { clock: this.clock, self, watched: () => this.watched },
      { beatMs: BEAT_MS },
    )
    this.detector.onChange((peer) => this.told.push(`${peer} ${this.is(peer)}`))
    this.detector.start()
  }

  is(peer: PeerId): string {
    return this.detector.liveness(peer, GRACE_MS)
  }

  /** Beacons of these peers come for as long, as evenly as Gossip sends them. */
  beats(peers: readonly PeerId[], forMs: number): void {
    for (let leftMs = forMs; leftMs > 0;) {
      const pauseMs = Math.min(leftMs, BEAT_MS * (0.8 + 0.4 * this.#random.number()))
      this.clock.advance(pauseMs)
      leftMs -= pauseMs
      for (const peer of peers) this.detector.heard(peer)
    }
  }
}

describe('detector', () => {
  test('a silent peer is late after about three beats and gone after its grace, once each', () => {
    const watch = new Watch()
    watch.beats([ann, bob], HOUR_MS)
    watch.told.length = 0
    watch.beats([bob], 25_000)
    assert.equal(watch.is(ann), 'online')
    watch.beats([bob], 15_000)
    assert.equal(watch.is(ann), 'late')
    watch.beats([bob], GRACE_MS - 41_000)
    assert.equal(watch.is(ann), 'late')
    watch.beats([bob], 10_000)
    assert.equal(watch.is(ann), 'gone')
    watch.beats([bob], DAY_MS)
    watch.detector.heard(ann)
    assert.deepEqual(watch.told, ['ann late', 'ann gone', 'ann online'])
  })

  test('a peer that beats is online all day, also if every tenth beacon is lost', () => {
    const watch = new Watch()
    watch.beats([ann, bob], MINUTE_MS)
    watch.told.length = 0
    for (let i = 0; i < (24 * 360) / 10; i++) {
      watch.beats([ann, bob], 9 * BEAT_MS)
      watch.beats([bob], BEAT_MS)
      assert.equal(watch.is(ann), 'online')
    }
    assert.deepEqual(
      watch.told.filter((text) => text.startsWith('ann') && text !== 'ann online'),
      [],
    )
  })

  test('this node itself is always online, with no silence', () => {
    const watch = new Watch()
    watch.clock.advance(DAY_MS)
    assert.equal(watch.is(self), 'online')
    assert.equal(watch.detector.silentMs(self), 0)
    assert.equal(watch.detector.phi(self), 0)
  })

  test('a closed connection makes a peer late sooner, until the peer is heard again', () => {
    const watch = new Watch()
    watch.beats([ann, bob], HOUR_MS)
    watch.detector.hungUp(ann)
    watch.clock.advance(20_000)
    assert.equal(watch.is(ann), 'late')
    assert.equal(watch.is(bob), 'online')
    watch.clock.advance(GRACE_MS - 21_000)
    assert.equal(watch.is(ann), 'late')
    watch.detector.heard(ann)
    watch.clock.advance(20_000)
    assert.equal(watch.is(ann), 'online')
  })

  test('a peer never heard is late, and gone only a grace after the start of this node', () => {
    const watch = new Watch()
    assert.equal(watch.is(ann), 'late')
    watch.clock.advance(GRACE_MS - 1)
    assert.equal(watch.is(ann), 'late')
    watch.clock.advance(1)
    assert.equal(watch.is(ann), 'gone')
  })

  test('a member that joins a node long running has a whole grace to be heard', () => {
    const watch = new Watch()
    watch.watched = [{ peers: [self, ann], graceMs: GRACE_MS }]
    watch.beats([ann], DAY_MS)
    watch.watched = [{ peers: [self, ann, bob], graceMs: GRACE_MS }]
    assert.equal(watch.is(bob), 'late')
    watch.beats([ann], GRACE_MS - BEAT_MS)
    assert.equal(watch.is(bob), 'late')
    watch.beats([ann], 2 * BEAT_MS)
    assert.equal(watch.is(bob), 'gone')
  })

  for (const countsSleep of [true, false]) {
    test(`a night asleep makes nobody gone, with a monotonic clock that ${countsSleep ? 'goes on' : 'stops'}`, () => {
      const watch = new Watch()
      watch.beats([ann, bob], HOUR_MS)
      watch.clock.suspend(8 * HOUR_MS, { countsSleep })
      assert.equal(watch.is(ann), 'late', 'asked before any timer has run')
      assert.equal(watch.detector.silentMs(ann), 0)
      watch.beats([ann], MINUTE_MS)
      assert.equal(watch.is(ann), 'online')
      watch.clock.advance(GRACE_MS - MINUTE_MS - 1)
      assert.equal(watch.is(bob), 'late')
      watch.clock.advance(BEAT_MS)
      assert.equal(watch.is(bob), 'gone')
      assert.deepEqual(
        watch.told.filter((text) => text === 'bob gone'),
        ['bob gone'],
      )
    })
  }

  test('a peer that was gone before a sleep is not online after it', () => {
    const watch = new Watch()
    watch.beats([ann, bob], HOUR_MS)
    watch.beats([bob], HOUR_MS)
    assert.equal(watch.is(ann), 'gone')
    watch.clock.suspend(HOUR_MS, { countsSleep: false })
    assert.equal(watch.is(ann), 'late')
  })

  test('a wall clock that jumps by less than a minute, or back, changes nothing', () => {
    const watch = new Watch()
    watch.beats([ann, bob], HOUR_MS)
    watch.clock.advance(GRACE_MS / 2)
    watch.clock.suspend(50_000, { countsSleep: false })
    watch.clock.advance(MINUTE_MS)
    watch.clock.suspend(-DAY_MS, { countsSleep: false })
    watch.clock.advance(GRACE_MS / 2 - MINUTE_MS)
    assert.equal(watch.is(ann), 'gone')
  })

  test('each volume has its grace, and each change to gone is reported', () => {
    const watch = new Watch()
    watch.watched = [
      { peers: [self, ann], graceMs: HOUR_MS },
      { peers: [self, ann], graceMs: MINUTE_MS },
    ]
    const told: string[] = []
    watch.beats([ann], HOUR_MS)
    watch.detector.onChange((peer) => {
      const states = [MINUTE_MS, HOUR_MS].map((graceMs) => watch.detector.liveness(peer, graceMs))
      told.push(states.join(' '))
    })
    watch.clock.advance(DAY_MS)
    assert.deepEqual(told, ['late late', 'gone late', 'gone gone'])
  })

  test('a grace set below a silence makes the silent peer gone at once', () => {
    const watch = new Watch()
    watch.beats([ann, bob], HOUR_MS)
    watch.beats([bob], GRACE_MS / 2)
    watch.told.length = 0
    watch.watched = [{ peers: [self, ann, bob], graceMs: MINUTE_MS }]
    watch.beats([bob], BEAT_MS)
    assert.deepEqual(watch.told, ['ann late'])
    assert.equal(watch.detector.liveness(ann, MINUTE_MS), 'gone')
  })

  test('a peer no longer watched is forgotten, and a stopped detector has no timer', () => {
    const watch = new Watch()
    watch.beats([ann, bob], HOUR_MS)
    watch.watched = [{ peers: [self, bob], graceMs: GRACE_MS }]
    watch.clock.advance(BEAT_MS)
    watch.watched = [{ peers: [self, ann, bob], graceMs: GRACE_MS }]
    assert.equal(watch.is(ann), 'late', 'never heard')
    watch.detector.stop()
    watch.told.length = 0
    watch.clock.advance(DAY_MS)
    assert.deepEqual(watch.told, [])
  })
})
