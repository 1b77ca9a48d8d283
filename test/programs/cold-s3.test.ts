// The cold tier of real nodes on a real S3 server: each node with credentials of its own, that no
// other learns.
import assert from 'node:assert/strict'
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TierStatus } from '../../node/control/cold.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { digestFile, writeRandomFile } from '../cluster/trees.ts'
import { S3Server } from '../cold/s3-server.ts'
import { needAll } from './need.ts'

needAll(S3Server.missing())

const FILE_MIB = 40

test('what lies in a bucket alone is read by who is let in to it', async (t) => {
  const server = await S3Server.start()
  t.after(() => server.stop())
  const bucket = await server.makeBucket()
  await using cluster = await TestCluster.start(3)
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const source = join(cluster.folder, 'source.bin')
  await writeRandomFile(source, FILE_MIB)
  await first.shoal('volume', 'set', 'main', 'class=rs2+1', 'keep=none')
  await first.shoal('put', '--ack', 'placed', source, '/big.bin')
  const place = [`s3://${bucket}/shoal`, '--endpoint', server.endpoint, '--region', server.region]
  const add = (node: TestNode, credentials: string): Promise<string> =>
    node.shoal('cold', 'add', 'attic', ...place, '--credentials', credentials)
  await add(first, server.credentialsFile)
  // Who lets go of a shard looks into the bucket first.
  const trust = ['cold', 'trust', 'attic', '--yes', '--credentials', server.credentialsFile]
  for (const node of [second, third]) await node.shoal(...trust)
  await first.shoal('cold', 'push', '/')
  const [tier] = await first.json<TierStatus[]>('cold', 'ls')
  assert.deepEqual([tier?.objects, tier?.failure], [tier?.stripes, undefined])
  await eventually('no shards are with peers', async () => {
    const { cold } = await third.volume()
    return cold.only > 0 && cold.copied === 0
  })

  // Who gave up shards has them for a while.
  await Promise.all([first, second, third].map((node) => node.kill('SIGTERM')))
  const fresh = cluster.node('fresh')
  await first.start()
  const ticket = await first.invite()
  await fresh.start({ ticket })
  await first.kill('SIGKILL')
  const refused = await fresh.run('cat', '/big.bin')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /attic/)
  assert(!refused.stderr.includes(server.secretKey))

  const own = join(cluster.folder, 'credentials')
  await copyFile(server.credentialsFile, own)
  await add(fresh, own)
  const got = join(cluster.folder, 'got.bin')
  await fresh.shoal('get', '/big.bin', got)
  assert.equal(await digestFile(got), await digestFile(source))
  await rm(own)
})
