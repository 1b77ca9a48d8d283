// CAR frames, UnixFS nodes and sealed trees as bytes: golden vectors of docs/formats/exchange.md,
// what @ipld/car says of the same, and what anyone may send.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CarReader } from '@ipld/car'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex, utf8 } from '../../protocol/bytes.ts'
import {
  UNKNOWN_ROOT,
  decodeCarHeader,
  decodeVarint,
  encodeCarHeader,
  encodeSectionHead,
  encodeVarint,
  isBlockOf,
  parseCid,
  sha256Cid,
} from '../../protocol/car/car.ts'
import {
  decodeEntry,
  decodeRoot,
  encodeEntry,
  openRoot,
  sealRoot,
} from '../../protocol/car/sealed-tree.ts'
import { decodeUnixfs, mtimeOf } from '../../protocol/car/unixfs.ts'
import { hasCode } from '../../protocol/errors.ts'
import { CODEC_DAG_CBOR } from '../../protocol/ids.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'
import type { SealedEntry, SizedContent } from '../../protocol/car/sealed-tree.ts'
import type { ChunkKeys } from '../../protocol/chunk/seal.ts'
import type { ChunkId, VolumeId } from '../../protocol/ids.ts'

const KEYS: ChunkKeys = {
  volume: '11'.repeat(32) as VolumeId,
  chunkSecret: Uint8Array.from({ length: 32 }, (_, at) => at),
  epoch: 3,
  hash: 'blake3',
}
const CHUNKS: SizedContent = {
  size: 300_000,
  content: {
    kind: 'chunks',
    root: {
      id: 'bafkr4ibtgmztgmztgmztgmztgmztgmztgmztgmztgmztgmztgmztgmztgm' as ChunkId,
      plainHash: new Uint8Array(32).fill(0x22),
      length: 77,
      codec: 0,
      epoch: 3,
    },
    depth: 0,
  },
}
const BASE = { mode: 0o644, modifiedNs: 1_700_000_000_000_000_001n }
const ENTRIES: readonly SealedEntry[] = [
  { ...BASE, depth: 0, kind: 'folder', name: 'photos', mode: 0o755 },
  { ...BASE, depth: 1, kind: 'symlink', name: 'latest', target: 'cat.jpg' },
  {
    ...BASE,
    depth: 1,
    kind: 'file',
    name: 'note',
    size: 2,
    content: { kind: 'inline', bytes: utf8('hi') },
  },
  { ...BASE, depth: 1, kind: 'file', name: 'cat.jpg', ...CHUNKS },
]

test('golden vectors of sealed trees, quoted by docs/formats/exchange.md', () => {
  const root = sealRoot(KEYS, CHUNKS)
  const vectors = {
    chunkSecret: toHex(KEYS.chunkSecret),
    entries: Object.fromEntries(ENTRIES.map((entry) => [entry.name, toHex(encodeEntry(entry))])),
    root: toHex(root),
    cid: String(sha256Cid(CODEC_DAG_CBOR, root)),
  }
  checkVectors('sealed-tree', vectors)
  const page = readFileSync(join(import.meta.dirname, '../../docs/formats/exchange.md'), 'utf8')
  const quotes = [...page.matchAll(/^```vector sealed-tree\/(\S+)\n([^`]*)```/gm)]
  assert.equal(quotes.length, 4)
  for (const [, path = '', body = ''] of quotes) {
    let value: unknown = vectors
    for (const key of path.split('/')) value = (value as Record<string, unknown>)[key]
    assert.equal(body.replace(/#.*|\s/g, ''), value, path)
  }
})

describe('the root of a sealed tree', () => {
  test('opens with the keys that sealed it, and with a second secret of the epoch', () => {
    const root = decodeRoot(sealRoot(KEYS, CHUNKS))
    assert.deepEqual(openRoot(KEYS, root), CHUNKS)
    const other = new Uint8Array(32).fill(9)
    const both = { ...KEYS, chunkSecret: other, otherSecrets: [KEYS.chunkSecret] }
    assert.deepEqual(openRoot(both, root), CHUNKS)
  })

  test('does not open with another secret, nor for another volume', () => {
    const root = decodeRoot(sealRoot(KEYS, CHUNKS))
    const wrong = { ...KEYS, chunkSecret: new Uint8Array(32) }
    assert.throws(() => openRoot(wrong, root), { code: 'corrupt' })
    const moved = { ...root, volume: '22'.repeat(32) as VolumeId }
    assert.throws(() => openRoot(KEYS, moved), { code: 'corrupt' })
  })

  test('and an entry are refused, and no more, where they are not well-formed', () => {
    assertRefusesOnly(decodeRoot, [sealRoot(KEYS, CHUNKS)])
    const bodies = ENTRIES.map((entry) => {
      const bytes = encodeEntry(entry)
      return bytes.subarray(decodeVarint(bytes).length)
    })
    const codes = ['malformed', 'unsupported', 'EINVAL', 'ENAMETOOLONG'] as const
    assertRefusesOnly(decodeEntry, bodies, { codes })
    const again = bodies.map((body) => toHex(encodeEntry(decodeEntry(body))))
    assert.deepEqual(again, ENTRIES.map(encodeEntry).map(toHex))
  })
})

describe('CAR frames', () => {
  test('every length comes back, in the bytes that varints have', () => {
    const lengths = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
    fc.assert(
      fc.property(lengths, (value) => {
        const bytes = encodeVarint(value)
        assert.deepEqual(decodeVarint(bytes), { value, length: bytes.length })
        assert(bytes.length <= 8)
      }),
    )
    assert.equal(toHex(encodeVarint(300)), 'ac02')
    for (const bad of ['', '80', 'ffffffffffffffff'].map(fromHex))
      assert.throws(() => decodeVarint(bad), { code: 'malformed' })
  })

  test('a header and a block are what @ipld/car reads, the header as long as one of no root', async () => {
    const bytes = utf8('hello world')
    const cid = parseCid('bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e')
    assert(isBlockOf(cid, bytes) && !isBlockOf(cid, utf8('hello')))
    const header = encodeCarHeader(cid)
    const reader = await CarReader.fromBytes(
      concatBytes([header, encodeSectionHead(cid.bytes, bytes.length), bytes]),
    )
    assert.deepEqual((await reader.getRoots()).map(String), [String(cid)])
    assert.deepEqual((await reader.get(cid))?.bytes, bytes)
    assert.equal(encodeCarHeader(UNKNOWN_ROOT).length, header.length)
    assertRefusesOnly(decodeCarHeader, [header.subarray(1)])
  })

  test('a UnixFS node of any bytes is read or refused', () => {
    const pb = sha256Cid(0x70, new Uint8Array(0))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeUnixfs(pb, bytes)
        } catch (error) {
          assert(hasCode(error, 'malformed') || hasCode(error, 'unsupported'), String(error))
        }
      }),
    )
    assert.deepEqual(mtimeOf(-1n), { secs: -1n, nsecs: 999_999_999 })
  })
})
