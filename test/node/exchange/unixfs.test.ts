// The export of a node is what IPFS makes of the same files: the same roots, and blocks that Helia
// reads. A node imports what Helia makes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes, utf8 } from '../../../protocol/bytes.ts'
import {
  KUBO,
  assertSame,
  bytesOf,
  carOf,
  collect,
  contentAt,
  exported,
  helia,
  imported,
  inParts,
  listing,
  loadCar,
  putTree,
  withNode,
} from './archives.ts'
import type { MemoryBlockstore } from 'blockstore-core'
import type { Block } from '../../../protocol/car/car.ts'
import type { Tree } from './archives.ts'

const LEAF = 262_144
/** The length of a header that names one root. */
const HEADER = 59
/** So long that 3,000 of them make a sharded folder. */
/** Helia shards a folder whose names and hashes take more than 256 KiB: here, of MANY files. */
const NAME = 'a name that is rather long, '.repeat(8)
const MANY = 1100

/** Roots that `ipfs add --cid-version 1 --raw-leaves` is known for. */
const KNOWN: readonly (readonly [string, Uint8Array, string])[] = [
  ['nothing', utf8(''), 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'],
  [
    'a greeting',
    utf8('hello world'),
    'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e',
  ],
]
const EMPTY_FOLDER = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354'

const SIZES: Readonly<Record<string, number>> = {
  'no byte': 0,
  'one byte': 1,
  'exactly a leaf': LEAF,
  'a leaf and a byte': LEAF + 1,
  'a node full of leaves': 174 * LEAF,
  'a node full of leaves and a byte': 174 * LEAF + 1,
}

describe('UnixFS export', () => {
  for (const [what, content, cid] of KNOWN)
    test(`${what} has the root that IPFS computes`, () =>
      withNode(async (api) => {
        await api.writeFile('/file', inParts(content))
        assert.equal((await exported(api, '/file')).root, cid)
      }))

  test('an empty folder has the root that IPFS computes', () =>
    withNode(async (api) => {
      await api.makeFolder('/folder')
      assert.equal((await exported(api, '/folder')).root, EMPTY_FOLDER)
    }))

  for (const [what, length] of Object.entries(SIZES))
    test(`a file of ${what} has the root that Helia computes, and reads back`, () =>
      withNode(async (api) => {
        const content = bytesOf(length)
        await api.writeFile('/file', inParts(content))
        const { car, root, bytes } = await exported(api, '/file')
        assert.equal(bytes, length)
        const { fs, blocks } = helia()
        assert.equal(root, String(await helia().fs.addBytes(content, KUBO)))
        const loaded = await loadCar(blocks, car)
        assert.equal(String(loaded), root)
        assertSame(await collect(fs.cat(loaded)), content)
      }))

  test('a large tree of Unicode names has the root that Helia computes, and reads back', () =>
    withNode(async (api) => {
      const tree = largeTree()
      await putTree(api, '/tree', tree)
      const { root, car, ...counts } = await exported(api, '/tree')
      assert.deepEqual(counts, {
        files: MANY + 7,
        folders: 5,
        symlinks: 1,
        bytes: counts.bytes,
        leftOut: 0,
        leftOutPaths: [],
      })
      assert.equal(root, await rootByHelia(tree))
      const { fs, blocks } = helia()
      const loaded = await loadCar(blocks, car)
      assertSame(await collect(fs.cat(loaded, { path: 'ünïcode/日本語/𝄞' })), utf8('clef'))
      assertSame(await collect(fs.cat(loaded, { path: `many/${NAME} 1099` })), utf8('1099'))
      let count = 0
      for await (const { name } of fs.ls(loaded, { path: 'many' }))
        count += name.startsWith(NAME) ? 1 : 0
      assert.equal(count, MANY)
      const many = await fs.stat(loaded, { path: 'many' })
      assert.equal(many.unixfs?.type, 'hamt-sharded-directory')
      const events = await imported(api, '/again', car)
      const { files, folders, symlinks, bytes } = counts
      const done = { kind: 'done', root, files, folders, symlinks, bytes }
      assert.deepEqual(events.at(-1), done, 'as many as were exported')
      assert.deepEqual(await listing(api, '/again'), await listing(api, '/tree'))
    }))

  test('one pass with the root written later gives the same archive as two passes', () =>
    withNode(async (api) => {
      await putTree(api, '/tree', { a: bytesOf(3 * LEAF), 'b/c': utf8('c') })
      const twice = await exported(api, '/tree')
      const once = await exported(api, '/tree', { rootLater: true })
      assert.equal(once.root, twice.root)
      assert.equal(once.car.length, twice.car.length)
      assertSame(once.car.subarray(HEADER), twice.car.subarray(HEADER))
    }))

  test('repeated blocks are in the archive once', () =>
    withNode(async (api) => {
      await api.writeFile('/zeros', inParts(new Uint8Array(100 * LEAF)))
      const { car } = await exported(api, '/zeros')
      assert(car.length < 2 * LEAF, `${car.length} bytes`)
    }))
})

describe('UnixFS import', () => {
  test('modes and times are restored if they were exported', () =>
    withNode(async (api) => {
      await putTree(api, '/tree', { 'folder/run': bytesOf(300_000), 'folder/small': utf8('s') })
      const attributes = { mode: 0o750, modifiedNs: 1_700_000_000_123_456_789n }
      for (const path of ['/tree/folder/run', '/tree/folder/small', '/tree/folder', '/tree'])
        await api.setAttributes(path, attributes)
      await imported(api, '/again', (await exported(api, '/tree', { attributes: true })).car)
      for (const path of ['/again/folder/run', '/again/folder/small', '/again/folder', '/again']) {
        const { mode, modifiedNs } = await api.stat(path)
        assert.deepEqual({ mode, modifiedNs }, attributes, path)
      }
    }))

  for (const [what, options] of Object.entries({
    'as kubo does by default': { cidVersion: 0, rawLeaves: false },
    'as it does by itself': {},
    'as kubo does with raw leaves': KUBO,
  } as const))
    test(`an archive made by Helia ${what} is imported, with its blocks in any order`, () =>
      withNode(async (api) => {
        const { fs, blocks } = helia()
        const large = bytesOf(3 * LEAF + 5)
        const file = await fs.addBytes(large, options)
        const folder = await fs.cp(file, await fs.addDirectory(undefined, options), 'lärge')
        const car = await carOf([folder], (await blocksOf(blocks)).reverse())
        await imported(api, '/from-helia', car)
        assertSame(await contentAt(api, '/from-helia/lärge'), large)
      }))

  test('an archive is imported into a strong volume', () =>
    withNode(async (api) => {
      await putTree(api, '/tree', { 'a/b': utf8('b'), c: bytesOf(300_000) })
      await api.createVolume({ name: 'jobs', settings: { consistency: 'strong' } })
      await imported(api, 'jobs:/tree', (await exported(api, '/tree')).car)
      assert.deepEqual(await listing(api, 'jobs:/tree'), await listing(api, '/tree'))
    }))

  test('an import over an existing path, or into a missing folder, is refused', () =>
    withNode(async (api) => {
      await putTree(api, '/tree', { a: utf8('a') })
      const { car } = await exported(api, '/tree')
      await assert.rejects(imported(api, '/tree/a', car), { code: 'EEXIST' })
      await assert.rejects(imported(api, '/', car), { code: 'EEXIST' })
      await assert.rejects(imported(api, '/none/a', car), { code: 'ENOENT' })
    }))
})

function largeTree(): Tree {
  const many = Array.from({ length: MANY }, (_, at) => [`many/${NAME} ${at}`, utf8(String(at))])
  return {
    'ünïcode/日本語/𝄞': utf8('clef'),
    ' odd \\names^ /.hidden': utf8(''),
    'ünïcode/large': bytesOf(3 * LEAF),
    link: { target: '../ünïcode' },
    a: utf8('a'),
    b: utf8('b'),
    c: bytesOf(5_000),
    d: bytesOf(70_000),
    ...Object.fromEntries(many),
  } as Tree
}

async function rootByHelia(tree: Tree): Promise<string> {
  const { fs } = helia()
  const candidates = Object.entries(tree).map(([path, what]) => {
    if (what === 'folder') return { path: `tree/${path}` }
    if (what instanceof Uint8Array) return { path: `tree/${path}`, content: what }
    return { path: `tree/${path}`, link: what.target }
  })
  let root = ''
  for await (const { cid, path } of fs.addAll(candidates, KUBO))
    if (path === 'tree') root = String(cid)
  return root
}

async function blocksOf(store: MemoryBlockstore): Promise<Block[]> {
  const all: Block[] = []
  for await (const { cid, bytes } of store.getAll()) {
    const parts: Uint8Array[] = []
    for await (const part of bytes) parts.push(part)
    all.push({ cid, bytes: concatBytes(parts) })
  }
  return all
}
