// The ordered stores of this project, held to the seam.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LevelKv } from '../../node/store/level-kv.ts'
import { MemoryKv } from '../../node/store/memory-kv.ts'
import { SealedKv } from '../../node/store/sealed-kv.ts'
import { HomeKey } from '../../node/world/home-key.ts'
import { kvSuite } from './kv.ts'

kvSuite('MemoryKv', async () => {
  const kv = MemoryKv.open()
  return { kv, end: () => kv.close() }
})

kvSuite('SealedKv', async () => {
  const kv = new SealedKv(MemoryKv.open(), HomeKey.make())
  return { kv, end: () => kv.close() }
})

kvSuite('LevelKv', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-kv-'))
  const kv = await LevelKv.open(join(folder, 'index'))
  return {
    kv,
    end: async () => {
      await kv.close()
      await rm(folder, { recursive: true })
    },
  }
})
