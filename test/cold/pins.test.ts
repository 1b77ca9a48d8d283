// A folder that is pinned to a cold tier, on real nodes: existing and later files go there unasked.
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import type { Pin } from '../../node/control/pins.ts'
import { agreeTo } from './agree.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { digestFile, writeRandomFile } from '../cluster/trees.ts'
import type { TestNode } from '../cluster/cluster.ts'

const WAIT_MS = 180_000

test('a folder is pinned to a tier, followed, and unpinned', async (t) => {
  await using cluster = await TestCluster.start(3)
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const place = join(cluster.folder, 'tier')
  await mkdir(place)
  const sources = new Map<string, string>()
  const write = async (
    node: TestNode,
    name: string,
    mib: number,
    ack = 'placed',
  ): Promise<void> => {
    const source = join(cluster.folder, name)
    await writeRandomFile(source, mib)
    sources.set(name, source)
    await node.shoal('put', '--ack', ack, source, `/old/${name}`)
  }
  await first.shoal('volume', 'set', 'main', 'class=rs2+1', 'keep=none')
  await first.shoal('mkdir', '/old')
  await write(first, 'big', 6)
  await write(first, 'small', 1)
  await cluster.converged()

  await t.test(
    'a pin to an unknown tier is refused, and the error names the existing tiers',
    async () => {
      const none = await second.run('pin', 'add', '/old', '--cold', 'attic')
      assert.equal(none.code, 1)
      assert.match(none.stderr, /the volume has no cold tier: shoal cold add attic URL/)
      await first.shoal('cold', 'add', 'attic', `dir:${place}`)
      await agreeTo('attic', [second, third])
      const other = await first.run('pin', 'add', '/old', '--cold', 'cellar')
      assert.match(other.stderr, /no cold tier cellar, only attic/)
    },
  )

  await t.test('existing files go to the tier', async () => {
    await cluster.converged()
    const added = await second.shoal('pin', 'add', '/old', '--cold', 'attic')
    assert.match(added, /^Pinned \/old to cold tier attic/)
    await eventually('all lies there', () => isWhole(first, 7 * MIB), WAIT_MS)
  })

  await t.test(
    'so do files added by other nodes, before the kill of the node of the pin and meanwhile',
    async () => {
      await write(third, 'later', 1)
      await cluster.converged()
      await second.kill('SIGKILL')
      await write(first, 'missed', 1, 'local')
      await second.start()
      await cluster.converged()
      for (const node of cluster.nodes)
        await eventually('what was added, too', () => isWhole(node, 9 * MIB), WAIT_MS)
      assert.match(
        await third.shoal('pin', 'ls'),
        /^\/old  cold attic  volume  (\S+ \S+) of \1 \(100 %\)\n$/,
      )
    },
  )

  await t.test(
    'peers give up pinned data that the tier holds, and read it from there',
    async () => {
      await eventually(
        'nothing lies anywhere else',
        async () => {
          const { cold, stripes } = await first.volume()
          return cold.only > 0 && cold.copied === 0 && stripes.full === 0
        },
        WAIT_MS,
      )
      for (const [name, source] of sources) {
        const got = join(cluster.folder, `got-${name}`)
        await third.shoal('get', `/old/${name}`, got)
        assert.equal(await digestFile(got), await digestFile(source))
      }
      assert.ok(await isWhole(third, 9 * MIB))
    },
  )

  await t.test('pin ls shows the share in a class, and pin rm removes both pins', async () => {
    await first.shoal('pin', 'add', '/old', '--class', 'copies2')
    await write(first, 'in-class', 1)
    const pins = await first.json<Pin[]>('pin', 'ls')
    const [ofClass] = pins.filter(({ kind }) => kind === 'class')
    assert.equal(ofClass?.wantedBytes, 10 * MIB)
    assert.ok(ofClass.actualBytes >= MIB && ofClass.actualBytes <= 10 * MIB)
    assert.deepEqual(pins.map(({ kind }) => kind).sort(), ['class', 'cold'])
    await first.shoal('pin', 'rm', '/old')
    assert.deepEqual(await first.json('pin', 'ls'), [])
    assert.equal((await first.run('pin', 'rm', '/old')).code, 1)
  })
})

/** Is all that is pinned to a tier there, and is it so much? */
async function isWhole(node: TestNode, bytes: number): Promise<boolean> {
  const pins = await node.pins()
  const [pin] = pins.filter(({ kind }) => kind === 'cold')
  return pin?.wantedBytes === bytes && pin.actualBytes === bytes
}
