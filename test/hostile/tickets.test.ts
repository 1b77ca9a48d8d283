// A ticket admits whoever has it: so it is never where other users of the machine see it, and can
// be taken back.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import type { TicketStatus } from '../../node/control/tickets.ts'
import { runInProcess } from '../cli/in-process.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'

const SHOAL = fileURLToPath(new URL('../../cli/shoal.mjs', import.meta.url))
const ALONE = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'] as const

/** Command lines and environments of processes that a text is in. */
async function whereSeen(text: string): Promise<string[]> {
  const seen: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    for (const file of ['cmdline', 'environ']) {
      const said = await readFile(join('/proc', pid, file), 'utf8').catch(() => '')
      if (said.includes(text)) seen.push(`${file} of ${said.replaceAll('\0', ' ').slice(0, 80)}`)
    }
  }
  return seen
}

interface Way {
  readonly what: string
  readonly words: (ticket: string, folder: string) => Promise<readonly string[]>
  readonly stdin?: boolean
}

const WAYS: readonly Way[] = [
  {
    what: 'on the command line, of a node in the foreground',
    words: async (ticket) => ['--join', ticket],
  },
  // The others pass two processes: that of the command, and that of the node.
  { what: 'on the command line', words: async (ticket) => ['--detach', '--join', ticket] },
  {
    what: 'on the command line, as one word',
    words: async (ticket) => ['--detach', `--join=${ticket}`],
  },
  { what: 'by a pipe', words: async () => ['--detach', '--join', '-'], stdin: true },
  {
    what: 'by a file',
    words: async (ticket, folder) => {
      await writeFile(join(folder, 'ticket'), `${ticket}\n`, { mode: 0o600 })
      return ['--detach', '--join', `@${join(folder, 'ticket')}`]
    },
  },
]

let cluster: TestCluster
let admin: TestNode

before(async () => {
  cluster = await TestCluster.start(1)
  ;[admin] = cluster.nodes as [TestNode]
})
after(() => cluster[Symbol.asyncDispose]())

test('a ticket that was taken back lets nobody in, and who used it is known', async () => {
  const taken = await admin.invite('--uses', '9')
  const other = await admin.invite('--role', 'reader')
  const [node, late] = [cluster.node('ben'), cluster.node('mallory')]
  await node.start({ ticket: taken })
  await cluster.converged()
  const [reader, writer] = await admin.json<TicketStatus[]>('invite', 'ls')
  assert(reader !== undefined && writer !== undefined)
  assert.deepEqual(
    [writer.state, writer.usesLeft, writer.usedBy.map(({ name }) => name)],
    ['open', 8, ['ben']],
  )
  await admin.shoal('invite', 'revoke', writer.id)
  await late.start()
  assert.match((await late.run('join', taken)).stderr, /this ticket was revoked/)
  assert.deepEqual(
    (await admin.json<TicketStatus[]>('invite', 'ls')).map(({ id }) => id),
    [reader.id],
  )
  await admin.shoal('invite', 'revoke', '--all')
  // Nobody is awaited: strangers are not even let near.
  assert.equal((await late.run('join', other)).code, 1)
  const { peers } = await admin.status()
  assert.deepEqual(
    peers.map(({ name }) => name),
    ['ben'],
  )
  const events = await admin.shoal('events', '--security')
  for (const kind of ['ticket-made', 'ticket-used', 'ticket-revoked', 'join-refused'])
    assert.match(events, new RegExp(`  ${kind}  `), kind)
  const text = await admin.shoal('invite', 'ls', '--all')
  assert.match(text, /revoked/)
  assert.match(text, /ben/)
})

test('no command line or environment of a node shows its ticket, however it is given', async () => {
  const ticket = await admin.invite('--uses', String(WAYS.length))
  const folder = await mkdtemp(join(tmpdir(), 'ticket-'))
  for (const { what, words, stdin = false } of WAYS) {
    const home = join(cluster.folder, what)
    const up = ['--home', home, 'up', ...ALONE, ...(await words(ticket, folder))]
    const child = spawn(process.execPath, [SHOAL, ...up], { stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdin.end(stdin ? ticket : '')
    try {
      let said = ''
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (said += text))
      await eventually('it is up, or has ended', async () => {
        return said.includes('is up') || child.exitCode !== null || child.signalCode !== null
      })
      assert.match(said, /is up/, `${what}: ${child.exitCode ?? child.signalCode}`)
      assert.deepEqual(await whereSeen(ticket), [], what)
      const { stdout } = await runInProcess(['--home', home, 'volume', 'ls'])
      assert.match(stdout, /main/)
    } finally {
      await runInProcess(['--home', home, 'down'])
    }
  }
})
