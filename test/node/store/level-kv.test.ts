// The size of the ordered store over LevelDB.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LevelKv } from '../../../node/store/level-kv.ts'
import { MIB } from '../../../protocol/units.ts'

test('what is in its log only counts to its size, as it takes room on the disk', () =>
  withKv(async (kv) => {
    const before = await kv.sizeBytes()
    for (const key of ['a', 'b', 'c'])
      await kv.write([{ kind: 'put', key, value: randomBytes(MIB) }], { sync: true })
    assert.ok((await kv.sizeBytes()) - before >= 3 * MIB)
  }))

test('the room of what was deleted comes back with the compaction of its range', () =>
  withKv(async (kv) => {
    const keys = Array.from({ length: 24 }, (_, i) => `e${String.fromCharCode(i)}`)
    for (const key of keys)
      await kv.write([{ kind: 'put', key, value: randomBytes(MIB) }], { sync: false })
    await kv.write([{ kind: 'put', key: 'f', value: new Uint8Array(1) }], { sync: false })
    // As they are after a day.
    await kv.emptyBuffers()
    await kv.write(
      keys.map((key) => ({ kind: 'delete', key })),
      { sync: true },
    )
    assert.ok((await kv.sizeBytes()) >= 16 * MIB)
    await kv.compact({ from: 'e', to: 'f' })
    // LevelDB has removed by then what it needs no more.
    await kv.emptyBuffers()
    assert.ok((await kv.sizeBytes()) < MIB)
    assert.deepEqual(kv.get('f'), Buffer.alloc(1))
  }))

async function withKv(run: (kv: LevelKv) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-kv-'))
  const kv = await LevelKv.open(join(folder, 'index'))
  try {
    await run(kv)
  } finally {
    await kv.close()
    await rm(folder, { recursive: true })
  }
}
