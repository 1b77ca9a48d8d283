// CAR files between real nodes, by the command: exported, read by another program, imported, and
// refused.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import { MIB } from '../../protocol/units.ts'
import { xorshiftBytes } from '../protocol/vectors.ts'
import { assertSame, collect, helia, heliaCar, loadCar } from '../node/exchange/archives.ts'
import { TestCluster, runShoal } from './cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from './trees.ts'
import type { Exported } from '../../node/control/exchange.ts'
import type { TestNode } from './cluster.ts'

test('CAR archives between nodes', async (t) => {
  await using cluster = await TestCluster.start(2)
  const [a, b] = cluster.nodes as [TestNode, TestNode]
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, 40)
  const large = xorshiftBytes(3, 3 * MIB)
  await writeFile(join(source, 'large'), large)

  await t.test(
    'import works through a pipe; a damaged or interrupted import leaves nothing',
    async () => {
      const file = join(cluster.folder, 'file')
      await writeFile(file, xorshiftBytes(4, 8 * MIB))
      await a.shoal('put', file, '/file')
      const archive = join(cluster.folder, 'file.car')
      const { root } = await a.json<Exported>('export', '/file', archive)
      await a.shoal('rm', '/file')
      const bytes = await readFile(archive)
      const piped = await runShoal(['--home', a.home, '--json', 'import', '-', '/piped'], bytes)
      assert.equal((JSON.parse(piped.stdout) as { root: string }).root, root)
      await a.shoal('rm', '/piped')

      const handle = await open(archive, 'r+')
      await handle.write(Uint8Array.of(1, 2, 3), 0, 3, 4 * MIB)
      await handle.close()
      const refused = await a.run('import', archive, '/x')
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, /block \d+ \(baf\w+\) at byte \d+ of the archive is damaged/)
      assert.equal(await a.shoal('ls', '/'), '')

      await writeFile(archive, bytes)
      const importing = a.run('import', archive, '/x')
      const isMaking = (): Promise<boolean> =>
        a.ask(async (client) => {
          for await (const page of client.list('/'))
            if (page.some(({ name }) => name.startsWith('.shoal-import-'))) return true
          return false
        })
      const isSeen = await Promise.race([importing.then(() => false), seen(isMaking)])
      await a.kill('SIGKILL')
      await importing
      await a.start()
      await cluster.connected()
      const after = await a.shoal('ls', '/')
      assert.equal(after, isSeen ? '' : after)
      assert(!after.includes('.shoal-import-'), after)
      assert.deepEqual(await readdir(join(a.home, 'exchange')), [])
      await rm(archive)
    },
  )

  await t.test(
    'Helia reads an exported archive byte for byte, and its archives are imported',
    async () => {
      await a.shoal('put', source, '/tree')
      const file = join(cluster.folder, 'tree.car')
      const { root, leftOut } = await a.json<Exported>('export', '/tree', file)
      assert.equal(leftOut, 0)
      const piped = await a.shoal('export', '/tree/large', '-')
      assert(piped.length > large.length / 4)

      const { fs, blocks } = helia()
      assert.equal(String(await loadCar(blocks, await readFile(file))), root)
      assertSame(await collect(fs.cat(CID.parse(root), { path: 'large' })), large)
      const back = join(cluster.folder, 'by helia.car')
      await writeFile(back, await collect(heliaCar(blocks).export(CID.parse(root))))
      assert.match(await b.shoal('import', back, '/'), /^Imported \d+ files \(.*\) to \/by helia/)
      assert.match(await b.shoal('import', file, '/imported'), /to \/imported/)
      const got = join(cluster.folder, 'got')
      await b.shoal('get', '/', got)
      const expected = await contentsOf(source)
      for (const name of ['by helia', 'imported'])
        assert.deepEqual(await contentsOf(join(got, name)), expected, name)
    },
  )

  await t.test(
    'a sealed archive is imported by a node of the volume, and by no other',
    async () => {
      const file = join(cluster.folder, 'sealed.car')
      await a.shoal('export', '--sealed', '/tree', file)
      await b.shoal('import', file, '/from-sealed')
      const got = join(cluster.folder, 'got of sealed')
      await b.shoal('get', '/from-sealed', got)
      assertSameTree(await digestTree(got), await digestTree(source), 'sealed')
      const stranger = cluster.node('stranger')
      await stranger.start()
      const { code, stderr } = await stranger.run('import', file, '/x')
      assert.equal(code, 1)
      assert.match(stderr, /sealed for members of volume [0-9a-f]{64}, and this node is not one/)
    },
  )
})

async function seen(isThere: () => Promise<boolean>): Promise<boolean> {
  while (!(await isThere().catch(() => true)));
  return true
}

/** The files below a folder, without modes and times, which an archive leaves out by default. */
async function contentsOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile()) continue
    found[relative(folder, path)] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  }
  return found
}
