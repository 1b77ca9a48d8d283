// Much at once, and the end of the node in the middle of it: on the mount of a real node, by
// programs.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, readdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import type { FileHandle } from 'node:fs/promises'
import { tries } from '../effort.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { skip } from './mounted.ts'
import { shell } from './programs.ts'

/** More than the descriptors that a process has by default, 1024. */
const OPEN_FILES: number = tries(2000)
const WRITERS: number = tries(32)
/** Files in a folder that is read while it changes; READDIR takes several replies. */
const LASTING: number = tries(600)
const AT_ONCE = 100

describe('concurrent load on a mount', { skip, timeout: 300_000 }, () => {
  let cluster: TestCluster
  let node: TestNode
  const at = (name: string): string => join(node.mountFolder, name)

  before(async () => {
    cluster = await TestCluster.start(1, { mounts: true })
    node = cluster.nodes[0] ?? assert.fail('a node')
  })

  after(() => cluster[Symbol.asyncDispose]())

  test(`${OPEN_FILES} open files each keep their own content`, async () => {
    await mkdir(at('open'))
    const files: FileHandle[] = []
    try {
      await inBatches(OPEN_FILES, async (n) => {
        files[n] = await open(at(`open/${n}`), 'wx+')
      })
      await inBatches(OPEN_FILES / 10, async (n) => files[n * 10]?.write(`this is ${n}`, 0))
      await inBatches(OPEN_FILES, async (n) => {
        const expected = n % 10 === 0 ? `this is ${n / 10}` : ''
        assert.equal(await files[n]?.readFile('utf8'), expected)
      })
    } finally {
      await inBatches(files.length, async (n) => files[n]?.close())
    }
    assert.equal((await readdir(at('open'))).length, OPEN_FILES)
    assert.equal(await readFile(at('open/1990'), 'utf8'), 'this is 199')
  })

  test(`${WRITERS} programs write at once, into one file and into one each`, async () => {
    const bytes = new SeededRandom(1, 'writers').bytes(WRITERS * 65_536)
    const source = join(cluster.folder, 'source')
    await writeFile(source, bytes)
    await mkdir(at('writers'))
    // Blocks that are no whole pages, so that writers share pages.
    const part = (n: number): string =>
      `dd status=none bs=1000 iflag=skip_bytes,count_bytes,fullblock oflag=seek_bytes conv=notrunc` +
      ` if='${source}' skip=${n * 65_536} count=65536`
    await Promise.all(
      Array.from({ length: WRITERS }, (_, n) =>
        shell(at('writers'), `${part(n)} of=all seek=${n * 65_536} && ${part(n)} of=part${n}`),
      ),
    )
    await shell(at('writers'), `cmp all '${source}'`)
    for (let n = 0; n < WRITERS; n++) {
      const expected = bytes.subarray(n * 65_536, (n + 1) * 65_536)
      assert.equal(Buffer.compare(await readFile(at(`writers/part${n}`)), expected), 0, `part${n}`)
    }
  })

  test('readdir of a changing folder shows each lasting name once', async () => {
    await mkdir(at('changing'))
    const stays = Array.from({ length: LASTING }, (_, n) => `stays ${n}`)
    await inBatches(stays.length, (n) => writeFile(at(`changing/${stays[n]}`), ''))
    let isOver = false
    const change = async (writer: number): Promise<void> => {
      for (let n = 0; !isOver; n++) {
        const path = at(`changing/${writer} comes and goes ${n % 50}`)
        await writeFile(path, '')
        await unlink(path)
      }
    }
    const changes = Promise.all([change(0), change(1), change(2)])
    try {
      for (let reading = 0; reading < 20; reading++) {
        const names = await readdir(at('changing'))
        assert.equal(new Set(names).size, names.length, 'no name twice')
        const kept = names.filter((name) => name.startsWith('stays'))
        assert.deepEqual(kept.sort(), stays.sort())
      }
    } finally {
      isOver = true
      await changes
    }
  })

  test('rm -r of a large folder removes everything', async () => {
    await inBatches(2 * LASTING, (n) => writeFile(at(`changing/more ${n}`), ''))
    await shell(node.folder, `rm -r '${at('changing')}'`)
    assert.ok(!(await readdir(node.mountFolder)).includes('changing'))
  })
})

test(
  'programs get errors when their node is killed, and the next mount has closed files',
  {
    skip,
    timeout: 120_000,
  },
  async () => {
    await using cluster = await TestCluster.start(1, { mounts: true })
    const [node] = cluster.nodes as [TestNode]
    const at = (name: string): string => join(node.mountFolder, name)
    await writeFile(at('closed'), 'closed')
    const held = await open(at('held'), 'w+')
    await held.write('never synced')
    // Each goes on until it fails, and says how: a writer, a reader, one that lists, one that waits
    // in the folder.
    const lines = [
      'while echo x >>writer; do :; done',
      'while cat closed >/dev/null; do :; done',
      'while ls -l >/dev/null; do :; done',
      'exec 3<closed; while ls >/dev/null; do :; done; cat <&3 && exit 9; exit 0',
    ]
    const programs = lines.map((line) => program(node.mountFolder, line))
    await Promise.all(programs.map(({ started }) => started))
    await node.kill('SIGKILL')
    for (const { said } of programs)
      assert.match(
        await said,
        /(not connected|I(nput)?\/(O|output) error|connection abort|No such file or directory)/,
      )
    await assert.rejects(held.write('more'), ({ code }: NodeJS.ErrnoException) =>
      ['ENOTCONN', 'EIO', 'ECONNABORTED'].includes(code ?? ''),
    )
    await held.close().catch(() => undefined)
    await node.start({ mount: node.mountFolder })
    assert.equal(await readFile(at('closed'), 'utf8'), 'closed')
    assert.match(await readFile(at('writer'), 'utf8'), /^(x\n)*$/)
    await writeFile(at('afterwards'), 'afterwards')
    assert.equal(await readFile(at('afterwards'), 'utf8'), 'afterwards')
  },
)

/**
 * A line of sh that runs in a folder. `started` when it does; `said`: what it wrote to its stderr
 * until its end.
 */
function program(
  folder: string,
  line: string,
): { started: Promise<unknown>; said: Promise<string> } {
  const child = spawn('sh', ['-c', `cd "$0" && echo started && ${line}`, folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { started: once(child.stdout, 'data'), said: text(child.stderr) }
}

async function inBatches(
  count: number,
  run: (n: number) => Promise<unknown> | undefined,
): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, n) => from + n)
    await Promise.all(numbers.map(async (n) => run(n)))
  }
}
