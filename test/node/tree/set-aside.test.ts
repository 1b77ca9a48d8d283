// An ordinary save or removal where a name is in conflict touches only what it names: the other
// sides stay under their conflict names, alone too.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { keepConflict } from '../../../node/volume/conflict-resolution.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { nameFromText, nameText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { Replica, exchange } from '../log/replicas.ts'
import type { XattrName } from '../../../protocol/op/names.ts'

const PLAN = nameFromText('plan.txt')
const BACKUP = nameFromText('plan.txt~')

describe('beside two contents of one file, of which the copy', () => {
  test('stays when the plain name is removed', async () => {
    const { anna, ben, copy } = await twoContents()
    anna.namespace.unlink(ROOT, PLAN)
    await exchange(anna, ben)
    await assertShown([anna, ben], { [copy]: 'of anna' })
  })

  test('stays when another file is renamed over the plain name', async () => {
    const { anna, ben, copy } = await twoContents()
    anna.write('temp', 'saved')
    anna.namespace.rename(ROOT, nameFromText('temp'), ROOT, PLAN)
    await exchange(anna, ben)
    await assertShown([anna, ben], { [copy]: 'of anna', 'plan.txt': 'saved' })
  })

  test('stays when an editor keeps a backup of the plain name and writes it anew', async () => {
    const { anna, ben, copy } = await twoContents()
    anna.namespace.rename(ROOT, PLAN, ROOT, BACKUP)
    anna.write('plan.txt', 'saved')
    await exchange(anna, ben)
    await assertShown([anna, ben], {
      [copy]: 'of anna',
      'plan.txt': 'saved',
      'plan.txt~': 'of ben',
    })
  })

  test('stays when two names are exchanged', async () => {
    const { anna, ben, copy } = await twoContents()
    anna.write('other', 'other')
    anna.namespace.rename(ROOT, PLAN, ROOT, nameFromText('other'), 2)
    await exchange(anna, ben)
    await assertShown([anna, ben], { [copy]: 'of anna', other: 'of ben', 'plan.txt': 'other' })
  })

  test('is removed alone by its name, before and after', async () => {
    const { anna, ben, copy } = await twoContents()
    ben.namespace.unlink(ROOT, nameFromText(copy))
    await exchange(anna, ben)
    await assertShown([anna, ben], { 'plan.txt': 'of ben' })

    const second = await twoContents()
    second.anna.namespace.unlink(ROOT, PLAN)
    second.anna.namespace.unlink(ROOT, nameFromText(second.copy))
    await exchange(second.anna, second.ben)
    await assertShown([second.anna, second.ben], {})
  })

  test('once alone, is a file as any other: it can be renamed and written to', async () => {
    const { anna, ben, copy } = await twoContents()
    anna.namespace.unlink(ROOT, PLAN)
    anna.rewrite(anna.at(copy), 'longer than before')
    anna.namespace.rename(ROOT, nameFromText(copy), ROOT, PLAN)
    await exchange(anna, ben)
    await assertShown([anna, ben], { 'plan.txt': 'longer than before' })
  })

  test('gets the plain name when it is kept, alone too', async () => {
    for (const left of [[], ['plan.txt']]) {
      const { anna, ben, copy } = await twoContents()
      anna.namespace.unlink(ROOT, PLAN)
      for (const name of left) anna.write(name, 'saved')
      const removed = left.map((name) => `/${name}`)
      assert.deepEqual(keepConflict(anna.namespace, [copy]), { path: '/plan.txt', removed })
      await exchange(anna, ben)
      await assertShown([anna, ben], { 'plan.txt': 'of anna' })
    }
  })

  test('has the attributes and extended attributes that it showed', async () => {
    const { anna, ben, copy } = await twoContents()
    const color = 'user.color' as XattrName
    anna.namespace.setAttributes(anna.at('plan.txt'), { mode: 0o640, uid: 7, gid: 8 })
    anna.namespace.xattrs.set(anna.at('plan.txt'), color, utf8('red'))
    const { mode, uid, gid, modifiedNs, sizeBytes } = anna.namespace.attributes(anna.at(copy))
    anna.namespace.unlink(ROOT, PLAN)
    await exchange(anna, ben)
    for (const replica of [anna, ben]) {
      const file = replica.at(copy)
      const after = replica.namespace.attributes(file)
      assert.partialDeepStrictEqual(after, { mode, uid, gid, modifiedNs, sizeBytes, linkCount: 1 })
      assert.equal(Buffer.from(replica.namespace.xattrs.get(file, color) ?? []).toString(), 'red')
    }
  })

  test('stays beside the other name of the file, and where the first was', async () => {
    const { anna, ben, copy } = await twoContents()
    anna.namespace.link(anna.at('plan.txt'), ROOT, nameFromText('second'))
    anna.namespace.unlink(ROOT, PLAN)
    await exchange(anna, ben)
    const shown = await contents(anna)
    assert.equal(shown[copy], 'of anna')
    assert.equal(shown['second'], 'of ben')
    assert.equal(Object.keys(shown).filter((name) => name.startsWith('second.conflict-')).length, 1)
    assert.deepEqual(await contents(ben), shown)
  })

  test('is one file where two machines removed the plain name at once', async () => {
    const { anna, ben, copy } = await twoContents()
    for (const { namespace } of [anna, ben]) namespace.unlink(ROOT, PLAN)
    await exchange(anna, ben)
    await assertShown([anna, ben], { [copy]: 'of anna' })
  })

  test('keeps what is written to it here by who had it open before', async () => {
    const { anna, ben, copy } = await twoContents()
    const { namespace } = anna
    const open = anna.at(copy)
    const { base } = namespace.fileVersion(open)
    namespace.unlink(ROOT, PLAN)
    const write = (text: string, on: typeof base): typeof base => {
      const content = { kind: 'inline', bytes: utf8(text) } as const
      const modifiedNs = namespace.nowNs()
      return [namespace.putVersion(open.id, { content, size: text.length, base: on, modifiedNs })]
    }
    write('second', write('first', base))
    await exchange(anna, ben)
    await assertShown([anna, ben], { [copy]: 'second' })
  })

  test('and what is written to the plain file meanwhile, stay', async () => {
    const { anna, ben, copy } = await twoContents()
    anna.namespace.unlink(ROOT, PLAN)
    ben.clock.advance(5)
    ben.rewrite(ben.at('plan.txt'), 'ben again')
    await exchange(anna, ben)
    await assertShown([anna, ben], { [copy]: 'of anna', 'plan.txt': 'ben again' })
  })

  test('goes with the plain name where the policy keeps it out of listings', async () => {
    const { anna, ben } = await twoContents()
    anna.volume.submit({ kind: 'policy', key: 'conflicts', value: 'lww' })
    await anna.volume.commit()
    anna.namespace.unlink(ROOT, PLAN)
    await exchange(anna, ben)
    await assertShown([anna, ben], {})
  })
})

describe('beside two files of one name, of which the older', () => {
  test('stays when the plain name is removed, replaced or renamed', async () => {
    for (const { act, left } of [
      { act: ({ namespace }: Replica) => namespace.unlink(ROOT, PLAN), left: {} },
      {
        act: (replica: Replica) => {
          replica.write('temp', 'saved')
          replica.namespace.rename(ROOT, nameFromText('temp'), ROOT, PLAN)
        },
        left: { 'plan.txt': 'saved' },
      },
      {
        act: ({ namespace }: Replica) => namespace.rename(ROOT, PLAN, ROOT, BACKUP),
        left: { 'plan.txt~': 'of ben' },
      },
    ]) {
      const { anna, ben, copy } = await twoFiles()
      act(anna)
      await exchange(anna, ben)
      await assertShown([anna, ben], { [copy]: 'of anna', ...left })
    }
  })

  test('takes the place of the plain one when it is renamed over it', async () => {
    const { anna, ben, copy } = await twoFiles()
    anna.namespace.rename(ROOT, nameFromText(copy), ROOT, PLAN)
    await exchange(anna, ben)
    await assertShown([anna, ben], { 'plan.txt': 'of anna' })
  })

  test('is replaced alone when the plain one is renamed over it', async () => {
    const { anna, ben, copy } = await twoFiles()
    anna.namespace.rename(ROOT, PLAN, ROOT, nameFromText(copy))
    await exchange(anna, ben)
    await assertShown([anna, ben], { [copy]: 'of ben' })
  })

  test('has its own copies yet, under their names', async () => {
    const { anna, ben } = await twoFiles()
    const older = Object.keys(await contents(anna)).find((name) => name !== 'plan.txt') ?? ''
    anna.rewrite(anna.at(older), 'third')
    ben.clock.advance(5)
    ben.rewrite(ben.at(older), 'fourth')
    await exchange(anna, ben)
    const before = await contents(anna)
    assert.deepEqual(Object.values(before).toSorted(), ['fourth', 'of ben', 'third'])
    anna.namespace.unlink(ROOT, PLAN)
    await exchange(anna, ben)
    const { 'plan.txt': _gone, ...rest } = before
    await assertShown([anna, ben], rest)
  })
})

describe('beside a folder', () => {
  test('a file keeps its conflict name when the folder is moved away or removed', async () => {
    for (const isMoved of [true, false]) {
      const anna = await Replica.founder('anna')
      const ben = await anna.member('ben')
      anna.namespace.makeDir(ROOT, PLAN, {})
      ben.write('plan.txt', 'file')
      await exchange(anna, ben)
      const [copy = ''] = (await anna.names()).filter((name) => name !== 'plan.txt')
      if (isMoved) anna.namespace.rename(ROOT, PLAN, ROOT, nameFromText('folder'))
      else anna.namespace.removeDir(ROOT, PLAN)
      await exchange(anna, ben)
      assert.deepEqual(await ben.names(), isMoved ? ['folder', copy].toSorted() : [copy])
    }
  })
})

test('a name that is in no conflict costs no op more', async () => {
  const anna = await Replica.founder('anna')
  anna.write('a', 'one')
  anna.write('b', 'two')
  await anna.volume.commit()
  const ops: unknown[] = []
  const { volume } = anna
  const submit = volume.submit.bind(volume)
  volume.submit = (op) => {
    ops.push(op.kind)
    return submit(op)
  }
  anna.namespace.rename(ROOT, nameFromText('a'), ROOT, nameFromText('b'))
  anna.namespace.unlink(ROOT, nameFromText('b'))
  assert.deepEqual(ops, ['unlink', 'move', 'unlink'])
})

interface Conflict {
  readonly anna: Replica
  readonly ben: Replica
  /** The conflict name of what is of anna. */
  readonly copy: string
}

/** /plan.txt, written by both while they did not hear each other; ben's is newer. */
async function twoContents(): Promise<Conflict> {
  const anna = await Replica.founder('anna')
  const ben = await anna.member('ben')
  const file = anna.write('plan.txt', 'at first')
  await exchange(anna, ben)
  anna.rewrite(file, 'of anna')
  ben.clock.advance(5)
  ben.rewrite(file, 'of ben')
  await exchange(anna, ben)
  return { anna, ben, copy: await copyOf(anna) }
}

/** /plan.txt, made by both while they did not hear each other; ben's is newer. */
async function twoFiles(): Promise<Conflict> {
  const anna = await Replica.founder('anna')
  const ben = await anna.member('ben')
  anna.write('plan.txt', 'of anna')
  ben.clock.advance(5)
  ben.write('plan.txt', 'of ben')
  await exchange(anna, ben)
  return { anna, ben, copy: await copyOf(anna) }
}

async function copyOf(replica: Replica): Promise<string> {
  const [copy, ...others] = (await replica.names()).filter((name) => name !== 'plan.txt')
  assert.ok(copy !== undefined && others.length === 0)
  return copy
}

async function assertShown(
  replicas: readonly Replica[],
  expected: Record<string, string>,
): Promise<void> {
  for (const replica of replicas) assert.deepEqual(await contents(replica), expected)
  const [first, ...others] = await Promise.all(replicas.map((replica) => replica.dump()))
  for (const dump of others) assert.equal(dump, first)
}

/** Names in the root with what they hold. */
async function contents({ namespace }: Replica): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const { name, target } of namespace.list(ROOT)) {
    const { content } = namespace.fileVersion(target)
    found[nameText(name)] = content.kind === 'inline' ? Buffer.from(content.bytes).toString() : '?'
  }
  return found
}
