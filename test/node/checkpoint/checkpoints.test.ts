// Checkpoints: made at stable cuts, the same on all, and enough to start from
// (docs/formats/checkpoint.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { announce, governedHere } from '../../../node/checkpoint/announcement.ts'
import { rebuild } from '../../../node/checkpoint/rebuild.ts'
import { applySettings } from '../../../node/log/settings.ts'
import { nameFromText as name } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { hlcMillis } from '../../../protocol/clock/hlc.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import { instant } from '../../../simulations/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Machine, beacons, checkpoint, tellAttestations } from '../log/machines.ts'
import { MemoryStore, Replica, exchange, send } from '../log/replicas.ts'
import { STATE_PREFIXES } from '../../../node/store/key-prefixes.ts'
import type { Checkpoint } from '../../../node/replica/kept-checkpoint.ts'

describe('a checkpoint', () => {
  test('is the same on every member, and the log below it is dropped', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    const c = new Machine(await a.replica.member('c'))
    for (const { replica } of [a, b, c]) for (let n = 0; n < 30; n++) replica.write(`f${n}`, 'x')
    const made = await checkpoint(a, b, c)
    for (const { replica, notes } of [a, b, c]) {
      assert.deepEqual(notes, [])
      assert.equal(replica.volume.checkpoint?.sealed, made.sealed)
      assert.equal(replica.volume.checkpoint?.clear, made.clear)
      assert.deepEqual(replica.volume.entries.dropped, made.vector)
    }
    assert.equal(await a.replica.dump(), await b.replica.dump())
    const kept = await a.replica.reopen()
    assert.equal(await kept.dump(), await a.replica.dump())
    assert.equal(kept.volume.checkpoint?.sealed, made.sealed)
  })

  test('with other roots than here is reported, until one agrees again', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    const checkpointOf = (what: string): Promise<Checkpoint> => {
      for (let n = 0; n < 30; n++) a.replica.write(`${what}${n}`, 'x')
      return checkpoint(a, b)
    }
    const made = await checkpointOf('f')
    const governed = governedHere(a.volume)
    const cut = { hlc: a.volume.actors.hlc, vector: a.volume.actors.vector() }
    const before = a.volume.cuts.newest?.id
    const lie = announce(a.volume, {
      ...cut,
      before,
      governed,
      clear: made.clear,
      sealed: made.clear,
    })
    await a.volume.commit()
    await exchange(a.replica, b.replica)
    beacons([a, b])
    await b.checkpoints.look()
    assert.equal(b.checkpoints.differsMs, hlcMillis(cut.hlc))
    assert.match(b.notes.join(), /the state of this node at .* differs/)
    assert.ok(lie !== undefined && b.volume.cuts.get(lie)?.counts === false)
    await checkpointOf('g')
    assert.equal(b.checkpoints.differsMs, undefined)
  })

  test('is not made while a member lacks its content, or was never heard', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    await a.makeCheckpoint()
    assert.equal(a.volume.checkpoint, undefined, 'b was never heard')
    beacons([a, b])
    await a.makeCheckpoint()
    const first = a.volume.checkpoint
    a.replica.write('new', 'x')
    await a.volume.commit()
    await a.makeCheckpoint()
    assert.equal(a.volume.checkpoint, first)
  })

  test('is built on the one before, and unchanged nodes are not stored again', async () => {
    const a = new Machine(await Replica.founder('a'))
    for (let n = 0; n < 2000; n++) a.replica.write(`f${n}`, 'x'.repeat(200))
    const nodes = async (): Promise<number> => {
      let count = 0
      for await (const _ of a.volume.view.scan('T', 'U')) count++
      return count
    }
    await checkpoint(a)
    const before = await nodes()
    assert.ok(before > 10)
    a.replica.write('one more', 'y')
    await checkpoint(a)
    assert.ok(Math.abs((await nodes()) - before) < 4)
  })

  test('forgets removed files once no member can refer to them any more', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    a.replica.volume.submit({ kind: 'policy', key: 'versions', value: 'off' })
    for (let n = 0; n < 40; n++) a.replica.write(`f${n}`, 'x')
    for (let n = 0; n < 10; n++) a.replica.namespace.makeDir(ROOT, name(`d${n}`), {})
    for (let n = 0; n < 30; n++) a.replica.namespace.unlink(ROOT, name(`f${n}`))
    for (let n = 0; n < 9; n++) a.replica.namespace.removeDir(ROOT, name(`d${n}`))
    const counts = async ({ replica }: Machine): Promise<number[]> => {
      const kinds = ['l', 'i', 'd', 'q'].map(async (kind) => {
        const lines = (await replica.dump(kind)).split('\n')
        return lines.filter((line) => line !== '').length
      })
      return Promise.all(kinds)
    }
    await checkpoint(a, b)
    assert.deepEqual(await counts(a), [40, 40, 11, 69])
    a.replica.write('later', 'x')
    await checkpoint(a, b)
    for (const one of [a, b]) {
      assert.deepEqual(await counts(one), [11, 11, 2, 0])
      assert.deepEqual(one.notes, [])
      // A folder of that name again has another id: nobody takes it for the old one.
      assert.equal(one.replica.namespace.lookup(ROOT, name('d1')), undefined)
    }
    a.replica.namespace.makeDir(ROOT, name('d1'), {})
    await checkpoint(b, a)
    assert.equal(await a.replica.state(), await b.replica.state())
  })

  test('has former versions and removed names, also of a home from before them', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    const kept = async ({ replica }: Machine): Promise<string> => replica.dump('r')
    for (const round of [0, 1]) {
      for (let n = 0; n < 10; n++)
        a.replica.rewrite(a.replica.write(`${round} ${n}`, 'first'), 'second')
      a.replica.namespace.unlink(ROOT, name(`${round} 0`))
      // At first there is no checkpoint yet.
      if (round === 1) await checkpoint(a, b)
      const expected = await kept(a)
      assert.ok(expected.split('\n').length >= 12 * (round + 1))
      await a.volume.commit()
      const older = await a.replica.reopen()
      assert.equal(await older.dump('r'), expected)
      const { view } = older.volume
      for await (const [key] of view.scan('r', 's')) view.delete(key)
      view.delete(STATE_PREFIXES.judged)
      await older.volume.commit()
      const opened = new Machine(await older.reopen())
      assert.equal(await kept(opened), '')
      await opened.checkpoints.look()
      assert.equal(await kept(opened), expected)
      // Once: not at each start.
      const again = await opened.replica.reopen()
      assert.ok(again.volume.cuts.areJudged)
      assert.equal(await again.dump('r'), expected)
    }
    await exchange(a.replica, b.replica)
    assert.equal(await kept(b), await kept(a))
  })

  test('keeps the log with history=full', async () => {
    const a = new Machine(await Replica.founder('a'))
    await applySettings(a.volume, { history: 'full' })
    a.replica.write('f', 'x')
    await checkpoint(a)
    assert.equal(a.volume.entries.dropped.size, 0)
  })
})

describe('a node that starts from a checkpoint', () => {
  test('has the state of the others, and continues with the log after it', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    for (let n = 0; n < 50; n++) a.replica.write(`f${n}`, 'x')
    a.replica.namespace.makeDir(ROOT, name('d'), {})
    await checkpoint(a, b)
    const late = await Replica.open('late')
    await a.replica.admit(late)
    const joiner = new Machine(late)
    assert.ok(!a.volume.entries.canComplete(late.volume.durableVector()))
    await joiner.startFrom(a)
    await send(a.replica, late)
    assert.deepEqual(await late.names(), await a.replica.names())
    late.write('of the late one', 'z')
    await checkpoint(b, a, joiner)
    assert.equal(await late.dump(), await a.replica.dump())
    assert.deepEqual(joiner.notes, [])
    assert.equal(late.volume.checkpoint?.sealed, a.volume.checkpoint?.sealed)
  })
})

describe('a node that was away for longer than members wait', () => {
  /** Three members, one of them away while the others write, remove, and forget the log. */
  async function parted(): Promise<{ a: Machine; b: Machine; away: Machine }> {
    const a = new Machine(await Replica.founder('a'))
    await applySettings(a.volume, { away: '1h' })
    const b = new Machine(await a.replica.member('b'))
    const away = new Machine(await a.replica.member('away'))
    for (const text of ['kept', 'rewritten', 'removed', 'removed too']) a.replica.write(text, text)
    a.replica.namespace.makeDir(ROOT, name('folder'), {})
    await checkpoint(a, b, away)
    for (const { replica } of [a, b, away]) replica.clock.advance(2 * HOUR_MS)
    return { a, b, away }
  }

  /** The others write on without it, and drop what it has not seen. */
  async function without({ a, b }: { a: Machine; b: Machine }): Promise<void> {
    const { replica } = a
    replica.rewrite(replica.at('rewritten'), 'by a')
    replica.namespace.unlink(ROOT, name('removed'))
    replica.namespace.removeDir(ROOT, name('folder'))
    replica.write('new', 'of a')
    await checkpoint(a, b)
    assert.ok(a.volume.entries.dropped.size > 0)
  }

  async function rejoin(away: Machine, { a, b }: { a: Machine; b: Machine }): Promise<void> {
    await away.volume.commit()
    await away.startFrom(a)
    await exchange(a.replica, b.replica, away.replica)
  }

  test('is not waited for, and returns through the checkpoint with all its writes', async () => {
    const { a, b, away } = await parted()
    const { replica } = away
    replica.rewrite(replica.at('rewritten'), 'by away')
    replica.rewrite(replica.at('removed'), 'written while it was removed')
    replica.write('of away', 'new')
    const folder = replica.at('folder')
    assert.ok(folder.kind === 'dir')
    replica.write('inside', 'child', folder.id)
    await without({ a, b })
    await rejoin(away, { a, b })
    const shown = (await a.replica.names()).map((text) => text.replace(/\.conflict.*/, '!'))
    for (const expected of [
      'kept',
      'new',
      'of away',
      'removed',
      'removed too',
      'rewritten',
      'rewritten!',
    ])
      assert.ok(shown.includes(expected), `${expected} in ${shown.join(' ')}`)
    assert.equal(await a.replica.state(), await replica.state())
    assert.equal(await a.replica.state(), await b.replica.state())
    const made = await checkpoint(b, a, away)
    assert.equal(replica.volume.checkpoint?.sealed, made.sealed)
    assert.deepEqual([...a.notes, ...b.notes, ...away.notes], [])
  })

  test('repeats its writes only once, however often the state is rebuilt', async () => {
    const { a, b, away } = await parted()
    away.replica.write('of away', 'new')
    await without({ a, b })
    await rejoin(away, { a, b })
    const before = away.volume.actors.entryCount
    const { volume, clock } = away.replica
    const random = new SeededRandom(1, 'again')
    await rebuild({ volume, clock: instant(clock), random }, volume.checkpoint, {
      signal: new AbortController().signal,
    })
    assert.ok(clock.wall() > 0)
    assert.equal(volume.actors.entryCount, before)
    assert.equal(await a.replica.state(), await away.replica.state())
  })
})

test('late entries of a machine restored from a backup before the cut are rebased', async () => {
  const a = new Machine(await Replica.founder('a'))
  const b = new Machine(await a.replica.member('b'))
  const member = await a.replica.member('restored')
  await exchange(a.replica, b.replica, member)
  const backup = member.store.kv.image()
  a.replica.write('seen by all', 'x')
  const both = new Machine(member)
  await exchange(a.replica, b.replica, member)
  beacons([a, b, both])
  const restored = new Machine(
    await Replica.open('restored', new MemoryStore(MemoryKv.open(backup))),
  )
  restored.volume.renewIncarnation()
  restored.replica.write('of the restored one', 'y')
  await send(restored.replica, b.replica)
  assert.ok((await b.replica.names()).includes('of the restored one'))
  await a.makeCheckpoint()
  for (let round = 0; round < 3; round++) {
    await exchange(a.replica, b.replica, restored.replica)
    for (const { checkpoints } of [a, b, restored]) await checkpoints.look()
    await tellAttestations([a, b, restored])
  }
  assert.ok(a.volume.checkpoint !== undefined)
  const names = ['of the restored one', 'seen by all']
  for (const { replica, notes } of [a, b, restored]) {
    assert.deepEqual(await replica.names(), names, replica.name)
    assert.equal(await replica.state(), await a.replica.state(), replica.name)
    assert.deepEqual(notes, [])
  }
  const made = await checkpoint(b, a, restored)
  for (const { replica } of [a, restored])
    assert.equal(replica.volume.checkpoint?.sealed, made.sealed)
})

test('heads of dead incarnations are merged when they outnumber the members', async () => {
  const a = new Machine(await Replica.founder('a'))
  const b = await a.replica.member('b')
  await exchange(a.replica, b)
  const image = b.store.kv.image()
  for (const text of ['one', 'two', 'three']) {
    const copy = await Replica.open('b', new MemoryStore(MemoryKv.open(image)), `b as ${text}`)
    copy.volume.renewIncarnation()
    copy.write(text, text)
    await send(copy, a.replica)
  }
  assert.equal(a.volume.actors.heads().length, 3)
  await a.checkpoints.look()
  assert.equal(a.volume.actors.heads().length, 1)
  await a.checkpoints.look()
  await exchange(a.replica, b)
  assert.equal(await a.replica.state(), await b.state())
})
