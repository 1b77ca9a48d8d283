// `shoal scrub` and `shoal repair`: their reports of what was found and done.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryNode } from './memory-node.ts'
import { withNode } from './shoal.ts'
import type { ScrubEvent, ScrubFinding } from '../../node/control/upkeep.ts'
import type { ChunkId } from '../../protocol/ids.ts'

const LOST = 'bafkr4ibdmvx5zg' as ChunkId

const EVENTS: readonly ScrubEvent[] = [
  { kind: 'progress', doneBytes: 1_000_000, totalBytes: 3_000_000 },
  finding('shard', 'damaged', 'recorded'),
  finding('shard', 'missing', 'restored'),
  { kind: 'progress', doneBytes: 3_000_000, totalBytes: 3_000_000 },
  finding('shard', 'damaged', 'recorded'),
  { ...finding('shard', 'stray', 'kept'), volume: undefined },
  finding('chunk', 'damaged', 'lost'),
]

describe('scrub', { concurrency: 4 }, () => {
  test('findings of one kind are one row with their action; lost chunks are named', async () => {
    await withNode(async ({ shoal }) => {
      const { code, stdout } = await shoal('scrub')
      assert.equal(code, 0)
      assert.equal(
        stdout,
        [
          'Read and checked 3.00 MB. Found:',
          '  2 damaged shards  in main  will be rebuilt from the other shards',
          '  1 missing shard   in main  restored from the trash',
          '  1 stray shard              kept for now, will be checked again',
          '  1 damaged chunk   in main  no reachable node has a good copy:',
          `  ${LOST}\n`,
        ].join('\n'),
      )
    }, nodeThatFinds(EVENTS))
  })

  test('reports no errors when all is whole', async () => {
    await withNode(
      async ({ shoal }) => {
        const { stdout } = await shoal('scrub', '--volume', 'main')
        assert.equal(stdout, 'Read and checked 1.00 MB: no errors.\n')
      },
      nodeThatFinds(EVENTS.slice(0, 1)),
    )
  })

  test('--json prints each event on a line', async () => {
    await withNode(async ({ shoal }) => {
      const { stdout, stderr } = await shoal('--json', 'scrub')
      const lines = stdout.trim().split('\n')
      assert.deepEqual(
        lines.map((line) => JSON.parse(line) as unknown),
        JSON.parse(JSON.stringify(EVENTS)),
      )
      assert.equal(stderr, '')
    }, nodeThatFinds(EVENTS))
  })

  test('scrub and repair of an unknown volume fail by name', async () => {
    await withNode(async ({ shoal }) => {
      for (const command of ['scrub', 'repair']) {
        const { code, stderr } = await shoal(command, '--volume', 'none')
        assert.equal(code, 1)
        assert.match(stderr, /"none"/)
      }
    })
  })
})

describe('repair', { concurrency: 4 }, () => {
  test('reports nothing to repair when all stripes are complete', async () => {
    await withNode(async ({ shoal, json }) => {
      const { code, stdout } = await shoal('repair')
      assert.equal(code, 0)
      assert.equal(stdout, 'main: nothing to repair here; all 3 stripes complete\n')
      const [volume] = (await json('repair')) as [Record<string, unknown>]
      assert.deepEqual(Object.keys(volume), ['name', 'stripes', 'upkeep'])
    })
  })
})

function nodeThatFinds(events: readonly ScrubEvent[]): MemoryNode {
  const node = new MemoryNode()
  node.scrubbed = events
  return node
}

function finding(
  kind: ScrubFinding['kind'],
  state: ScrubFinding['state'],
  action: ScrubFinding['action'],
): ScrubFinding {
  return { kind, id: LOST, volume: 'main', state, action }
}
