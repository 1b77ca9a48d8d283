// A moment as a mount shows it: all that stood then, whatever was written and removed since.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OpenFolders } from '../../node/mount/open-folders.ts'
import { MomentTree } from '../../node/mount/shown-tree.ts'
import { stampAfter } from '../../node/tree/past.ts'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT, readDir } from '../../protocol/tree/records.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { Replica } from '../node/log/replicas.ts'

/** Some of them collide, and some begin others. */
const NAMES = ['a', 'ab', 'A', 'abc', 'b'] as const
const step = fc.record({
  what: fc.constantFrom('write', 'write', 'folder', 'remove'),
  folder: fc.option(fc.constantFrom(...NAMES), { nil: undefined }),
  name: fc.constantFrom(...NAMES),
})
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

/** Does a step, if it can be done. */
function perform(replica: Replica, { what, folder, name: text }: Step, content: string): void {
  const { namespace } = replica
  const within = folder === undefined ? undefined : namespace.lookup(ROOT, nameFromText(folder))
  if (folder !== undefined && within?.kind !== 'dir') return
  const parent = within?.id ?? ROOT
  const name = nameFromText(text)
  const known = namespace.lookup(parent, name)
  if (what === 'remove') {
    if (known?.kind === 'inode') namespace.unlink(parent, name)
    else if (known !== undefined && readDir(replica.volume.view, known.id)?.visibleChildren === 0)
      namespace.removeDir(parent, name)
  } else if (what === 'folder') {
    if (known === undefined) namespace.makeDir(parent, name, {})
  } else if (known?.kind === 'inode') replica.rewrite(known, content)
  else if (known === undefined) replica.write(text, content, parent)
}

interface Listed extends Pick<MomentTree, 'list'> {
  /** The content of a file. */
  version(target: ViewTarget): Pick<Version, 'content'> | undefined
}

/** The paths below a directory and their contents, as the kernel reads them. */
async function linesOf(tree: Listed, dir: NodeId, path = ''): Promise<string[]> {
  const lines: string[] = []
  const folders = new OpenFolders(tree)
  const handle = folders.open(dir)
  let cookie = 0
  for (let page = await folders.read(handle, 0, 2); page.length > 0;) {
    for (const { name, target } of page) {
      const content = tree.version(target)?.content
      const text = content?.kind === 'inline' ? Buffer.from(content.bytes).toString() : ''
      lines.push(`${path}/${name} ${target.kind} ${text}`)
      if (target.kind === 'dir') lines.push(...(await linesOf(tree, target.id, `${path}/${name}`)))
    }
    cookie = page.at(-1)?.cookie ?? 0
    page = await folders.read(handle, cookie, 2)
  }
  return lines.sort()
}

test('a moment shows what stood then, also of what is gone or written over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const replica = await Replica.founder('anna')
      const { namespace, clock } = replica
      const moments: { atMs: number; lines: readonly string[] }[] = []
      const now: Listed = {
        list: (dir, after) => namespace.list(dir, after),
        version: (target) => (target.kind === 'dir' ? undefined : namespace.fileVersion(target)),
      }
      for (const [index, one] of steps.entries()) {
        perform(replica, one, `${index}`)
        moments.push({ atMs: clock.wall(), lines: await linesOf(now, ROOT) })
        clock.advance(1_000)
      }
      for (const { atMs, lines } of moments) {
        const tree = new MomentTree(namespace, stampAfter(atMs))
        assert.deepEqual(await linesOf(tree, ROOT), lines)
        for (const line of lines) {
          const [, name = ''] = /^\/([^/ ]+) /.exec(line) ?? []
          if (name !== '') assert.ok(await tree.lookup(ROOT, nameFromText(name)), line)
        }
        assert.equal(await tree.lookup(ROOT, nameFromText('none')), undefined)
      }
    }),
    { numRuns: 60 },
  )
})
