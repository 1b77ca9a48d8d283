// The content of a tier, verified by a real node, and tried by a drill of the recovery: whole
// objects are reported so, each fault is found; neither leaves anything behind.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { VerifiedTier, VerifyProblem } from '../../node/control/cold.ts'
import type { Rehearsal } from '../../node/control/recovery.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { Outcome } from '../cli/in-process.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { writeRandomFile } from '../cluster/trees.ts'

interface Verified {
  readonly tiers: readonly VerifiedTier[]
  readonly problems: readonly VerifyProblem[]
}

test('a tier is verified, and a recovery from it is rehearsed', async (t) => {
  await using cluster = await TestCluster.start(1)
  const [node] = cluster.nodes as [TestNode]
  const place = join(cluster.folder, 'tier')
  await mkdir(place)
  const key = join(cluster.folder, 'recovery.key')
  await writeRandomFile(join(cluster.folder, 'big'), 5)
  await node.shoal('cold', 'add', 'attic', `dir:${place}`)
  await node.shoal('volume', 'key', 'export', key)
  await node.shoal('mkdir', '/folder')
  await node.shoal('put', join(cluster.folder, 'big'), '/folder/big')
  await writeFile(join(cluster.folder, 'small'), 'small')
  await node.shoal('put', join(cluster.folder, 'small'), '/small')
  await eventually('all is in stripes', async () => (await node.volume()).unplacedBytes === 0)
  await node.shoal('cold', 'push', '/')

  const objects = async (): Promise<string[]> => {
    const all = await readdir(place, { recursive: true, withFileTypes: true })
    return all.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
  }
  const one = async (part: string): Promise<string> => {
    const found = (await objects()).find((name) => name.includes(part))
    assert(found !== undefined, part)
    return found
  }
  const verify = async (...words: string[]): Promise<Verified & { readonly code: number }> => {
    const { code, stdout } = await node.run('--json', 'cold', 'verify', ...words)
    return { code, ...(JSON.parse(stdout) as Verified) }
  }
  const drill = (...words: string[]): Promise<Outcome> =>
    node.run('recover', '--dry-run', '--from', `dir:${place}`, '--key', key, ...words)
  /** Something is wrong for as long as `run` runs. */
  const without = async (path: string, run: () => Promise<void>): Promise<void> => {
    await rename(path, `${place}.away`)
    await run()
    await rename(`${place}.away`, path)
  }
  const damaged = async (path: string, run: () => Promise<void>): Promise<void> => {
    const bytes = await readFile(path)
    await writeFile(path, bytes.with(bytes.length >> 1, (bytes[bytes.length >> 1] ?? 0) ^ 1))
    await run()
    await writeFile(path, bytes)
  }

  await t.test('an intact tier passes, and the drill leaves nothing behind', async () => {
    const { code, tiers, problems } = await verify('--all')
    assert.deepEqual([code, problems], [0, []])
    const [attic] = tiers
    assert.equal(attic?.stripes, attic?.readStripes)
    assert(attic !== undefined && attic.readBytes >= 5 * 2 ** 20)
    assert.equal(attic.backup.isCompared, true)
    assert.equal(attic.backup.author, node.name)
    const shown = await node.shoal('cold', 'verify', 'attic', '--sample', '1')
    assert.match(shown, /^attic: \d+ stripes? in \d+ packs?, 1 of them read in full/)
    assert.match(
      shown,
      /newest backup: number \d+ of .* by n1, .*identical to the state of this node/,
    )
    const before = (await objects()).toSorted()
    const drills = async (): Promise<number> =>
      (await readdir(tmpdir())).filter((name) => name.startsWith('shoal-drill-')).length
    const others = await drills()
    const { stdout, stderr } = await drill('--json')
    const found = JSON.parse(stdout) as Rehearsal
    assert.deepEqual([found.files, found.folders, found.readFiles], [2, 1, 2], stderr)
    assert.equal(found.readBytes, found.bytes)
    assert.deepEqual((await objects()).toSorted(), before, 'it put nothing')
    assert.equal(await drills(), others, 'it left nothing')
    assert.equal((await node.status()).volumes.length, 1)
  })

  await t.test('a missing or damaged pack is reported', async () => {
    const pack = await one('/packs/')
    await without(pack, async () => {
      const { code, problems } = await verify('--sample', '0')
      assert.equal(code, 1)
      assert.match(problems[0]?.what ?? '', /\.car is missing and should contain \d+ stripes/)
      const rehearsed = await drill()
      assert.equal(rehearsed.code, 1)
      assert.match(rehearsed.stderr, /Cannot read \/.*cold tier attic/)
    })
    await damaged(pack, async () => {
      const { code, problems } = await verify('--all')
      assert.equal(code, 1)
      assert.match(problems[0]?.what ?? '', /\.car does not hold chunk/)
    })
  })

  await t.test('a damaged head and a missing part of the log are reported', async () => {
    const { tiers } = await verify('--sample', '0')
    assert.equal(tiers[0]?.backup.stored, tiers[0]?.backup.heads)
    await damaged(await one('/heads/'), async () => {
      const { code, problems } = await verify('--sample', '0')
      assert.equal(code, 1)
      assert(problems.some(({ what }) => /\/heads\/.*damaged/.test(what)))
    })
    for (const name of (await objects()).filter((each) => each.includes('/log/')))
      await rename(name, `${name}.away`)
    const { code, problems } = await verify('--sample', '0')
    assert.equal(code, 1)
    assert(problems.some(({ what }) => /\/log\//.test(what)))
    const rehearsed = await drill()
    assert.equal(rehearsed.code, 1)
    assert.match(rehearsed.stderr, /no backup of volume "main" can be used/)
  })
})
