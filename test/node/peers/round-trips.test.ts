// Round trips: measured for all at once, known from then on, and never waited for long.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RoundTrips } from '../../../node/peers/round-trips.ts'
import type { Network } from '../../../node/world/world.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const near = 'near' as PeerId
const far = 'far' as PeerId
const deaf = 'deaf' as PeerId

/** Peers that answer after so many ms, or never. */
class Peers {
  readonly clock = new ManualClock()
  readonly pings: PeerId[] = []
  connected: PeerId[] = [near, far, deaf]
  readonly roundTrips: RoundTrips

  constructor() {
    const answersMs = new Map([
      [near, 10],
      [far, 2000],
    ])
    const network = {
      peers: () => this.connected,
      ping: async (peer: PeerId, { signal }: { signal: AbortSignal }) => {
        this.pings.push(peer)
        const ms = answersMs.get(peer) ?? Infinity
        if (ms < Infinity) await this.clock.sleep(ms, { signal })
        else await new Promise((_, reject) => signal.addEventListener('abort', reject))
        return ms
      },
    } as unknown as Network
    this.roundTrips = new RoundTrips({ clock: this.clock, network })
  }

  /** Let time pass in small steps, as promises settle between them. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      this.clock.advance(10)
      await new Promise(setImmediate)
    }
  }

  known(): (number | undefined)[] {
    return [near, far, deaf].map((peer) => this.roundTrips.of(peer))
  }
}

describe('round trips', () => {
  test('all are measured at once within 250 ms; a slow answer is known the next time', async () => {
    const peers = new Peers()
    const refreshed = peers.roundTrips.refresh()
    assert.deepEqual(peers.pings, [near, far, deaf])
    await peers.pass(250)
    await refreshed
    assert.deepEqual(peers.known(), [10, undefined, undefined])
    await peers.pass(2000)
    assert.deepEqual(peers.known(), [10, 2000, undefined])
  })

  test('a recent latency is not measured again, and no peer is asked twice at a time', async () => {
    const peers = new Peers()
    for (const _ of [1, 2]) {
      const refreshed = peers.roundTrips.refresh()
      await peers.pass(250)
      await refreshed
    }
    assert.deepEqual(peers.pings, [near, far, deaf])
    await peers.pass(40_000)
    void peers.roundTrips.refresh()
    assert.deepEqual(peers.pings.slice(3), [near, far, deaf])
  })

  test('the latency of a peer is forgotten with its connection', async () => {
    const peers = new Peers()
    const refreshed = peers.roundTrips.refresh()
    await peers.pass(250)
    await refreshed
    peers.connected = []
    await peers.roundTrips.refresh()
    assert.deepEqual(peers.known(), [undefined, undefined, undefined])
  })
})
