// Backups by real nodes, in folders: made, broken off, read back with the place and the key alone,
// damaged, robbed, pruned.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { TestCluster, runShoal } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { assertSameTree } from '../cluster/trees.ts'
import { skip } from '../mount/mounted.ts'
import { objectsIn } from './objects.ts'
import { HOLE_BYTES, describeTree, makeFullTree } from './full-tree.ts'

const exec = promisify(execFile)

test(
  'a tree with all metadata comes back with the place and the key alone',
  { skip },
  async (t) => {
    await using cluster = await TestCluster.start(1, { mounts: true })
    const [node] = cluster.nodes as [TestNode]
    const source = join(cluster.folder, 'source')
    const place = join(cluster.folder, 'a place')
    const key = join(cluster.folder, 'backup.key')
    const from = ['--from', `dir:${place}`, '--key-file', key]
    await mkdir(source)
    await mkdir(place)
    await makeFullTree(source)
    await exec('rsync', ['-aHAX', '--sparse', `${source}/`, join(node.mountFolder, 'tree')])
    const wanted = await describeTree(source)

    await t.test('it is added with a key, and run', async () => {
      await node.shoal('backup', 'add', 'daily', '/tree', '--to', `dir:${place}`, '--save-key', key)
      assert.equal((await stat(key)).mode & 0o777, 0o600)
      const made = await node.json<Made>('backup', 'run', 'daily')
      assert.equal(made.number, 1)
      assert.equal(made.failed, 0)
      assert.deepEqual([made.files, made.folders], [48, 7])
    })

    await t.test('a second run reads and uploads nothing again', async () => {
      const made = await node.json<Made>('backup', 'run', 'daily')
      assert.equal(made.addedBytes, 0)
      assert.ok(made.unchanged > 20, `${made.unchanged} files were not read`)
    })

    await t.test('nothing at the place tells a name or a text', async () => {
      for (const object of await objectsIn(place)) {
        const bytes = await readFile(object)
        for (const name of ['file-7', 'all work', 'daily', 'tree', 'dangling'])
          assert.ok(!bytes.includes(name), `${object} tells ${name}`)
      }
    })

    await t.test('all machines are lost', async () => {
      await node.kill('SIGKILL')
      await exec('umount', ['-l', node.mountFolder])
      await rm(node.home, { recursive: true })
    })

    await t.test('it is restored with all metadata on an empty machine', async () => {
      const target = join(cluster.folder, 'restored')
      const home = join(cluster.folder, 'no-home')
      const { code, stderr } = await runShoal([
        '--home',
        home,
        'backup',
        'restore',
        ...from,
        target,
      ])
      assert.equal(code, 0, stderr)
      assertSameTree(await describeTree(target), wanted, 'restored')
      assert.ok(!existsSync(home), 'no home was needed')
      const { blocks } = await stat(join(target, 'sparse'))
      assert.ok(blocks * 512 < HOLE_BYTES, 'holes take no room')
      const again = await runShoal(['--json', 'backup', 'restore', ...from, target])
      const { files, unchanged } = JSON.parse(again.stdout) as { files: number; unchanged: number }
      assert.deepEqual([files, unchanged > 40], [0, true], 'what is there is left alone')
    })

    await t.test('a part of it is restored, and a single file', async () => {
      const target = join(cluster.folder, 'part')
      const one = await runShoal(['backup', 'restore', ...from, '--path', '/text', target])
      assert.equal(one.code, 0, one.stderr)
      assert.equal(await readFile(target, 'utf8'), 'all work and no play\n'.repeat(20_000))
    })

    await t.test('another key opens nothing, and is told so', async () => {
      const wrong = join(cluster.folder, 'wrong.key')
      const lines = (await readFile(key, 'utf8')).split('\n')
      await writeFile(wrong, lines.map((line) => line.replace(/^(1\/\d+ )(.)/, '$1z')).join('\n'))
      const mistyped = await runShoal([
        'backup',
        'restore',
        '--from',
        `dir:${place}`,
        '--key-file',
        wrong,
        join(cluster.folder, 'none'),
      ])
      assert.match(mistyped.stderr, /line 1 of the backup key is wrong or missing/)
      const other = cluster.node('other')
      await other.start()
      await other.shoal('mkdir', '/x')
      await mkdir(join(cluster.folder, 'elsewhere'))
      await other.shoal(
        'backup',
        'add',
        'x',
        '/x',
        '--to',
        `dir:${cluster.folder}/elsewhere`,
        '--save-key',
        `${wrong}2`,
      )
      const others = await runShoal([
        'backup',
        'restore',
        '--from',
        `dir:${place}`,
        '--key-file',
        `${wrong}2`,
        join(cluster.folder, 'none'),
      ])
      assert.equal(others.code, 1)
      assert.match(
        others.stderr,
        /none of the backups at this place \(of 1 other keys\) is of this key/,
      )
      await other.kill('SIGTERM')
    })

    await t.test('an index that is lost is made again of the packs', async () => {
      const [id = ''] = (await readdir(place)).filter((name) => /^[0-9a-f]{64}$/.test(name))
      await rm(join(place, id, 'index'), { recursive: true })
      const target = join(cluster.folder, 'without-index')
      const { code, stderr } = await runShoal(['backup', 'restore', ...from, target])
      assert.equal(code, 0, stderr)
      assertSameTree(await describeTree(target), wanted, 'restored')
    })

    await t.test('a damaged pack costs the files in it, which are named', async () => {
      const packs = (await objectsIn(place)).filter((path) => path.includes('/packs/'))
      const sizes = await Promise.all(packs.map(async (path) => (await stat(path)).size))
      const largest = packs[sizes.indexOf(Math.max(...sizes))] ?? ''
      const bytes = await readFile(largest)
      bytes.fill(0, 1_000_000, 1_000_100)
      await writeFile(largest, bytes)
      const verified = await runShoal(['backup', 'verify', ...from, '--sample', '100%'])
      assert.equal(verified.code, 1)
      assert.match(verified.stderr, /pack [0-9a-f]{32} is damaged/)
      const target = join(cluster.folder, 'damaged')
      const { code, stderr } = await runShoal(['backup', 'restore', ...from, target])
      assert.equal(code, 1)
      assert.match(stderr, /\/big: a part of it cannot be restored: pack [0-9a-f]{32} is damaged/)
      const found = await describeTree(target)
      const lost = [...wanted.keys()].filter((path) => !found.has(path))
      assert.deepEqual(lost, ['/big', '/deep/a/b/hard'], 'all others were restored')
    })
  },
)

interface Made {
  readonly id: string
  readonly number: number
  readonly files: number
  readonly folders: number
  readonly failed: number
  readonly unchanged: number
  readonly addedBytes: number
  readonly removed: number
}
