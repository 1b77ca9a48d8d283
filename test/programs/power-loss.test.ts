// Power losses for real: the home lies on an ext4 of its own, which from some moment on writes
// nothing more, not even what is in its memory, and is mounted again without. What was fsynced by
// then is there; of what was only closed, a beginning in its order. A disk that loses what it
// confirmed is not tested by it.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, open, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { GIB } from '../../protocol/units.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { endWhileWriting } from '../mount/durability.ts'
import { skip } from '../mount/mounted.ts'
import { losePower } from '../mount/system-calls.ts'
import { need, needAll } from './need.ts'

need('mkfs.ext4')
needAll(skip)

const ROUNDS = 40
const run = promisify(execFile)

test(`what was fsynced survives each of ${ROUNDS} power losses`, async (t) => {
  // Its end unmounts the home as well.
  await using cluster = await TestCluster.create()
  const node = cluster.node('n1')
  const image = join(cluster.folder, 'image')
  const file = await open(image, 'w')
  await file.truncate(4 * GIB)
  await file.close()
  await run('mkfs.ext4', ['-q', image])
  await mkdir(node.home, { recursive: true })
  const mount = (): Promise<unknown> => run('mount', ['-o', 'loop', image, node.home])
  await mount()
  await rmdir(join(node.home, 'lost+found'))
  await node.start({ mount: node.mountFolder })

  const end = async (): Promise<void> => {
    const fd = openSync(node.home, 'r')
    losePower(fd)
    closeSync(fd)
    await node.kill('SIGKILL')
    await run('umount', ['-l', node.mountFolder])
    const isUnmounted = (): Promise<boolean> =>
      run('umount', [node.home]).then(
        () => true,
        () => false,
      )
    await eventually('nobody uses the disk any more', isUnmounted)
    await mount()
  }
  const changes = await endWhileWriting(node, ROUNDS, { outlives: 'synced', end })
  t.diagnostic(`${changes} changes`)
  assert.ok(changes > 10 * ROUNDS)
})
