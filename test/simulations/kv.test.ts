// The simulated ordered store, held to the seam, and what its crashes leave.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../../protocol/bytes.ts'
import { SimulatedKv } from '../../simulations/kv.ts'
import { SimulatedProcess } from '../../simulations/process.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import { kvSuite } from '../seams/kv.ts'
import type { Kv } from '../../node/store/kv.ts'

kvSuite('SimulatedKv', async () => {
  const { scheduler, kv } = freshKv('suite')
  const pump = scheduler.pump()
  return {
    kv,
    end: async () => {
      await kv.close()
      pump[Symbol.dispose]()
    },
  }
})

describe('crashes of a simulated ordered store', () => {
  test('a power loss keeps all up to the last synced write, and a prefix of the rest', async () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 40; seed++) {
      const { scheduler, kv } = freshKv(seed)
      for (const [index, sync] of [false, true, false, false, false].entries()) {
        await scheduler.finish(put(kv, index, sync))
      }
      const left = await kv.crash(new SimulatedProcess(scheduler, 'next'))
      const present = [0, 1, 2, 3, 4].filter((index) => left.get(String(index)) !== undefined)
      assert.deepEqual(present, [0, 1, 2, 3, 4].slice(0, present.length), `seed ${seed}`)
      assert.ok(present.length >= 2, `seed ${seed}: a synced write is lost`)
      lengths.add(present.length)
    }
    assert.deepEqual(lengths, new Set([2, 3, 4, 5]))
  })

  test('a killed process loses no completed write', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const { scheduler, kv } = freshKv(seed)
      await scheduler.finish(put(kv, 1, false))
      const left = await kv.restart(new SimulatedProcess(scheduler, 'next'))
      assert.notEqual(left.get('1'), undefined)
    }
  })
})

function freshKv(seed: string | number): { scheduler: Scheduler; kv: SimulatedKv } {
  const scheduler = new Scheduler(seed)
  const process = new SimulatedProcess(scheduler, 'test')
  return { scheduler, kv: new SimulatedKv({ process, random: new SeededRandom(seed, 'kv') }) }
}

function put(kv: Kv, index: number, sync: boolean): Promise<void> {
  return kv.write([{ kind: 'put', key: String(index), value: utf8('value') }], { sync })
}
