// The cost of peers over a network is counted wherever it comes from, and useful work is free.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NO_METER } from '../../../node/metrics/meter.ts'
import { PeerBudgets } from '../../../node/peers/budget.ts'
import { BudgetedNetwork } from '../../../node/peers/budgeted-network.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { MIB } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { networkOf } from '../log/wires.ts'
import type { Channel, Standing, TopicListener, Verdict } from '../../../node/world/world.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'

const ANNA = 'anna' as PeerId
const MALLORY = 'mallory' as PeerId
const { signal } = new AbortController()
const FRAME = new Uint8Array(MIB)

function start() {
  const clock = new ManualClock()
  const budgets = new PeerBudgets({ clock })
  let serve: (channel: Channel) => Promise<void> = async () => undefined
  let listener: TopicListener = () => 'ignore'
  let standing: (peer: PeerId) => Standing = () => 'nobody'
  let traffic: (peer: PeerId, bytes: number) => void = () => undefined
  const inner = networkOf('self' as PeerId, {
    peers: () => [ANNA, MALLORY],
    gate: (given) => void (standing = given),
    handle: async (_, given) => void (serve = given),
    onTraffic: (given) => void (traffic = given),
    subscribe: (_, given) => {
      listener = given
      return () => undefined
    },
  })
  const network = new BudgetedNetwork({ meter: NO_METER, network: inner, budgets, clock })
  network.gate(() => 'member')
  return {
    clock,
    budgets,
    network,
    isCutOff: (peer: PeerId): boolean => standing(peer) === 'nobody',
    traffic: (peer: PeerId, bytes: number) => traffic(peer, bytes),
    hear: (from: PeerId) => listener(new Uint8Array(1), from),
    /** A channel of so many frames of 1 MiB, served until its handler fails, if it does. */
    serve: async (peer: PeerId, frames: number): Promise<void> => {
      let left = frames
      const receive = async () => (left-- > 0 ? FRAME : undefined)
      const channel = { peer, protocol: 'p', receive, close: async () => undefined } as unknown
      await serve(channel as Channel).catch(() => undefined)
    },
  }
}

async function readAll(channel: Channel): Promise<void> {
  while ((await channel.receive({ signal })) !== undefined);
}

describe('a network with budgets', () => {
  test('well-formed requests may have any number of bytes', async () => {
    const { network, serve, isCutOff } = start()
    await network.handle('p', readAll)
    for (let n = 0; n < 100; n++) await serve(ANNA, 100)
    assert.equal(isCutOff(ANNA), false)
  })

  const failures: readonly (readonly [ErrorCode, boolean])[] = [
    ['malformed', true],
    ['bad-signature', true],
    ['unreachable', false],
    ['EIO', false],
    ['stopped', false],
  ]
  for (const [code, isItsFault] of failures) {
    test(`a channel that ends as ${code} ${isItsFault ? 'is' : 'is not'} its peer's fault`, async () => {
      const { network, serve, isCutOff } = start()
      await network.handle('p', async (channel) => {
        await readAll(channel)
        throw new ShoalError(code, 'over')
      })
      for (let n = 0; n < 15; n++) await serve(MALLORY, 10)
      assert.equal(isCutOff(MALLORY), isItsFault)
      assert.equal(isCutOff(ANNA), false)
    })
  }

  test('new gossip is free, useless gossip costs time, and garbage costs more', () => {
    const cases: readonly (readonly [Verdict, number, boolean])[] = [
      ['accept', 10_000, false],
      ['ignore', 1000, false],
      ['ignore', 30_000, true],
      ['reject', 200, true],
      ['reject', 50, false],
    ]
    for (const [verdict, count, isCut] of cases) {
      const { network, clock, hear, isCutOff } = start()
      const busy: TopicListener = () => {
        clock.advance(1)
        return verdict
      }
      network.subscribe('t', busy, () => true)
      for (let n = 0; n < count; n++) assert.equal(hear(MALLORY), verdict)
      assert.equal(isCutOff(MALLORY), isCut, `${count} times ${verdict}`)
    }
  })

  test('gossip traffic, DHT traffic and endlessly opened channels cost as well', async () => {
    const { network, serve, traffic, isCutOff } = start()
    for (let n = 0; n < 100; n++) traffic(ANNA, MIB)
    assert.equal(isCutOff(ANNA), false)
    for (let n = 0; n < 100; n++) traffic(ANNA, MIB)
    assert.equal(isCutOff(ANNA), true)
    await network.handle('p', readAll)
    for (let n = 0; n < 5000; n++) await serve(MALLORY, 0)
    assert.equal(isCutOff(MALLORY), false)
    for (let n = 0; n < 5000; n++) await serve(MALLORY, 0)
    assert.equal(isCutOff(MALLORY), true)
  })

  test('a peer that was cut off may come back, and removed members stay out', () => {
    const { budgets, clock, network, isCutOff } = start()
    budgets.spend(MALLORY, 'bytes', 1000 * MIB)
    assert.equal(isCutOff(MALLORY), true)
    clock.advance(60_000)
    assert.equal(isCutOff(MALLORY), false)
    network.gate(() => 'nobody')
    assert.equal(isCutOff(ANNA), true)
  })
})
