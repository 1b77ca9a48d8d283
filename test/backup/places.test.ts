// Backups in a bucket of a real S3 server, and at a remote of rclone: all machines lost, restored
// with the place and the key alone.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MadeBackup } from '../../node/control/backups.ts'
import { TestCluster, runShoal } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { S3Server } from '../cold/s3-server.ts'
import { assertSameTree, digestTree, writeRandomFile } from '../cluster/trees.ts'

const FILES = 30

/** Runs of a job, changes between them, verify, loss of all machines, restore; at any place. */
async function lifeOf(
  cluster: TestCluster,
  where: { readonly url: string; readonly options?: readonly string[] },
  access: readonly string[],
  turns: number,
): Promise<void> {
  const [node] = cluster.nodes as [TestNode]
  const [source, key, target] = ['source', 'key', 'target'].map((name) =>
    join(cluster.folder, name),
  ) as [string, string, string]
  const { url, options = [] } = where
  await mkdir(join(source, 'with 🦀 space'), { recursive: true })
  for (let at = 0; at < FILES; at++)
    await writeFile(join(source, `with 🦀 space/${at}`), `${at} `.repeat(4000))
  await writeRandomFile(join(source, 'big'), 12)
  await node.shoal('put', source, '/tree')
  const place = [...options, ...access]
  await node.shoal(
    'backup',
    'add',
    'b',
    '/tree',
    '--to',
    url,
    '--save-key',
    key,
    ...place,
    '--keep-last',
    '2',
  )
  const first = await node.json<MadeBackup>('backup', 'run', 'b')
  for (let turn = 0; turn < turns; turn++) {
    await writeRandomFile(join(source, 'more'), 1)
    await node.shoal('put', source, '/tree')
    const made = await node.json<MadeBackup>('backup', 'run', 'b')
    assert.ok(made.addedBytes < 0.2 * first.addedBytes)
    assert.equal(made.removed, turn === 0 ? 0 : 1)
  }
  await node.shoal('backup', 'verify', 'b', '--sample', '100%')
  await node.kill('SIGKILL')
  await rm(node.home, { recursive: true })
  const from = ['--from', url, '--key-file', key, ...place]
  const { code, stderr } = await runShoal(['backup', 'restore', ...from, target])
  assert.equal(code, 0, stderr)
  assertSameTree(await digestTree(target), await digestTree(source), 'restored')
}

test(
  'a backup lives in a bucket of an S3 server',
  { skip: S3Server.missing() ?? false },
  async () => {
    await using server = await S3Server.start()
    await using cluster = await TestCluster.start(1)
    const url = `s3://${await server.makeBucket()}/some/prefix`
    const options = ['--endpoint', server.endpoint, '--region', server.region]
    await lifeOf(cluster, { url, options }, ['--credentials', server.credentialsFile], 3)
  },
)

const PROGRAM = 'rclone'
const noRclone = spawnSync(PROGRAM, ['version']).status === 0 ? false : `needs ${PROGRAM}`

test('a backup lives at a remote of rclone', { skip: noRclone }, async (t) => {
  const before = process.env
  t.after(() => void (process.env = before))
  process.env = { ...before, RCLONE_CONFIG: '/dev/null', RCLONE_CONFIG_TEST_TYPE: 'local' }
  await using cluster = await TestCluster.start(1)
  const place = join(cluster.folder, 'remote')
  await mkdir(place)
  // Each call is a process of rclone: a short life.
  await lifeOf(cluster, { url: `rclone:test:${place}` }, [], 1)
})
