// A volume that has lost every machine is rebuilt from its cold tier and its key: real nodes, and a
// folder as the tier.
import assert from 'node:assert/strict'
import { link, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ExportedKey } from '../../node/control/recovery.ts'
import { attribute } from '../cluster/attribute.ts'
import { TestCluster, eventually, runShoal } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { skip } from '../mount/mounted.ts'
import { assertSameTree, digestFile, digestTree, writeRandomFile } from '../cluster/trees.ts'

const BIG_MIB = 10
const SMALL_FILES = 8

test('a volume whose machines are all lost is recovered on an empty one', { skip }, async (t) => {
  await using cluster = await TestCluster.start(3)
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const place = join(cluster.folder, 'tier')
  await mkdir(place)
  const source = join(cluster.folder, 'source')
  await makeTree(source)
  const wanted = await digestTree(source)
  const key = join(cluster.folder, 'recovery.key')
  const recover = (node: TestNode, ...more: string[]): ReturnType<TestNode['run']> =>
    node.run('recover', '--from', `dir:${place}`, '--no-mdns', ...more)

  await t.test('a recovery key is exported once, to a file for its owner only', async () => {
    await first.shoal('volume', 'set', 'main', 'class=rs2+1', 'keep=none')
    await first.shoal('cold', 'add', 'attic', `dir:${place}`)
    const { code, stderr } = await first.run('volume', 'key', 'export', key)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /Anyone who has it/)
    assert.equal((await stat(key)).mode & 0o777, 0o600)
    const again = await first.run('volume', 'key', 'export', key)
    assert.equal(again.code, 1)
    assert.match(again.stderr, /exists already/)
    const info = await first.json<{ members: { name: string; role: string }[] }>(
      'volume',
      'info',
      'main',
    )
    const keys = info.members.filter(({ role }) => role === 'recovery')
    assert.equal(keys.length, 1, 'the refused one made no member')
    assert.match(keys[0]?.name ?? '', /^recovery-\d{4}-\d\d-\d\d$/)
    assert.equal((await first.json<unknown[]>('peer', 'ls')).length, 2, 'it is no peer')
  })

  let printed = ''
  await t.test('all data is pushed to the tier, including that of a newer key epoch', async () => {
    await first.shoal('put', '--ack', 'placed', source, '/tree')
    await first.shoal('mount', first.mountFolder)
    await link(join(first.mountFolder, 'tree/0'), join(first.mountFolder, 'tree/hard'))
    await attribute(join(first.mountFolder, 'tree/1'), 'user.kept', 'kept')
    await first.shoal('unmount', first.mountFolder)
    const gone = cluster.node('gone')
    await gone.start({ ticket: await first.invite() })
    await eventually('its name is known', async () => {
      return /\bgone\b/.test(await first.shoal('peer', 'ls'))
    })
    await gone.kill('SIGKILL')
    await first.shoal('peer', 'rm', 'gone', '--now')
    await writeFile(join(source, 'later'), 'of the second epoch')
    await first.shoal('put', '--ack', 'placed', join(source, 'later'), '/tree/later')
    const { text } = await first.json<ExportedKey & { text: string }>(
      'volume',
      'key',
      'export',
      '--print',
    )
    printed = text
    await first.shoal('cold', 'push', '/')
    for (const object of await objectsIn(place)) {
      const bytes = await readFile(object)
      for (const name of ['later', 'big.bin', 'recovery', 'attic'])
        assert(!bytes.includes(name), `${object} tells a name`)
    }
  })

  await Promise.all([first, second, third].map((node) => node.kill('SIGKILL')))
  await Promise.all([first, second, third].map((node) => rm(node.home, { recursive: true })))
  const fresh = cluster.node('fresh')

  await t.test(
    'a wrong key, tier or backup is refused with the reason, and leaves nothing',
    async () => {
      const other = join(cluster.folder, 'other.key')
      const text = await readFile(key, 'utf8')
      await writeFile(
        other,
        text.replace(/^(2\/\d+ )./m, (_, start: string) => `${start}?`),
      )
      const typo = await recover(fresh, '--key', other)
      assert.equal(typo.code, 1)
      assert.match(typo.stderr, /line 2 of the recovery key/)
      const elsewhere = join(cluster.folder, 'empty')
      await mkdir(elsewhere)
      const empty = await fresh.run(
        'recover',
        '--from',
        `dir:${elsewhere}`,
        '--key',
        key,
        '--no-mdns',
      )
      assert.equal(empty.code, 1)
      assert.match(empty.stderr, /no backup of volume "main"/)

      const stranger = cluster.node('stranger')
      await stranger.start()
      await stranger.shoal('volume', 'create', 'main')
      await stranger.shoal('volume', 'key', 'export', join(cluster.folder, 'stranger.key'))
      await stranger.kill('SIGKILL')
      const foreign = await recover(fresh, '--key', join(cluster.folder, 'stranger.key'))
      assert.equal(foreign.code, 1)
      assert.match(foreign.stderr, /another volume/)

      for (const kind of ['log', 'heads'])
        for (const damaged of (await objectsIn(place)).filter((name) => name.includes(`/${kind}/`)))
          await rename(damaged, join(cluster.folder, `${kind}-${damaged.split('/').at(-1)}`))
      const [head = ''] = await savedAs(cluster.folder, 'heads')
      const heads = (await objectsIn(place))[0]?.split('/packs/')[0] ?? ''
      const bytes = await readFile(join(cluster.folder, `heads-${head}`))
      await mkdir(join(heads, 'heads'), { recursive: true })
      await writeFile(join(heads, 'heads', head), bytes.subarray(0, bytes.length - 1))
      const truncated = await recover(fresh, '--key', key)
      assert.equal(truncated.code, 1)
      assert.match(truncated.stderr, /damaged/)
      for (const name of await savedAs(cluster.folder, 'heads'))
        await rename(join(cluster.folder, `heads-${name}`), join(heads, 'heads', name))
      const missing = await recover(fresh, '--key', key)
      assert.equal(missing.code, 1)
      assert.match(missing.stderr, /log\//)
      await mkdir(join(heads, 'log'), { recursive: true })
      for (const name of await savedAs(cluster.folder, 'log'))
        await rename(join(cluster.folder, `log-${name}`), join(heads, 'log', name))
      await assert.rejects(stat(fresh.home), { code: 'ENOENT' })
    },
  )

  await t.test('recovery with the older key restores every byte', async () => {
    const { code, stderr, stdout } = await recover(fresh, '--key', key, '--name', 'fresh')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /Recovered volume "main"/)
    await fresh.start()
    const got = join(cluster.folder, 'got')
    await fresh.shoal('get', '/tree', got)
    const hard = { path: 'hard', digest: wanted.get('0') ?? '' }
    const all = new Map([...wanted, [hard.path, hard.digest]])
    const later = await digestTree(got)
    assert.equal(await readFile(join(got, 'later'), 'utf8'), 'of the second epoch')
    assertSameTree(without(later, 'later'), all, 'got')
    await fresh.shoal('mount', fresh.mountFolder)
    const mounted = join(fresh.mountFolder, 'tree')
    assertSameTree(without(await digestTree(mounted), 'later'), all, 'mounted')
    assert.equal((await stat(join(mounted, 'hard'))).nlink, 2)
    assert.equal(await attribute(join(mounted, '1'), 'user.kept'), 'kept')
    await fresh.shoal('unmount', fresh.mountFolder)
  })

  await t.test('the recovered volume takes writes and new members', async () => {
    await fresh.shoal('put', join(source, '3'), '/new')
    const friend = cluster.node('friend')
    await friend.start({ ticket: await fresh.invite() })
    const got = join(cluster.folder, 'got-new')
    await friend.shoal('get', '/new', got)
    assert.equal(await digestFile(got), await digestFile(join(source, '3')))
    await eventually('the tier has what is new', async () => {
      const { code } = await fresh.run('cold', 'push', '/new')
      return code === 0
    })
  })

  await t.test('the printed key also recovers the volume, with later writes', async () => {
    const twice = cluster.node('twice')
    const words = [
      'recover',
      '--from',
      `dir:${place}`,
      '--key',
      '-',
      '--no-mdns',
      '--name',
      'twice',
    ]
    const { code, stderr } = await runShoal(
      ['--home', twice.home, ...words],
      Buffer.from(printed.toUpperCase()),
    )
    assert.equal(code, 0, stderr)
    await twice.start()
    assert.match(await twice.shoal('ls', '/'), /new/)
  })
})

async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, 'Ünïcødé 文件夹'), { recursive: true })
  await writeRandomFile(join(folder, 'big.bin'), BIG_MIB)
  for (let n = 0; n < SMALL_FILES; n++)
    await writeFile(join(folder, `${n}`), `${n}`.repeat(n * 500))
  await writeFile(join(folder, 'Ünïcødé 文件夹', '🐟 e\u0301.txt'), 'fish'.repeat(2000))
}

async function objectsIn(place: string): Promise<string[]> {
  const all = await readdir(place, { recursive: true, withFileTypes: true })
  return all.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
}

async function savedAs(folder: string, kind: string): Promise<string[]> {
  const names = await readdir(folder)
  return names
    .filter((name) => name.startsWith(`${kind}-`))
    .map((name) => name.slice(kind.length + 1))
}

function without(digest: ReadonlyMap<string, string>, path: string): Map<string, string> {
  return new Map([...digest].filter(([each]) => each !== path))
}
