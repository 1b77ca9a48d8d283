// The end of a mount: the work that is left then, however it ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Mounts } from '../../node/mount/mounts.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { ManualClock } from '../node/stripes/manual-clock.ts'
import { Replica } from '../node/log/replicas.ts'
import { SnapshotFiles } from '../../node/volume/snapshot-files.ts'
import type { FileContents } from '../../node/volume/file-contents.ts'
import type { Store } from '../../node/store/store.ts'

const FOLDER = '/a link/somewhere'
const REAL = '/somewhere'

/** A mount whose last commit goes as `commit` says, and what the node's log says. */
async function mounts(
  commit: () => Promise<void>,
): Promise<{ mounts: Mounts; said: unknown[]; detach: () => void }> {
  const { volume, namespace } = await Replica.founder('anna')
  Object.assign(volume, { commit })
  const { promise: ended, resolve: detach } = Promise.withResolvers<void>()
  const invalidator = { inode: () => undefined, entry: () => undefined, settled: async () => {} }
  const unmount = async (): Promise<void> => {
    detach()
    await ended
  }
  const mounted = { folder: REAL, invalidator, ended, unmount }
  const said: unknown[] = []
  const made = new Mounts({
    clock: new ManualClock(),
    mounter: async () => ({ ...mounted, [Symbol.asyncDispose]: unmount }),
    store: {} as Store,
    log: (_message, { code }) => void said.push(code),
  })
  const contents = { patient: () => ({}) } as unknown as FileContents
  const changing =
    () =>
    async <Result>(make: () => Result): Promise<Result> =>
      make()
  await made.mount(
    FOLDER,
    { namespace, contents, changing, locks: undefined, snapshots: new SnapshotFiles(namespace) },
    {
      volumeName: () => 'main',
      readOnly: false,
      allowOther: false,
      nonEmpty: false,
      root: undefined,
      owner: {},
      waitMs: undefined,
      isSynced: false,
      driver: undefined,
    },
  )
  return { mounts: made, said, detach }
}

test('unmount waits until writes are durable, and fails if they are not', async () => {
  const gate = Promise.withResolvers<void>()
  const { mounts: some } = await mounts(() => gate.promise)
  let isUnmounted = false
  const unmounting = some.unmount(FOLDER, false).finally(() => (isUnmounted = true))
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  assert.equal(isUnmounted, false)
  gate.reject(new ShoalError('ENOSPC', 'the disk is full'))
  await assert.rejects(unmounting, { code: 'ENOSPC' })
  assert.deepEqual(some.list(), [])
})

test('a mount ended by umount(8) logs the failure of its last commit', async () => {
  const {
    mounts: some,
    said,
    detach,
  } = await mounts(async () => {
    throw new ShoalError('ENOSPC', 'the disk is full')
  })
  detach()
  await new Promise(setImmediate)
  assert.deepEqual(said, ['ENOSPC'])
  assert.deepEqual(some.list(), [])
  await assert.rejects(some.unmount(FOLDER, false), { code: 'ENOENT' })
  await some.stop()
})

test('a mount is unmounted by the name it was given, or by its resolved path', async () => {
  for (const folder of [FOLDER, REAL]) {
    const { mounts: some } = await mounts(async () => undefined)
    await assert.rejects(some.unmount('/else', false), { code: 'ENOENT' })
    await some.unmount(folder, false)
    assert.deepEqual(some.list(), [])
  }
})
