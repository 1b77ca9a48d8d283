// Runs of backups by real nodes: modes, retention, commands around them, runs that are broken off,
// a place that is full, robbed, or shared.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFile, cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MadeBackup } from '../../node/control/backups.ts'
import { TestCluster, eventually, runShoal } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { assertSameTree, digestTree, writeRandomFile } from '../cluster/trees.ts'
import { objectsIn } from './objects.ts'

interface Listed {
  readonly backups: readonly { readonly id: string; readonly number: number }[]
  readonly problems: readonly { readonly what: string; readonly why: string }[]
}

const FILES = 30

async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, 'sub'), { recursive: true })
  for (let at = 0; at < FILES; at++)
    await writeFile(join(folder, `sub/${at}`), `${at} `.repeat(3000))
  await writeRandomFile(join(folder, 'big'), 6)
}

async function bytesAt(place: string): Promise<number> {
  const sizes = (await objectsIn(place)).map(async (path) => (await stat(path)).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

/** The bytes of packs that are whole. */
async function packBytes(place: string): Promise<number> {
  const packs = (await objectsIn(place)).filter((path) => path.includes('/packs/'))
  return (await Promise.all(packs.map((path) => stat(path)))).reduce(
    (sum, { size }) => sum + size,
    0,
  )
}

/** A node with a tree, and the key and place of a backup job `b` of it. */
async function start(
  cluster: TestCluster,
  ...options: readonly string[]
): Promise<{ node: TestNode; source: string; place: string; key: string; from: string[] }> {
  const [node] = cluster.nodes as [TestNode]
  const [source, place, key] = ['source', 'place', 'key'].map((name) => join(cluster.folder, name))
  assert(source !== undefined && place !== undefined && key !== undefined)
  await mkdir(place)
  await makeTree(source)
  await node.shoal('put', source, '/tree')
  await node.shoal(
    'backup',
    'add',
    'b',
    '/tree',
    '--to',
    `dir:${place}`,
    '--save-key',
    key,
    ...options,
  )
  return { node, source, place, key, from: ['--from', `dir:${place}`, '--key-file', key] }
}

async function snapshotsOf(node: TestNode): Promise<string[]> {
  const all = await node.json<readonly { readonly name: string }[]>('snapshot', 'ls')
  return all.map(({ name }) => name)
}

async function restored(cluster: TestCluster, ...words: string[]): Promise<string> {
  const target = join(cluster.folder, `restored-${crypto.randomUUID()}`)
  const { code, stderr } = await runShoal(['backup', 'restore', ...words, target])
  assert.equal(code, 0, stderr)
  return target
}

test('each mode stores what it says, and each backup is restored in one step', async () => {
  await using cluster = await TestCluster.start(1)
  const { node, source, place, from } = await start(cluster, '--mode', 'differential')
  const trees: string[] = []
  const run = async (...mode: string[]): Promise<MadeBackup> => {
    const number = trees.length
    await writeRandomFile(join(source, `new-${number}`), 1)
    await node.shoal('put', source, '/tree')
    const kept = join(cluster.folder, `kept-${number}`)
    await cp(source, kept, { recursive: true, preserveTimestamps: true })
    trees.push(kept)
    return node.json<MadeBackup>('backup', 'run', 'b', ...mode)
  }
  const first = await run()
  assert.equal(first.mode, 'full', 'a differential one without a full one is full')
  const second = await run()
  const third = await run()
  assert.deepEqual([second.mode, third.mode], ['differential', 'differential'])
  const mib = 1024 * 1024
  assert.ok(second.addedBytes > mib && second.addedBytes < 1.5 * mib, `${second.addedBytes}`)
  assert.ok(third.addedBytes > 2 * mib && third.addedBytes < 2.5 * mib, `${third.addedBytes}`)
  const fourth = await run('--mode', 'incremental')
  assert.ok(fourth.addedBytes < 1.5 * mib, `${fourth.addedBytes}`)
  const fifth = await run('--mode', 'full')
  assert.ok(fifth.addedBytes > 11 * mib, `${fifth.addedBytes}`)
  for (const [at, tree] of trees.entries()) {
    const target = await restored(cluster, ...from, `@${at + 1}`)
    assertSameTree(await digestTree(target), await digestTree(tree), `backup ${at + 1}`)
  }
  // Of a full one nothing else is needed: packs of all others are taken away.
  const before = new Set<string>()
  const { backups } = await node.json<Listed>('backup', 'ls', 'b')
  for (const { number } of backups.slice(0, -1))
    await node.shoal('backup', 'rm', `b@${number}`, '--yes')
  for (const path of await objectsIn(place)) before.add(path)
  assert.ok((await bytesAt(place)) < fifth.addedBytes * 1.02, 'what only others needed is gone')
  const target = await restored(cluster, ...from)
  assertSameTree(await digestTree(target), await digestTree(source), 'the full one')
  await node.shoal('backup', 'verify', 'b', '--sample', '100%')
})

test('old backups are removed, and what only they needed', async () => {
  await using cluster = await TestCluster.start(1)
  const { node, source, place, from } = await start(cluster, '--keep-last', '2')
  for (let turn = 0; turn < 4; turn++) {
    await writeRandomFile(join(source, 'big'), 6)
    await writeFile(join(source, 'sub/3'), `turn ${turn}`.repeat(5000))
    await node.shoal('put', source, '/tree')
    await node.shoal('backup', 'run', 'b')
  }
  const { backups, problems } = await node.json<Listed>('backup', 'ls', 'b')
  assert.deepEqual([backups.map(({ number }) => number), problems], [[3, 4], []])
  const bytes = await bytesAt(place)
  assert.ok(bytes < 14 * 1024 * 1024, `${bytes} bytes are left of two backups`)
  await node.shoal('backup', 'verify', 'b', '--sample', '100%')
  const target = await restored(cluster, ...from)
  assertSameTree(await digestTree(target), await digestTree(source), 'the newest')
  await restored(cluster, ...from, '@3')
})

test('a run that is killed is gone on with, as of one moment, and nothing of it is lost', async () => {
  await using cluster = await TestCluster.start(1)
  const { node, source, place, key, from } = await start(cluster, '--limit', '20MB')
  await writeRandomFile(join(source, 'bigger'), 80)
  await node.shoal('put', source, '/tree')
  const run = runShoal(['--home', node.home, 'backup', 'run', 'b'])
  await eventually('some packs are there', async () => (await packBytes(place)) > 25 * 1024 * 1024)
  await node.kill('SIGKILL')
  assert.notEqual((await run).code, 0)
  const left = await packBytes(place)
  await node.start()
  const [killed, ...others] = await snapshotsOf(node)
  assert.ok(killed !== undefined && others.length === 0)
  const running = node.json<MadeBackup>('backup', 'run', 'b')
  await eventually('the next run has a moment of its own', async () => {
    const [name, ...more] = await snapshotsOf(node)
    return name !== undefined && name !== killed && more.length === 0
  })
  // It is of the moment at which it began.
  await node.shoal('rm', '--recursive', '/tree')
  await node.shoal('put', key, '/tree')
  const made = await running
  assert.deepEqual(await snapshotsOf(node), [])
  assert.equal(made.number, 1)
  assert.ok(
    made.addedBytes < 88 * 1024 * 1024 - 0.7 * left,
    `${made.addedBytes} were put after ${left}`,
  )
  await node.shoal('backup', 'verify', 'b', '--sample', '100%')
  const target = await restored(cluster, ...from)
  assertSameTree(await digestTree(target), await digestTree(source), 'restored')
})

test('commands run around a backup, and one that fails stops it', async () => {
  await using cluster = await TestCluster.start(1)
  const { node } = await start(cluster)
  const log = join(cluster.folder, 'hooks')
  const config = join(node.home, 'config.yaml')
  const hooks = (before: string): Promise<void> =>
    appendFile(
      config,
      `backups:\n  b:\n    before: ${before}\n    after: echo "after $SHOAL_RESULT" >> ${log}\n`,
    )
  const plain = await readFile(config, 'utf8')
  await hooks(`echo "before $SHOAL_BACKUP" >> ${log}`)
  await node.shoal('backup', 'run', 'b')
  assert.equal(await readFile(log, 'utf8'), 'before b\nafter ok\n')
  await writeFile(config, plain)
  await hooks('echo the database is away >&2; exit 3')
  const { code, stderr } = await node.run('backup', 'run', 'b')
  assert.equal(code, 1)
  assert.match(stderr, /the command "echo .*" ended with 3: the database is away/)
  assert.match(await readFile(log, 'utf8'), /after failed\n$/)
  const { backups } = await node.json<Listed>('backup', 'ls', 'b')
  assert.equal(backups.length, 1, 'no backup was made')
  assert.match(await node.shoal('backup', 'ls'), /FAILED .*the database is away/)
  assert.match(await node.shoal('status'), /Backup +b FAILED .*the database is away/)
})

test('a node makes those that are due by itself', async () => {
  await using cluster = await TestCluster.start(1)
  const { node } = await start(cluster, '--every', '1s')
  await eventually('one was made', async () => {
    const { code, stdout } = await node.run('--json', 'backup', 'ls', 'b')
    return code === 0 && (JSON.parse(stdout) as Listed).backups.length >= 1
  })
})

test('a place that somebody takes backups away from, or brings back, is found out', async () => {
  await using cluster = await TestCluster.start(1)
  const { node, source, place, from } = await start(cluster)
  const made: MadeBackup[] = []
  const old = join(cluster.folder, 'old')
  for (let turn = 0; turn < 3; turn++) {
    await writeFile(join(source, 'sub/3'), `turn ${turn}`)
    await node.shoal('put', source, '/tree')
    made.push(await node.json<MadeBackup>('backup', 'run', 'b'))
    if (turn === 1) await cp(place, old, { recursive: true })
  }
  const records = (await objectsIn(place)).filter((path) => path.includes('/backups/'))
  const taken = records.find((path) => path.endsWith(made[1]?.id ?? '?')) ?? ''
  const bytes = await readFile(taken)
  await rm(taken)
  const robbed = await node.run('backup', 'ls', 'b')
  assert.equal(robbed.code, 1)
  assert.match(robbed.stderr, /backup [0-9a-f]{8} was taken away by somebody without the key/)
  bytes[40] = (bytes[40] ?? 0) ^ 1
  await writeFile(taken, bytes)
  const changed = await node.run('backup', 'ls', 'b')
  assert.equal(changed.code, 1)
  assert.match(changed.stderr, /is not what was put there/)
  await rm(place, { recursive: true })
  await cp(old, place, { recursive: true })
  const target = join(cluster.folder, 'target')
  const rolledBack = await node.run('backup', 'restore', 'b', target)
  assert.equal(rolledBack.code, 1)
  assert.match(rolledBack.stderr, /number 2 .*but there was number 3: somebody took backups away/)
  assert.equal((await node.run('backup', 'ls', 'b')).code, 1)
  assert.equal((await node.run('backup', 'verify', 'b')).code, 1)
  const atLeast = await runShoal(['backup', 'restore', ...from, '--at-least', '3', target])
  assert.match(atLeast.stderr, /there was to be a later one/)
  await node.shoal('backup', 'restore', 'b@2', target)
  const run = await node.run('backup', 'run', 'b')
  assert.equal(run.code, 0)
  assert.match(run.stderr, /backup 3, which was made from here, is not at the place any more/)
  assert.match(run.stdout, /Made incremental backup 4 /, 'no number is used twice')
})

test('a place that is full is told so, and used when there is room', async (t) => {
  await using cluster = await TestCluster.start(1)
  const place = join(cluster.folder, 'small')
  await mkdir(place)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'shoal-test', place])
  if (mounted.status !== 0) return t.skip('needs a tmpfs')
  t.after(() => spawnSync('umount', [place]))
  try {
    const [node] = cluster.nodes as [TestNode]
    const source = join(cluster.folder, 'source')
    await makeTree(source)
    await writeRandomFile(join(source, 'bigger'), 30)
    await node.shoal('put', source, '/tree')
    await node.shoal('backup', 'add', 'b', '/tree', '--to', `dir:${place}`)
    const full = await node.run('backup', 'run', 'b')
    assert.equal(full.code, 1)
    assert.match(full.stderr, /the disk is full: make room/)
    spawnSync('mount', ['-o', 'remount,size=100m', place])
    await node.shoal('backup', 'run', 'b')
    await node.shoal('backup', 'verify', 'b', '--sample', '100%')
  } finally {
    spawnSync('umount', [place])
  }
})

test('two machines share a place and a key, and do not hurt each other', async () => {
  await using cluster = await TestCluster.start(2)
  const { node, source, place, key, from } = await start(cluster, '--keep-last', '1')
  const [, other] = cluster.nodes as [TestNode, TestNode]
  await node.shoal('backup', 'run', 'b')
  await cluster.converged()
  await other.shoal(
    'backup',
    'add',
    'c',
    '/tree',
    '--to',
    `dir:${place}`,
    '--key-file',
    key,
    '--keep-last',
    '1',
  )
  const shared = await other.json<MadeBackup>('backup', 'run', 'c')
  assert.ok(shared.addedBytes < 1024 * 1024, 'what the other has put is used')
  for (let turn = 0; turn < 3; turn++) {
    await writeRandomFile(join(source, 'big'), 3)
    await node.shoal('put', '--ack', 'copied', source, '/tree')
    await cluster.converged()
    await Promise.all([node.run('backup', 'run', 'b'), other.run('backup', 'run', 'c')])
  }
  await node.shoal('backup', 'run', 'b')
  await other.shoal('backup', 'run', 'c')
  const { backups } = await node.json<Listed>(
    'backup',
    'ls',
    '--from',
    `dir:${place}`,
    '--key-file',
    key,
  )
  assert.equal(backups.length, 2)
  await node.shoal('backup', 'verify', 'b', '--sample', '100%')
  for (const name of ['b', 'c']) {
    const target = await restored(cluster, ...from, name)
    assertSameTree(await digestTree(target), await digestTree(source), name)
  }
})
