// Data that goes into a cold tier, and comes back: real nodes, and a folder as the tier.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { CarReader } from '@ipld/car'
import type { TierStatus } from '../../node/control/cold.ts'
import { agreeTo } from './agree.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { digestFile, writeRandomFile } from '../cluster/trees.ts'

const FILE_MIB = 4
const SMALL_FILES = 20

test('pushed data is read from the tier once peers have given up their shards', async (t) => {
  await using cluster = await TestCluster.start(3)
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const place = join(cluster.folder, 'tier')
  await mkdir(place)
  const source = join(cluster.folder, 'source.bin')
  await writeRandomFile(source, FILE_MIB)
  const digest = await digestFile(source)
  const small = join(cluster.folder, 'small')
  await mkdir(small)
  for (let n = 0; n < SMALL_FILES; n++) await writeFile(join(small, `${n}`), `${n}`.repeat(9000))

  await t.test('a file and a folder of small files are pushed, as valid CAR files', async () => {
    await first.shoal('volume', 'set', 'main', 'class=rs2+1', 'keep=none')
    await first.shoal('put', '--ack', 'placed', source, '/big.bin')
    await first.shoal('put', '--ack', 'placed', small, '/small')
    await first.shoal('cold', 'add', 'attic', `dir:${place}`)
    await agreeTo('attic', [second, third])
    const pushed = await first.json<{ bytes: number }>('cold', 'push', '/')
    assert(pushed.bytes >= FILE_MIB * 2 ** 20)
    const packs = await packsIn(place)
    assert(packs.length > 0)
    for (const pack of packs) {
      const reader = await CarReader.fromBytes(await readFile(pack))
      assert.equal((await reader.getRoots()).length, 1)
    }
    const [tier] = await first.json<TierStatus[]>('cold', 'ls')
    assert.equal(tier?.objects, packs.length)
    assert.equal(tier.failure, undefined)
    const again = await first.json<{ bytes: number }>('cold', 'push', '/')
    assert.equal(again.bytes, 0, 'what is there is not put again')
  })

  await t.test('peers give up all their shards once the tier holds the data', async () => {
    await eventually('no shards are with peers', async () => {
      const { cold, stripes } = await first.volume()
      return cold.only > 0 && cold.copied === 0 && stripes.full + stripes.lost === 0
    })
    await cluster.converged()
  })

  await t.test('data that is only in the tier is read by a restarted node', async () => {
    await second.kill('SIGKILL')
    await second.start()
    const got = join(cluster.folder, 'got.bin')
    await second.shoal('get', '/big.bin', got)
    assert.equal(await digestFile(got), digest)
    assert.equal(await second.shoal('cat', '/small/7'), '7'.repeat(9000))
  })

  await t.test(
    'without the tier a read names the file and the reason, and the node stays up',
    async () => {
      const fresh = cluster.node('fresh')
      await fresh.start({ ticket: await first.invite() })
      await agreeTo('attic', [fresh])
      const away = `${place}.away`
      await rename(place, away)
      // What they gave up they keep for a while, and give to who asks.
      for (const node of cluster.nodes.slice(0, 3)) await node.kill('SIGKILL')
      const { code, stderr } = await fresh.run('cat', '/small/3')
      assert.equal(code, 1)
      assert.match(stderr, /attic/)
      assert.match(stderr, /\/small\/3/)
      assert.match(await fresh.shoal('ls', '/small'), /7/)
      await rename(away, place)
      assert.equal(await fresh.shoal('cat', '/small/3'), '3'.repeat(9000))
      const packs = await packsIn(place)
      await Promise.all(packs.map(damage))
      const damaged = await fresh.run('get', '/big.bin', join(cluster.folder, 'damaged.bin'))
      assert.equal(damaged.code, 1)
      assert.match(damaged.stderr, /big\.bin.*cold tier attic: .*\.car does not hold chunk/)
      await Promise.all(packs.map(damage))
      await fresh.shoal('get', '/big.bin', join(cluster.folder, 'damaged.bin'))
      for (const node of cluster.nodes.slice(0, 3)) await node.start()
    },
  )

  await t.test('a tier with the only copy cannot be removed before a recall', async () => {
    const { code, stderr } = await first.run('cold', 'rm', 'attic')
    assert.equal(code, 1)
    assert.match(stderr, /recall/)
    await first.shoal('cold', 'recall', '/')
    await eventually('all shards are with peers', async () => {
      const { cold, stripes } = await first.volume()
      return cold.only + cold.copied === 0 && stripes.full > 0 && stripes.lost === 0
    })
    await first.shoal('cold', 'rm', 'attic')
    // Others may be putting the log there still.
    await rename(place, `${place}.away`)
    const got = join(cluster.folder, 'recalled.bin')
    await third.shoal('get', '/big.bin', got)
    assert.equal(await digestFile(got), digest)
  })
})

/** Every byte of a file becomes another; twice, and it is as it was. */
async function damage(path: string): Promise<void> {
  await writeFile(
    path,
    (await readFile(path)).map((byte) => byte ^ 1),
  )
}

async function packsIn(place: string): Promise<string[]> {
  const names = await readdir(place, { recursive: true })
  return names.filter((name) => name.endsWith('.car')).map((name) => join(place, name))
}
