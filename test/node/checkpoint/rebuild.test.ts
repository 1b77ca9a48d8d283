// A state that is rebuilt beside the one in use replaces it as a whole, whatever failed before and
// whatever is written meanwhile.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { rebuild } from '../../../node/checkpoint/rebuild.ts'
import { StateView, prefixEnd } from '../../../node/state/state-view.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { instant } from '../../../simulations/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Replica, exchange } from '../log/replicas.ts'

function build(replica: Replica): Promise<void> {
  const { volume, name } = replica
  const parts = { volume, clock: instant(replica.clock), random: new SeededRandom(name, 'rebuild') }
  return rebuild(parts, volume.checkpoint, { signal: new AbortController().signal })
}

async function keysOf(view: StateView): Promise<string[]> {
  const keys: string[] = []
  for await (const [key] of view.scan('a', prefixEnd('a'))) keys.push(key)
  return keys
}

function full(): Promise<void> {
  return Promise.reject(new ShoalError('ENOSPC', 'no space'))
}

describe('a successor of a state', () => {
  test('a successor holds nothing of an aborted one before it', async () => {
    const kv = new MemoryKv()
    const view = new StateView(kv, '\0\u0001')
    const brokenOff = await view.successor()
    brokenOff.put('a1', Buffer.from('left'))
    await brokenOff.spill()
    const next = await view.successor()
    assert.equal(next.get('a1'), undefined)
    assert.deepEqual(await keysOf(next), [])
  })

  test('a successor is not a state that a crash may go back to', async () => {
    const kv = new MemoryKv()
    const view = new StateView(kv, '\0\u0001')
    view.put('a1', Buffer.from('durable'))
    await kv.write(view.take(), { sync: true })
    view.settle()
    // More than there are generations.
    for (let n = 0; n < 300; n++) {
      const next = await view.successor()
      next.put(`a${n}`, Buffer.from('not durable'))
      await next.spill()
      view.adopt(next)
    }
    const after = new StateView(MemoryKv.open(kv.image()), '\0\u0001')
    assert.deepEqual(await keysOf(after), ['a1'])
    await kv.write(view.take(), { sync: true })
    view.settle()
    await view.sweep()
    assert.deepEqual(await keysOf(view), ['a299'])
    let count = 0
    for await (const _ of kv.scan({ from: 'n', to: 'o' })) count++
    assert.equal(count, 2, 'one record, and which generation it is in')
  })
})

describe('a rebuilt state', () => {
  test('a rebuilt state is the same after attempts that failed for lack of space', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    for (const name of ['one', 'two', 'three']) a.write(name, name)
    await exchange(a, b)
    for (const name of ['one', 'two']) {
      a.store.before = full
      await assert.rejects(build(a), { code: 'ENOSPC' })
      a.store.before = async () => undefined
      b.namespace.unlink(ROOT, nameFromText(name))
      await exchange(a, b)
    }
    await build(a)
    assert.deepEqual(await a.names(), ['three'])
    assert.equal(await a.state(), await b.state())
    assert.equal(await (await a.reopen()).state(), await b.state())
  })

  test('a rebuilt state takes over though a write under way failed for lack of space', async () => {
    const a = await Replica.founder('a')
    a.write('before', 'x')
    const gate = Promise.withResolvers<void>()
    a.store.before = () => gate.promise
    const writing = assert.rejects(a.volume.commit(), { code: 'ENOSPC' })
    const building = build(a)
    for (let n = 0; n < 20; n++) await turn()
    a.store.before = async () => undefined
    gate.reject(new ShoalError('ENOSPC', 'no space'))
    await Promise.all([writing, building])
    assert.deepEqual(await a.names(), ['before'])
    assert.deepEqual(await (await a.reopen()).names(), ['before'])
  })

  test('a rebuilt state waits for one write at most, however busy the volume is', async () => {
    const a = await Replica.founder('a')
    a.write('before', 'x')
    await a.volume.commit()
    let isBuilt = false
    a.store.before = () => turn()
    const client = async (name: string): Promise<number> => {
      let count = 0
      for (; !isBuilt && count < 500; count++) {
        a.write(`${name}${count}`, 'x')
        await a.volume.commit()
      }
      return count
    }
    const clients = [client('x'), client('y')]
    const building = build(a).then(() => (isBuilt = true))
    const counts = await Promise.all(clients)
    await building
    for (const count of counts) assert.ok(count < 500, `${count} writes before the switch`)
    assert.equal((await a.names()).length, 1 + counts.reduce((sum, count) => sum + count, 0))
    const kept = await a.reopen()
    assert.equal(await kept.state(), await a.state())
  })
})
