// How a volume takes ops and makes them durable: a bad op has no effect, a good one reaches every
// replica, and nothing leaves before its commit.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../../protocol/errors.ts'
import { ENTRY_BODY_MAX, ENTRY_DEPS_MAX, OP_DOTS_MAX } from '../../../protocol/limits.ts'
import { makeDot } from '../../../protocol/clock/dot.ts'
import { encodeStripeHeader } from '../../../protocol/stripe/stripe.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { TIME_NS_MAX, TIME_NS_MIN } from '../../../protocol/op/op.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { chunkIdOf } from '../store/fixtures.ts'
import { MemoryStore, Replica, exchange, firstEntryOf, send } from './replicas.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { Op } from '../../../protocol/op/op.ts'

const TIMES: readonly (readonly [given: bigint, held: bigint])[] = [
  [0n, 0n],
  [-1n, -1n],
  [-11_644_473_600_000_000_000n, TIME_NS_MIN], // 1601
  [32_503_680_000_000_000_000n, TIME_NS_MAX], // 3000
  [TIME_NS_MAX, TIME_NS_MAX],
  [TIME_NS_MIN, TIME_NS_MIN],
]

describe('ops', () => {
  test('a time out of range is clamped to the nearest one, on every replica', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    for (const [given, held] of TIMES) {
      const target = a.write(`f${given}`, 'x')
      a.namespace.setAttributes(target, { accessedNs: given, modifiedNs: given })
      const dated = a.namespace.create(ROOT, nameFromText(`d${given}`), { modifiedNs: given })
      const content = { kind: 'inline', bytes: new Uint8Array() } as const
      a.namespace.putVersion(dated.id, { content, size: 0, base: [], modifiedNs: given })
      await exchange(a, b)
      for (const replica of [a, b]) {
        assert.equal(replica.namespace.attributes(target).accessedNs, held)
        assert.equal(replica.namespace.attributes(target).modifiedNs, held)
        assert.equal(replica.namespace.attributes(dated).modifiedNs, held)
      }
    }
    assert.equal(await a.dump(), await b.dump())
  })

  test('an op that its format cannot hold throws and has no effect', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const file = a.write('f', 'x')
    await exchange(a, b)
    const before = await a.dump()
    const dots = Array.from({ length: OP_DOTS_MAX + 1 }, (_, n) => makeDot(a.volume.actor, 1, n))
    const bad: readonly Op[] = [
      { kind: 'attributes', id: file.id, attributes: { modifiedNs: TIME_NS_MAX + 1n } },
      { kind: 'attributes', id: file.id, attributes: { mode: 0o10000 } },
      { kind: 'attributes', id: file.id, attributes: { uid: -1 } },
      { kind: 'unlink', link: file.link, inode: file.id, from: ROOT, saw: dots },
      { kind: 'policy', key: 'x'.repeat(2000), value: '' },
      { kind: 'stripe', header: new Uint8Array(10), holders: [] },
    ]
    for (const op of bad) assert.throws(() => a.volume.submit(op), { code: 'EINVAL' })
    // Too many items for a reader, though the bytes would fit an entry.
    const touch = Array.from({ length: 20 }, () => ({ link: file.link, saw: dots.slice(1) }))
    assert.throws(() => a.volume.submit(versionOf(file.id, touch)), { code: 'EINVAL' })
    await a.volume.commit()
    assert.equal(await a.dump(), before)
    a.write('g', 'x')
    await exchange(a, b)
    assert.equal(await b.dump(), await a.dump())
  })

  test('a write without permission fails, and changes nothing', async () => {
    const admin = await Replica.founder('admin')
    for (const role of ['reader', 'keeper'] as const) {
      const replica = await admin.member(role, role)
      assert.throws(() => replica.write('f', 'x'), { code: 'EACCES' })
      const policy: Op = { kind: 'policy', key: 'ack', value: 'placed' }
      assert.throws(() => replica.volume.submit(policy), { code: 'EACCES' })
      await replica.volume.commit()
      assert.deepEqual(await replica.names(), [])
    }
    const writer = await admin.member('writer')
    const remove: Op = { kind: 'remove-member', peer: admin.identity.peer }
    assert.throws(() => writer.volume.submit(remove), { code: 'EACCES' })
  })

  test('a list longer than an op can hold is truncated where it is made', async () => {
    const a = await Replica.founder('a')
    const file = a.write('f', 'x')
    const more = Array.from({ length: OP_DOTS_MAX + 10 }, (_, n) => makeDot(a.volume.actor, 9, n))
    const content = { kind: 'inline', bytes: new Uint8Array() } as const
    a.namespace.putVersion(file.id, { content, size: 0, base: more, modifiedNs: 0n })
    const b = await a.member('b')
    assert.equal(await b.dump(), await a.dump())
  })
})

describe('entries', () => {
  test('batches end in time: large ops are sent in as many entries as needed', async () => {
    const a = await Replica.founder('a')
    const peers = Array.from({ length: 8 }, (_, index) => ({ index, peer: a.identity.peer }))
    for (let stripe = 0; stripe < 5; stripe++) {
      const chunks = Array.from({ length: 4000 }, (_, n) => ({
        id: chunkIdOf(Buffer.from(`${stripe} ${n}`)),
        length: 1000,
      }))
      const shardRoots = peers.map(() => new Uint8Array(32))
      const header = encodeStripeHeader({ k: 6, m: 2, shardBytes: 11 * 65_536, chunks, shardRoots })
      a.volume.submit({ kind: 'stripe', header, holders: peers })
    }
    const b = await a.member('b')
    assert.equal(await b.dump(), await a.dump())
    for (const [actor, last] of a.volume.actors.vector()) {
      for (let seq = 1; seq <= last; seq++)
        assert.ok((a.volume.entries.entry(actor, seq)?.body.length ?? 0) <= ENTRY_BODY_MAX)
    }
  })

  test('atomic ops are in one entry, however many came before', async () => {
    const a = await Replica.founder('a')
    for (let before = 120; before <= 260; before += 7) {
      for (let n = 0; n < before; n++)
        a.namespace.setAttributes({ kind: 'dir', id: ROOT }, { mode: n })
      const dots = a.volume.atomically(() =>
        [1, 2, 3, 4].map((mode) =>
          a.volume.submit({ kind: 'attributes', id: ROOT, attributes: { mode } }),
        ),
      )
      assert.equal(new Set(dots.map((dot) => dot.split(':')[1])).size, 1)
      await a.volume.commit()
    }
  })

  test('an op has the time at which it was made, also while a commit takes long', async () => {
    const a = await Replica.founder('a')
    const gate = Promise.withResolvers<void>()
    a.store.before = () => gate.promise
    a.write('f', 'x')
    const committed = a.volume.commit()
    await settled()
    const root = { kind: 'dir', id: ROOT } as const
    const changedMs = (mode: number): number => {
      a.namespace.setAttributes(root, { mode })
      return Number(a.namespace.attributes(root).changedNs / 1_000_000n)
    }
    changedMs(0o700)
    a.clock.advance(50)
    assert.equal(changedMs(0o750), a.clock.wall())
    a.clock.advance(50)
    assert.equal(
      a.volume.atomically(() => changedMs(0o755)),
      a.clock.wall(),
    )
    gate.resolve()
    await committed
  })

  test('ops with more items than a reader accepts are split over several entries', async () => {
    const a = await Replica.founder('a')
    const file = a.write('f', 'x')
    const dots = Array.from({ length: OP_DOTS_MAX }, (_, n) => makeDot(a.volume.actor, 1, n))
    const touch = Array.from({ length: 12 }, () => ({ link: file.link, saw: dots }))
    a.volume.atomically(() => {
      for (let n = 0; n < 8; n++) a.volume.submit(versionOf(file.id, touch))
    })
    const b = await a.member('b')
    assert.equal(await b.dump(), await a.dump())
  })

  test('a new incarnation writes in a volume of more actors than an entry can name', async () => {
    const a = await Replica.founder('a')
    const many = ENTRY_DEPS_MAX + 90
    a.write('first', 'x')
    await a.volume.commit()
    const deps = a.volume.actors.vector()
    const seq = deps.get(a.volume.actor) ?? 0
    const hash = a.volume.actors.get(a.volume.actor)?.hash
    assert.ok(hash !== undefined)
    const b = await a.member('b')
    for (let n = 0; n < many; n++) {
      const nonce = Buffer.from(String(n).padStart(16, '0'))
      b.volume.receive(firstEntryOf(a, nonce, [{ actor: a.volume.actor, seq, hash }]))
    }
    b.write('from b', 'x')
    await send(b, a)
    assert.deepEqual(await a.names(), ['first', 'from b'])
    assert.equal(await a.dump(), await b.dump())
  })

  test('a node that lost an entry of its own goes on as another actor', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    a.write('one', 'x')
    await a.volume.commit()
    const image = a.store.kv.image()
    a.write('two', 'x')
    await send(a, b)
    const restored = await Replica.open('a', new MemoryStore(MemoryKv.open(image)))
    const before = restored.volume.actor
    await send(b, restored)
    assert.notEqual(restored.volume.actor, before)
    restored.write('three', 'x')
    await exchange(restored, b)
    for (const replica of [restored, b])
      assert.deepEqual(await replica.names(), ['one', 'three', 'two'])
  })
})

describe('commit', () => {
  test('an entry is announced only after the commit that holds it', async () => {
    const a = await Replica.founder('a')
    const told: number[] = []
    a.volume.onOwnEntries((entries) => told.push(...entries.map(({ header }) => header.seq)))
    const gate = Promise.withResolvers<void>()
    a.store.before = () => gate.promise
    const held = a.volume.durableVector().get(a.volume.actor) ?? 0
    a.write('f', 'x')
    const committed = a.volume.commit()
    await settled()
    assert.deepEqual(told, [])
    assert.equal(a.volume.durableVector().get(a.volume.actor), held)
    gate.resolve()
    await committed
    assert.deepEqual(told, [held + 1])
    assert.equal(a.volume.durableVector().get(a.volume.actor), held + 1)
  })

  test('a commit with nothing new waits for the running one', async () => {
    const a = await Replica.founder('a')
    const gate = Promise.withResolvers<void>()
    a.store.before = () => gate.promise
    a.write('f', 'x')
    const first = a.volume.commit()
    let done = false
    const second = a.volume.commit().then(() => (done = true))
    await settled()
    assert.equal(done, false)
    gate.resolve()
    await Promise.all([first, second])
    assert.equal(done, true)
  })

  test('ops during a commit are durable with the next, and writes do not overlap', async () => {
    const a = await Replica.founder('a')
    let writing = 0
    a.store.before = async () => {
      assert.equal(++writing, 1)
      await settled()
      writing--
    }
    const commits: Promise<void>[] = []
    for (let n = 0; n < 40; n++) {
      a.write(`f${n}`, 'x')
      // Also from where a commit has just ended.
      commits.push(a.volume.commit().then(() => (n % 3 === 0 ? a.volume.commit() : undefined)))
      if (n % 4 === 0) await settled()
    }
    await Promise.all(commits)
    assert.equal((await (await a.reopen()).names()).length, 40)
    assert.ok(a.store.commitCount < 40)
  })

  test('a full disk loses nothing: applied ops become durable once there is room', async () => {
    const a = await Replica.founder('a')
    const told: number[] = []
    a.volume.onOwnEntries((entries) => told.push(...entries.map(({ header }) => header.seq)))
    a.store.before = () => Promise.reject(new ShoalError('ENOSPC', 'full'))
    a.write('one', 'x')
    const before = a.volume.view.appliedBytes
    await assert.rejects(a.volume.commit(), { code: 'ENOSPC' })
    assert.ok(a.volume.view.appliedBytes >= before)
    a.write('two', 'x')
    await assert.rejects(a.volume.commit(), { code: 'ENOSPC' })
    assert.deepEqual(told, [])
    a.store.before = async () => undefined
    await a.volume.commit()
    assert.equal(told.length, 2)
    assert.deepEqual(await (await a.reopen()).names(), ['one', 'two'])
  })

  test('a failed sync fails the volume for good, and is reported once', async () => {
    const a = await Replica.founder('a')
    const told: string[] = []
    a.volume.events.note.add((event) => told.push(event))
    a.store.before = () => Promise.reject(new ShoalError('EIO', 'broken'))
    a.write('one', 'x')
    const both = [a.volume.commit(), a.volume.commit()]
    for (const commit of both) await assert.rejects(commit, { code: 'EIO' })
    assert.deepEqual(told, ['log.not-durable'])
    a.store.before = async () => undefined
    assert.throws(() => a.write('two', 'x'), { code: 'EIO' })
    await assert.rejects(a.volume.commit(), { code: 'EIO' })
  })
})

describe('volumes', () => {
  test('a volume exists with its key and its admin, or not at all', async () => {
    const a = await Replica.open('a')
    a.store.before = () => Promise.reject(new ShoalError('EIO', 'power loss'))
    await assert.rejects(a.volumes.create('main'), { code: 'EIO' })
    assert.deepEqual(a.volumes.all(), [])
    const again = await a.reopen()
    assert.deepEqual(again.volumes.all(), [])
    await again.volumes.create('main')
    again.write('f', 'x')
    assert.deepEqual(await again.names(), ['f'])
  })

  test('volumes created concurrently are separate', async () => {
    const a = await Replica.open('a')
    const [one, two] = await Promise.all([a.volumes.create('one'), a.volumes.create('two')])
    assert.notEqual(one.volume.id, two.volume.id)
    await assert.rejects(Promise.all([a.volumes.create('x'), a.volumes.create('x')]), {
      code: 'EEXIST',
    })
    const again = await a.reopen()
    assert.deepEqual(
      again.volumes.all().map(({ name }) => name),
      ['one', 'two', 'x'],
    )
    for (const { volume } of again.volumes.all())
      assert.equal(volume.membership.members().length, 1)
  })
})

function versionOf(inode: NodeId, touch: Extract<Op, { kind: 'version' }>['touch']): Op {
  const content = { kind: 'inline', bytes: new Uint8Array() } as const
  return { kind: 'version', inode, base: [], size: 0, content, modifiedNs: 0n, touch }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}
