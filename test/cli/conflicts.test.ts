// `shoal conflicts`: how conflicts look to people and to programs, with commands that can be
// copied.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryNode } from './memory-node.ts'
import { withNode } from './shoal.ts'
import type { Conflict } from '../../node/control/conflicts.ts'
import type { WallTime } from '../../protocol/units.ts'

const TIME_MS = Date.UTC(2026, 10, 21, 12, 0, 0) as WallTime
const TIME = /20\d\d-\d\d-\d\d \d\d:00:00/g

const side = (author: string, path: string): Conflict['sides'][number] => ({
  path,
  kind: 'file',
  sizeBytes: 1234,
  peer: undefined,
  author,
  writtenMs: TIME_MS,
  hidden: author === 'anna',
})

const CONFLICT: Conflict = {
  path: "/my docs/it's",
  sides: [side('ben', "/my docs/it's"), side('anna', '/my docs/its.conflict')],
  moreCount: 0,
}

describe('conflicts', { concurrency: 4 }, () => {
  test('ls prints a block per conflict, with a line per side', async () => {
    await withConflict(async ({ shoal, json }) => {
      const { stdout, stderr } = await shoal('conflicts', 'ls')
      assert.equal(
        stdout.replace(TIME, 'TIME'),
        [
          "/my docs/it's",
          "  ben   TIME   1.23 KB  /my docs/it's",
          '  anna  TIME   1.23 KB  /my docs/its.conflict (hidden by conflicts=lww)\n',
        ].join('\n'),
      )
      assert.equal(stderr, '1 copy hidden: not listed in folders, not counted by status.\n')
      assert.deepEqual(
        await json('conflicts', 'ls', 'main:'),
        JSON.parse(JSON.stringify([CONFLICT])),
      )
    })
  })

  test('ls without conflicts prints nothing on stdout and says so on stderr', async () => {
    await withNode(async ({ shoal }) => {
      const { code, stdout, stderr } = await shoal('conflicts', 'ls')
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: 'No conflicts.\n' })
      assert.equal((await shoal('--json', 'conflicts', 'ls')).stdout, '[]\n')
    })
  })

  test('show prints how to open and keep each side, by the command and in the mount', async () => {
    await withConflict(async ({ shoal, node }) => {
      await node.mount('/mnt')
      const { stdout } = await shoal('conflicts', 'show', "/my docs/it's")
      assert.equal(
        stdout.replace(TIME, 'TIME'),
        `/my docs/it's has 2 versions

ben, TIME, file of 1.23 KB, current
  Open  shoal cat '/my docs/it'\\''s'
        '/mnt/my docs/it'\\''s'
  Keep  shoal conflicts keep '/my docs/it'\\''s'

anna, TIME, file of 1.23 KB, hidden by conflicts=lww
  Open  shoal cat '/my docs/its.conflict'
        '/mnt/my docs/its.conflict'
  Keep  shoal conflicts keep '/my docs/its.conflict'
`,
      )
    })
  })

  test('ls counts the sides that it leaves out, and show --all lists them', async () => {
    const node = new MemoryNode()
    node.conflicts = [{ ...CONFLICT, moreCount: 3 }]
    await withNode(async ({ shoal, json }) => {
      const how = "shoal conflicts show '/my docs/it'\\''s' --all"
      const more = `  and 3 more, not shown in their folder: ${how}`
      assert.ok((await shoal('conflicts', 'ls')).stdout.includes(more))
      const { stdout } = await shoal('conflicts', 'show', "/my docs/it's")
      assert.ok(stdout.startsWith(`/my docs/it's has 5 versions\n${more}\n\n`), stdout)
      const all = (await json('conflicts', 'show', '--all', "/my docs/it's")) as Conflict
      assert.deepEqual([all.sides.length, all.moreCount], [5, 0])
    }, node)
  })

  test('show tells how to move each side when one is a folder, without a folder size', async () => {
    const node = new MemoryNode()
    const { path, sides } = CONFLICT
    const [folder, file] = sides
    assert.ok(folder && file)
    node.conflicts = [
      {
        path,
        sides: [
          { ...folder, kind: 'folder', sizeBytes: 0, moveTo: "/my docs/it's-ben" },
          { ...file, moveTo: '/my docs/its-anna' },
        ],
        moreCount: 0,
      },
    ]
    await withNode(async ({ shoal }) => {
      const { stdout } = await shoal('conflicts', 'show', "/my docs/it's")
      assert.equal(
        stdout.replace(TIME, 'TIME'),
        `/my docs/it's has 2 versions

ben, TIME, folder, current
  Open  shoal ls '/my docs/it'\\''s'
  Move  shoal mv '/my docs/it'\\''s' '/my docs/it'\\''s-ben'

anna, TIME, file of 1.23 KB, hidden by conflicts=lww
  Open  shoal cat '/my docs/its.conflict'
  Move  shoal mv '/my docs/its.conflict' '/my docs/its-anna'
`,
      )
      const listed = await shoal('conflicts', 'ls')
      assert.match(listed.stdout, /ben {3}20.*:00 {12}\/my docs\/it's\/\n/)
    }, node)
  })

  test('keep prints the path that was kept; its JSON lists the removed paths', async () => {
    await withConflict(async ({ json, shoal }) => {
      assert.deepEqual(await json('conflicts', 'keep', '/my docs/its.conflict'), {
        path: "/my docs/it's",
        removed: ["/my docs/it's"],
      })
      const { code, stderr } = await shoal('conflicts', 'keep', "/my docs/it's")
      assert.deepEqual(
        { code, stderr },
        { code: 1, stderr: "shoal: /my docs/it's is not in conflict\n" },
      )
    })
    await withConflict(async ({ shoal }) => {
      assert.equal(
        (await shoal('conflicts', 'keep', "/my docs/it's")).stdout,
        "Kept as /my docs/it's\nRemoved /my docs/its.conflict\n",
      )
    })
  })
})

async function withConflict(use: Parameters<typeof withNode>[0]): Promise<void> {
  const node = new MemoryNode()
  node.conflicts = [CONFLICT]
  await withNode(use, node)
}
