// The acceptance suite of the ordered store seam (node/store/kv.ts), run against every
// implementation.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { Kv, KvRange, KvWrite } from '../../node/store/kv.ts'

/** A fresh store, and how to be rid of it. */
export interface KvUnderTest {
  readonly kv: Kv
  /** Called once, also after a failed test; `kv` may be closed already. */
  readonly end: () => Promise<void>
}

/** Define the suite. */
export function kvSuite(name: string, make: () => Promise<KvUnderTest>): void {
  describe(`ordered store: ${name}`, () => {
    pointSuite(make)
    scanSuite(make)
  })
}

function pointSuite(make: () => Promise<KvUnderTest>): void {
  test('a written value is read, and a missing one is undefined', () =>
    using(make, async (kv) => {
      await kv.write([put('a', 'one'), put('b', 'two')], { sync: false })
      assert.deepEqual(text(kv.get('a')), 'one')
      assert.deepEqual(text(kv.get('b')), 'two')
      assert.equal(kv.get('c'), undefined)
    }))

  test('an empty value is a value', () =>
    using(make, async (kv) => {
      await kv.write([put('a', '')], { sync: true })
      assert.equal(kv.get('a')?.byteLength, 0)
    }))

  test('a later write of a batch wins over an earlier one', () =>
    using(make, async (kv) => {
      await kv.write([put('a', '1'), { kind: 'delete', key: 'a' }, put('a', '2')], { sync: true })
      await kv.write([put('b', '1'), { kind: 'delete', key: 'b' }], { sync: true })
      assert.equal(text(kv.get('a')), '2')
      assert.equal(kv.get('b'), undefined)
    }))

  test('an empty batch and the delete of an absent key do nothing', () =>
    using(make, async (kv) => {
      await kv.write([], { sync: true })
      await kv.write([{ kind: 'delete', key: 'nothing' }], { sync: true })
      assert.equal(kv.get('nothing'), undefined)
    }))

  test('a stored value does not change with the array of the caller', () =>
    using(make, async (kv) => {
      const value = utf8('before')
      await kv.write([{ kind: 'put', key: 'a', value }], { sync: true })
      value.fill(0)
      assert.equal(text(kv.get('a')), 'before')
    }))

  test('every call after close throws "stopped"', () =>
    using(make, async (kv) => {
      await kv.close()
      const stopped = (error: unknown): boolean =>
        error instanceof ShoalError && error.code === 'stopped'
      assert.throws(() => kv.get('a'), stopped)
      await assert.rejects(kv.write([put('a', '1')], { sync: true }), stopped)
      await assert.rejects(async () => keys(kv, { from: 'a', to: 'b' }), stopped)
    }))
}

function scanSuite(make: () => Promise<KvUnderTest>): void {
  const letters = ['a', 'b', 'c', 'd', 'e'].map((key) => put(key, key))

  test('a scan includes its lower bound and excludes its upper bound', () =>
    using(make, async (kv) => {
      await kv.write(letters, { sync: true })
      assert.deepEqual(await keys(kv, { from: 'b', to: 'd' }), ['b', 'c'])
      assert.deepEqual(await keys(kv, { from: 'd', to: 'b' }), [])
    }))

  test('a reversed scan begins at the end, also with a limit', () =>
    using(make, async (kv) => {
      await kv.write(letters, { sync: true })
      assert.deepEqual(await keys(kv, { from: 'b', to: 'e', reverse: true }), ['d', 'c', 'b'])
      const cut: KvRange = { from: 'a', to: 'z', reverse: true, countMax: 2 }
      assert.deepEqual(await keys(kv, cut), ['e', 'd'])
      assert.deepEqual(await keys(kv, { from: 'a', to: 'z', countMax: 2 }), ['a', 'b'])
    }))

  test('a scan shows the store as of the call', () =>
    using(make, async (kv) => {
      await kv.write(letters, { sync: true })
      const scan = kv.scan({ from: 'a', to: 'z' })
      await kv.write([put('aa', 'new'), put('b', 'new'), { kind: 'delete', key: 'c' }], {
        sync: false,
      })
      const seen: string[] = []
      for await (const [key, value] of scan) seen.push(`${key}=${text(value)}`)
      assert.deepEqual(seen, ['a=a', 'b=b', 'c=c', 'd=d', 'e=e'])
    }))

  test('a scan can be left early, and the store closed afterwards', () =>
    using(make, async (kv) => {
      await kv.write(letters, { sync: true })
      for await (const [key] of kv.scan({ from: 'a', to: 'z' })) {
        assert.equal(key, 'a')
        break
      }
      await kv.close()
    }))

  test('a scan of many pages neither misses nor repeats a key', () =>
    using(make, async (kv) => {
      const many = Array.from({ length: 5000 }, (_, i) => String(i).padStart(6, '0'))
      await kv.write(
        many.map((key) => put(key, key.repeat(50))),
        { sync: false },
      )
      assert.deepEqual(await keys(kv, { from: '0', to: '9' }), many)
    }))

  test('random batches give the same as a map sorted by key bytes', async () => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 3 }).map(toByteString)
    const value = fc.uint8Array({ maxLength: 20 })
    const write = fc.oneof(
      fc.record({ kind: fc.constant('put' as const), key, value }),
      fc.record({ kind: fc.constant('delete' as const), key }),
    )
    const batches = fc.array(fc.array(write, { maxLength: 20 }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(batches, key, key, fc.boolean(), async (all, from, to, reverse) => {
        await using(make, async (kv) => {
          const model = new Map<ByteString, Uint8Array>()
          for (const batch of all) {
            await kv.write(batch, { sync: false })
            for (const w of batch) {
              if (w.kind === 'put') model.set(w.key, w.value)
              else model.delete(w.key)
            }
          }
          const expected = [...model.keys()].filter((k) => k >= from && k < to).sort()
          if (reverse) expected.reverse()
          assert.deepEqual(await keys(kv, { from, to, reverse }), expected)
          for (const [k, v] of model) assert.equal(text(kv.get(k)), text(v))
        })
      }),
      { numRuns: 25, seed: 7 },
    )
  })
}

async function using(
  make: () => Promise<KvUnderTest>,
  run: (kv: Kv) => Promise<void>,
): Promise<void> {
  const { kv, end } = await make()
  try {
    await run(kv)
  } finally {
    await end()
  }
}

function put(key: ByteString, value: string): KvWrite {
  return { kind: 'put', key, value: utf8(value) }
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : toByteString(value)
}

async function keys(kv: Kv, range: KvRange): Promise<ByteString[]> {
  const found: ByteString[] = []
  for await (const [key] of kv.scan(range)) found.push(key)
  return found
}
