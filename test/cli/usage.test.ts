// The help of the command, and its answers to wrong use. help.txt holds the help of every command;
// with UPDATE=1 in the environment it is written anew.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runInProcess } from './in-process.ts'
import { withNode, withPlace } from './shoal.ts'

/** The width of a terminal. */
const COLUMNS_MAX = 80
const HELP_FILE = join(import.meta.dirname, 'help.txt')
const UPDATE = process.env['UPDATE'] !== undefined

const COMMANDS = [
  '',
  'init',
  'up',
  'down',
  'status',
  'peer',
  'peer ls',
  'peer add',
  'peer rm',
  'peer info',
  'peer rename',
  'peer ping',
  'invite',
  'invite ls',
  'invite revoke',
  'join',
  'volume',
  'volume create',
  'volume ls',
  'volume info',
  'volume retry',
  'volume set',
  'volume rename',
  'volume clone',
  'volume leave',
  'volume rm',
  'volume rejoin',
  'volume accept-checkpoint',
  'volume key',
  'volume key export',
  'put',
  'get',
  'sync',
  'ls',
  'cat',
  'rm',
  'mv',
  'mkdir',
  'stat',
  'log',
  'versions',
  'undelete',
  'restore',
  'clone',
  'snapshot',
  'snapshot create',
  'snapshot ls',
  'snapshot rm',
  'snapshot hold',
  'snapshot release',
  'snapshot diff',
  'snapshot rollback',
  'events',
  'conflicts',
  'conflicts ls',
  'conflicts show',
  'conflicts keep',
  'export',
  'import',
  'pin',
  'pin add',
  'pin ls',
  'pin rm',
  'backup',
  'backup add',
  'backup run',
  'backup ls',
  'backup verify',
  'backup restore',
  'backup rm',
  'cold',
  'cold add',
  'cold trust',
  'cold ls',
  'cold rm',
  'cold rollback',
  'cold push',
  'cold recall',
  'cold verify',
  'recover',
  'mount',
  'unmount',
  'scrub',
  'repair',
  'gc',
  'key',
  'key status',
  'key protect',
  'key unprotect',
  'completion',
] as const

/** The typed command, and the one line on stderr. */
const WRONG_USES: readonly (readonly [string, RegExp])[] = [
  ['lsd', /unknown command 'lsd' \(Did you mean ls\?\)\. See "shoal --help"/],
  ['help pear', /unknown command 'pear'. See "shoal --help"/],
  ['help peer ad', /unknown command 'peer ad'. See "shoal peer --help"/],
  ['peer ad', /unknown command 'ad' .*See "shoal peer --help"/],
  ['ls --lng', /unknown option '--lng' \(Did you mean --long\?\)\. See "shoal ls --help"/],
  ['peer ping', /missing required argument 'peer'\. See "shoal peer ping --help"/],
  ['put only-one', /put needs SRC and DEST/],
  ['get /a', /missing required argument 'dest'/],
  ['put a /b --ack soon', /argument 'soon' is invalid\. Allowed choices are local, copied, placed/],
  ['cat --offset x /a', /'--offset <bytes>' argument 'x' is invalid\. Give a whole number/],
  [
    'invite --role king',
    /'king' is invalid\. Allowed choices are admin, writer, appender, reader, keeper/,
  ],
  ['invite --expires 5', /'5' is invalid\. Give a time such as 30m, 24h or 7d/],
  ['invite --uses 0', /'--uses <n>' argument '0' is invalid\. Give a whole number from 1 to 10000/],
  ['invite --expires 366d', /'--expires <time>' .*Give a time of at most 365d/],
  ['volume set main ack=local ack=placed', /'ack=placed' is invalid .*Give ack once/],
  ['volume set main class', /'class' is invalid .*Give KEY=VALUE, such as class=rs4\+2/],
  ['init --capacity lots', /shoal: --capacity must be a size such as 200GB/],
  ['init --repair-rate 0', /shoal: --repair-rate must be at least 1KB, for each second/],
  ['init --listen nowhere', /shoal: --listen must be a multiaddr such as/],
]

/** Commands that ask a node. */
const ASKING = ['status', 'down', 'ls', 'put . /x', 'get /x y', 'mount x'] as const

describe('usage', { concurrency: 4 }, () => {
  test('the help of every command is as in help.txt, with its options and an example', async () => {
    const texts = await Promise.all(
      COMMANDS.map(async (command) => {
        const help = await helpOf(command)
        assert.match(help, /\nExamples?:\n {2}/, `${command} --help has an example`)
        const wide = help.split('\n').filter((line) => line.length > COLUMNS_MAX)
        assert.deepEqual({ command, wide }, { command, wide: [] })
        return `$ shoal ${`${command} `.trimStart()}--help\n${help}`
      }),
    )
    if (UPDATE) await writeFile(HELP_FILE, texts.join('\n'))
    const written = (await readFile(HELP_FILE, 'utf8')).split(/\n(?=\$ )/)
    for (const [i, text] of texts.entries()) assert.equal(text.trimEnd(), written[i]?.trimEnd())
    assert.equal(texts.length, written.length)
  })

  test('--help prints to stdout and exits with 0', async () => {
    await withPlace(async ({ shoal }) => {
      for (const command of ['', 'peer', 'peer add']) {
        const { code, stdout, stderr } = await shoal(...wordsOf(command), '--help')
        assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
        assert.equal(stdout, await helpOf(command))
        const asked = await shoal('help', ...wordsOf(command))
        assert.deepEqual([asked.code, asked.stdout, asked.stderr], [0, stdout, ''])
      }
    })
  })

  for (const [line, expected] of WRONG_USES) {
    test(`"shoal ${line}" is a usage error that says how to correct it`, async () => {
      await withPlace(async ({ shoal }) => {
        const { code, stdout, stderr } = await shoal(...wordsOf(line))
        assert.match(stderr, expected)
        assert.deepEqual(
          { code, stdout, lines: stderr.split('\n').length },
          { code: 2, stdout: '', lines: 2 },
        )
      })
    })
  }

  test('a group without a command prints its help on stderr and exits with 2', async () => {
    await withPlace(async ({ shoal }) => {
      for (const words of [[], ['peer'], ['volume'], ['conflicts']]) {
        const { code, stdout, stderr } = await shoal(...words)
        assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
        assert.match(stderr, /^Usage: shoal[^]*a command is missing/)
      }
    })
  })

  test('with --json a failure is one JSON value on stdout, and stderr is empty', async () => {
    await withPlace(async ({ shoal }) => {
      const { code, stdout, stderr } = await shoal('--json', 'rm')
      assert.deepEqual({ code, stderr }, { code: 2, stderr: '' })
      const message = 'missing required argument \'path\'. See "shoal rm --help".'
      assert.deepEqual(JSON.parse(stdout), { error: { code: 'usage', message, permanent: true } })
    })
  })

  test('--version prints a version number', async () => {
    await withPlace(async ({ shoal }) => {
      assert.match((await shoal('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
    })
  })

  test('commands that need a node exit with 3 without one, and say how to start it', async () => {
    await withPlace(async ({ shoal, home }) => {
      await Promise.all(
        ASKING.map(async (command) => {
          const { code, stdout, stderr } = await shoal(...wordsOf(command))
          const expected = `shoal: no node runs at ${home}. Start it with "shoal up".\n`
          assert.deepEqual(
            { command, code, stdout, stderr },
            { command, code: 3, stdout: '', stderr: expected },
          )
        }),
      )
    })
  })

  test('--home selects the node, before or after the command', async () => {
    await withNode(async ({ shoal, home, folder }) => {
      assert.equal((await shoal('--home', home, 'ls')).code, 0)
      assert.equal((await shoal('ls', '--home', home)).code, 0)
      assert.equal((await shoal('ls', '--home', folder)).code, 3)
    })
  })
})

/** By this process: one of its own for each command takes far longer than the help. */
async function helpOf(command: string): Promise<string> {
  const { code, stdout, stderr } = await runInProcess([...wordsOf(command), '--help'])
  assert.deepEqual({ command, code, stderr }, { command, code: 0, stderr: '' })
  return stdout
}

function wordsOf(line: string): string[] {
  return line.split(' ').filter((word) => word !== '')
}
