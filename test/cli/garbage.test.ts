// `shoal gc` and `shoal pin`: their output for people and programs.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runInProcess } from './in-process.ts'
import { MemoryNode } from './memory-node.ts'
import { withNode } from './shoal.ts'
import type { Outcome } from './in-process.ts'
import type { GarbageReport } from '../../node/control/garbage.ts'

describe('garbage', { concurrency: 4 }, () => {
  test('gc prints what was deleted, who it waits for, and what is left on this node', async () => {
    await withNode(async ({ shoal, json }) => {
      assert.equal(
        (await shoal('gc')).stdout,
        'main: 3 stripes deleted (36.0 MB), 2 stripes repacked; 1 waiting for confirmation by shelf\n' +
          '12.0 MB freed on this disk, 24.0 MB of chunks deleted here, 6.00 MB of shards in the trash here\n',
      )
      const report = (await json('gc')) as GarbageReport
      assert.deepEqual(report.volumes[0]?.waitingFor, ['shelf'])
      assert.equal((await shoal('gc', '--volume', 'none')).code, 1)
    })
  })

  test('gc tells how far it is, on a terminal step by step, and with --quiet nothing', async () => {
    const node = new MemoryNode()
    await withNode(async ({ home }) => {
      const run = (...words: readonly string[]): Promise<Outcome> =>
        runInProcess(['--home', home, ...words], { isTerminal: true, columns: 100 })
      const { stderr } = await run('gc')
      assert.match(stderr, /Freeing disk space .*1\.00 MB of 4\.00 MB/)
      const quiet = await run('gc', '--quiet')
      assert.deepEqual(quiet, { code: 0, stdout: '', stderr: '' })
      node.garbage = { step: 'members', done: 5000, total: 60_000 }
      const status = await run('status')
      assert.match(status.stdout, /Garbage +Waiting for other members: 5 s of at most 60 s/)
    }, node)
  })

  test('pins are added, listed and removed', async () => {
    await withNode(async ({ shoal, json }) => {
      await shoal('mkdir', '/photos')
      const added = await shoal('pin', 'add', '/photos', '--class', 'rs6+3')
      assert.equal(added.stdout, 'Pinned /photos to class rs6+3\n')
      assert.equal(
        (await shoal('pin', 'ls')).stdout,
        '/photos  class rs6+3  volume  0 B of 0 B (100 %)\n',
      )
      assert.deepEqual(await json('pin', 'ls'), [
        { path: '/photos', kind: 'class', class: 'rs6+3', wantedBytes: 0, actualBytes: 0 },
      ])
      assert.equal((await shoal('pin', 'rm', '/photos')).stdout, 'Unpinned /photos: class rs6+3\n')
      const { stdout, stderr } = await shoal('pin', 'ls')
      assert.deepEqual([stdout, stderr], ['', 'No pins.\n'])
      const { code } = await shoal('pin', 'rm', '/photos')
      assert.equal(code, 1)
      const local = await shoal('pin', 'add', '/photos', '--local')
      assert.equal(local.stdout, 'Pinned /photos to this node: 0 B\n')
      const listed = await shoal('pin', 'ls')
      assert.equal(listed.stdout, '/photos  local  this node  0 B of 0 B (100 %)\n')
      const cold = await shoal('pin', 'add', '/photos', '--cold', 'attic')
      assert.match(cold.stdout, /^Pinned \/photos to cold tier attic: .* pin ls"\n$/)
      assert.equal(
        (await shoal('pin', 'ls')).stdout,
        '/photos  local       this node  0 B of 0 B (100 %)\n' +
          '/photos  cold attic  volume     999 B of 2.00 KB (49 %)  cold tier attic: is away\n',
      )
      assert.equal((await shoal('pin', 'add', '/photos')).code, 2)
      assert.equal((await shoal('pin', 'add', '/photos', '--local', '--class', 'rs6+3')).code, 2)
      assert.equal((await shoal('pin', 'add', '/photos', '--class', 'rs6')).code, 2)
    })
  })
})
