// Tables and help on a terminal that is narrower than they are, and where there is none.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { runInProcess } from './in-process.ts'
import { withNode } from './shoal.ts'

const COLUMNS = 60

describe('a narrow terminal', () => {
  test('status, ls and info of peers and volumes, tickets and tiers keep to its width', () =>
    withNode(async ({ home }) => {
      const run = async (words: readonly string[], columns?: number): Promise<string[]> => {
        const isTerminal = columns !== undefined
        const { stdout } = await runInProcess(['--home', home, ...words], { isTerminal, columns })
        return stripVTControlCharacters(stdout).trimEnd().split('\n')
      }
      const url = 's3://a-bucket-with-a-long-name/and-a-prefix'
      await run(['cold', 'add', 'attic', url])
      const lists = ['status', 'peer ls', 'peer info shelf', 'volume ls', 'volume info main']
      for (const command of [...lists, 'invite ls', 'cold ls']) {
        const whole = await run(command.split(' '))
        const narrow = await run(command.split(' '), COLUMNS)
        assert.deepEqual(
          narrow.filter((line) => line.length > COLUMNS),
          [],
          command,
        )
        const text = (lines: readonly string[]): string => lines.join('').replaceAll(' ', '')
        assert.equal(text(narrow).length, text(whole).length, `${command} loses nothing`)
      }
      assert.equal((await run(['cold', 'ls'])).length, 1)
      assert.ok((await run(['status'])).some((line) => line.length > COLUMNS))
    }))

  test('the notes of help are wrapped, too', async () => {
    const { stdout } = await runInProcess(['sync', '--help'], { isTerminal: true, columns: 50 })
    const lines = stdout.split('\n')
    assert.deepEqual(
      lines.filter((line) => line.length > 50),
      [],
    )
    assert.ok(lines.includes('Makes DEST hold what SRC holds: the contents of'))
  })
})
