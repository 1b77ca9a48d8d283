// Programs on the mount of a real node that take longer: a project installed and tested there, and
// programs that were written to find faults in file systems.
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { run, skip } from '../mount/mounted.ts'
import { checkDatabase, commitAndKill, database } from '../mount/programs-sqlite.ts'
import { shell } from '../mount/programs.ts'
import { need, needAll } from '../programs/need.ts'

needAll(skip)
need('python3', 'fio', 'stress-ng')

const ROOT = join(import.meta.dirname, '../..')
const KILLS = 20
/**
 * The tests of stress-ng on files and their names, without those of other file systems, devices or
 * rights.
 */
const STRESSORS = [
  'access',
  'chmod',
  'chown',
  'copy-file',
  'dentry',
  'dir',
  'dirdeep',
  'dirmany',
  'fallocate',
  'fcntl',
  'filename',
  'flock',
  'fpunch',
  'fsize',
  'fstat',
  'getdent',
  'handle',
  'hdd',
  'inotify',
  'iomix',
  'lease',
  'link',
  'locka',
  'lockf',
  'lockofd',
  'mknod',
  'mmap',
  'open',
  'rename',
  'seek',
  'symlink',
  'sync-file',
  'touch',
  'utime',
  'verity',
  'xattr',
] as const
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  mmap: ['--mmap-file', '--mmap-bytes', '16M'],
  hdd: ['--hdd-bytes', '16M'],
  iomix: ['--iomix-bytes', '16M'],
  fallocate: ['--fallocate-bytes', '16M'],
  seek: ['--seek-size', '16M'],
}

describe('long runs of programs on a mount', () => {
  let cluster: TestCluster
  let node: TestNode
  const at = (name: string): string => join(node.mountFolder, name)

  before(async () => {
    cluster = await TestCluster.start(1, { mounts: true })
    node = cluster.nodes[0] ?? assert.fail('a node')
  })

  after(() => cluster[Symbol.asyncDispose]())

  test('this project installs on a mount, and its tests pass there', async () => {
    await mkdir(at('project'))
    const without = ['node_modules', '.git'].map((name) => `--exclude=./${name}`).join(' ')
    await shell(ROOT, `tar -c ${without} . | tar -x -C '${at('project')}'`)
    // The tests' own home has no cache.
    const cache = join(userInfo().homedir, '.npm')
    await shell(at('project'), `npm ci --prefer-offline --no-audit --no-fund --cache '${cache}'`)
    await shell(at('project'), 'node_modules/.bin/node test/run.ts test/protocol/')
  })

  for (const journal of ['wal', 'delete', 'truncate'] as const) {
    test(`sqlite, journal_mode=${journal}, keeps committed data over ${KILLS} kills`, async () => {
      const kept = database(node, journal)
      for (let kill = 0; kill < KILLS; kill++) {
        const victim = kill % 2 === 0 ? 'node' : 'program'
        await commitAndKill(kept, victim, 1 + (kept.committed.length % 29))
        await checkDatabase(kept)
      }
    })
  }

  for (const [engine, direct] of [
    ['psync', 0],
    ['psync', 1],
    ['libaio', 1],
    ['mmap', 0],
  ] as const) {
    test(`fio with ${engine}, direct=${direct}, verifies random writes of four jobs`, async () => {
      await mkdir(at(`fio ${engine} ${direct}`))
      await run(
        'fio',
        '--name=verify',
        `--directory=${at(`fio ${engine} ${direct}`)}`,
        `--ioengine=${engine}`,
        `--direct=${direct}`,
        '--iodepth=8',
        '--rw=randwrite',
        '--bsrange=4k-256k',
        '--size=48M',
        '--numjobs=4',
        '--fsync=64',
        '--verify=crc32c',
        '--verify_fatal=1',
      )
    })
  }

  for (const name of STRESSORS) {
    test(`stress-ng --${name} finds no fault`, async () => {
      const options = [`--${name}`, '2', `--${name}-ops`, '300', ...(OPTIONS[name] ?? [])]
      const folder = at(`stress ${name}`)
      await mkdir(folder)
      await run('stress-ng', '--verify', '--timeout', '15s', '--temp-path', folder, ...options)
    })
  }
})
