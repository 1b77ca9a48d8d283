// The things that a volume keeps without a commit, and what a start makes of them: all that was
// kept, once, as it was; and nothing leaves the node by it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ShoalError } from '../../../protocol/errors.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { WatchedDisk, temporaryHome } from '../store/fixtures.ts'
import { MemoryStore, Replica, exchange } from './replicas.ts'

const FULL = { segment: 1, offset: 100 }

/** A node with a journal, whose commits wait while they are held up. */
async function founder(t: TestContext): Promise<{
  a: Replica
  disk: WatchedDisk
  holdUp: () => PromiseWithResolvers<void>
}> {
  const disk = new WatchedDisk(new SystemDisk(await temporaryHome(t)))
  const a = await Replica.founder('a', 'a', new MemoryStore(undefined, disk))
  // The first commit after somebody asks makes the key of the journal durable.
  await a.volume.keep()
  a.volume.submit({ kind: 'policy', key: 'ack', value: 'local' })
  await a.volume.keep()
  const holdUp = (): PromiseWithResolvers<void> => {
    const held = Promise.withResolvers<void>()
    a.store.before = () => held.promise
    return held
  }
  return { a, disk, holdUp }
}

describe('what is kept', () => {
  test('is there after a kill, though no commit has ended', async (t) => {
    const { a, holdUp } = await founder(t)
    holdUp()
    a.write('f', 'one')
    await a.volume.keep()
    a.write('g', 'two')
    await a.volume.keep()
    a.write('h', 'not kept')
    const next = await a.killed()
    assert.deepEqual(await next.names(), ['f', 'g'])
  })

  test('is in entries afterwards that others take, under the dots that it had', async (t) => {
    const { a, holdUp } = await founder(t)
    const held = holdUp()
    const file = a.write('f', 'one')
    await a.volume.keep()
    const dots = a.namespace.fileVersion(file).base
    const next = await a.killed()
    assert.deepEqual(next.namespace.fileVersion(next.at('f')).base, dots)
    const b = await next.member('b')
    await exchange(next, b)
    assert.equal(await b.dump(), await next.dump())
    held.resolve()
  })

  test('is there once where the commit had ended, or ended without a word', async (t) => {
    const { a } = await founder(t)
    a.write('f', 'one')
    await a.volume.keep()
    await a.volume.commit()
    const file = a.write('g', 'two')
    await a.volume.keep()
    a.rewrite(file, 'three')
    await a.volume.commit()
    const before = await a.dump()
    const next = await a.killed()
    assert.equal(await next.dump(), before)
    assert.equal(next.volume.actors.vector().size, a.volume.actors.vector().size)
  })

  test('has with it what came from others meanwhile, and is not based on more', async (t) => {
    const { a, holdUp } = await founder(t)
    const b = await a.member('b')
    await exchange(a, b)
    const shared = b.write('f', 'of b')
    await b.volume.commit()
    const held = holdUp()
    a.write('before', 'x')
    const [missing] = [
      ...b.volume.entries.between(a.volume.actors.vector(), b.volume.durableVector()),
    ]
    if (missing === undefined) throw new Error('b has written nothing')
    a.volume.receive(missing.entry)
    a.rewrite(a.at('f'), 'of a')
    await a.volume.keep()
    const next = await a.killed()
    assert.deepEqual(await next.names(), ['before', 'f'])
    await exchange(next, b)
    assert.equal(await b.dump(), await next.dump())
    assert.equal(b.namespace.fileVersion(shared).size, 'of a'.length)
    // The entry that was open when the other came does not point to it.
    const own = [...next.volume.entries.between(new Map(), next.volume.durableVector())].filter(
      ({ entry }) => entry.header.actor === next.volume.actor,
    )
    const pointing = own.filter(({ entry }) =>
      entry.header.deps.some(({ actor }) => actor === b.volume.actor),
    )
    assert.equal(pointing.length, 1)
    held.resolve()
  })

  test('ends before the first payload that is not here', async (t) => {
    const { a, holdUp } = await founder(t)
    holdUp()
    a.write('f', 'one')
    await a.volume.keep()
    a.store.payloadsEnd = FULL
    a.write('g', 'with a payload')
    await a.volume.keep()
    a.write('h', 'after it')
    await a.volume.keep()
    const lost = await a.killed({ segment: 1, offset: 99 })
    assert.deepEqual(await lost.names(), ['f'])
  })

  test('with its payloads is there whole', async (t) => {
    const { a, holdUp } = await founder(t)
    holdUp()
    a.store.payloadsEnd = FULL
    a.write('g', 'with a payload')
    await a.volume.keep()
    assert.deepEqual(await (await a.killed()).names(), ['g'])
  })

  test('is so only when its payloads are in files, and is refused without room', async (t) => {
    const { a } = await founder(t)
    const written = Promise.withResolvers<void>()
    a.store.keepPayloads = () => written.promise
    a.write('f', 'with a payload')
    let isKept = false
    const kept = a.volume.keep().then(() => (isKept = true))
    for (let n = 0; n < 5; n++) await setImmediate()
    assert.equal(isKept, false)
    written.resolve()
    await kept
    const full = async (): Promise<never> => {
      throw new ShoalError('ENOSPC', 'full')
    }
    a.store.keepPayloads = full
    a.store.before = full
    a.write('g', 'with a payload')
    await assert.rejects(a.volume.keep(), { code: 'ENOSPC' })
  })

  test('is nobody else’s before its commit', async (t) => {
    const { a, holdUp } = await founder(t)
    const told: number[] = []
    a.volume.onOwnEntries((entries) => told.push(entries.length))
    const before = a.volume.durableVector()
    const held = holdUp()
    a.write('f', 'one')
    await a.volume.keep()
    assert.deepEqual(told, [])
    assert.deepEqual(a.volume.durableVector(), before)
    held.resolve()
    await a.volume.commit()
    assert.equal(told.length, 1)
  })

  test('shares an entry with what is kept while a commit is under way', async (t) => {
    const { a, holdUp } = await founder(t)
    const told: number[] = []
    a.volume.onOwnEntries((entries) => told.push(entries.length))
    // The commit of the last change, and the pause after it, are over.
    await a.volume.commit()
    for (let n = 0; n < 3; n++) {
      await setImmediate()
      a.clock.advance(1000)
    }
    const held = holdUp()
    a.write('first', 'x')
    await a.volume.keep()
    for (let n = 0; n < 20; n++) {
      a.write(`f${n}`, 'x')
      await a.volume.keep()
    }
    held.resolve()
    await a.volume.commit()
    assert.deepEqual(told, [1, 1])
  })

  test('is durable at once where the journal has no room', async (t) => {
    const { a, disk } = await founder(t)
    a.write('f', 'one')
    disk.onWrite = () => {
      throw new ShoalError('ENOSPC', 'full')
    }
    await a.volume.keep()
    assert.deepEqual(await (await a.reopen()).names(), ['f'])
    disk.onWrite = () => undefined
    a.write('g', 'two')
    await a.volume.keep()
    assert.deepEqual(await (await a.killed()).names(), ['f', 'g'])
  })

  test('survives two kills, the second before anything was done', async (t) => {
    const { a, holdUp } = await founder(t)
    holdUp()
    a.write('f', 'one')
    await a.volume.keep()
    const next = await a.killed()
    const again = await next.killed()
    assert.deepEqual(await again.names(), ['f'])
    again.write('g', 'two')
    await again.volume.keep()
    assert.deepEqual(await (await again.killed()).names(), ['f', 'g'])
  })
})
