// Tables and help on a terminal that is narrower than they are, and where there is none.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { runInProcess } from './in-process.ts'
import { MemoryNode } from './memory-node.ts'
import { withNode } from './shoal.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'

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

  test('log and events keep to its width, and lose nothing', async () => {
    const node = new MemoryNode()
    const changes = ['/a', '/b', '/c'].map((folder) => {
      const path = `${folder}/a name of some length/and another one, also of some length`
      return { kind: 'add', text: `added ${path}`, path, sizeBytes: 7 } as const
    })
    const timeMs = Date.now() as WallTime
    const peer = 'peer' as PeerId
    const entry = { kind: 'entry', peer, author: 'cleopatra', timeMs } as const
    const [first, second, third] = ['a', 'b', 'c'].map((letter) => letter.repeat(64) as EntryHash)
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    node.log = [
      { ...entry, id: third, parents: [first, second], changes },
      { ...entry, id: second, parents: [], changes: changes.slice(1) },
      { ...entry, id: first, parents: [], changes: changes.slice(2) },
      { kind: 'dropped', beforeMs: timeMs },
    ]
    const message = 'ticket 91b7cb05: one machine may join as writer until tomorrow at noon'
    node.events = [{ number: 1, timeMs, kind: 'ticket-made', message }]
    await withNode(async ({ home }) => {
      for (const command of ['log', 'log --verbose', 'log --graph --verbose', 'events']) {
        const run = async (columns?: number): Promise<readonly string[]> => {
          const words = ['--home', home, ...command.split(' ')]
          const isTerminal = columns !== undefined
          const { stdout } = await runInProcess(words, { isTerminal, columns })
          return stripVTControlCharacters(stdout).trimEnd().split('\n')
        }
        const [narrow, whole] = [await run(COLUMNS), await run()]
        const wide = narrow.filter((line) => line.length > COLUMNS)
        assert.deepEqual(wide, [], command)
        assert.ok(narrow.length > whole.length, command)
        const text = (lines: readonly string[]): string =>
          [...lines.join('').matchAll(/[\p{Letter}\p{Number}]/gu)].join('')
        assert.equal(text(narrow).length, text(whole).length, command)
      }
    }, node)
  })

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
