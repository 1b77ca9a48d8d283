// Virtual time: order, cancelling, settling, and that a seed decides everything.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../protocol/errors.ts'
import { EventHeap } from '../../simulations/event-heap.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import type { ScheduledEvent } from '../../simulations/event-heap.ts'

describe('scheduler', () => {
  test('events run in order of time, whatever order they were scheduled in', async () => {
    const scheduler = new Scheduler(1)
    const seen: number[] = []
    for (const delay of [30, 10, 20, 0]) {
      scheduler.after(delay, 'event', () => seen.push(scheduler.nowMs))
    }
    await scheduler.run()
    assert.deepEqual(seen, [0, 10, 20, 30])
  })

  test('the order of simultaneous events differs by seed and not by run', async () => {
    const order = async (seed: number): Promise<string> => {
      const scheduler = new Scheduler(seed)
      const seen: number[] = []
      for (let i = 0; i < 8; i++) scheduler.after(5, `event ${i}`, () => seen.push(i))
      await scheduler.run()
      return seen.join()
    }
    const orders = await Promise.all([1, 2, 3, 4].map(order))
    assert.deepEqual(orders, await Promise.all([1, 2, 3, 4].map(order)))
    assert.ok(new Set(orders).size > 1)
  })

  test('all work that an event starts settles before the next event', async () => {
    const scheduler = new Scheduler(1)
    const seen: string[] = []
    const deep = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) await Promise.resolve()
      await new Promise((resolve) => setImmediate(resolve))
      seen.push('settled')
    }
    scheduler.after(1, 'first', () => void deep())
    scheduler.after(1.000001, 'second', () => seen.push('second'))
    await scheduler.run()
    assert.deepEqual(seen, ['settled', 'second'])
  })

  test('a cancelled event never runs, and time does not advance to it', async () => {
    const scheduler = new Scheduler(1)
    const timer = scheduler.after(100, 'cancelled', () => assert.fail('ran'))
    scheduler.after(5, 'kept', () => timer.cancel())
    await scheduler.run()
    assert.equal(scheduler.nowMs, 5)
  })

  test('work that can never finish fails with a timeout', async () => {
    const scheduler = new Scheduler(1)
    const never = new Promise<void>(() => undefined)
    await assert.rejects(scheduler.finish(never), (error) => hasCode(error, 'timeout'))
  })

  test('the trace hash differs when one label differs', async () => {
    const hash = async (label: string): Promise<string> => {
      const scheduler = new Scheduler(1)
      for (let i = 0; i < 2000; i++)
        scheduler.after(i, i === 1234 ? label : 'event', () => undefined)
      await scheduler.run()
      return scheduler.traceHash()
    }
    assert.equal(await hash('a'), await hash('a'))
    assert.notEqual(await hash('a'), await hash('b'))
  })

  test('a heap pops in the order of a sorted list, with any events cancelled', () => {
    const events = fc.array(
      fc.record({ atMs: fc.nat(20), tie: fc.nat(3), cancelled: fc.boolean() }),
    )
    fc.assert(
      fc.property(events, (all) => {
        const heap = new EventHeap()
        const made = all.map(({ atMs, tie }, sequence): ScheduledEvent => {
          const event = { atMs, tie, sequence, label: '', run: () => undefined }
          heap.push(event)
          return event
        })
        for (const [i, event] of made.entries()) if (all[i]?.cancelled === true) heap.cancel(event)
        const expected = made
          .filter((_, i) => all[i]?.cancelled !== true)
          .toSorted((a, b) => a.atMs - b.atMs || a.tie - b.tie || a.sequence - b.sequence)
          .map(({ sequence }) => sequence)
        const popped: number[] = []
        for (let next = heap.pop(Infinity); next; next = heap.pop(Infinity))
          popped.push(next.sequence)
        assert.deepEqual(popped, expected)
      }),
      { seed: 11, numRuns: 300 },
    )
  })
})

describe('random', () => {
  test('a draw from one stream never shifts another', () => {
    const [a, b] = [new SeededRandom('s', 'one'), new SeededRandom('s', 'one')]
    new SeededRandom('s', 'two').number()
    b.unlucky('jobs.late')
    assert.equal(a.number(), b.number())
    assert.notEqual(a.number(), new SeededRandom('s', 'other').number())
  })

  test('below(n) is spread evenly over all of its values', () => {
    const random = new SeededRandom(1, 'spread')
    const counts = [0, 0, 0, 0, 0]
    for (let i = 0; i < 5000; i++) {
      const index = random.below(counts.length)
      counts[index] = (counts[index] ?? 0) + 1
    }
    assert.ok(
      counts.every((count) => count > 850 && count < 1150),
      counts.join(),
    )
  })
})
