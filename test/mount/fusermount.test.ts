// Mounting by way of fusermount3: a stand-in in the path, as the real one is not everywhere.
import assert from 'node:assert/strict'
import { closeSync, readlinkSync } from 'node:fs'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { userMounter } from '../../node/mount/drivers/kernel/fusermount.ts'
import { mountAt } from '../../node/mount/drivers/mount-table.ts'
import { failureOf } from '../../node/mount/drivers/mounter.ts'
import { emptyFolder, skip } from './mounted.ts'
import type { TestContext } from 'node:test'

const STAND_IN = fileURLToPath(import.meta.resolve('./stand-in-fusermount.ts'))
const settings = { name: 'shoal', readOnly: false, allowOther: true }

function withPath(t: TestContext, path: string): void {
  const before = process.env['PATH']
  process.env['PATH'] = path
  t.after(() => (process.env['PATH'] = before))
}

test('fusermount3 returns the descriptor of the mount over the socket', { skip }, async (t) => {
  const [programs, folder] = [await emptyFolder(t), await emptyFolder(t)]
  const program = join(programs, 'fusermount3')
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${STAND_IN}' "$@"\n`)
  await chmod(program, 0o755)
  withPath(t, `${programs}:${process.env['PATH']}`)
  const descriptor = await userMounter.mount(folder, settings)
  assert.equal(readlinkSync(`/proc/self/fd/${descriptor}`), '/dev/fuse')
  assert.equal(mountAt(folder)?.type, 'fuse.shoal')
  closeSync(descriptor)
  await assert.rejects(readdir(folder), { code: 'ENOTCONN' })
  assert.equal(await failureOf(userMounter.unmountCommand(folder, true)), undefined)
  assert.equal(mountAt(folder), undefined)
})

test('without fusermount3 the error names the package to install', { skip }, async (t) => {
  const folder = join(await emptyFolder(t), 'bin')
  await mkdir(folder)
  withPath(t, folder)
  await assert.rejects(userMounter.mount(folder, settings), {
    code: 'mount-failed',
    message: /cannot run fusermount3.*needs the package fuse3/,
  })
})
