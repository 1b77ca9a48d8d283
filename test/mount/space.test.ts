// The figures in `df`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VolumeFileSystem } from '../../node/mount/operations.ts'
import { Replica } from '../node/log/replicas.ts'

test('statfs reports the capacity of the store, not of the disk', async () => {
  const { namespace } = await Replica.founder('anna')
  const parts = {
    namespace,
    changing: () => undefined,
    store: { space: async () => ({ freeBytes: 100_000, totalBytes: 200_000_000 }) },
  }
  const fs = new VolumeFileSystem(
    parts as unknown as ConstructorParameters<typeof VolumeFileSystem>[0],
  )
  assert.deepEqual(await fs.statFileSystem(), { blockBytes: 4096, blocks: 48_828, blocksFree: 24 })
})
