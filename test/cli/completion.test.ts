// `shoal completion`: what bash makes of the script, and that the others have every command.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { runInProcess } from './in-process.ts'
import { withPlace } from './shoal.ts'

const HELP_FILE = join(import.meta.dirname, 'help.txt')

/** Words as bash splits them, the last one to be completed, and what is offered for it. */
const COMPLETED: readonly (readonly [readonly string[], readonly string[]])[] = [
  [['pee'], ['peer']],
  [['p'], ['peer', 'put', 'pin']],
  [
    ['peer', 'r'],
    ['rm', 'rename'],
  ],
  [['peer', 'rm', '--n'], ['--now']],
  [['--js'], ['--json']],
  [
    ['--home', '/tmp/x', '--json', 'peer', 'r'],
    ['rm', 'rename'],
  ],
  // A value that is also a command, and one after "=".
  [['--home', 'peer', 'rec'], ['recover']],
  [['--home', '=', 'peer', 'rec'], ['recover']],
  [
    ['put', '--ack', ''],
    ['local', 'copied', 'placed'],
  ],
  [['put', '--ack', '=', 'p'], ['placed']],
  [
    ['put', '--ack', '='],
    ['local', 'copied', 'placed'],
  ],
  [['volume', 'key', 'e'], ['export']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  // Then bash offers local files.
  [['put', '--exclude-from', 'peer'], []],
  [['put', 'peer', 'r'], []],
]

async function scriptFor(shell: string): Promise<string> {
  const { code, stdout } = await runInProcess(['completion', shell])
  assert.equal(code, 0)
  return stdout
}

/** "peer add" of each command with help. */
async function commands(): Promise<string[]> {
  const text = await readFile(HELP_FILE, 'utf8')
  return [...text.matchAll(/^\$ shoal (.*?) ?--help$/gm)].map(([, path]) => path ?? '')
}

describe('completion', () => {
  test('bash completes commands, options and values, whatever comes before them', () =>
    withPlace(async ({ folder }) => {
      const script = join(folder, 'completion')
      await writeFile(script, await scriptFor('bash'))
      const program =
        'set -u; source "$1"; shift; COMP_WORDS=(shoal "$@"); COMP_CWORD=$#; _shoal; ' +
        'printf "%s\\n" "${COMPREPLY[@]-}"; complete -p shoal'
      for (const [words, expected] of COMPLETED) {
        const options = { env: { PATH: process.env['PATH'] } }
        const args = ['--norc', '-c', program, 'bash', script, ...words]
        const { stdout } = await promisify(execFile)('bash', args, options)
        const lines = stdout.trimEnd().split('\n')
        assert.equal(lines.pop(), 'complete -o default -F _shoal shoal')
        const offered = lines.filter((line) => line !== '')
        assert.deepEqual({ words, offered }, { words, offered: expected })
      }
    }))

  test('each shell knows every command and its options, and is given what it can parse', () =>
    withPlace(async ({ folder }) => {
      const known = (await commands()).filter((path) => path !== '')
      assert.ok(known.length > 50)
      for (const shell of ['bash', 'zsh', 'fish']) {
        const script = await scriptFor(shell)
        for (const path of known)
          assert.ok(
            script.includes(shell === 'fish' ? `__shoal_at "${path}"'` : `'${path}')`),
            `${path} in ${shell}`,
          )
        for (const flag of ['no-one-file-system', 'exclude-from', 'storage-class', 'quiet'])
          assert.ok(script.includes(flag), `--${flag} in ${shell}`)
        // Each quote ends on its line.
        for (const line of script.split('\n').filter((each) => !each.startsWith('#')))
          assert.equal((line.match(/'/g) ?? []).length % 2, 0, line)
        const file = join(folder, shell)
        await writeFile(file, script)
        const { error, status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
        if (error === undefined) assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
        else assert.notEqual(shell, 'bash', 'bash is there')
      }
    }))

  test('a shell that is not known is a usage error', async () => {
    const { code, stderr } = await runInProcess(['completion', 'tcsh'])
    assert.match(stderr, /'tcsh' is invalid.*Allowed choices are bash, zsh, fish/)
    assert.equal(code, 2)
  })
})
