// Registers on a network that loses, duplicates and reorders messages, with proposers and voters
// that crash: whatever happens, clients see what a single register would have shown them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../../../simulations/clock.ts'
import { SimulatedProcess } from '../../../simulations/process.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { registerOf } from './strong-clients.ts'
import { Cloud, FIRST, valueOf } from './strong-cloud.ts'
import { assertLinearizable, run } from './strong-runs.ts'
import type { Value } from '../../../protocol/strong/value.ts'
import type { Groups } from '../../../protocol/strong/voters.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Faults } from './strong-cloud.ts'

const MIXES: readonly (readonly [string, Faults])[] = [
  ['a calm network', { lossRate: 0, duplicateRate: 0, crashRate: 0, moves: false }],
  ['lost and doubled messages', { lossRate: 0.15, duplicateRate: 0.2, crashRate: 0, moves: false }],
  ['crashes', { lossRate: 0.05, duplicateRate: 0.05, crashRate: 0.2, moves: false }],
  ['voters that change', { lossRate: 0.05, duplicateRate: 0.1, crashRate: 0.1, moves: true }],
]

describe('a proposal that reached one voter only', () => {
  const [X, Y, Z] = FIRST as unknown as [PeerId, PeerId, PeerId]
  const groups: Groups = [FIRST]
  const never = new AbortController().signal
  const value = (id: string, before: string): Value => valueOf({ id, before }, groups)

  test('a proposal at one voter takes no effect once its proposer drops it', async () => {
    let reached = (_peer: PeerId, _kind: string): boolean => true
    const cloud = new Cloud(1, { lossRate: 0, duplicateRate: 0, crashRate: 0, moves: false })
    const ask = cloud.ask.bind(cloud)
    cloud.ask = async (...args) => {
      if (!reached(args[2], args[3].kind)) throw new ShoalError('unreachable', 'lost')
      return ask(...args)
    }
    const clock = new VirtualClock(new SimulatedProcess(cloud.scheduler, 'p'))
    const [one, two] = [X, Y].map((self) => registerOf(cloud, self, clock, self).register)
    assert.ok(one !== undefined && two !== undefined)
    const finish = <Result>(work: Promise<Result>): Promise<Result> => cloud.scheduler.finish(work)
    await finish(one.change(groups, async () => value('a', ''), never))
    let tries = 0
    const change = async (): Promise<Value | undefined> => {
      // The first proposal comes to Z alone, and from then on Z is not heard.
      reached = (peer, kind) => (kind === 'accept' && tries === 1) === (peer === Z)
      return tries++ === 0 ? value('b', 'a') : undefined
    }
    await finish(one.change(groups, change, never))
    assert.equal(tries, 2)
    reached = (peer) => peer !== X
    assert.deepEqual((await finish(two.read(groups, never)))?.entries[0], value('a', '').entry)
  })
})

describe('a register held by voters is linearizable', () => {
  for (const [name, faults] of MIXES) {
    test(`with ${name}`, async () => {
      let writeCount = 0
      for (let seed = 1; seed <= 2; seed++) {
        const { calls, chain } = await run(new Cloud(seed, faults))
        try {
          assertLinearizable(calls, chain)
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error })
        }
        writeCount += chain.length
      }
      assert.ok(writeCount > 20, `${writeCount} writes took effect`)
    })
  }
})
