// Heads of backups as members see them: which of two members makes one, how a missing or false one
// is reported, and their order.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { dominates } from '../../../protocol/clock/vector-clock.ts'
import { newestFirst } from '../../../protocol/cold/head.ts'
import type { HeadFacts } from '../../../protocol/cold/head.ts'
import { plantWeakness } from '../../../protocol/trust.ts'
import { DAY_MS, HOUR_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { ActorId, BackupHeadId, PeerId } from '../../../protocol/ids.ts'
import { Machine, checkpoint } from '../log/machines.ts'
import { send } from '../log/replicas.ts'
import { cast, recover, saver } from './backup-cast.ts'
import type { MemoryTier } from './memory-tier.ts'

describe('heads of backups', () => {
  test('cause no backup: without other writes the tier is looked at once a day', async () => {
    const { a, tier, run } = await cast()
    a.replica.write('one', 'x')
    await run()
    const asked = tier.asked.length
    for (let hours = 0; hours < 20; hours++) {
      a.replica.clock.advance(HOUR_MS)
      assert.equal(await run(), undefined)
    }
    assert.equal(tier.asked.length, asked)
    a.replica.clock.advance(DAY_MS)
    await run()
    assert(!tier.asked.slice(asked).some((each) => each.startsWith('put')))
  })

  test('heads that were announced and are gone are reported once, and put again', async () => {
    const { a, tier, key, run, events } = await cast()
    a.replica.write('one', 'x')
    await run()
    const before = new Map(tier.objects)
    a.replica.write('two', 'x')
    await run()
    bringBack(tier, before)
    a.replica.clock.advance(2 * DAY_MS)
    await run()
    assert.deepEqual(
      events.map(({ kind, peer }) => [kind, peer]),
      [['backup-lost', a.replica.identity.peer]],
    )
    assert.deepEqual(await (await recover(a, tier, key)).names(), ['one', 'two'])
    a.replica.clock.advance(2 * DAY_MS)
    await run()
    assert.equal(events.length, 1)
    bringBack(tier, new Map())
    a.replica.clock.advance(2 * DAY_MS)
    await run()
    assert.deepEqual(await (await recover(a, tier, key)).names(), ['one', 'two'])
  })

  test('another writer takes over an hour later, from what it has compared', async () => {
    const { a, b, tier, key, run, events } = await cast()
    for (let n = 0; n < 40; n++) a.replica.write(`f${n}`, 'x')
    await run()
    await send(a.replica, b.replica)
    const other = saver(b, tier)
    const isFirst = a.replica.identity.peer < b.replica.identity.peer
    const [second, secondly] = isFirst ? [b, other] : [a, { run, events }]
    second.replica.write('of-the-second', 'x')
    const waitMs = await secondly.run()
    assert(waitMs !== undefined && waitMs > 0 && waitMs <= HOUR_MS, `${waitMs}`)
    for (const each of [a, b]) each.replica.clock.advance(HOUR_MS)
    const asked = tier.asked.length
    await secondly.run()
    const puts = tier.asked.slice(asked).filter((each) => each.startsWith('put'))
    assert.equal(puts.length, 2, `only the end of the log, and a head: ${puts.join()}`)
    assert((await (await recover(a, tier, key)).names()).includes('of-the-second'))
    assert.deepEqual([...events, ...other.events], [])
  })

  test('of two heads put at once, both are opened and their contents recovered', async () => {
    const { a, b, tier, key, save } = await cast()
    await send(a.replica, b.replica)
    const empty = new Map(tier.objects)
    a.replica.write('of-a', 'x')
    await save()
    const ofA = new Map(tier.objects)
    bringBack(tier, empty)
    b.replica.write('of-b', 'x')
    await saver(b, tier).save()
    for (const [name, content] of ofA) tier.objects.set(name, content)
    assert.deepEqual((await (await recover(a, tier, key)).names()).toSorted(), ['of-a', 'of-b'])
  })

  test('are numbered one by one, across writers', async () => {
    const { a, b, tier, key, save } = await cast()
    for (const name of ['one', 'two', 'three']) {
      a.replica.write(name, 'x')
      await save()
    }
    await send(a.replica, b.replica)
    b.replica.write('four', 'x')
    await saver(b, tier).save()
    await assert.rejects(recover(a, tier, key, { least: { number: 5, time: 0 } }), {
      code: 'ESTALE',
      message: /number 4 of/,
    })
    await recover(a, tier, key, { least: { number: 4, time: 0 } })
  })

  test('without the comparison, a false head would stop backups', async () => {
    const { a, b, tier, key, save } = await cast()
    await send(a.replica, b.replica)
    b.replica.write('only-here', 'x')
    await saver(b, tier).save()
    await send(b.replica, a.replica)
    // The head stays, and what it names is gone.
    for (const name of tier.objects.keys()) if (name.includes('/log/')) tier.objects.delete(name)
    const restore = plantWeakness('backup-head-true')
    await save()
    restore()
    await assert.rejects(recover(a, tier, key), { code: 'corrupt' })
    await saver(a, tier).save()
    assert.deepEqual(await (await recover(a, tier, key)).names(), ['only-here'])
  })

  test('a part that reads back damaged is no false word of who put it', async () => {
    const { a, b, tier, save } = await cast()
    for (let n = 0; n < 40; n++) a.replica.write(`f${n}`, 'x')
    await checkpoint(a, b)
    await save()
    await send(a.replica, b.replica)
    const whole = new Map(tier.objects)
    for (const part of ['/checkpoints/', '/log/']) {
      for (const [name, content] of whole)
        if (name.includes(part)) tier.objects.set(name, content.with(40, (content[40] ?? 0) ^ 1))
      const { save: compare, events } = saver(b, tier)
      await compare()
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ['backup-refused'],
        part,
      )
      bringBack(tier, whole)
    }
  })

  test('a head of who knows another branch of a forked log is no false one', async () => {
    const { a, b, tier, save } = await cast()
    b.replica.write('before', 'x')
    await send(b.replica, a.replica)
    const copy = new Machine(await b.replica.clone('copy of b'))
    copy.replica.write('of-the-copy', 'x')
    b.replica.write('of-b', 'x')
    await b.volume.commit()
    await send(copy.replica, a.replica)
    await save()
    const put = new Map(tier.objects)
    for (const heard of ['one branch', 'both branches']) {
      if (heard === 'both branches') await send(copy.replica, b.replica)
      const { save: compare, events } = saver(b, tier)
      await compare()
      assert.deepEqual(events, [], heard)
      bringBack(tier, put)
    }
  })

  test('a head that covers another and more sorts before it, whatever they state', () => {
    const facts = fc.record({
      number: fc.nat(5),
      time: fc.nat(5),
      counts: fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
    })
    fc.assert(
      fc.property(fc.array(facts, { maxLength: 12 }), (all) => {
        const heads = all.map(({ number, time, counts }, at) => ({
          id: `${at}` as BackupHeadId,
          head: headOf(number, time, counts),
        }))
        const sorted = newestFirst(heads)
        assert.deepEqual(new Set(sorted), new Set(heads))
        sorted.forEach(({ head }, at) => {
          for (const { head: later } of sorted.slice(at + 1))
            assert(
              !dominates(later.vector, head.vector) || dominates(head.vector, later.vector),
              'a later one tells no more',
            )
        })
      }),
    )
  })
})

function headOf(number: number, time: number, counts: readonly number[]): HeadFacts {
  const vector = new Map(counts.map((seq, at) => [`${at}`.repeat(32) as ActorId, seq]))
  const author = 'somebody' as PeerId
  return { number, time: time as WallTime, vector, author, before: undefined, tier: 'attic' }
}

function bringBack({ objects }: MemoryTier, before: ReadonlyMap<string, Uint8Array>): void {
  objects.clear()
  for (const [name, content] of before) objects.set(name, content)
}
