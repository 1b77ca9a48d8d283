// Programs that people use every day, on the mount of a real node, do there what they do anywhere.
// What takes longer is in test/long/programs.test.ts.
import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { run, skip } from '../mount/mounted.ts'
import {
  BRANCHES,
  git,
  makeOddTree,
  makeProgram,
  makeRepository,
  shell,
} from '../mount/programs.ts'
import { checkDatabase, commitAndKill, database } from '../mount/programs-sqlite.ts'
import { need, needAll } from './need.ts'

needAll(skip)
need('git', 'rsync', 'make', 'cc', 'python3')

const COMMITS = 2000

describe('programs on a mount', { timeout: 300_000 }, () => {
  let cluster: TestCluster
  let node: TestNode
  const at = (name: string): string => join(node.mountFolder, name)
  const elsewhere = (name: string): string => join(cluster.folder, name)

  before(async () => {
    cluster = await TestCluster.start(1, { mounts: true })
    node = cluster.nodes[0] ?? assert.fail('a node')
  })

  after(() => cluster[Symbol.asyncDispose]())

  test(`git clones ${COMMITS} commits, checks branches out, commits, collects and finds all whole`, async () => {
    const [bare, clone, local] = [elsewhere('bare'), at('clone'), elsewhere('local')]
    await makeRepository(bare, COMMITS)
    await git('clone', '-q', '--no-local', bare, clone)
    await git('clone', '-q', bare, local)
    for (const branch of BRANCHES) {
      await git('-C', clone, 'checkout', '-q', branch)
      await git('-C', local, 'checkout', '-q', branch)
      await run('diff', '-r', '--exclude=.git', local, clone)
    }
    assert.equal(await git('-C', clone, 'status', '--porcelain'), '')
    await git('-C', clone, 'mv', 'folder 1', 'moved')
    await git('-C', clone, 'commit', '-q', '-m', 'move')
    await git('-C', clone, 'gc', '-q', '--prune=now')
    await git('-C', clone, 'fsck', '--full', '--strict', '--no-progress')
    await git('-C', clone, 'push', '-q', 'origin', 'HEAD:refs/heads/pushed')
    await git('-C', local, 'fetch', '-q')
    assert.equal(
      await git('-C', local, 'rev-parse', 'origin/pushed^{tree}'),
      await git('-C', clone, 'rev-parse', 'HEAD^{tree}'),
    )
    assert.equal(await git('-C', clone, 'status', '--porcelain'), '')
  })

  test('a tree that went through the mount makes the same tar, byte by byte', async () => {
    const tree = elsewhere('tree')
    await makeOddTree(tree, 300)
    const tar = (folder: string, file: string): Promise<string> =>
      run(
        'tar',
        '--create',
        '--sort=name',
        '--xattrs',
        '--format=posix',
        '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
        `--directory=${folder}`,
        `--file=${file}`,
        '.',
      )
    await tar(tree, elsewhere('before.tar'))
    await mkdir(at('tree'))
    await run('tar', '-xpf', elsewhere('before.tar'), '-C', at('tree'))
    await run('tar', '--compare', '-f', elsewhere('before.tar'), '-C', at('tree'))
    await tar(at('tree'), elsewhere('after.tar'))
    await run('cmp', elsewhere('before.tar'), elsewhere('after.tar'))
  })

  test('rsync -a --delete moves nothing the second time', async () => {
    const source = elsewhere('source')
    await makeOddTree(source, 300)
    const rsync = (): Promise<string> =>
      run('rsync', '-aH', '--delete', '--itemize-changes', `${source}/`, at('rsynced'))
    assert.notEqual(await rsync(), '')
    assert.equal(await rsync(), '')
    await rm(join(source, 'd3'), { recursive: true })
    await writeFile(join(source, 'd4/new'), 'new')
    assert.match(await rsync(), /\*deleting +d3\/\n[^]*>f[+]{9} d4\/new\n$/)
    assert.equal(await rsync(), '')
    await run('diff', '-r', '--no-dereference', source, at('rsynced'))
  })

  test('make -j2 builds a C program, once', async () => {
    await makeProgram(at('program'), 24)
    await shell(at('program'), 'make -j2')
    assert.equal(await run(at('program/program')), '276\n')
    assert.match(await shell(at('program'), 'make'), /up to date/)
    await writeFile(at('program/part3.c'), 'int part3(void) { return 1003; }\n')
    assert.equal(
      (await shell(at('program'), 'make -j2')).split('\n').filter((line) => line.includes(' -c '))
        .length,
      1,
    )
    assert.equal(await run(at('program/program')), '1276\n')
  })

  for (const journal of ['wal', 'delete'] as const) {
    test(`sqlite keeps what it committed with journal_mode=${journal}, whatever is killed`, async () => {
      const kept = database(node, journal)
      for (const victim of ['program', 'node', 'program', 'node'] as const) {
        await commitAndKill(kept, victim, 3 + (kept.committed.length % 7))
        await checkDatabase(kept)
      }
    })
  }
})
