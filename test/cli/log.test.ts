// `shoal log`: how entries look to people and to programs, and how following ends.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryNode } from './memory-node.ts'
import { outcomeOf, withNode } from './shoal.ts'
import type { LogItem } from '../../node/control/history.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import type { Change } from '../../protocol/tree/describe.ts'
import type { WallTime } from '../../protocol/units.ts'

const TIME_MS = Date.UTC(2026, 10, 21, 12, 0, 0) as WallTime
const TIME = /20\d\d-\d\d-\d\d \d\d:00:00/g

const added = (path: string, sizeBytes: number): Change => ({
  kind: 'add',
  text: `added ${path}`,
  path,
  sizeBytes,
})

/** Two wrote at once, and a third has seen both. */
const LOG: readonly LogItem[] = [
  entryOf(
    'd',
    'cleopatra',
    ['c', 'b'],
    [
      { kind: 'folder', text: 'made folder /docs', path: '/docs' },
      added('/docs/a/x', 1000),
      added('/docs/a/y', 2000),
      { kind: 'write', text: 'wrote /docs/z', path: '/docs/z', sizeBytes: 500 },
    ],
  ),
  entryOf(
    'c',
    'ben',
    ['a'],
    [{ kind: 'write', text: 'wrote /n', note: 'in conflict with another version', sizeBytes: 7 }],
  ),
  entryOf('b', 'anna', ['a'], [added('/\u001b[31mn', 5), added('/m', 6)]),
  { kind: 'dropped', beforeMs: TIME_MS },
]

describe('log', { concurrency: 4 }, () => {
  test('each entry is a line; several changes are counted, with their common folder', async () => {
    await withLog(async ({ shoal }) => {
      const { stdout } = await shoal('log')
      assert.equal(
        stdout.replace(TIME, 'TIME'),
        [
          'dddddddd  TIME  cleopatra  made 1 folder, added 2 files (3.00 KB), wrote 1 file (500 B) in /docs',
          'cccccccc  TIME  ben        wrote /n (7 B), in conflict with another version',
          'bbbbbbbb  TIME  anna       added /\\x1b[31mn (5 B), added /m (6 B)',
          'The history up to TIME was dropped at a checkpoint; the volume setting history=full keeps it.\n',
        ].join('\n'),
      )
    })
  })

  test('--verbose prints each change of an entry that has several', async () => {
    await withLog(async ({ shoal }) => {
      const { stdout } = await shoal('log', '--verbose', '--limit', '2')
      const lines = stdout.split('\n')
      assert.deepEqual(lines.slice(1, 5), [
        '    made folder /docs',
        '    added /docs/a/x (1.00 KB)',
        '    added /docs/a/y (2.00 KB)',
        '    wrote /docs/z (500 B)',
      ])
      assert.equal(lines.length, 7)
    })
  })

  test('--graph draws the DAG beside the lines', async () => {
    await withLog(async ({ shoal }) => {
      const { stdout } = await shoal('log', '--graph', '--limit', '3', 'main:')
      assert.deepEqual(
        stdout.split('\n').map((line) => line.replace(/ {2}(\w)\1{7}.*/, ' $1')),
        ['* d', '├─╮', '* │ c', '│ * b', ''],
      )
    })
  })

  test('--json prints one line per entry, with full ids and UTC times', async () => {
    await withLog(async ({ shoal }) => {
      const lines = (await shoal('--json', 'log')).stdout.trimEnd().split('\n')
      const [first, ...others] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.partialDeepStrictEqual(first, {
        id: 'd'.repeat(64),
        parents: ['c'.repeat(64), 'b'.repeat(64)],
        author: 'cleopatra',
        time: '2026-11-21T12:00:00.000Z',
        changes: [{ kind: 'folder', path: '/docs' }, { sizeBytes: 1000 }, {}, {}],
      })
      assert.deepEqual(others.at(-1), { kind: 'dropped', before: '2026-11-21T12:00:00.000Z' })
    })
  })

  test('--follow exits with 0 on Ctrl-C, after printing the existing entries', async () => {
    await withLog(async ({ start }) => {
      const child = start('log', '--follow')
      child.stdout.once('data', () => child.kill('SIGINT'))
      const { code, stdout, stderr } = await outcomeOf(child)
      assert.deepEqual(
        { code, stderr, lines: stdout.split('\n').length },
        { code: 0, stderr: '', lines: 5 },
      )
    })
  })

  test('--graph is refused with --follow, and with a path in a volume', async () => {
    await withLog(async ({ shoal }) => {
      for (const words of [['--follow'], ['/docs']]) {
        const { code, stderr } = await shoal('log', '--graph', ...words)
        assert.equal(code, 2)
        assert.match(stderr, /--graph shows a whole volume/)
      }
    })
  })

  test('the log of a missing path fails', async () => {
    await withLog(async ({ shoal }) => {
      const { code, stdout, stderr } = await shoal('log', '/nowhere')
      assert.deepEqual(
        { code, stdout, stderr },
        { code: 1, stdout: '', stderr: 'shoal: /nowhere is not there\n' },
      )
    })
  })
})

async function withLog(use: Parameters<typeof withNode>[0]): Promise<void> {
  const node = new MemoryNode()
  node.log = LOG
  await node.makeFolder('/docs')
  await withNode(use, node)
}

function entryOf(
  letter: string,
  author: string,
  parents: readonly string[],
  changes: readonly Change[],
): LogItem {
  const hash = (text: string): EntryHash => text.repeat(64) as EntryHash
  const peer = 'peer' as PeerId
  return {
    kind: 'entry',
    id: hash(letter),
    parents: parents.map(hash),
    peer,
    author,
    timeMs: TIME_MS,
    changes,
  }
}
