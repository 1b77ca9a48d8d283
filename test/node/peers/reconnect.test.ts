// Members that are away are dialled until they are back, whatever happens while one is dialled.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ShoalError } from '../../../protocol/errors.ts'
import { Reconnect } from '../../../node/peers/reconnect.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const bob = 'bob' as PeerId
const LONGEST_MS = 10_000

test('a member that goes again while its dial ends is dialled until it is back', async () => {
  const listeners = new Map<string, (peer: PeerId) => void>()
  let dials = 0
  const network = {
    peers: () => [],
    onConnect: (listener: (peer: PeerId) => void) => void listeners.set('connect', listener),
    onDisconnect: (listener: (peer: PeerId) => void) => void listeners.set('disconnect', listener),
    onDiscover: () => undefined,
    dial: (peer: PeerId) => {
      if (++dials > 1) return Promise.reject(new ShoalError('unreachable', 'nobody answers'))
      listeners.get('connect')?.(peer)
      listeners.get('disconnect')?.(peer)
      return Promise.resolve(peer)
    },
  }
  const clock = new ManualClock()
  const world = { clock, network, random: new SeededRandom('seed', 'reconnect') }
  const reconnect = new Reconnect({ world, wanted: () => [bob] }, { longestPauseMs: LONGEST_MS })
  reconnect.start()
  for (let expected = 1; expected <= 5; expected++) {
    clock.advance(2 * LONGEST_MS)
    await setImmediate()
    assert.ok(dials >= expected, `${dials} dials`)
  }
  reconnect.stop()
})
