// Many peers that have missing entries: few are asked at a time, and none for entries that have
// arrived by then.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CatchUp } from '../../../node/sync/catch-up.ts'
import type { Volume } from '../../../node/log/volume.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { peerOf } from '../stripes/peer-group.ts'
import type { PeerId } from '../../../protocol/ids.ts'

const VOLUME = { id: 'v' } as unknown as Volume
const PEERS: readonly PeerId[] = Array.from({ length: 100 }, (_, n) => peerOf(n))

interface Trial {
  readonly catchUp: CatchUp
  readonly asked: PeerId[]
  readonly failed: PeerId[]
  readonly clock: ManualClock
  /** Ends the oldest exchange that runs. */
  readonly end: (error?: Error) => Promise<void>
}

function trial(): Trial {
  const asked: PeerId[] = []
  const failed: PeerId[] = []
  const running: PromiseWithResolvers<void>[] = []
  const random = { number: () => 0, bytes: (n: number) => new Uint8Array(n), unlucky: () => false }
  const parts = {
    exchange: (_volume: Volume, peer: PeerId) => {
      asked.push(peer)
      const exchange = Promise.withResolvers<void>()
      running.push(exchange)
      return exchange.promise
    },
    onFailed: (_volume: Volume, peer: PeerId) => failed.push(peer),
  }
  const clock = new ManualClock()
  const catchUp = new CatchUp({ random, clock }, parts)
  const end = async (error?: Error): Promise<void> => {
    const exchange = running.shift()
    if (error === undefined) exchange?.resolve()
    else exchange?.reject(error)
    await setImmediate()
  }
  return { catchUp, asked, failed, clock, end }
}

describe('catching up', () => {
  test('asks eight peers at a time, and none once nothing is missing', async () => {
    const { catchUp, asked, end } = trial()
    let isMissing = true
    for (const peer of PEERS) catchUp.soon(VOLUME, peer, () => isMissing)
    assert.deepEqual(asked, PEERS.slice(0, 8))
    await end()
    assert.deepEqual(asked, PEERS.slice(0, 9))
    isMissing = false
    for (let n = 0; n < 9; n++) await end()
    assert.equal(asked.length, 9)
  })

  test('asks all peers in turn while something is missing, also after a failure', async () => {
    const { catchUp, asked, failed, end } = trial()
    for (const peer of PEERS) catchUp.soon(VOLUME, peer)
    for (const _ of PEERS) await end(new Error('no answer'))
    assert.deepEqual(asked, PEERS)
    assert.deepEqual(failed, PEERS)
  })

  test('asks a peer while any of the reasons given for it holds', async () => {
    const { catchUp, asked, end } = trial()
    for (const peer of PEERS.slice(0, 8)) catchUp.soon(VOLUME, peer)
    const last = PEERS.slice(-2)
    for (const [n, peer] of last.entries()) {
      for (let i = 0; i < 40; i++) catchUp.soon(VOLUME, peer, () => n === 0 && i === 3)
    }
    await end()
    await end()
    // Of the second more was said than is kept: it is asked to be sure.
    assert.deepEqual(asked.slice(8), last)
  })

  test('asks one whose exchanges fail less and less often, and as before once one has not', async () => {
    const { catchUp, asked, clock, end } = trial()
    const [peer] = PEERS
    assert(peer !== undefined)
    const inAnHour = async (error?: Error): Promise<number> => {
      const before = asked.length
      // Something says twice a second that it has what is missing here.
      for (let n = 0; n < 7200; n++) {
        catchUp.soon(VOLUME, peer)
        await end(error)
        clock.advance(500)
      }
      return asked.length - before
    }
    const failing = await inAnHour(new Error('the clock is wrong'))
    assert(failing > 200 && failing < 500, `${failing} times`)
    clock.advance(16_000)
    await end()
    assert.equal(await inAnHour(), 7200)
  })
})
