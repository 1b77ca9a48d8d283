// Conflicts are listed from an index, shown as the policy says, and not made of equal files.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nameFromText, nameText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { readConflictCount } from '../../../protocol/tree/conflict-counts.ts'
import { Replica, exchange, send } from '../log/replicas.ts'
import type { NameConflict } from '../../../node/tree/conflict-listing.ts'

async function pair(): Promise<[Replica, Replica]> {
  const anna = await Replica.founder('anna')
  return [anna, await anna.member('ben')]
}

/** A file that both write at once. */
async function writtenAtOnce(anna: Replica, ben: Replica): Promise<void> {
  const file = anna.write('f', '0')
  await exchange(anna, ben)
  anna.rewrite(file, 'of anna')
  ben.clock.advance(5)
  ben.rewrite(file, 'of ben')
  await exchange(anna, ben)
}

async function all(replica: Replica, after?: string): Promise<NameConflict[]> {
  const found: NameConflict[] = []
  for await (const conflict of replica.namespace.conflicts(after)) found.push(conflict)
  return found
}

describe('conflict index', () => {
  test('lists each conflict once, with its sides, and continues after a key', async () => {
    const [anna, ben] = await pair()
    for (const name of ['x', 'y', 'z']) {
      anna.write(name, 'of anna')
      ben.write(name, `of ben, ${name}`)
    }
    await writtenAtOnce(anna, ben)
    const found = await all(anna)
    assert.deepEqual(
      found.map(({ dir, sides }) => [dir, nameText(sides[0].name), sides.length]),
      ['f', 'x', 'y', 'z'].map((name) => [ROOT, name, 2]),
    )
    assert.deepEqual(
      found.map(({ sides }) => sides[1]?.kind),
      ['version', 'name', 'name', 'name'],
    )
    assert.deepEqual(await all(anna, found[1]?.key), found.slice(2))
    assert.deepEqual(await all(ben), found)
    for (const { dir, sides } of found)
      anna.namespace.keepConflict(dir, sides[1]?.name ?? sides[0].name)
    await send(anna, ben)
    for (const replica of [anna, ben]) {
      assert.deepEqual(await all(replica), [])
      assert.deepEqual(await replica.names(), ['f', 'x', 'y', 'z'])
    }
    assert.equal(await anna.dump(), await ben.dump())
  })

  test('finds conflicts of directories by the names under which they show', async () => {
    const [anna, ben] = await pair()
    const dirs = [anna, ben].map((replica) => {
      const made = replica.namespace.makeDir(ROOT, nameFromText(replica.name), {})
      replica.namespace.makeDir(made, nameFromText('inner'), {})
      replica.namespace.rename(ROOT, nameFromText(replica.name), ROOT, nameFromText('d'))
      return made
    })
    await exchange(anna, ben)
    const [conflict] = await all(anna)
    const shown = conflict?.sides.map(({ name }) => name)
    for (const id of dirs) {
      const inner = anna.namespace.lookup(id, nameFromText('inner'))
      assert.ok(inner)
      const path = anna.namespace.pathOf(inner.id)
      assert.ok(path[0] !== undefined && shown?.includes(path[0]))
      assert.equal(anna.namespace.resolvePath(path.map(nameText)).id, inner.id)
    }
  })
})

describe('policy lww', () => {
  test('hides losing contents from listings and counts, but keeps them readable', async () => {
    const [anna, ben] = await pair()
    await writtenAtOnce(anna, ben)
    anna.volume.submit({ kind: 'policy', key: 'conflicts', value: 'lww' })
    await exchange(anna, ben)
    for (const replica of [anna, ben]) {
      assert.deepEqual(await replica.names(), ['f'])
      assert.equal(readConflictCount(replica.volume.view, 'lww'), 0)
    }
    const [conflict] = await all(ben)
    const lost = conflict?.sides[1]
    assert.deepEqual([conflict?.sides[0].isHidden, lost?.isHidden], [false, true])
    assert.ok(lost)
    const target = ben.namespace.lookup(ROOT, lost.name)
    assert.deepEqual(target, lost.target)
    ben.namespace.keepConflict(ROOT, lost.name)
    await send(ben, anna)
    const { content } = anna.namespace.fileVersion(anna.namespace.resolvePath(['f']))
    assert.equal(content.kind === 'inline' && Buffer.from(content.bytes).toString(), 'of anna')
    assert.deepEqual(await all(anna), [])
  })

  test('shows files of one name as before, since each belongs to somebody', async () => {
    const [anna, ben] = await pair()
    anna.volume.submit({ kind: 'policy', key: 'conflicts', value: 'lww' })
    anna.write('f', 'of anna')
    ben.write('f', 'of ben')
    await exchange(anna, ben)
    assert.equal((await anna.names()).length, 2)
    assert.equal(readConflictCount(anna.volume.view, 'lww'), 1)
  })
})

describe('files with the same name and content', () => {
  test('equal files show as one, which is removed, renamed and written to as one', async () => {
    const [anna, ben] = await pair()
    for (const name of ['a', 'b', 'c'])
      for (const replica of [anna, ben]) replica.write(name, 'same')
    await exchange(anna, ben)
    assert.deepEqual(await ben.names(), ['a', 'b', 'c'])
    assert.deepEqual(await all(ben), [])
    ben.namespace.unlink(ROOT, nameFromText('a'))
    ben.namespace.rename(ROOT, nameFromText('b'), ROOT, nameFromText('moved'))
    const target = ben.namespace.resolvePath(['c'])
    assert.ok(target.kind === 'inode')
    ben.rewrite(target, 'other')
    await exchange(anna, ben)
    for (const replica of [anna, ben]) assert.deepEqual(await replica.names(), ['c', 'moved'])
    assert.equal(await anna.dump(), await ben.dump())
  })

  test('equal files show as two once one is written to by a peer that did not know', async () => {
    const [anna, ben] = await pair()
    const file = anna.write('f', 'same')
    ben.write('f', 'same')
    anna.rewrite(file, 'other')
    await exchange(anna, ben)
    for (const replica of [anna, ben]) {
      assert.equal((await replica.names()).length, 2)
      assert.equal(readConflictCount(replica.volume.view), 1)
    }
  })
})
