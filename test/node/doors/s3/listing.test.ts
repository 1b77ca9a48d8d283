// Keys as names and back, in order; and listings against those of a model that knows keys alone.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { NodeApi } from '../../../../node/control/api.ts'
import type { FileStat, FolderPage } from '../../../../node/control/files.ts'
import { keyOfEntry, partsOf } from '../../../../node/doors/s3/keys.ts'
import type { Layout } from '../../../../node/doors/s3/keys.ts'
import { listKeys } from '../../../../node/doors/s3/listing.ts'
import { textBytes } from '../../../../protocol/byte-text.ts'
import type { ByteString } from '../../../../protocol/bytes.ts'
import { fromByteString, toHex } from '../../../../protocol/bytes.ts'
import { ShoalError } from '../../../../protocol/errors.ts'

const BUCKET = ':/b'
const signal = new AbortController().signal

const anyKey = fc.oneof(
  fc.string({
    minLength: 1,
    maxLength: 6,
    unit: fc.constantFrom('a', '-', '.', '/', '0', '~', '%'),
  }),
  fc
    .uint8Array({ minLength: 1, maxLength: 200 })
    .map((bytes) => Buffer.from(bytes).toString('latin1')),
  fc.constantFrom('a', 'b').chain((char) => fc.nat(170).map((n) => char.repeat(n + 1))),
) as fc.Arbitrary<ByteString>

const anyPathKey = fc
  .array(fc.constantFrom('a', 'a-', 'a.b', 'b', 'a0', 'ü', 'A'), { minLength: 1, maxLength: 4 })
  .map((parts) => Buffer.from(parts.join('/')).toString('latin1') as ByteString)

/** A tree of folders and files, as a volume shows it. */
class Tree {
  readonly #folders = new Map<string, Map<string, boolean>>([[BUCKET, new Map()]])

  constructor(layout: Layout, keys: readonly ByteString[]) {
    for (const key of keys) {
      const parts = partsOf(layout, key)
      parts.forEach((name, at) => {
        const folder = [BUCKET, ...parts.slice(0, at)].join('/')
        const isFolder = at < parts.length - 1
        this.#folders.get(folder)?.set(name, isFolder)
        const below = `${folder}/${name}`
        if (isFolder && !this.#folders.has(below)) this.#folders.set(below, new Map())
      })
    }
  }

  get api(): NodeApi {
    const listPage: NodeApi['listPage'] = async (path, { after, limit = 1 } = {}) => {
      const names = [...(this.#folders.get(path) ?? fail())]
        .map(([name, isFolder]) => ({
          name,
          isFolder,
          key: toHex(fromByteString(textBytes(name))),
        }))
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .filter(({ key }) => after === undefined || key > after)
      const shown = names.slice(0, Math.min(limit, 3))
      const entries = shown.map(({ name, isFolder }) => statOf(name, isFolder))
      const page: FolderPage = { entries }
      return shown.length < names.length ? { ...page, next: shown.at(-1)?.key } : page
    }
    const stat: NodeApi['stat'] = async (path) => {
      const cut = path.lastIndexOf('/')
      const isFolder = this.#folders.get(path.slice(0, cut))?.get(path.slice(cut + 1))
      return isFolder === undefined ? fail() : statOf(path.slice(cut + 1), isFolder)
    }
    return { listPage, stat } as unknown as NodeApi
  }
}

function fail(): never {
  throw new ShoalError('ENOENT', 'nothing is there')
}

function statOf(name: string, isFolder: boolean): FileStat {
  return { name, kind: isFolder ? 'folder' : 'file' } as FileStat
}

/** The listing that S3 describes. */
function model(
  keys: readonly ByteString[],
  { prefix, delimiter, after }: { prefix: string; delimiter: string; after: string },
): string[] {
  const items = new Set<string>()
  for (const key of [...new Set(keys)].sort()) {
    if (!key.startsWith(prefix)) continue
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const common = at < 0 ? undefined : key.slice(0, at + delimiter.length)
    if (key > after && common !== after) items.add(common ?? key)
  }
  return [...items]
}

async function listed(
  layout: Layout,
  keys: readonly ByteString[],
  request: { prefix: string; delimiter: string; after: string; max: number },
): Promise<string[]> {
  const { api } = new Tree(layout, keys)
  const { prefix, after, ...rest } = request
  const asked = { ...rest, prefix: prefix as ByteString, after: after as ByteString }
  const { items } = await listKeys(api, { layout, bucket: BUCKET, signal }, asked)
  return items.map(({ key }) => key)
}

/** No key that would need to be a folder. */
function asPaths(keys: readonly ByteString[]): ByteString[] {
  return keys.filter((key) => !keys.some((other) => other.startsWith(`${key}/`)))
}

const anyRequest = (
  key: fc.Arbitrary<ByteString>,
): fc.Arbitrary<{
  prefix: string
  delimiter: string
  after: string
}> =>
  fc.record({
    prefix: fc.tuple(key, fc.nat(8)).map(([text, length]) => text.slice(0, length)),
    delimiter: fc.constantFrom('', '/', '-', 'a', 'a/'),
    after: fc.oneof(fc.constant(''), key),
  })

describe('keys of a flat bucket', () => {
  test('every key is names of its own, and they sort as it does', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (one, other) => {
        const [a, b] = [one, other].map((key) => partsOf('flat', key))
        assert.ok(a && b)
        for (const part of a) assert.ok(part.length <= 255 && !/[/\0]|^\.{1,2}$/.test(part), part)
        let key = '' as ByteString
        a.forEach((part, at) => {
          key = keyOfEntry('flat', key, part, at < a.length - 1) ?? assert.fail(part)
        })
        assert.equal(key, one)
        const order = (x: string, y: string): number => (x === y ? 0 : x < y ? -1 : 1)
        assert.equal(order(a.join('/'), b.join('/')), order(one, other))
      }),
      { numRuns: 2000 },
    )
  })

  test('names that stand for no key are none', () => {
    for (const name of ['ü', '%2f', '%', 'a%41', '%2', '~41', '.shoal-uploads'])
      assert.equal(keyOfEntry('flat', '' as ByteString, name, false), undefined, name)
    assert.equal(keyOfEntry('flat', '' as ByteString, 'a', true), undefined)
    assert.equal(keyOfEntry('flat', '' as ByteString, 'a%', true), undefined)
  })
})

describe('keys of a bucket of paths', () => {
  test('what leads elsewhere is refused', () => {
    for (const key of ['/a', 'a//b', '.', '..', 'a/../b', 'a/.', '', 'a\0b', '.shoal-uploads/x'])
      assert.throws(() => partsOf('path', key as ByteString), { status: 400 }, key)
    assert.throws(() => partsOf('path', 'x'.repeat(256) as ByteString), {
      s3Code: 'KeyTooLongError',
    })
    assert.throws(() => partsOf('flat', 'x'.repeat(1025) as ByteString), {
      s3Code: 'KeyTooLongError',
    })
    assert.deepEqual(partsOf('path', 'a\\b/c/' as ByteString), ['a\\b', 'c'])
  })
})

describe('listings', () => {
  test('of a flat bucket are what the model says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyKey, { maxLength: 30 }),
        anyRequest(anyKey),
        async (keys, asked) => {
          const found = await listed('flat', keys, { ...asked, max: 1000 })
          assert.deepEqual(found, model(keys, asked))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('of a bucket of paths are what the model says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyPathKey, { maxLength: 30 }).map(asPaths),
        anyRequest(anyPathKey),
        async (keys, asked) => {
          const found = await listed('path', keys, { ...asked, max: 1000 })
          assert.deepEqual(found, model(keys, asked))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('page by page they are the same', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('path' as const, 'flat' as const),
        fc.array(anyPathKey, { maxLength: 30 }).map(asPaths),
        anyRequest(anyPathKey),
        fc.integer({ min: 1, max: 4 }),
        async (layout, keys, asked, max) => {
          const all: string[] = []
          let after = asked.after
          for (;;) {
            const page = await listed(layout, keys, { ...asked, after, max })
            all.push(...page)
            after = page.at(-1) ?? ''
            if (page.length < max) break
          }
          assert.deepEqual(all, model(keys, asked))
        },
      ),
      { numRuns: 200 },
    )
  })
})
