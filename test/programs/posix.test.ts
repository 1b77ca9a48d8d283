// The rules of POSIX and the man pages on system calls, case by case, on the mounts of a real node
// by both drivers; the cases (posix/) run on the file system of the temporary folder too, which
// shows that they are right.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TestCluster } from '../cluster/cluster.ts'
import { lackOfFuseNative } from '../mount/drivers.ts'
import { run, skip } from '../mount/mounted.ts'
import { need, needAll } from './need.ts'

need('python3')
needAll(skip, lackOfFuseNative())

const RUN = fileURLToPath(new URL('./posix/run.py', import.meta.url))
/** More than half of what there is: a run that ends early is no run. */
const CASES_MIN = 100

interface Place {
  readonly where: string
  readonly folder: () => string
  /** Cases that do not hold there, and why. */
  readonly lacks?: Readonly<Record<string, string>>
}

const MAKER = 'whoever mounted makes everything'
const PATHS = 'the kernel knows paths, not inodes, and is not told'
const TEXT = 'names and targets of links are text in fuse-native'
const TIMES = 'times are milliseconds since 1970, and libfuse 2 only sets both at once'
const FLAGS = 'libfuse 2 has no flags of renameat2'

/** As docs/mount.md has it. */
const FUSE_NATIVE_LACKS: Readonly<Record<string, string>> = {
  'chown-of_what_is_made': MAKER,
  'chown-of_what_is_made_in_set_gid': MAKER,
  'making-sockets_connect': PATHS,
  'making-symlinks': TEXT,
  'open-without_a_name': 'libfuse 2 has no O_TMPFILE',
  'open-removed_while_open': TIMES,
  'paths-any_bytes': TEXT,
  'paths-from_a_removed_folder': PATHS,
  'removing-linking': PATHS,
  'removing-linked_content': PATHS,
  'removing-linking_marks': PATHS,
  'removing-linking_symlinks': PATHS,
  'removing-many_links': PATHS,
  'removing-unlinking_marks': PATHS,
  'rename-replaced_links': PATHS,
  'rename-no_replace': FLAGS,
  'rename-exchange': FLAGS,
  'rename-replacing_is_atomic': 'libfuse 2 first hides an open file that is replaced',
  'times-sets_both': TIMES,
  'times-omit': TIMES,
  'times-one_now': TIMES,
  'times-of_symlinks': TIMES,
  'times-any_year': TIMES,
  'times-of_open_files': TIMES,
}

describe('POSIX', { timeout: 900_000 }, () => {
  let cluster: TestCluster | undefined
  let [mounted, byLibfuse, local] = ['', '', '']
  before(async () => {
    cluster = await TestCluster.start(1)
    const { mountFolder = '', folder = '' } = cluster.nodes[0] ?? {}
    await cluster.nodes[0]?.shoal('mount', '--allow-other', mountFolder)
    for (const above of [join(folder, '..'), folder]) await chmod(above, 0o755)
    mounted = mountFolder
    byLibfuse = join(folder, 'by libfuse')
    await cluster.nodes[0]?.shoal('mount', '--allow-other', '--driver', 'fuse-native', byLibfuse)
    local = await mkdtemp(join(tmpdir(), 'shoal-posix-'))
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
    await rm(local, { recursive: true, force: true })
  })

  for (const { where, folder, lacks = {} } of [
    { where: 'a mount', folder: () => mounted },
    {
      where: 'a mount by fuse-native',
      folder: () => byLibfuse,
      lacks: FUSE_NATIVE_LACKS,
    },
    { where: 'the temporary folder', folder: () => local },
  ] as readonly Place[]) {
    test(where, async (t) => {
      const cases = (await run('python3', RUN, folder())).trim().split('\n')
      assert.ok(cases.length > CASES_MIN, `${cases.length} cases`)
      for (const line of cases) {
        const [outcome, name, sentence, said] = line.split('\t')
        const skipped = outcome === 'skipped' ? said : lacks[name ?? '']
        await t.test(`${name}: ${sentence}`, { skip: skipped ?? false }, () =>
          assert.equal(outcome, 'ok', said),
        )
      }
    })
  }
})
