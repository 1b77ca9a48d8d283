// The ordered store of a protected home: unchanged for the owner of the key, and ids and noise for
// a thief.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { SealedKv } from '../../../node/store/sealed-kv.ts'
import { HomeKey } from '../../../node/world/home-key.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import type { Kv, KvRange, KvWrite } from '../../../node/store/kv.ts'

const KEY = HomeKey.make()
const MARK = 'secret-name'

/**
 * Keys of all kinds of tables: of the store, of a volume, in a generation; with ids that end in any
 * byte, and names.
 */
const anyId = fc.constantFrom('i'.repeat(16), `${'i'.repeat(15)}\xff`, 'j'.repeat(16))
const anyName = fc.constantFrom('', 'a', 'ab', 'b', '\xff\xff', MARK, `${MARK}2`)
const anyTable = fc.constantFrom('c', 'x', 'X', 'f', 'd', 'v', 'oc', 'od', 'P', 'wtier:', 'y')
const anyHead = fc.constantFrom('nab', 'nab\x01\x01', 'nab\x01c', '')
const anyKey: fc.Arbitrary<ByteString> = fc
  .tuple(anyHead, anyTable, anyId, anyName)
  .map((parts) => parts.join(''))
const anyBound = fc.oneof(
  anyKey,
  anyKey.map((key) => key.slice(0, -1)),
  fc.constantFrom('nab', 'nac', 'nabc', 'nabd'),
)
const anyBatch: fc.Arbitrary<readonly KvWrite[]> = fc.array(
  fc.oneof(
    fc
      .tuple(anyKey, fc.string())
      .map(([key, text]) => ({ kind: 'put' as const, key, value: utf8(text) })),
    anyKey.map((key) => ({ kind: 'delete' as const, key })),
  ),
  { maxLength: 20 },
)
const anyRange: fc.Arbitrary<KvRange> = fc
  .tuple(
    anyBound,
    anyBound,
    fc.boolean(),
    fc.option(fc.integer({ min: 0, max: 5 }), { nil: Infinity }),
  )
  .map(([a, b, reverse, countMax]) => {
    const [from, to] = a < b ? [a, b] : [b, `${a}\0`]
    return countMax === Infinity ? { from, to, reverse } : { from, to, reverse, countMax }
  })

async function all(kv: Kv, range: KvRange): Promise<(readonly [string, string])[]> {
  const found: (readonly [string, string])[] = []
  for await (const [key, value] of kv.scan(range)) found.push([key, Buffer.from(value).toString()])
  return found
}

describe('sealed store', () => {
  test('random writes, deletes and scans give the same as on an unsealed store', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(anyBatch, fc.array(anyRange, { maxLength: 4 }))),
        async (steps) => {
          const [plain, sealed] = [MemoryKv.open(), new SealedKv(MemoryKv.open(), KEY)]
          for (const [batch, ranges] of steps) {
            for (const kv of [plain, sealed]) await kv.write(batch, { sync: true })
            for (const range of ranges)
              assert.deepEqual(await all(sealed, range), await all(plain, range))
            for (const { key } of batch)
              assert.deepEqual(sealed.get(key)?.length, plain.get(key)?.length)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('pages of a folder are in order of names, also while others are written', async () => {
    const kv = new SealedKv(MemoryKv.open(), KEY)
    const folder = `nabc${'d'.repeat(16)}`
    const name = (n: number): string => `${folder}${String(n).padStart(4, '0')}`
    const put = (n: number): KvWrite => ({ kind: 'put', key: name(n), value: utf8('x') })
    await kv.write(
      Array.from({ length: 100 }, (_, n) => put(2 * n)),
      { sync: false },
    )
    const page = async (from: string): Promise<string[]> =>
      (await all(kv, { from, to: `${folder}\xff`, countMax: 10 })).map(([key]) => key)
    assert.deepEqual(
      await page(folder),
      Array.from({ length: 10 }, (_, n) => name(2 * n)),
    )
    await kv.write([put(21)], { sync: false })
    assert.deepEqual((await page(name(19))).slice(0, 3), [name(20), name(21), name(22)])
  })

  test('neither names nor values are visible in the stored data', async () => {
    const inner = MemoryKv.open()
    const kv = new SealedKv(inner, KEY)
    const tables = ['c', 'f', 'x', 'X', 'qx', 'oc', 'oX', 'P', 'wtier:', 'z', 'y']
    const keys = tables.map((table) => `nab\x01\x01${table}${'d'.repeat(16)}${MARK}`)
    const values = { kind: 'put', value: utf8(MARK) } as const
    await kv.write(
      [...keys, `U${MARK}`, 'mcheckpoint'].map((key) => ({ ...values, key })),
      { sync: true },
    )
    for await (const [key, value] of inner.scan({ from: '', to: '\xff' })) {
      assert.ok(!key.includes(MARK), key)
      assert.ok(!Buffer.from(value).includes(MARK))
    }
    for (const key of keys) assert.equal(Buffer.from(kv.get(key) ?? '').toString(), MARK)
  })

  test('a value moved to another key, or from another home, is refused', async () => {
    const inner = MemoryKv.open()
    const kv = new SealedKv(inner, KEY)
    await kv.write([{ kind: 'put', key: 'c1', value: utf8('one') }], { sync: true })
    const value = inner.get('c1')
    assert(value !== undefined)
    await inner.write([{ kind: 'put', key: 'c2', value }], { sync: true })
    assert.throws(() => kv.get('c2'), { code: 'corrupt' })
    assert.throws(() => new SealedKv(inner, HomeKey.make()).get('c1'), { code: 'corrupt' })
  })
})
