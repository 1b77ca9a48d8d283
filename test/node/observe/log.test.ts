// The log of a node: which lines are written, how it turns over, and what is read back.
import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openLog } from '../../../node/observe/log.ts'
import { readLog, setLevel } from '../../../node/observe/log-reader.ts'
import { HIDDEN_CHARS } from '../../../protocol/hidden-chars.ts'
import { MIB } from '../../../protocol/units.ts'
import type { LogLine, LogReadOptions } from '../../../node/control/observe/logs.ts'
import type { NodeLog } from '../../../node/observe/log.ts'
import type { LogSource } from '../../../node/observe/log-reader.ts'

interface Open {
  readonly log: NodeLog
  readonly source: LogSource
}

/** Lines are not what they were, so that a reader must open them. */
const seal = (line: string): string => Buffer.from(line).toString('base64')
const open = (line: string): string => Buffer.from(line, 'base64').toString()

async function withLog(use: (open: Open) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'shoal-log-'))
  try {
    const log = openLog(home, { seal })
    await use({ log, source: { path: join(home, 'logs', 'node.log'), open } })
  } finally {
    await rm(home, { recursive: true })
  }
}

async function linesOf({ log, source }: Open, options: LogReadOptions = {}): Promise<LogLine[]> {
  const all: LogLine[] = []
  const { signal } = new AbortController()
  for await (const page of readLog(log, source, { ...options, signal })) all.push(...page)
  return all
}

describe('the log of a node', () => {
  test('has lines of the level of their part and above, which can be set', async () => {
    await withLog(async (opened) => {
      const { log } = opened
      log.write('network.channel-aborted', { code: 'timeout' })
      log.write('sync.failed', { error: 'gone' })
      setLevel(log, 'network', 'debug')
      setLevel(log, '', 'error')
      log.write('network.channel-aborted', { code: 'EIO' })
      log.write('sync.failed', { error: 'gone again' })
      log.write('scrub.lost', { id: 'x' })
      const lines = await linesOf(opened)
      assert.deepEqual(
        lines.map(({ event, level, fields }) => [event, level, Object.values(fields)]),
        [
          ['sync.failed', 'info', ['gone']],
          ['network.channel-aborted', 'debug', ['EIO']],
          ['scrub.lost', 'error', ['x']],
        ],
      )
      assert.throws(() => setLevel(log, 'nothing', 'debug'), { code: 'ENOENT', message: /sync/ })
    })
  })

  test('is read by part, level and number; lines that were cut off are passed by', async () => {
    await withLog(async (opened) => {
      const { log, source } = opened
      for (const error of ['one', 'two', 'three']) log.write('sync.failed', { error })
      log.write('scrub.lost', {})
      await appendFile(source.path, 'half of a li')
      assert.equal((await linesOf(opened)).length, 4)
      assert.equal((await linesOf(opened, { part: 'sync' })).length, 3)
      assert.equal((await linesOf(opened, { level: 'error' })).length, 1)
      assert.equal((await linesOf(opened, { limit: 2 })).length, 2)
      assert.equal((await linesOf(opened, { limit: 0 })).length, 0)
    })
  })

  test('is followed until nobody wants it', async () => {
    await withLog(async ({ log, source }) => {
      log.write('sync.failed', { error: 'before' })
      const stop = new AbortController()
      const pages = readLog(log, source, { follow: true, part: 'sync', signal: stop.signal })
      const first = await pages.next()
      log.write('scrub.lost', {})
      log.write('sync.failed', { error: 'after' })
      const second = await pages.next()
      assert.deepEqual(
        [first, second].map(({ value }) => (value as LogLine[])[0]?.fields['error']),
        ['before', 'after'],
      )
      const third = pages.next()
      stop.abort(new Error('enough'))
      await assert.rejects(third, /enough/)
    })
  })

  test('turns over when it is full: it takes two files at most, and nothing is lost before', async () => {
    await withLog(async (opened) => {
      const { log, source } = opened
      const filler = 'x'.repeat(MIB)
      for (let i = 0; i < 20; i++) log.write('sync.failed', { i, filler })
      const sizes = await Promise.all([source.path, `${source.path}.old`].map((path) => stat(path)))
      for (const { size, mode } of sizes) {
        assert.ok(size <= 9 * MIB + 1000)
        assert.equal(mode & 0o777, 0o600)
      }
      const numbers = (await linesOf(opened)).map(({ fields }) => fields['i'])
      assert.deepEqual(
        numbers,
        Array.from({ length: numbers.length }, (_, i) => 20 - numbers.length + i),
      )
      assert.ok(numbers.length >= 8)
    })
  })

  test('what others wrote does nothing to a terminal, and begins no line', async () => {
    await withLog(async ({ log, source }) => {
      log.write('sync.failed', { error: 'a\n{"event":"forged"}\u001b[2J\u202e' })
      const text = open((await readFile(source.path, 'utf8')).trimEnd())
      assert.doesNotMatch(text, HIDDEN_CHARS)
      assert.match(text, /\\u001b/)
    })
  })
})
