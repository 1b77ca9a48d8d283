// The size of the ordered store over LevelDB.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LevelKv } from '../../../node/store/level-kv.ts'
import { MIB } from '../../../protocol/units.ts'

test('what is in its log only counts to its size, as it takes room on the disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-kv-'))
  const kv = await LevelKv.open(join(folder, 'index'))
  try {
    const before = await kv.sizeBytes()
    for (const key of ['a', 'b', 'c'])
      await kv.write([{ kind: 'put', key, value: randomBytes(MIB) }], { sync: true })
    assert.ok((await kv.sizeBytes()) - before >= 3 * MIB)
  } finally {
    await kv.close()
    await rm(folder, { recursive: true })
  }
})
