// Names that collide, as every replica shows and finds them (docs/formats/tree.md#names).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NAME_MAX } from '../../../protocol/limits.ts'
import { nameFromText, nameText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { Replica, exchange, send } from '../log/replicas.ts'
import type { Name } from '../../../protocol/op/names.ts'

const NFC = nameFromText('\u00e9t\u00e9')
const NFD = nameFromText('e\u0301te\u0301')

async function pair(): Promise<[Replica, Replica]> {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  for (const replica of [a, b]) await replica.volumes.describeSelf(replica.volume)
  await exchange(a, b)
  return [a, b]
}

/** A directory made on both at once, under two spellings; `first` is the older. */
async function twoSpellings(first: Name, second: Name): Promise<[Replica, Replica]> {
  const [a, b] = await pair()
  const made = a.namespace.makeDir(ROOT, first, {})
  a.namespace.create(made, nameFromText('from a'), {})
  b.clock.advance(1000)
  const alsoMade = b.namespace.makeDir(ROOT, second, {})
  b.namespace.create(alsoMade, nameFromText('from b'), {})
  return [a, b]
}

async function namesIn(replica: Replica, dir: Name): Promise<string[]> {
  const target = replica.namespace.lookup(ROOT, dir)
  assert.ok(target?.kind === 'dir')
  const names: string[] = []
  for await (const { name } of replica.namespace.list(target.id)) names.push(nameText(name))
  return names
}

describe('one directory under two spellings', () => {
  test('a directory made twice at once is one, with both contents and older spelling', async () => {
    for (const [first, second] of [
      [NFC, NFD],
      [NFD, NFC],
    ] as const) {
      const [a, b] = await twoSpellings(first, second)
      await exchange(a, b)
      for (const replica of [a, b]) {
        assert.deepEqual(await replica.names(), [nameText(first)])
        for (const name of [first, second])
          assert.deepEqual(await namesIn(replica, name), ['from a', 'from b'])
      }
      assert.equal(await a.dump(), await b.dump())
    }
  })

  test('a directory made twice is where one side moved it meanwhile', async () => {
    const [a, b] = await twoSpellings(NFC, NFD)
    b.namespace.rename(ROOT, NFD, ROOT, nameFromText('moved'))
    await exchange(a, b)
    for (const replica of [a, b]) {
      assert.deepEqual(await replica.names(), ['moved'])
      assert.deepEqual(await namesIn(replica, nameFromText('moved')), ['from a', 'from b'])
    }
    assert.equal(await a.dump(), await b.dump())
  })
})

describe('conflict names', () => {
  const lengths = [190, 195, 196, 197, 210, 240, NAME_MAX]

  test('a listed name is found, however long it is', async () => {
    const [a, b] = await pair()
    for (const length of lengths) {
      for (const name of [
        'x'.repeat(length),
        `${'x'.repeat(length - 4)}.txt`,
        `${'é'.repeat(Math.floor(length / 2) - 10)}.${'y'.repeat(length % 2 === 0 ? 19 : 20)}`,
      ]) {
        // Two files of one name, and one of them written twice at once.
        const target = a.write(name, 'a')
        b.write(name, 'b')
        await exchange(a, b)
        a.rewrite(target, 'again a')
        b.rewrite(target, 'again b')
      }
    }
    await exchange(a, b)
    assert.equal(await a.dump(), await b.dump())
    let count = 0
    for await (const { name, target } of a.namespace.list(ROOT)) {
      count++
      assert.deepEqual(a.namespace.lookup(ROOT, name), target, nameText(name))
      assert.deepEqual(b.namespace.lookup(ROOT, name), target, nameText(name))
    }
    assert.ok(count >= 3 * lengths.length * 3)
  })

  test('a long name that was moved or removed leaves nothing behind', async () => {
    const [a, b] = await pair()
    const empty = await a.dump()
    const long = nameFromText('l'.repeat(NAME_MAX))
    a.write(nameText(long), 'a')
    b.write(nameText(long), 'b')
    await exchange(a, b)
    const shown = await a.names()
    assert.equal(shown.length, 2)
    const conflict = nameFromText(shown.find((name) => name.includes('.conflict-')) ?? '')
    a.namespace.rename(ROOT, conflict, ROOT, nameFromText('short'))
    await send(a, b)
    for (const replica of [a, b]) {
      assert.equal(replica.namespace.lookup(ROOT, conflict), undefined)
      assert.deepEqual(await replica.names(), [nameText(long), 'short'])
    }
    b.namespace.unlink(ROOT, long)
    b.namespace.unlink(ROOT, nameFromText('short'))
    await send(b, a)
    const keys = (dump: string): string[] => dump.split('\n').filter((line) => /^[cx]/.test(line))
    assert.deepEqual(keys(await a.dump()), keys(empty))
    assert.equal(await a.dump(), await b.dump())
  })
})

test('a file that is moved to where it is stays removed by who removes it', async () => {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  a.write('f', 'x')
  await exchange(a, b)
  const f = nameFromText('f')
  // Of renameat2(2): none, and RENAME_EXCHANGE.
  for (const flags of [0, 2]) b.namespace.rename(ROOT, f, ROOT, f, flags)
  a.namespace.unlink(ROOT, f)
  await exchange(a, b)
  for (const replica of [a, b]) assert.deepEqual(await replica.names(), [])
})
