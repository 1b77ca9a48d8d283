// A bucket with Object Lock: whoever has the keys to it hides what lies there, and puts other
// things on top; below all of it stays, and can be brought back. A volume too, with a recovery key.
import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { concatBytes, utf8 } from '../../protocol/bytes.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ObjectTier } from '../../node/world/world.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { S3Server } from '../cold/s3-server.ts'
import { PREFIX, clock, s3Tier } from '../cold/tiers.ts'
import { needAll } from './need.ts'

needAll(S3Server.missing())

const server = await S3Server.start()
after(() => server?.stop())

describe('a bucket that is locked', () => {
  test('has all that it held at a time', async () => {
    const { server: s3, bucket, tier } = await lockedTier()
    for (const key of ['gone', 'other', 'same', 'folder/gone too'])
      await put(tier, key, `true ${key}`)
    const before = await timeAfter(tier, 'folder/gone too')
    await tier.remove(['gone', 'folder/gone too'], { signal: clock.timeout(60_000) })
    await put(tier, 'other', 'a lie')
    await put(tier, 'new', 'news')
    await assert.rejects(s3.removeFirstVersion(bucket, `${PREFIX}/gone`), { name: 'AccessDenied' })
    assert.equal(await tier.rollBack(before, { signal: clock.timeout(60_000) }), 3)
    assert.equal(await tier.rollBack(before, { signal: clock.timeout(60_000) }), 0)
    for (const key of ['gone', 'other', 'same', 'folder/gone too'])
      assert.equal(await textOf(tier, key), `true ${key}`)
    assert.equal(await textOf(tier, 'new'), 'news')
    await tier.close()
  })

  test('gives a volume back that somebody removed from it', async () => {
    const { server: s3, bucket, tier } = await lockedTier()
    const options = ['--endpoint', s3.endpoint, '--region', s3.region]
    const access = [...options, '--credentials', s3.credentialsFile]
    await using cluster = await TestCluster.start(1)
    const [first] = cluster.nodes as [TestNode]
    const [file, key] = [join(cluster.folder, 'file'), join(cluster.folder, 'key')]
    await writeFile(file, 'what is to stay')
    await first.shoal('put', '--ack', 'placed', file, '/file')
    await first.shoal('cold', 'add', 'attic', `s3://${bucket}/${PREFIX}`, ...access)
    await first.shoal('volume', 'key', 'export', key)
    await first.shoal('cold', 'push', '/')
    await first.kill('SIGKILL')
    await rm(first.home, { recursive: true })
    const keys: string[] = []
    for await (const object of tier.list('', { signal: clock.timeout(60_000) }))
      keys.push(object.key)
    const before = await timeAfter(tier, ...keys)
    await tier.remove(keys, { signal: clock.timeout(60_000) })
    await tier.close()
    const again = cluster.node('again')
    const from = ['--from', `s3://${bucket}/${PREFIX}`, '--key', key, '--no-mdns', ...access]
    const { code, stderr } = await again.run('recover', ...from)
    assert.equal(code, 1)
    assert.match(stderr, /no backup/)
    const asOf = new Date(before).toISOString()
    assert.match(await again.shoal('recover', ...from, '--as-of', asOf), /^Recovered volume/)
    await again.start()
    assert.equal(await again.shoal('get', '/file', '-'), 'what is to stay')
    assert.match(
      await again.shoal('cold', 'rollback', 'attic', '--to', asOf),
      /^Restored 0 objects in attic/,
    )
  })
})

async function lockedTier(): Promise<{ server: S3Server; bucket: string; tier: ObjectTier }> {
  const bucket = await server.makeLockedBucket()
  return { server, bucket, tier: s3Tier(server, bucket) }
}

/**
 * A time after these were put, by the clock of the server, which counts seconds; nothing was put at
 * it.
 */
async function timeAfter(tier: ObjectTier, ...keys: readonly string[]): Promise<WallTime> {
  const signal = clock.timeout(60_000)
  const times = await Promise.all(keys.map((key) => tier.head(key, { signal })))
  const last = Math.max(...times.map((object) => object?.modifiedMs ?? 0))
  await eventually('the next second', async () => clock.wall() > last + 2000)
  return (last + 1000) as WallTime
}

async function put(tier: ObjectTier, key: string, text: string): Promise<void> {
  const bytes = utf8(text)
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes
  }
  await tier.put(key, bytes.length, chunks(), { signal: clock.timeout(60_000) })
}

async function textOf(tier: ObjectTier, key: string): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of tier.get(key, undefined, { signal: clock.timeout(60_000) }))
    parts.push(part)
  return Buffer.from(concatBytes(parts)).toString()
}
