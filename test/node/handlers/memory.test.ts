// The memory of a node, as status tells of it: each cache within its bound, in bytes.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { chunkCache } from '../../../node/content/decoded-cache.ts'
import { memoryStatus } from '../../../node/handlers/observe/memory.ts'
import { LevelKv } from '../../../node/store/level-kv.ts'
import { KIB, MIB } from '../../../protocol/units.ts'

describe('memory of a node', () => {
  test('every cache is named with its bytes and its bound', () => {
    const ofProcess = { residentBytes: 3, heapBytes: 2, externalBytes: 1 }
    const caches = [{ name: 'index', bytes: 5, limitBytes: 6 }]
    const status = memoryStatus({ ...ofProcess, caches }, { chunkBytes: 7, unsavedBytes: 8 })
    assert.deepEqual(
      status.caches.map(({ name, bytes }) => [name, bytes]),
      [
        ['index', 5],
        ['chunks', 7],
        ['unsaved', 8],
      ],
    )
    assert.ok(status.caches.every(({ limitBytes, bytes }) => limitBytes > 0 && bytes < limitBytes))
    assert.equal(status.residentBytes, 3)
  })

  test('the cache of chunks counts its bytes and stays within them', () => {
    const cache = chunkCache(MIB)
    for (let n = 0; n < 100; n++) {
      cache.set(String(n), new Uint8Array(64 * KIB))
      assert.ok(cache.size <= MIB)
    }
    assert.equal(cache.size, MIB)
  })

  test('the index stays within its bound, and gives back what it had to write', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-kv-'))
    const kv = await LevelKv.open(join(folder, 'index'))
    try {
      const { limitBytes } = kv.memory()
      const empty = kv.memory().bytes
      for (let n = 0; n < 12; n++)
        await kv.write([{ kind: 'put', key: `${n}`, value: randomBytes(MIB) }], { sync: false })
      assert.ok(kv.memory().bytes >= 12 * MIB)
      assert.ok(kv.memory().bytes <= limitBytes)
      await kv.emptyBuffers()
      assert.ok(kv.memory().bytes <= empty + 2 * MIB, `${kv.memory().bytes} bytes are kept`)
      assert.equal(kv.get('7')?.length, MIB)
    } finally {
      await kv.close()
      await rm(folder, { recursive: true })
    }
  })
})
