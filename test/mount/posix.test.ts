// What POSIX and the man pages say of system calls, case by case, on the mount of a real node; the cases (posix/) run on
// the file system of the temporary folder too, which shows that they are right.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TestCluster } from '../cluster/cluster.ts'
import { run, skip } from './mounted.ts'

const RUN = fileURLToPath(new URL('./posix/run.py', import.meta.url))
/** More than half of what there is: a run that ends early is no run. */
const CASES_MIN = 100

describe('POSIX', { skip, timeout: 300_000 }, () => {
  let cluster: TestCluster | undefined
  let [mounted, local] = ['', '']
  before(async () => {
    cluster = await TestCluster.start(1, { mounts: true })
    const { mountFolder = '', folder = '' } = cluster.nodes[0] ?? {}
    for (const above of [join(folder, '..'), folder]) await chmod(above, 0o755)
    mounted = mountFolder
    local = await mkdtemp(join(tmpdir(), 'shoal-posix-'))
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
    await rm(local, { recursive: true, force: true })
  })

  for (const [where, folder] of [
    ['a mount', () => mounted],
    ['the temporary folder', () => local],
  ] as const) {
    test(where, async (t) => {
      const cases = (await run('python3', RUN, folder())).trim().split('\n')
      assert.ok(cases.length > CASES_MIN, `${cases.length} cases`)
      for (const line of cases) {
        const [outcome, name, sentence, said] = line.split('\t')
        const skipped = outcome === 'skipped' ? said : false
        await t.test(`${name}: ${sentence}`, { skip: skipped }, () =>
          assert.equal(outcome, 'ok', said),
        )
      }
    })
  }
})
