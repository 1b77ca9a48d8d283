// Snapshots as records of the state, and what a member makes of what another says of one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { governedHere } from '../../../node/checkpoint/announcement.ts'
import { baseOf } from '../../../node/checkpoint/compute-snapshot.ts'
import { Snapshots } from '../../../node/checkpoint/snapshots.ts'
import type { SnapshotsComponents } from '../../../node/checkpoint/snapshots.ts'
import { SerialQueue } from '../../../node/jobs/serial-queue.ts'
import { treesOf, viewOf } from '../../../node/log/volume-trees.ts'
import {
  readMissingTrees,
  readSnapshotTrees,
  snapshotRoots,
} from '../../../node/state/snapshot-trees.ts'
import { applySnapshot, snapshotsIn } from '../../../node/state/snapshots.ts'
import { prefixEnd } from '../../../node/state/state-view.ts'
import type { ReplicaView } from '../../../node/state/state-view.ts'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import { liveFiles } from '../../../node/tree/live-versions.ts'
import type { FetchRoom } from '../../../node/checkpoint/checkpoint-transfer.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import type { NodeHash } from '../../../protocol/prolly/prolly.ts'
import { DAY_MS, GIB, HOUR_MS, MIB, MINUTE_MS } from '../../../protocol/units.ts'
import { HLC_MAX } from '../../../protocol/clock/hlc.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { EntryHash, PeerId } from '../../../protocol/ids.ts'
import { SNAPSHOTS_OF_ONE_MAX } from '../../../protocol/limits.ts'
import { mayMake } from '../../../protocol/membership/rights.ts'
import { isSnapshotName } from '../../../protocol/op/snapshot-name.ts'
import type { SnapshotId, SnapshotOp } from '../../../protocol/op/snapshot-op.ts'
import { ROOT, readInode } from '../../../protocol/tree/records.ts'
import { instant } from '../../../simulations/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { ALICE, ALICE_ACTOR, BOB, filled, hlcAt } from '../../protocol/fixtures.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { Machine, checkpoint } from '../log/machines.ts'
import { Replica, exchange } from '../log/replicas.ts'

const NAMES = ['one', 'four', 'three'] as const

function made(name: string, peer: PeerId = ALICE.peer): SnapshotOp & { kind: 'snapshot' } {
  const id = toHex(filled(name.length, 16)) as SnapshotId
  const cut = { hlc: hlcAt(1), vector: new Map(), base: undefined, governed: [], root: undefined }
  return { kind: 'snapshot', peer, id, name, folder: ROOT, ...cut }
}

/** Records in a Map. */
function memory(): ReplicaView & { readonly records: Map<string, Uint8Array> } {
  const records = new Map<string, Uint8Array>()
  return {
    records,
    get: (key) => records.get(key),
    put: (key, value) => void records.set(key, value),
    delete: (key) => void records.delete(key),
    async *scan(from, to) {
      for (const one of [...records].sort(([a], [b]) => (a < b ? -1 : 1)))
        if (one[0] >= from && one[0] < to) yield one as never
    },
  }
}

/** The snapshots of a machine, which fetches from no one unless it is said how. */
function snapshotsOf(
  { replica, volume, notes }: Machine,
  from: Partial<Pick<SnapshotsComponents, 'peers' | 'fetch'>> = {},
): Snapshots {
  return new Snapshots({
    world: { clock: instant(replica.clock), random: new SeededRandom(replica.seed, 'snapshots') },
    volume,
    queue: new SerialQueue(),
    peers: () => [],
    fetch: () => Promise.reject(new Error('nobody is asked')),
    log: (message, fields) => notes.push(message + JSON.stringify(fields)),
    ...from,
  })
}

/** Two machines, and a snapshot of one that nobody can compute. */
async function lied(): Promise<{ a: Machine; b: Machine; lie: SnapshotOp & { kind: 'snapshot' } }> {
  const a = new Machine(await Replica.founder('a'))
  const b = new Machine(await a.replica.member('b'))
  for (let n = 0; n < 30; n++) a.replica.write(`f${n}`, 'x')
  await checkpoint(a, b)
  const { peer } = b.replica.identity
  const nowhere = { base: '1'.repeat(64) as EntryHash, root: '2'.repeat(64) as NodeHash }
  return { a, b, lie: { ...made('one', peer), ...nowhere } }
}

const atOnce = async (make: () => void): Promise<void> => make()

describe('records of snapshots', () => {
  const op = fc
    .record({ name: fc.constantFrom(...NAMES), what: fc.integer({ min: 0, max: 4 }) })
    .map(({ name, what }): SnapshotOp => {
      const { peer, id } = made(name)
      const [hold, rm] = [{ kind: 'snapshot-hold' as const }, { kind: 'snapshot-rm' as const }]
      const others = [
        { ...hold, peer, id, held: true },
        { ...hold, peer, id, held: false },
        { ...rm, peer, id, forced: false },
        { ...rm, peer, id, forced: true },
      ]
      return others[what] ?? made(name)
    })

  test('are the same in whatever order ops come, and how often', async () => {
    const ops = fc.array(op, { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(ops, fc.infiniteStream(fc.nat()), async (all, random) => {
        const stamped = all.map((one, at) => ({
          one,
          stamp: makeStamp(hlcAt(10 + at), ALICE_ACTOR, 0),
        }))
        const states = [0, 1].map(() => {
          const view = memory()
          const order = stamped.map((each) => ({ each, key: random.next().value }))
          for (const { each } of order.sort((a, b) => a.key - b.key))
            applySnapshot(view, each.one, each.stamp)
          for (const { one, stamp } of stamped.slice(0, 3)) applySnapshot(view, one, stamp)
          return view
        })
        const [a, b] = states.map(({ records }) =>
          [...records].sort(([a], [b]) => (a < b ? -1 : 1)),
        )
        assert.deepEqual(a, b)
        const names = (await snapshotsIn(states[0] ?? memory())).map(({ name }) => name).sort()
        // The last word on holding counts for all removals without force.
        const there = NAMES.filter((name) => {
          const of = all.filter((each) => each.id === made(name).id)
          const isHeld = of.findLast(({ kind }) => kind === 'snapshot-hold')
          return (
            of.some(({ kind }) => kind === 'snapshot') &&
            !of.some((each) => each.kind === 'snapshot-rm' && each.forced) &&
            (!of.some(({ kind }) => kind === 'snapshot-rm') ||
              (isHeld?.kind === 'snapshot-hold' && isHeld.held))
          )
        })
        assert.deepEqual(names, there.toSorted())
      }),
      { seed: 7, numRuns: 300 },
    )
  })

  test('of one member count up to a bound, the newest and those that are held', async () => {
    const view = memory()
    const idOf = (at: number): SnapshotId => at.toString(16).padStart(32, '0') as SnapshotId
    const cutAt = (at: number): Hlc => (hlcAt(1) + BigInt(at)) as Hlc
    for (let at = 0; at <= SNAPSHOTS_OF_ONE_MAX; at++) {
      const stamp = makeStamp(cutAt(at), ALICE_ACTOR, 0)
      // A clock of the future does not bring it before others.
      const hlc = at === 0 ? HLC_MAX : cutAt(at)
      applySnapshot(view, { ...made('one'), id: idOf(at), hlc }, stamp)
    }
    const ids = async (): Promise<SnapshotId[]> => (await snapshotsIn(view)).map(({ id }) => id)
    assert.equal((await ids()).length, SNAPSHOTS_OF_ONE_MAX)
    assert.ok(!(await ids()).includes(idOf(0)))
    const hold = { kind: 'snapshot-hold', peer: ALICE.peer, id: idOf(0), held: true } as const
    applySnapshot(view, hold, makeStamp(cutAt(9999), ALICE_ACTOR, 0))
    assert.ok((await ids()).includes(idOf(0)))
  })

  test('may be made by writers in their own name, and changed as the table says', () => {
    const [alice, bob] = [ALICE.peer, BOB.peer]
    const ref = { peer: alice, id: made('one').id }
    const rm = { kind: 'snapshot-rm', ...ref, forced: false } as const
    const hold = { kind: 'snapshot-hold', ...ref, held: true } as const
    assert.ok(mayMake(made('one'), alice, 'writer'))
    assert.ok(!mayMake(made('one'), bob, 'admin'))
    for (const role of ['reader', 'keeper'] as const) {
      assert.ok(!mayMake(made('one'), alice, role))
      assert.ok(!mayMake(rm, alice, role))
    }
    assert.ok(mayMake(rm, alice, 'writer') && !mayMake(rm, bob, 'writer'))
    assert.ok(!mayMake({ ...rm, forced: true }, alice, 'writer'))
    assert.ok(mayMake({ ...rm, forced: true }, bob, 'admin'))
    assert.ok(!mayMake(hold, alice, 'writer') && mayMake(hold, bob, 'admin'))
  })

  test('have names that any system can show as a file', () => {
    for (const name of ['a', 'Before the move', 'é1', '_x', 'a:b+c-d.e', 'x'.repeat(64)])
      assert.ok(isSnapshotName(name), name)
    for (const name of ['', '.a', '@a', 'a/b', 'a\0', 'a\n', 'a.', 'a ', '-a', 'x'.repeat(65)])
      assert.ok(!isSnapshotName(name), name)
  })
})

describe('a snapshot', () => {
  test('that its maker lies about is disputed, and this node goes by its own', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    for (let n = 0; n < 30; n++) a.replica.write(`f${n}`, 'x')
    await checkpoint(a, b)
    const later = a.replica.write('later', 'y')
    const { volume } = a
    volume.endBatch()
    const cut = { hlc: volume.actors.hlc, vector: volume.actors.vector() }
    const { peer } = a.replica.identity
    const lie = { base: baseOf(volume), governed: governedHere(volume), root: undefined }
    volume.submit({ ...made('one', peer), ...cut, ...lie })
    await exchange(a.replica, b.replica)
    await snapshotsOf(b).look()
    const [tree] = readSnapshotTrees(b.volume.view).values()
    assert.equal(tree?.check, 'differs')
    assert.match(b.notes.join(), /the snapshot one of .* differs/)
    assert.ok(readInode(viewOf(b.volume, tree.root), later.id) !== undefined)
  })

  test('that nobody has holds collection up for a week, and no longer', async () => {
    const { a, b, lie } = await lied()
    const live = async (): Promise<number> => {
      let files = 0
      for await (const _ of liveFiles(b.volume)) files++
      return files
    }
    const ofB = snapshotsOf(b)
    b.volume.submit(lie)
    await ofB.look()
    await assert.rejects(live, { code: 'chunk-unavailable' })
    b.replica.clock.advance(6 * DAY_MS)
    await ofB.look()
    await assert.rejects(live, { code: 'chunk-unavailable' })
    assert.doesNotMatch(b.notes.join(), /is lost/)
    b.replica.clock.advance(DAY_MS + MINUTE_MS)
    await ofB.look()
    await ofB.look()
    assert.equal(await live(), a.replica.volume.replica.files.totals.files)
    assert.equal(b.notes.join().match(/the snapshot one of .* is lost/g)?.length, 1)
    // Also after a restart; and what is removed is forgotten.
    await b.volume.commit()
    const again = await b.replica.reopen()
    assert.deepEqual(
      [...readMissingTrees(again.volume.view).values()].map(({ isLost }) => isLost),
      [true],
    )
    const { peer, id } = lie
    b.volume.submit({ kind: 'snapshot-rm', peer, id, forced: false })
    await ofB.look()
    assert.equal(readMissingTrees(b.volume.view).size, 0)
  })

  test('takes so much of others and no more, however often it is asked for', async () => {
    const { b, lie } = await lied()
    const rooms: number[] = []
    const endless = async (_root: NodeHash, _from: PeerId, room: FetchRoom): Promise<void> => {
      rooms.push(room.bytes)
      room.bytes -= Math.min(room.bytes, 600 * MIB)
      throw new ShoalError('EFBIG', 'more of a tree than is taken')
    }
    const ofB = snapshotsOf(b, { peers: () => [ALICE.peer], fetch: endless })
    b.volume.submit(lie)
    for (let round = 0; round < 4; round++) {
      await ofB.look()
      b.replica.clock.advance(HOUR_MS)
    }
    const { files } = b.volume.replica.files.totals
    const most = GIB + files * 4096
    assert.deepEqual(rooms, [most, most - 600 * MIB, 0, 0])
  })

  test('has what its maker held, and the same nodes as a checkpoint has', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    for (let n = 0; n < 300; n++) a.replica.write(`f${n}`, 'x'.repeat(200))
    await checkpoint(a, b)
    const [ofA, ofB] = [snapshotsOf(a), snapshotsOf(b)]
    const same = await ofA.create({ name: 'same', folder: ROOT }, atOnce)
    const unseen = b.replica.write('unseen', 'x')
    a.replica.write('seen', 'x')
    const other = await ofA.create({ name: 'other', folder: ROOT }, atOnce)
    await exchange(a.replica, b.replica)
    await ofB.look()
    const trees = readSnapshotTrees(b.volume.view)
    for (const made of [same, other]) {
      assert.deepEqual([trees.get(made.key)?.root, trees.get(made.key)?.check], [made.root, 'same'])
      assert.equal(readInode(viewOf(b.volume, made.root), unseen.id), undefined)
    }
    const { sealed } = treesOf(b.volume)
    assert.deepEqual([...sealed.newNodes(b.volume.checkpoint?.sealed, same.root)], [])
    assert.ok([...sealed.newNodes(b.volume.checkpoint?.sealed, other.root)].length > 0)
    // Its nodes stay over checkpoints, and go when it was removed.
    for (let n = 0; n < 30; n++) a.replica.rewrite(a.replica.write(`g${n}`, 'x'), 'y')
    await checkpoint(a, b)
    for (const root of [same.root, other.root])
      assert.ok(sealed.isWhole(root, undefined), 'all of it is there')
    const { peer, id } = other
    a.volume.submit({ kind: 'snapshot-rm', peer, id, forced: false })
    await exchange(a.replica, b.replica)
    await ofB.look()
    assert.deepEqual(snapshotRoots(b.volume.view), [same.root])
    await b.volume.commit()
    const kept = await b.replica.reopen()
    assert.deepEqual(snapshotRoots(kept.volume.view), [same.root])
  })

  test('that was removed is forgotten once nobody can speak of it', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    const { peer, id } = await snapshotsOf(a).create({ name: 'one', folder: ROOT }, atOnce)
    const records = async ({ volume }: Machine): Promise<number> => {
      let count = 0
      for await (const _ of volume.view.scan('S', prefixEnd('S'))) count++
      return count
    }
    a.volume.submit({ kind: 'snapshot-rm', peer, id, forced: false })
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 30; n++) a.replica.write(`${round} ${n}`, 'x')
      assert.equal(await records(a), round < 2 ? 1 : 0)
      await checkpoint(a, b)
      assert.equal(await a.replica.state(), await b.replica.state())
    }
    assert.equal(await records(b), 0)
  })
})
