// Logs that fork: a machine and copies of its disk write as one (docs/formats/log.md#forks).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT, readInode } from '../../../protocol/tree/records.ts'
import { versionsOf } from '../../../protocol/tree/versions.ts'
import { Machine, beacons, meet, meetAll } from '../log/machines.ts'
import { Replica } from '../log/replicas.ts'

/** Members a and b, and c with a copy of its disk; all have met, and c has written. */
async function cloned(): Promise<{ a: Machine; b: Machine; c: Machine; copy: Machine }> {
  const founder = await Replica.founder('a')
  const [second, third] = [await founder.member('b'), await founder.member('c')]
  const [a, b, c] = [new Machine(founder), new Machine(second), new Machine(third)]
  third.write('shared', 'before')
  await meetAll([a, b, c])
  const copy = new Machine(await third.clone('copy of c'))
  return { a, b, c, copy }
}

async function assertEqual(machines: readonly Machine[], names: readonly string[]): Promise<void> {
  const [first = assert.fail(), ...others] = machines
  const state = await first.replica.dump()
  for (const other of others) assert.equal(await other.replica.dump(), state)
  assert.deepEqual(
    (await first.replica.names()).map((name) => name.replace(/\.conflict.*/, '!')).sort(),
    [...names].sort(),
  )
  for (const { notes, refused } of machines) assert.deepEqual([...notes, ...refused], [])
}

describe('two copies of a machine', () => {
  for (const order of ['the earlier first', 'the later first']) {
    test(`both keep their writes, ${order}`, async () => {
      const { a, b, c, copy } = await cloned()
      c.replica.clock.advance(order === 'the later first' ? 5 : 0)
      copy.replica.clock.advance(order === 'the later first' ? 0 : 5)
      for (let n = 0; n < 5; n++) {
        c.replica.write(`of c ${n}`, 'x')
        await c.volume.commit()
      }
      for (let n = 0; n < 3; n++) {
        copy.replica.write(`of the copy ${n}`, 'y')
        await copy.volume.commit()
      }
      const names = [0, 1, 2, 3, 4].map((n) => `of c ${n}`)
      names.push(...[0, 1, 2].map((n) => `of the copy ${n}`), 'shared')
      await meet(a, c)
      await meet(b, copy)
      await meet(a, b)
      await assertEqual([a, b], names)
      await meetAll([a, b, c, copy])
      await assertEqual([a, b, c, copy], names)
      assert.notEqual(c.volume.actor, copy.volume.actor)
    })
  }

  test('two copies that write one file keep both contents', async () => {
    const { a, b, c, copy } = await cloned()
    c.replica.rewrite(c.replica.at('shared'), 'by c')
    copy.replica.clock.advance(5)
    copy.replica.rewrite(copy.replica.at('shared'), 'by the copy')
    await meet(a, copy)
    await meet(a, c)
    a.replica.write('of a', 'z')
    await meetAll([b, a, c, copy])
    await assertEqual([a, b, c, copy], ['of a', 'shared', 'shared!'])
  })

  test('records on a branch stay with it when another branch takes its name', async () => {
    const { a, b, c, copy } = await cloned()
    copy.replica.clock.advance(5)
    for (const { replica } of [c, copy]) {
      replica.rewrite(replica.at('shared'), replica === c.replica ? 'by c' : 'by the copy')
      replica.write('removed by b', 'x')
      await replica.volume.commit()
    }
    await meet(b, copy)
    b.replica.rewrite(b.replica.at('shared'), 'by b, of what the copy wrote')
    b.replica.namespace.unlink(ROOT, nameFromText('removed by b'))
    b.replica.namespace.rename(ROOT, nameFromText('shared'), ROOT, nameFromText('moved'))
    await b.volume.commit()
    await meet(a, c)
    await meet(a, b)
    await assertEqual([a, b], ['moved', 'moved!', 'removed by b'])
    const inode = a.replica.at('moved').id
    const file = readInode(a.volume.view, inode) ?? assert.fail('it is there')
    const texts = Array.from(versionsOf(a.volume.view, inode, file), ({ content }) =>
      content.kind === 'inline' ? Buffer.from(content.bytes).toString() : '',
    )
    assert.deepEqual(texts.sort(), ['by b, of what the copy wrote', 'by c'])
    await meetAll([a, b, c, copy])
    await assertEqual([a, b, c, copy], ['moved', 'moved!', 'removed by b'])
  })

  test('two copies of a machine are both present after a restart', async () => {
    const { a, b, c, copy } = await cloned()
    copy.replica.write('of the copy', 'y')
    c.replica.clock.advance(5)
    c.replica.write('of c', 'x')
    await meetAll([a, b, c, copy])
    await a.stop()
    const again = new Machine(await a.replica.reopen())
    assert.deepEqual(again.volume.branches.forks(), b.volume.branches.forks())
    await assertEqual([again, b, c, copy], ['of c', 'of the copy', 'shared'])
    c.replica.rewrite(c.replica.at('of the copy'), 'by c')
    await meetAll([again, b, c, copy])
    await assertEqual([again, b, c, copy], ['of c', 'of the copy', 'shared'])
  })
})

describe('a checkpoint', () => {
  /** All say what they hold, one of them makes a checkpoint, and all drop the log below it. */
  async function checkpoint(machines: readonly [Machine, ...Machine[]]): Promise<void> {
    await meetAll(machines)
    beacons(machines)
    await machines[0].makeCheckpoint()
    await meetAll(machines)
    beacons(machines)
    for (const machine of machines) await machine.settled()
    for (const { volume } of machines) assert.ok(volume.entries.dropped.size > 0)
  }

  test('a checkpoint holds the branches that it covers, with the same names for all', async () => {
    const { a, b, c, copy } = await cloned()
    copy.replica.write('of the copy', 'y')
    c.replica.clock.advance(5)
    c.replica.write('of c', 'x')
    await meetAll([a, b, c, copy])
    await checkpoint([a, b, c, copy])
    const late = await Replica.open('late')
    await a.replica.admit(late)
    const joiner = new Machine(late)
    await meet(joiner, a)
    assert.deepEqual(joiner.volume.branches.forks(), a.volume.branches.forks())
    c.replica.write('after it', 'x')
    joiner.replica.rewrite(joiner.replica.at('of the copy'), 'by the late one')
    await meetAll([a, b, c, copy, joiner])
    const names = ['after it', 'of c', 'of the copy', 'shared']
    for (const { replica } of [b, c, copy, joiner])
      assert.equal(await replica.state(), await a.replica.state())
    assert.deepEqual(await joiner.replica.names(), names)
  })

  for (const when of ['before', 'after'])
    test(`a checkpoint without a copy that wrote ${when} the others loses no writes`, async () => {
      const { a, b, c, copy } = await cloned()
      const [first, second] = when === 'before' ? [copy, c] : [c, copy]
      second.replica.clock.advance(5)
      for (const { replica } of [first, second]) {
        for (let n = 0; n < 3; n++) {
          replica.write(`${replica === c.replica ? 'of c' : 'of the copy'} ${n}`, 'x')
          await replica.volume.commit()
        }
      }
      await checkpoint([a, b, c])
      await meetAll([a, b, c, copy])
      const names = [0, 1, 2].flatMap((n) => [`of c ${n}`, `of the copy ${n}`])
      for (const { replica } of [b, c, copy])
        assert.equal(await replica.state(), await a.replica.state())
      assert.deepEqual((await copy.replica.names()).sort(), [...names, 'shared'].sort())
      await checkpoint([b, a, c, copy])
      for (const { notes, refused } of [a, b, c, copy]) assert.deepEqual([...notes, ...refused], [])
    })
})
