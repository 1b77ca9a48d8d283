// Members that are removed, and what they wrote that the remover had not seen
// (docs/formats/membership.md#removal).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rebuild } from '../../../node/checkpoint/rebuild.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { instant } from '../../../simulations/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Machine, beacons, meet, meetAll } from '../log/machines.ts'
import {
  assertAgree,
  castOf,
  entriesOf,
  later,
  remove,
  tell,
  unlink,
  write,
} from './removal-cast.ts'
import { Replica } from '../log/replicas.ts'
import type { Entry } from '../../../protocol/log/entry.ts'

const STRANGERS = 6

/** Orders in which strangers are told: by clock, the other way round, and at random. */
function orders(entries: readonly Entry[], seed: string): (readonly Entry[])[] {
  const random = new SeededRandom(seed, 'order')
  const shuffled = (): readonly Entry[] =>
    entries
      .map((entry) => ({ entry, at: random.number() }))
      .sort((one, two) => one.at - two.at)
      .map(({ entry }) => entry)
  return [entries, entries.toReversed(), ...Array.from({ length: STRANGERS - 2 }, shuffled)]
}

async function tellAll(
  strangers: readonly Machine[],
  entries: readonly Entry[],
  seed: string,
): Promise<void> {
  for (const [index, order] of orders(entries, seed).entries())
    await tell(strangers[index] ?? assert.fail(), order)
}

describe('a removed member', () => {
  test('a removed member takes nothing along that others wrote into its files', async () => {
    const { a, b, c, w, x } = await castOf(0)
    await remove(a, w)
    await write(w, 'evil')
    w.replica.namespace.makeDir(ROOT, nameFromText('theirs'), {})
    await w.volume.commit()
    await meet(b, w)
    b.replica.rewrite(b.replica.at('evil'), 'by b')
    b.replica.write('mine', 'of b', b.replica.at('theirs').id)
    await b.volume.commit()
    await meetAll([a, b, c, x])
    const { namespace } = a.replica
    assert.deepEqual(await a.replica.names(), ['evil', 'kept', 'lost+found'])
    const evil = namespace.fileVersion(a.replica.at('evil'))
    assert.equal(evil.author, b.replica.identity.peer)
    assert.ok(namespace.lookup(a.replica.at('lost+found').id, nameFromText('mine')) !== undefined)
    for (const other of [b, c, x])
      assert.equal(await other.replica.state(), await a.replica.state())
    for (const machine of [a, b, c, w, x]) await machine.stop()
  })

  test('a removed member writes and deletes for nobody, in any order of entries', async () => {
    const { a, b, c, w, x, strangers } = await castOf(STRANGERS)
    await write(w, 'before')
    await meet(a, w)
    later(a, b, c, w, x)
    await remove(a, w)
    // It goes on: beside the removal, and after that.
    await write(w, 'evil')
    await meet(b, w)
    later(a, b, c, w, x)
    await unlink(w, 'kept')
    await unlink(w, 'before')
    await write(b, 'of b')
    await meet(c, w)
    await meet(c, x)
    const told = entriesOf(a, b, c, w, x)
    await meetAll([a, b, c, x])
    await tellAll(strangers, told, 'writes')
    await tell(a, told)
    await tell(b, told)
    await tell(c, told)
    await tell(x, told)
    // Told by a peer that does not know better, the removed node itself comes to the same.
    await tell(w, told)
    const files = ['before', 'kept', 'of b']
    await assertAgree([a, b, c, w, x, ...strangers], { files, members: 'a b c x' })
    for (const { volume } of [a, b, ...strangers]) assert.ok(!volume.forks.areWaiting)
  })

  test('a removed member cannot write on once it knows of its removal', async () => {
    const { a, b, w } = await castOf(0)
    await remove(a, w)
    await meet(a, w)
    assert.throws(() => w.replica.write('evil', 'x'), { code: 'EACCES' })
    await meetAll([a, b])
    assert.equal(b.volume.membership.wasRemoved(w.replica.identity.peer), true)
  })

  test('a removed member gives nobody a role, and writes under such a role are void', async () => {
    const { a, b, c, w, x, strangers } = await castOf(STRANGERS)
    await remove(a, c)
    later(a, b, c, w, x)
    await c.replica.admit(w.replica, 'admin')
    await meet(c, w)
    later(a, b, c, w, x)
    await write(w, 'as an admin')
    w.volume.submit({ kind: 'remove-member', peer: b.replica.identity.peer })
    await w.volume.commit()
    // Honest, and after all of that.
    await meet(w, x)
    later(a, b, c, w, x)
    await write(x, 'honest')
    const told = entriesOf(a, b, c, w, x)
    await tellAll(strangers, told, 'grants')
    for (const machine of [a, b, w, x]) await tell(machine, told)
    await assertAgree([a, b, x, ...strangers], {
      // w is a writer all the time: it says again what it wrote.
      files: ['honest', 'kept'],
      members: 'a b w x',
    })
    await meetAll([a, b, w, x])
    await assertAgree([a, b, w, x], {
      files: ['as an admin', 'honest', 'kept'],
      members: 'a b w x',
    })
  })
})

describe('two admins who remove each other', () => {
  for (const first of ['senior', 'junior'] as const) {
    test(`the senior of two admins who remove each other stays, ${first} first`, async () => {
      const { a, b, c, w, x, strangers } = await castOf(STRANGERS)
      await (first === 'senior' ? remove(b, c) : remove(c, b))
      later(a, b, c, w, x)
      await (first === 'senior' ? remove(c, b) : remove(b, c))
      await write(b, 'of b')
      await write(c, 'of c')
      // Each is heard of by one, who goes on with it.
      await meet(b, w)
      await meet(c, x)
      await write(w, 'of w')
      const told = entriesOf(a, b, c, w, x)
      await tellAll(strangers, told, first)
      for (const machine of [a, b, c, w, x]) await tell(machine, told)
      await assertAgree([a, b, w, x, ...strangers], {
        files: ['kept', 'of b', 'of w'],
        members: 'a b w x',
      })
      await write(x, 'after')
      await write(w, 'after that')
      await meetAll([a, b, w, x])
      await assertAgree([a, b, w, x], {
        files: ['after', 'after that', 'kept', 'of b', 'of w'],
        members: 'a b w x',
      })
    })
  }

  test('a third admin who removes the senior of the two decides', async () => {
    const { a, b, c, w, x, strangers } = await castOf(STRANGERS)
    await remove(b, c)
    await remove(c, b)
    await remove(c, w)
    await write(c, 'of c')
    later(a, b, c, w, x)
    await remove(a, b)
    const told = entriesOf(a, b, c, w, x)
    await tellAll(strangers, told, 'third')
    for (const machine of [a, b, c, w, x]) await tell(machine, told)
    await assertAgree([a, c, x, ...strangers], {
      files: ['kept', 'of c'],
      members: 'a c x',
    })
  })
})

describe('entries of a removed member from before it heard of its removal', () => {
  test('entries of a removed member are repeated by it once it is admitted again', async () => {
    const { a, b, w } = await castOf(0)
    await remove(a, w)
    await write(w, 'offline')
    // It hears of its removal alone, and is admitted later.
    await meet(b, a)
    await tell(w, entriesOf(a))
    assert.deepEqual(await w.replica.names(), ['kept'])
    later(a, b, w)
    await a.replica.admit(w.replica)
    await meetAll([a, b, w])
    await assertAgree([a, b, w], { files: ['kept', 'offline'], members: 'a b c w x' })
    await meetAll([a, b, w])
    await assertAgree([a, b, w], { files: ['kept', 'offline'], members: 'a b c w x' })
  })

  test('entries of a removed member are void also after a crash before the rebuild', async () => {
    const { a, b, w } = await castOf(0)
    await write(w, 'evil')
    await meet(b, w)
    await remove(a, w)
    // b takes the removal, and gets no further.
    await b.checkpoints.stop()
    for (const entry of entriesOf(a)) b.inbox.take(entry)
    await b.volume.commit()
    assert.deepEqual(await b.replica.names(), ['evil', 'kept'])
    const again = new Machine(await b.replica.clone('restart'))
    assert.ok(again.volume.forks.areWaiting)
    await again.settled()
    assert.deepEqual(await again.replica.names(), ['kept'])
    const { volume, replica } = again
    // Nothing is due any more, nor after the next start.
    const { isDue } = new Machine(await replica.clone('again')).volume.removals
    assert.equal(isDue, false)
    const world = { volume, clock: instant(replica.clock), random: new SeededRandom(1, 'x') }
    await rebuild(world, undefined, { signal: new AbortController().signal })
    assert.deepEqual(await replica.names(), ['kept'])
  })
})

describe('a checkpoint after a removal', () => {
  test('a checkpoint after a removal holds nothing of the removed member', async () => {
    const { a, b, c, w, x, strangers } = await castOf(2)
    const [one = assert.fail(), two = assert.fail()] = strangers
    for (let n = 0; n < 20; n++) await write(b, `f${n}`)
    await write(w, 'evil')
    await meet(b, w)
    later(a, b, c, w, x)
    await remove(a, w)
    later(a, b, c, w, x)
    await write(w, 'evil 2')
    await meet(c, w)
    const members = [a, b, c, x, one, two]
    await meetAll(members)
    beacons(members)
    await a.makeCheckpoint()
    await meetAll(members)
    beacons(members)
    assert.ok(a.volume.checkpoint !== undefined)
    for (const { checkpoints } of members) await checkpoints.look()
    assert.ok(a.volume.entries.dropped.size > 0, a.notes.join(' '))
    for (const { notes } of members) assert.deepEqual(notes, [])
    assert.equal(new Set(members.map(({ volume }) => volume.checkpoint?.clear)).size, 1)
    // Only now comes the rest of what the removed one says.
    later(w, ...members)
    await write(w, 'evil 3')
    await tell(x, entriesOf(w))
    await meetAll(members)
    const files = ['kept', ...Array.from({ length: 20 }, (_, n) => `f${n}`)]
    await assertAgree(members, { files, members: 'a b c x' })
    const fresh = new Machine(await freshMember(a))
    await fresh.startFrom(a)
    await meet(a, fresh)
    await meet(x, fresh)
    await fresh.replica.volumes.describeSelf(fresh.volume)
    await meetAll([...members, fresh])
    await assertAgree([...members, fresh], { files, members: 'a b c fresh x' })
  })
})

async function freshMember(by: Machine): Promise<Replica> {
  const replica = await Replica.open('fresh')
  replica.clock.advance(by.replica.clock.wall() - replica.clock.wall())
  await by.replica.admit(replica)
  return replica
}
