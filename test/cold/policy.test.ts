// The cold tier settings of a volume, kept by real nodes unasked: data that is not read is moved to
// the tier, in spite of a node that is killed while it uploads, and is read through a mount.
import assert from 'node:assert/strict'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { attribute } from '../cluster/attribute.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { digestFile, writeRandomFile } from '../cluster/trees.ts'

const FILES = 4
const FILE_MIB = 4

test('cold data is demoted though its uploader is killed, and read through a mount', async (t) => {
  await using cluster = await TestCluster.start(3, { mounts: true })
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const place = join(cluster.folder, 'tier')
  await mkdir(place)
  const sources = Array.from({ length: FILES }, (_, n) => join(cluster.folder, `f${n}`))
  for (const source of sources) await writeRandomFile(source, FILE_MIB)

  await t.test('nodes are killed while they upload packs, and the others go on', async () => {
    await first.shoal('volume', 'set', 'main', 'class=rs2+1', 'keep=none')
    for (const source of sources) await first.shoal('put', '--ack', 'placed', source, '/')
    await cluster.converged()
    await first.shoal('volume', 'set', 'main', 'cold-tier=attic', 'cold-after=1s', 'cold=paused')
    const slow = await first.run('cold', 'add', 'attic', `dir:${place}`, '--limit', '10B')
    assert.match(slow.stderr, /at least 1KB/)
    for (const node of cluster.nodes) {
      await node.shoal('cold', 'add', 'attic', `dir:${place}`, '--limit', '2MB')
      await cluster.converged()
    }
    const put = (kind: string) => async (): Promise<boolean> =>
      (await readdir(place, { recursive: true })).some((name) => name.includes(`/${kind}/`))
    // The log is put after what is due, in the same pass.
    await eventually('the log is put while nothing else is', put('heads'))
    assert.equal(await put('packs')(), false)
    await first.shoal('volume', 'set', 'main', 'cold=on')
    // The limit has that take seconds: whoever asks meanwhile is told how far it is.
    await eventually('something is being put, and it is told how far that is', async () => {
      const all = await Promise.all(
        [first, second, third].map((node) => node.ask((client) => client.listTiers())),
      )
      return all.flat().some(({ moving }) => moving !== undefined && moving.totalBytes > 0)
    })
    await Promise.all([first, second].map((node) => node.kill('SIGKILL')))
    await Promise.all([first, second].map((node) => node.start({ mount: node.mountFolder })))
    await eventually('all lies in the tier, and nowhere else', async () => {
      const { cold, stripes } = await third.volume()
      return (
        cold.only > 0 && cold.copied === 0 && stripes.full + stripes.lost + stripes.atRisk === 0
      )
    })
    await cluster.converged()
  })

  await t.test('a mount shows that a file is cold, and reads it from the tier', async () => {
    const [source = ''] = sources
    const file = join(third.mountFolder, 'f0')
    assert.equal(await attribute(file, 'user.shoal.state'), 'cold')
    assert.equal(await digestFile(file), await digestFile(source))
  })
})
