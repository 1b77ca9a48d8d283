// A mount of a volume without a kernel, whose changes can be refused.
import { nodeCache } from '../../node/content/decoded-cache.ts'
import { DirtyBudget } from '../../node/content/dirty-budget.ts'
import { ReadAheadBudget } from '../../node/content/read-ahead.ts'
import { InFlightReferences } from '../../node/content/in-flight-references.ts'
import { FileContents } from '../../node/volume/file-contents.ts'
import { PinnedClasses } from '../../node/volume/pinned-classes.ts'
import { VolumeStripeMap } from '../../node/volume/volume-stripe-map.ts'
import { VolumeFileSystem } from '../../node/mount/operations.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { Replica } from '../node/log/replicas.ts'
import type { FileLocks } from '../../node/volume/file-locks.ts'
import type { ChunkIo } from '../../node/content/chunk-io.ts'
import type { Volume } from '../../node/log/volume.ts'
import type { Store } from '../../node/store/store.ts'

/**
 * A mount of a volume with the file /f of 'before', whose changes can be refused; and what the
 * kernel was told.
 */
export async function mountedVolume({
  isSynced = false,
  locks,
}: { readonly isSynced?: boolean; readonly locks?: FileLocks } = {}): Promise<{
  fs: VolumeFileSystem
  replica: Replica
  volume: Volume
  inode: number
  told: unknown[]
  state: { refusing: boolean }
}> {
  const replica = await Replica.founder('anna')
  const { volume, namespace } = replica
  replica.write('f', 'before')
  const state = { refusing: false }
  const chunks = { reader: () => ({}), writer: () => ({}) } as unknown as ChunkIo
  const touched = new InFlightReferences()
  const nodes = nodeCache(10)
  const ahead = new ReadAheadBudget(0)
  const dirty = new DirtyBudget(MIB)
  const classes = new PinnedClasses(volume)
  const map = new VolumeStripeMap(volume)
  const fs = new VolumeFileSystem({
    namespace,
    contents: new FileContents({
      namespace,
      map,
      chunks,
      nodes,
      ahead,
      dirty,
      inFlight: touched,
      classes,
      stateOf: () => 'placed',
    }),
    store: {} as Store,
    isSynced,
    locks,
    changing: () => async (make) => {
      if (state.refusing) throw new ShoalError('NO_QUORUM', 'nobody is there')
      return make()
    },
  })
  const told: unknown[] = []
  fs.invalidateThrough({
    inode: (inode) => void told.push(inode),
    entry: () => undefined,
    settled: async () => void told.push('settled'),
  })
  const found = await fs.lookup(1, 'f')
  return { fs, replica, volume, inode: found?.inode ?? 0, told, state }
}
