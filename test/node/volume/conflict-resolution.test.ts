// Conflicts are found, and ended as a person chose, on every replica alike.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  conflictAt,
  conflictsBelow,
  keepConflict,
} from '../../../node/volume/conflict-resolution.ts'
import { nameFromText, nameText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { Replica, exchange } from '../log/replicas.ts'

describe('conflicts', () => {
  test('concurrent contents are sides of a conflict, newest first, with authors', async () => {
    const { anna, ben } = await writtenAtOnce()
    const conflict = conflictAt(anna.namespace, ['docs', 'a.txt'])
    const [newest, copy] = conflict.sides
    assert.ok(newest && copy)
    assert.deepEqual([conflict.path, newest.path], ['/docs/a.txt', '/docs/a.txt'])
    assert.match(copy.path, /^\/docs\/a\.conflict-.*\.txt$/)
    assert.partialDeepStrictEqual(newest, { peer: ben.identity.peer, kind: 'file', sizeBytes: 6 })
    assert.partialDeepStrictEqual(copy, { peer: anna.identity.peer, kind: 'file', sizeBytes: 7 })
    assert.equal(newest.writtenMs, ben.clock.wall())
    assert.deepEqual(conflictAt(anna.namespace, partsOf(copy.path)), conflict)
  })

  for (const [index, words] of ['has the name', 'is a copy'].entries()) {
    test(`of two contents the one that ${words} can be kept`, async () => {
      const { anna, ben } = await writtenAtOnce()
      const [kept, other] = pathsOf(anna, ['docs', 'a.txt'], index)
      assert.deepEqual(keepConflict(anna.namespace, partsOf(kept)), {
        path: '/docs/a.txt',
        removed: other,
      })
      await exchange(anna, ben)
      for (const replica of [anna, ben])
        assert.deepEqual(await shown(replica, 'docs'), { 'a.txt': ['of ben', 'of anna'][index] })
      assert.equal(await ben.dump(), await anna.dump())
    })
  }

  test('any of the files made with one name can be kept; their other names stay', async () => {
    for (const index of [0, 1, 2]) {
      const [anna, ben, cleo] = await three()
      const [a, b] = [anna.write('f', 'anna'), ben.write('f', 'ben')]
      cleo.clock.advance(5)
      cleo.write('f', 'cleo')
      anna.namespace.link(a, ROOT, nameFromText('elsewhere'))
      await exchange(anna, ben, cleo)
      anna.rewrite(b, 'ben 2')
      await anna.volume.commit()
      const [kept, others] = pathsOf(anna, ['f'], index)
      assert.equal(others.length, 2)
      const content = (await shown(anna))[kept.slice(1)]
      assert.deepEqual(keepConflict(anna.namespace, partsOf(kept)), { path: '/f', removed: others })
      await exchange(anna, ben, cleo)
      for (const replica of [anna, ben, cleo]) {
        assert.deepEqual(await shown(replica), { elsewhere: 'anna', f: content })
        assert.deepEqual(await below(replica), [])
      }
    }
  })

  test('content that arrives during a resolution is not lost', async () => {
    const { anna, ben } = await writtenAtOnce()
    keepConflict(anna.namespace, ['docs', 'a.txt'])
    ben.clock.advance(9)
    ben.rewrite(ben.namespace.resolvePath(['docs', 'a.txt']), 'third')
    await exchange(anna, ben)
    assert.ok(Object.values(await shown(anna, 'docs')).includes('third'))
    assert.deepEqual(await shown(anna, 'docs'), await shown(ben, 'docs'))
  })

  test('all conflicts below a folder are found, and none elsewhere', async () => {
    const [anna, ben] = await three()
    const dir = anna.namespace.makeDir(ROOT, nameFromText('docs'), {})
    anna.namespace.makeDir(dir, nameFromText('inner'), {})
    await exchange(anna, ben)
    for (const { name, namespace } of [anna, ben]) {
      const inner = namespace.resolvePath(['docs', 'inner']).id
      namespace.create(inner, nameFromText('x'), {})
      namespace.create(ROOT, nameFromText('y'), {})
      namespace.create(ROOT, nameFromText(`alone-${name}`), {})
    }
    await exchange(anna, ben)
    assert.deepEqual((await below(anna)).toSorted(), ['/docs/inner/x', '/y'])
    assert.deepEqual(await below(anna, 'docs'), ['/docs/inner/x'])
    assert.deepEqual(await below(anna, 'y'), ['/y'])
    assert.deepEqual(await below(anna, 'alone-anna'), [])
    assert.throws(() => conflictAt(anna.namespace, ['alone-anna']), { code: 'EINVAL' })
    await assert.rejects(below(anna, 'nothing'), { code: 'ENOENT' })
  })

  test('a conflict with a folder is ended by moving a side, and removes no folder', async () => {
    for (const index of [0, 1]) {
      const [anna, ben] = await three()
      await ben.volumes.describeSelf(ben.volume)
      anna.namespace.makeDir(ROOT, nameFromText('x.d'), {})
      ben.write('x.d', 'file')
      anna.write('x-ben.d', 'in the way')
      await exchange(anna, ben)
      const { sides } = conflictAt(anna.namespace, ['x.d'])
      assert.deepEqual(
        sides.map(({ kind, moveTo }) => [kind, moveTo]),
        [
          ['folder', '/x-anna.d'],
          ['file', '/x-ben-2.d'],
        ],
      )
      for (const { path } of sides) {
        assert.throws(() => keepConflict(anna.namespace, partsOf(path)), {
          code: 'EISDIR',
          message: /such as \/x\.conflict-.*\.d to \/x-ben-2\.d/,
        })
      }
      const { path, moveTo } = sides[index] ?? {}
      const [from = '', to = ''] = [path, moveTo].map((text) => partsOf(text ?? '')[0])
      anna.namespace.rename(ROOT, nameFromText(from), ROOT, nameFromText(to))
      await exchange(anna, ben)
      for (const replica of [anna, ben]) {
        assert.deepEqual(await below(replica), [])
        const file = index === 0 ? partsOf(sides[1]?.path ?? '')[0] : to
        const folder = index === 0 ? to : 'x.d'
        assert.equal(replica.at(file ?? '').kind, 'inode')
        assert.equal(replica.at(folder).kind, 'dir')
      }
    }
  })

  test('copies hidden by the policy are still sides', async () => {
    const { anna } = await writtenAtOnce()
    anna.volume.submit({ kind: 'policy', key: 'conflicts', value: 'lww' })
    await anna.volume.commit()
    assert.deepEqual(await shown(anna, 'docs'), { 'a.txt': 'of ben' })
    const { sides } = conflictAt(anna.namespace, ['docs', 'a.txt'])
    assert.deepEqual(
      sides.map(({ hidden }) => hidden),
      [false, true],
    )
    assert.deepEqual(await below(anna), ['/docs/a.txt'])
  })
})

function partsOf(path: string): string[] {
  return path.split('/').slice(1)
}

/** The paths of the conflict at a path: that of one side, and those of the others. */
function pathsOf(of: Replica, path: readonly string[], index: number): [string, string[]] {
  const paths = conflictAt(of.namespace, path).sides.map((side) => side.path)
  return [paths[index] ?? '', paths.toSpliced(index, 1)]
}

async function below(of: Replica, ...path: string[]): Promise<string[]> {
  const paths: string[] = []
  for await (const conflict of conflictsBelow(of.namespace, path)) paths.push(conflict.path)
  return paths
}

async function three(): Promise<[Replica, Replica, Replica]> {
  const anna = await Replica.founder('anna')
  return [anna, await anna.member('ben'), await anna.member('cleo')]
}

/** /docs/a.txt, written by both while they did not hear each other; ben's is newer. */
async function writtenAtOnce(): Promise<{ anna: Replica; ben: Replica }> {
  const [anna, ben] = await three()
  const docs = anna.namespace.makeDir(ROOT, nameFromText('docs'), {})
  const file = anna.namespace.create(docs, nameFromText('a.txt'), {})
  await exchange(anna, ben)
  anna.rewrite(file, 'of anna')
  ben.clock.advance(5)
  ben.rewrite(file, 'of ben')
  await exchange(anna, ben)
  return { anna, ben }
}

/** Names in a folder with their contents. */
async function shown(of: Replica, ...path: string[]): Promise<Record<string, string>> {
  const { namespace } = of
  const names: Record<string, string> = {}
  for await (const { name, target } of namespace.list(namespace.resolvePath(path).id)) {
    const { content } = namespace.fileVersion(target)
    names[nameText(name)] = content.kind === 'inline' ? Buffer.from(content.bytes).toString() : '?'
  }
  return names
}
