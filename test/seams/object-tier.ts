// The acceptance suite of the object tier seam (node/world/world.ts), run against every
// implementation.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { ObjectTier } from '../../node/world/world.ts'

/** An empty tier, and how to be rid of it. */
export interface TierUnderTest {
  readonly tier: ObjectTier
  /** The time of its world; that of this machine if not said. */
  readonly wall?: () => number
  /** Put objects of one byte by a faster way than the tier's, where there is one. */
  readonly fill?: (keys: readonly string[]) => Promise<void>
  readonly end: () => Promise<void>
}

type Make = () => Promise<TierUnderTest>

const CHUNK_BYTES = 300_000
const LARGE_BYTES: number = 40 * MIB
const LISTED_COUNT = 1234

/** Define the suite. */
export function objectTierSuite(name: string, make: Make): void {
  describe(`object tier: ${name}`, () => {
    contentSuite(make)
    nameSuite(make)
    failureSuite(make)
  })
}

/** Bytes that differ by place and by seed. */
export function patternOf(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let i = 0, x = seed; i < words.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    words[i] = x
  }
  return new Uint8Array(words.buffer, 0, length)
}

async function* inChunks(
  bytes: Uint8Array,
  chunkBytes: number = CHUNK_BYTES,
): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += chunkBytes) yield bytes.subarray(i, i + chunkBytes)
}

export async function put(tier: ObjectTier, key: string, bytes: Uint8Array): Promise<void> {
  await tier.put(key, bytes.length, inChunks(bytes), { signal: forever() })
}

export async function get(
  tier: ObjectTier,
  key: string,
  range?: { readonly from: number; readonly to: number },
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of tier.get(key, range, { signal: forever() })) parts.push(part)
  return concatBytes(parts)
}

export async function keysOf(tier: ObjectTier, prefix = ''): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of tier.list(prefix, { signal: forever() })) keys.push(key)
  return keys.sort()
}

/** Not by deepEqual, which takes long for much. */
export function assertSame(found: Uint8Array, expected: Uint8Array): void {
  assert.equal(found.length, expected.length)
  assert.ok(Buffer.compare(found, expected) === 0, 'other bytes')
}

/** For assert.rejects: a ShoalError of this code whose words name the tier, and all of `parts`. */
export function says(code: ErrorCode, ...parts: readonly string[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof ShoalError, String(error))
    assert.equal(error.code, code, error.message)
    for (const part of parts) assert.ok(error.message.includes(part), error.message)
    return true
  }
}

export function forever(): AbortSignal {
  return new AbortController().signal
}

function contentSuite(make: Make): void {
  test('an object of any size is read back as it was put', () =>
    using(make, async ({ tier }) => {
      for (const length of [0, 1, 70_000, LARGE_BYTES + 1]) {
        const bytes = patternOf(length)
        await put(tier, `of/${length}`, bytes)
        assertSame(await get(tier, `of/${length}`), bytes)
        assert.equal((await tier.head(`of/${length}`, { signal: forever() }))?.bytes, length)
      }
    }))

  test('a range read gives just the range, cut at the end of the object', () =>
    using(make, async ({ tier }) => {
      const bytes = patternOf(LARGE_BYTES)
      await put(tier, 'large', bytes)
      const ranges = [
        [0, 1],
        [LARGE_BYTES - 1, LARGE_BYTES],
        [5_000_000, 5_000_001 + 20 * MIB],
        [LARGE_BYTES - 10, LARGE_BYTES + 10],
        [LARGE_BYTES, LARGE_BYTES + 10],
        [7, 7],
      ] as const
      for (const [from, to] of ranges) {
        assertSame(await get(tier, 'large', { from, to }), bytes.subarray(from, to))
      }
    }))

  test('a put may be of unknown size', () =>
    using(make, async ({ tier }) => {
      const bytes = patternOf(LARGE_BYTES / 2)
      await tier.put('key', undefined, inChunks(bytes, 999_999), { signal: forever() })
      assertSame(await get(tier, 'key'), bytes)
    }))

  test('an object is replaced as a whole', () =>
    using(make, async ({ tier }) => {
      await put(tier, 'key', patternOf(100_000, 1))
      await put(tier, 'key', patternOf(50, 2))
      assertSame(await get(tier, 'key'), patternOf(50, 2))
      assert.deepEqual(await keysOf(tier), ['key'])
    }))

  test('many objects are put and read concurrently', () =>
    using(make, async ({ tier }) => {
      const numbers = Array.from({ length: 8 }, (_, i) => i + 1)
      const content = (i: number): Uint8Array => patternOf(i * 500_000, i)
      await Promise.all(numbers.map((i) => put(tier, `key ${i}`, content(i))))
      const found = await Promise.all(numbers.map((i) => get(tier, `key ${i}`)))
      for (const i of numbers) assertSame(found[i - 1] ?? new Uint8Array(), content(i))
    }))

  test('a reader may stop early', () =>
    using(make, async ({ tier }) => {
      await put(tier, 'large', patternOf(LARGE_BYTES))
      for await (const part of tier.get('large', undefined, { signal: forever() })) {
        assert.ok(part.length > 0)
        break
      }
      assertSame(
        await get(tier, 'large', { from: 1, to: 9 }),
        patternOf(LARGE_BYTES).subarray(1, 9),
      )
    }))
}

function nameSuite(make: Make): void {
  test('keys may have spaces, punctuation and letters of any script', () =>
    using(make, async ({ tier }) => {
      const keys = ['a b/c  d', 'é/ñ/日本語.car', '+&=?#%20;,\'"', '~/(x)[y]{z}*$!', 'ab/-rf', '😀']
      for (const [i, key] of keys.entries()) await put(tier, key, patternOf(10, i))
      for (const [i, key] of keys.entries()) assertSame(await get(tier, key), patternOf(10, i))
      assert.deepEqual(await keysOf(tier), [...keys].sort())
      await tier.remove(keys, { signal: forever() })
      assert.deepEqual(await keysOf(tier), [])
    }))

  test('all keys are listed, however many, with size and time', () =>
    using(make, async ({ tier, wall = Date.now, fill = (keys) => fillBy(tier, keys) }) => {
      const keys = Array.from({ length: LISTED_COUNT }, (_, i) => `folder ${i % 3}/${i}.car`)
      await fill(keys)
      assert.deepEqual(await keysOf(tier), [...keys].sort())
      for await (const { bytes, modifiedMs, restore } of tier.list('', { signal: forever() })) {
        assert.equal(bytes, 1)
        assert.equal(restore, 'none')
        assert.ok(Math.abs(wall() - modifiedMs) < 3_600_000, String(modifiedMs))
      }
      await tier.remove(keys, { signal: forever() })
      assert.deepEqual(await keysOf(tier), [])
    }))

  test('a prefix need not end at a folder', () =>
    using(make, async ({ tier, fill = (keys) => fillBy(tier, keys) }) => {
      await fill(['a/b1', 'a/b2/c', 'a/d', 'ab'])
      assert.deepEqual(await keysOf(tier, 'a/b'), ['a/b1', 'a/b2/c'])
      assert.deepEqual(await keysOf(tier, 'a/'), ['a/b1', 'a/b2/c', 'a/d'])
      assert.deepEqual(await keysOf(tier, 'a'), ['a/b1', 'a/b2/c', 'a/d', 'ab'])
      assert.deepEqual(await keysOf(tier, 'none/such'), [])
    }))

  test('a removed object is gone, and a missing one counts as removed', () =>
    using(make, async ({ tier }) => {
      await put(tier, 'a', patternOf(3))
      await put(tier, 'b', patternOf(3))
      await tier.remove(['a', 'never/was'], { signal: forever() })
      assert.deepEqual(await keysOf(tier), ['b'])
      await tier.remove([], { signal: forever() })
    }))

  test('keys that lead out of the tier are refused', () =>
    using(make, async ({ tier }) => {
      for (const key of ['', '/a', 'a/', 'a//b', '.', '../a', 'a/../b', 'a\nb', 'a\\b']) {
        await assert.rejects(put(tier, key, patternOf(1)), says('EINVAL'))
        await assert.rejects(get(tier, key), says('EINVAL'))
      }
      assert.deepEqual(await keysOf(tier), [])
    }))
}

function failureSuite(make: Make): void {
  test('a missing object is reported by name', () =>
    using(make, async ({ tier }) => {
      assert.equal(await tier.head('no/such', { signal: forever() }), undefined)
      await assert.rejects(get(tier, 'no/such'), says('cold-missing', 'no/such'))
      const range = { from: 0, to: 5 }
      await assert.rejects(get(tier, 'no/such', range), says('cold-missing', 'no/such'))
    }))

  test('an aborted put leaves nothing that can be read', () =>
    using(make, async ({ tier }) => {
      const abort = new AbortController()
      const reason = new ShoalError('aborted', 'enough')
      const source = async function* (): AsyncGenerator<Uint8Array> {
        for (let i = 0; i < 60; i++) {
          if (i === 40) abort.abort(reason)
          yield patternOf(MIB, i)
        }
      }
      const putting = tier.put('key', 60 * MIB, source(), { signal: abort.signal })
      await assert.rejects(putting, says('aborted'))
      assert.equal(await tier.head('key', { signal: forever() }), undefined)
      assert.deepEqual(await keysOf(tier), [])
    }))

  test('a put whose source fails, or has another length than stated, stores nothing', () =>
    using(make, async ({ tier }) => {
      const source = async function* (): AsyncGenerator<Uint8Array> {
        yield patternOf(MIB)
        throw new ShoalError('EIO', 'the disk')
      }
      await assert.rejects(tier.put('a', 9, source(), { signal: forever() }), says('EIO'))
      for (const length of [100, 20 * MIB]) {
        const putting = tier.put('b', length + 1, inChunks(patternOf(length)), {
          signal: forever(),
        })
        await assert.rejects(putting, says('corrupt', String(length)))
      }
      assert.deepEqual(await keysOf(tier), [])
    }))

  test('an aborted signal ends every call', () =>
    using(make, async ({ tier }) => {
      await put(tier, 'key', patternOf(LARGE_BYTES))
      const abort = new AbortController()
      const reading = (async () => {
        for await (const _ of tier.get('key', undefined, { signal: abort.signal })) {
          abort.abort(new ShoalError('aborted', 'enough'))
        }
      })()
      await assert.rejects(reading, says('aborted'))
      await assert.rejects(tier.head('key', { signal: abort.signal }), says('aborted'))
      await assert.rejects(tier.remove(['key'], { signal: abort.signal }), says('aborted'))
      await assert.rejects(tier.check({ signal: abort.signal }), says('aborted'))
      assert.deepEqual(await keysOf(tier), ['key'])
    }))

  test('a check leaves nothing behind', () =>
    using(make, async ({ tier }) => {
      await tier.check({ signal: forever() })
      assert.deepEqual(await keysOf(tier), [])
    }))

  test('a closed tier fails with "stopped"', () =>
    using(make, async ({ tier }) => {
      await tier.close()
      await assert.rejects(put(tier, 'key', patternOf(1)), says('stopped'))
    }))
}

async function fillBy(tier: ObjectTier, keys: readonly string[]): Promise<void> {
  await Promise.all(keys.map((key) => put(tier, key, patternOf(1))))
}

async function using(make: Make, run: (made: TierUnderTest) => Promise<void>): Promise<void> {
  const made = await make()
  try {
    await run(made)
  } finally {
    await made.tier.close()
    await made.end()
  }
}
