// Ordinary saves beside a conflict copy: real programs in the mount of one machine, and what the
// others find after.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { open, readFile, readdir, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { skip } from '../mount/mounted.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'

type Three = readonly [TestNode, TestNode, TestNode]
type Files = Readonly<Record<string, string>>

interface Save {
  readonly title: string
  readonly act: (folder: string) => Promise<unknown>
  /** All that shows in the end, `copy` for the conflict copy. */
  readonly left: Files
}

const run = promisify(execFile)
const COPY = 'of a\n'
/** Longer than a millisecond: of two writes within one, either may count as the later. */
const PAUSE_MS = 3

const SAVES: readonly Save[] = [
  {
    title: 'sed -i leaves the conflict copy',
    act: (folder) => run('sed', ['-i', 's/of b/edited/', join(folder, 'plan.txt')]),
    left: { 'plan.txt': 'edited\n', copy: COPY },
  },
  {
    title: 'an editor that renames a new file over the old one leaves the conflict copy',
    act: async (folder) => {
      await writeFile(join(folder, '.plan.txt.new'), 'saved\n')
      await rename(join(folder, '.plan.txt.new'), join(folder, 'plan.txt'))
    },
    left: { 'plan.txt': 'saved\n', copy: COPY },
  },
  {
    title: 'an editor that keeps a backup leaves the conflict copy',
    act: async (folder) => {
      await rename(join(folder, 'plan.txt'), join(folder, 'plan.txt~'))
      await writeFile(join(folder, 'plan.txt'), 'saved\n')
    },
    left: { 'plan.txt': 'saved\n', 'plan.txt~': 'of b\n', copy: COPY },
  },
  {
    title: 'rm of the plain name leaves the conflict copy',
    act: (folder) => unlink(join(folder, 'plan.txt')),
    left: { copy: COPY },
  },
  {
    title: 'what is written to a conflict copy that was open stays in it',
    act: async (folder) => {
      const copy = (await readdir(folder)).find((name) => name !== 'plan.txt') ?? ''
      const file = await open(join(folder, copy), 'r+')
      await unlink(join(folder, 'plan.txt'))
      await file.write('OF', 0)
      await file.close()
    },
    left: { copy: 'OF a\n' },
  },
  {
    title: 'rm -r of what both are in removes both',
    act: (folder) => run('rm', ['-r', folder]),
    left: {},
  },
]

test('an ordinary save touches only what it names', { skip, timeout: 300_000 }, async (t) => {
  await using cluster = await TestCluster.start(3, { mounts: true })
  const nodes = cluster.nodes as unknown as Three
  for (const [index, { title, act, left }] of SAVES.entries()) {
    await t.test(title, async () => {
      const name = `folder ${index} 🐟`
      const copy = await inConflict(cluster, nodes, name)
      await act(join(nodes[2].mountFolder, name))
      const { copy: copied, ...plain } = left
      const expected = copied === undefined ? plain : { ...plain, [copy]: copied }
      for (const node of nodes)
        await eventually(`${node.name} shows what is left`, async () =>
          isEqual(await contentsOf(join(node.mountFolder, name)), expected),
        )
    })
  }

  await t.test('shoal rm of the plain name, and shoal rm -r, do the same', async () => {
    const copy = await inConflict(cluster, nodes, 'by command')
    await nodes[1].shoal('rm', '/by command/plan.txt')
    assert.deepEqual(await contentsOf(join(nodes[1].mountFolder, 'by command')), { [copy]: COPY })
    await nodes[1].shoal('conflicts', 'keep', `/by command/${copy}`)
    assert.equal(await nodes[1].shoal('cat', '/by command/plan.txt'), COPY)
    await inConflict(cluster, nodes, 'whole')
    await nodes[1].shoal('rm', '-r', '/whole')
    await assert.rejects(readdir(join(nodes[1].mountFolder, 'whole')), { code: 'ENOENT' })
  })
})

/** A folder with plan.txt in conflict, as all see it. returns the conflict name of a's. */
async function inConflict(cluster: TestCluster, nodes: Three, name: string): Promise<string> {
  const [a, b] = nodes
  await a.shoal('mkdir', `/${name}`)
  await writeFile(join(a.mountFolder, name, 'plan.txt'), 'begun\n')
  await cluster.converged()
  const [fileA, fileB] = [await open(planOf(a, name), 'r+'), await open(planOf(b, name), 'r+')]
  for (const [file, text] of [
    [fileA, COPY],
    [fileB, 'of b\n'],
  ] as const) {
    await file.truncate(0)
    await file.write(text, 0)
  }
  await fileA.close()
  await sleep(PAUSE_MS)
  await fileB.close()
  await cluster.converged()
  const names = await readdir(join(nodes[2].mountFolder, name))
  const [copy, ...others] = names.filter((found) => found !== 'plan.txt')
  assert.ok(copy !== undefined && others.length === 0, names.join())
  for (const node of nodes) {
    const expected = { 'plan.txt': 'of b\n', [copy]: COPY }
    await eventually(`${node.name} shows the conflict`, async () =>
      isEqual(await contentsOf(join(node.mountFolder, name)), expected),
    )
  }
  return copy
}

function planOf(node: TestNode, name: string): string {
  return join(node.mountFolder, name, 'plan.txt')
}

/** Names of a folder with what they hold; none of one that is gone, or changes meanwhile. */
async function contentsOf(folder: string): Promise<Files> {
  try {
    const names = await readdir(folder)
    const texts = names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])
    return Object.fromEntries(await Promise.all(texts)) as Files
  } catch {
    return {}
  }
}

function isEqual(found: Files, expected: Files): boolean {
  const names = Object.keys(found)
  const count = Object.keys(expected).length
  return names.length === count && names.every((name) => found[name] === expected[name])
}
