// How things look: sizes, times, modes, tables, names; and paths as people write them.
import { shellWord } from '../../protocol/shell-word.ts'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { formatBytes } from '../../protocol/size.ts'
import { parseDuration } from '../../cli/arguments.ts'
import {
  explain,
  formatDevice,
  formatDuration,
  formatMode,
  jsonLine,
  printable,
  printableLines,
  table,
  wrapLines,
} from '../../cli/output.ts'
import { baseName, joinPath, namesFolder, parentPath } from '../../cli/paths.ts'
import { sameTime } from '../../cli/transfer.ts'

describe('output', () => {
  test('sizes have three digits and powers of 1000', () => {
    const shown = [0, 999, 1000, 1234, 999_499, 999_500, 5e9, 1.5e15, 9e18].map(formatBytes)
    assert.deepEqual(shown, [
      '0 B',
      '999 B',
      '1.00 KB',
      '1.23 KB',
      '999 KB',
      '1.00 MB',
      '5.00 GB',
      '1.50 PB',
      '9.00e+3 PB',
    ])
  })

  test('durations are formatted and parsed with one unit', () => {
    assert.deepEqual([0, 119_000, 120_000, 7_200_000, 172_800_000].map(formatDuration), [
      '0 s',
      '119 s',
      '2 min',
      '2 h',
      '2 d',
    ])
    assert.deepEqual(
      ['30s', '15m', '24h', '7d'].map(parseDuration),
      [30_000, 900_000, 86_400_000, 604_800_000],
    )
    for (const text of ['', '0s', '5', '1w', '-1s', '1.5h', '1234567s'])
      assert.throws(() => parseDuration(text))
  })

  test('modes are formatted as by ls', () => {
    assert.equal(formatMode('file', 0o640), '-rw-r-----')
    assert.equal(formatMode('folder', 0o1777), 'drwxrwxrwt')
    assert.equal(formatMode('file', 0o6711), '-rws--s--x')
    assert.equal(formatMode('symlink', 0o7000), 'l--S--S--T')
    assert.equal(formatMode('fifo', 0o644), 'prw-r--r--')
    assert.equal(formatMode('socket', 0), 's---------')
    assert.equal(formatMode('character-device', 0), 'c---------')
    assert.equal(formatMode('block-device', 0), 'b---------')
  })

  test('device numbers are formatted as by ls', () => {
    assert.equal(formatDevice(0x103), '1, 3')
    assert.equal(formatDevice(0xfff0_0000 + 0x8_01), '8, 1048321')
    assert.equal(formatDevice(2 ** 32 - 1), '4095, 1048575')
  })

  test('a table has columns as wide as their widest cell', () => {
    assert.equal(
      table([
        ['a', 'bb', 'c'],
        ['aaa', 'b', 'c'],
      ]),
      'a    bb  c\naaa  b   c',
    )
  })

  test('a table wider than the terminal gives way where it is widest, and loses nothing', () => {
    const rows = [
      ['Name', 'State', 'What there is to say'],
      ['shelf', 'online', 'a sentence of many words that does not fit'],
      ['x', '', `/a/path/${'y'.repeat(30)}`],
    ]
    const lines = table(rows, 40).split('\n')
    assert.deepEqual(lines, [
      'Name   State   What there is to say',
      'shelf  online  a sentence of many words',
      '               that does not fit',
      `x              /a/path/${'y'.repeat(17)}`,
      `               ${'y'.repeat(13)}`,
    ])
    assert.equal(table(rows, 200), table(rows))
    // Then the terminal wraps it.
    assert.ok(table(rows, 3).split('\n').length > 3)
  })

  test('a table of numbers at the right of their column ends, however narrow', () => {
    const row = ['   1', '2026-11-24 10:00', 'refused', 'y'.repeat(40), 'z'.repeat(60)]
    const signs = (text: string): string => text.replaceAll(/\s/g, '').split('').sort().join('')
    for (const columns of [0, 1, 20, 40, 80])
      assert.equal(signs(table([row], columns)), signs(row.join('')))
    assert.ok(table([row], 80).startsWith('   1  '))
  })

  test('prose is wrapped at spaces, and goes on below its beginning', () => {
    assert.equal(
      wrapLines('one two three four\n    five six seven eight\nshort', 16),
      'one two three\nfour\n    five six\n    seven eight\nshort',
    )
  })

  test('a printed name cannot move the cursor, end a line or reverse the text', () => {
    assert.equal(printable('a\u001b[31m\n\r\u202ey 🐟'), 'a\\x1b[31m\\x0a\\x0d\\xe2\\x80\\xaey 🐟')
    assert.equal(
      printable('\u0007\u007f\u0085\u009b2J\u2028ü'),
      '\\x07\\x7f\\xc2\\x85\\xc2\\x9b2J\\xe2\\x80\\xa8ü',
    )
  })

  test('a quoted path is a single word to a shell, and runs nothing', () => {
    for (const path of ['/a b', '/$(id)', '/`id`', "/it's; id", '/a\nid', '~', '-n', '/!x', '/a*'])
      assert.equal(
        spawnSync('sh', ['-c', `printf %s ${shellWord(path)}`]).stdout.toString(),
        printable(path),
      )
  })

  test('printed lines keep only newlines and colours as control characters', () => {
    const own = '\u001b[31mred\u001b[39m\nnext'
    assert.equal(printableLines(own), own)
    assert.equal(
      printableLines(`${own}\u001b]0;x\u0007\u001b[2J\r\u009b1A`),
      `${own}\\x1b]0;x\\x07\\x1b[2J\\x0d\\xc2\\x9b1A`,
    )
  })

  test('JSON output is exact, and has no characters that control a terminal', () => {
    const value = { name: 'a\u001b\n\u007f\u009b\u2028\u202e\ud83d\udc1f', timeNs: 5n }
    const line = jsonLine(value)
    assert.match(line, /^[^\p{Cc}\u2028\u202e]*$/u)
    assert.deepEqual(JSON.parse(line), { ...value, timeNs: '5' })
  })

  test('a failure of the local disk keeps its code and names the file', () => {
    const failure = Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC', path: '/x' })
    const { code, message } = explain(failure)
    assert.deepEqual(
      { code, message },
      { code: 'ENOSPC', message: 'no space left on the disk of the local file: /x' },
    )
    assert.equal(explain(new Error('else')).code, 'internal')
  })
})

describe('paths', () => {
  const CASES = [
    // path, base name, parent
    ['/', '', '/'],
    ['/a', 'a', '/'],
    ['/a/b', 'b', '/a'],
    ['/a/b/', 'b', '/a'],
    ['v:', '', 'v:/'],
    ['v:/', '', 'v:/'],
    ['v:/a/b', 'b', 'v:/a'],
    ['/a:b/c', 'c', '/a:b'],
    ['/a\nb/c\nd', 'c\nd', '/a\nb'],
  ] as const

  test('a path splits into a base name and a parent, which join to the same path', () => {
    for (const [path, name, parent] of CASES) {
      assert.deepEqual([baseName(path), parentPath(path)], [name, parent], path)
      if (name !== '') assert.equal(joinPath(parent, name), path.replace(/\/$/, ''))
    }
    assert.equal(joinPath('v:', 'a'), 'v:/a')
    assert.deepEqual(['/a', '/a/', 'v:', '/'].map(namesFolder), [false, true, true, true])
  })

  test('times are equal within the precision that both sides can keep', () => {
    const timeNs = 1_700_000_000_123_456_789n
    assert.ok(sameTime(timeNs, timeNs - 1999n) && sameTime(timeNs - 1999n, timeNs))
    assert.ok(!sameTime(timeNs, timeNs + 2000n))
  })
})
