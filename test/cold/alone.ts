// A volume of one machine: its data goes into a tier too, and is back when the machine is lost.
import assert from 'node:assert/strict'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { digestFile, writeRandomFile } from '../cluster/trees.ts'

const FILE_MIB = 4

/** urlOf: that of a tier in a folder. */
export function lonelyMachine(what: string, urlOf: (place: string) => string): void {
  test(`one machine puts its data in a tier by ${what}, recovers, and gains a peer`, async (t) => {
    await using cluster = await TestCluster.create()
    const only = cluster.node('only')
    const source = join(cluster.folder, 'source.bin')
    const place = join(cluster.folder, 'tier')
    const key = join(cluster.folder, 'key')
    await writeRandomFile(source, FILE_MIB)
    await mkdir(place)

    await t.test('data written before the tier was added is pushed to it', async () => {
      await only.start()
      await only.shoal('put', source, '/before')
      await only.shoal('cold', 'add', 'attic', urlOf(place))
      await only.shoal('volume', 'key', 'export', key)
      await eventually('all is in stripes', async () => (await only.volume()).unplacedBytes === 0)
      const { bytes } = await only.json<{ bytes: number }>('cold', 'push', '/before')
      assert(bytes >= FILE_MIB * 2 ** 20, `${bytes}`)
    })

    await t.test('the data is recovered on a fresh machine', async () => {
      const fresh = cluster.node('fresh')
      const words = ['--from', urlOf(place), '--key', key, '--no-mdns']
      const { code, stderr } = await fresh.run('recover', ...words)
      assert.equal(code, 0, stderr)
      await fresh.start()
      const got = join(cluster.folder, 'got')
      await fresh.shoal('get', '/before', got)
      assert.equal(await digestFile(got), await digestFile(source))
      await fresh.kill('SIGKILL')
      await rm(fresh.home, { recursive: true })
    })

    await t.test('a second machine gets the data that is not in the tier yet', async () => {
      await writeRandomFile(source, FILE_MIB)
      await only.shoal('put', source, '/after')
      await eventually('all is in stripes', async () => (await only.volume()).unplacedBytes === 0)
      assert.equal((await only.volume()).tolerates, 0)
      const second = cluster.node('second')
      await second.start({ ticket: await only.invite() })
      await cluster.connected()
      await Promise.all([only, second].map((node) => node.shoal('repair')))
      await eventually('either may be lost', async () => (await only.volume()).tolerates === 1)
      await cluster.converged()
      await only.kill('SIGKILL')
      const got = join(cluster.folder, 'got-after')
      await second.shoal('get', '/after', got)
      assert.equal(await digestFile(got), await digestFile(source))
    })
  })
}
