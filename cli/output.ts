// How things look to people: sizes, times, tables, names that cannot play tricks on a terminal, and
// errors. Pure text.
import { stripVTControlCharacters } from 'node:util'
import colors from 'picocolors'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../protocol/units.ts'
import { ShoalError, asShoalError } from '../protocol/errors.ts'
import { encodeJson } from '../node/control/wire.ts'
import { shownText } from '../protocol/byte-text.ts'
import { escapeHidden } from '../protocol/hidden-chars.ts'
import type { FileKind } from '../protocol/op/file-kind.ts'
import type { ErrorCode } from '../protocol/errors.ts'

/** Between two columns. */
const GAP = '  '
/** Cells of tables are not made narrower than this. */
const CELL_WIDTH_MIN = 4
/** Longer words are broken before others are wrapped to a word a line. */
const WORD_MAX = 16
/** Text is not made narrower than this. */
const TEXT_WIDTH_MIN = 12
/** The end of a line, or a colour. */
// eslint-disable-next-line no-control-regex -- colours begin with one
const OWN_CODES = /(\n|\u001b\[\d+m)/
const KIND_LETTERS: Readonly<Record<FileKind, string>> = {
  file: '-',
  folder: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  'character-device': 'c',
  'block-device': 'b',
}

/** "3 d", "4 h", "5 min", "6 s": one unit is enough. */
export function formatDuration(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} d`
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} h`
  if (ms >= 2 * MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)} min`
  return `${Math.floor(ms / SECOND_MS)} s`
}

/** Local "2026-11-21 07:14:05". */
export function formatTime(ms: number): string {
  const date = new Date(ms)
  const two = (part: number): string => String(part).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** "drwxr-x--T", as ls(1) does. */
export function formatMode(kind: FileKind, mode: number): string {
  const letters = 'rwxrwxrwx'.split('').map((letter, i) => ((mode >> (8 - i)) & 1 ? letter : '-'))
  const special = [
    { bit: 0o4000, at: 2, letter: 's' },
    { bit: 0o2000, at: 5, letter: 's' },
    { bit: 0o1000, at: 8, letter: 't' },
  ]
  for (const { bit, at, letter } of special) {
    if (mode & bit) letters[at] = letters[at] === 'x' ? letter : letter.toUpperCase()
  }
  return KIND_LETTERS[kind] + letters.join('')
}

/** "8, 1": major and minor number of a device, of the 32 bits of a Linux dev_t. */
export function formatDevice(rdev: number): string {
  return `${(rdev >>> 8) & 0xfff}, ${((rdev >>> 12) & 0xfff00) | (rdev & 0xff)}`
}

/** "1 file", "2 files". */
export function count(number: number, noun: string): string {
  return `${number} ${number === 1 ? noun : pluralOf(noun)}`
}

function pluralOf(noun: string): string {
  if (noun.endsWith('y')) return `${noun.slice(0, -1)}ies`
  return noun.endsWith('s') ? `${noun}es` : `${noun}s`
}

/**
 * Rows in columns as wide as their content, without spaces at their ends. columns: the width of the
 * terminal, if it is one: the widest cells are wrapped where the table would be wider.
 */
export function table(rows: readonly (readonly string[])[], columns?: number): string {
  return tableRows(rows, columns).join('\n')
}

/** The same, row by row. */
export function tableRows(
  rows: readonly (readonly string[])[],
  columns: number = Infinity,
): string[] {
  const widths = fitted(rows, columns)
  return rows.map((row) => {
    const cells = row.map((cell, i) => wrapped(cell, widths[i] ?? 0))
    const height = Math.max(1, ...cells.map(({ length }) => length))
    return Array.from({ length: height }, (_, line) =>
      cells
        .map((lines, i) => padded(lines[line] ?? '', widths[i] ?? 0))
        .join(GAP)
        .trimEnd(),
    ).join('\n')
  })
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - shownLength(text)))
}

/** The widest give way first, as far as they can; words are broken where that is not enough. */
function fitted(rows: readonly (readonly string[])[], columns: number): readonly number[] {
  const widths: number[] = []
  const words: number[] = []
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, shownLength(cell))
      const longest = indentOf(cell) + Math.max(...cell.split(' ').map(shownLength))
      words[i] = Math.max(words[i] ?? 0, Math.min(WORD_MAX, longest))
    })
  const sum = widths.reduce((total, width) => total + width, 0)
  let excess = sum + GAP.length * Math.max(0, widths.length - 1) - columns
  for (const least of [words, words.map(() => CELL_WIDTH_MIN)])
    for (; excess > 0; excess--) {
      const able = widths.filter((width, i) => width > (least[i] ?? 0))
      if (able.length === 0) break
      const widest = Math.max(...able)
      const at = widths.findLastIndex((width, i) => width === widest && width > (least[i] ?? 0))
      widths[at] = widest - 1
    }
  return widths
}

/**
 * The text in lines of at most so many characters, 1 at least, broken at spaces where there are
 * some; indented as the text is, where that leaves room.
 */
function wrapped(text: string, most: number): readonly string[] {
  const width = Math.max(1, most)
  if (shownLength(text) <= width) return [text]
  const plain = stripVTControlCharacters(text)
  const indent = ' '.repeat(indentOf(plain) < width ? indentOf(plain) : 0)
  const lines: string[] = []
  let line = indent
  for (const word of plain.trim().split(' ')) {
    const glue = line.trim() === '' ? '' : ' '
    if (line.length + glue.length + word.length <= width) {
      line += glue + word
      continue
    }
    if (line.trim() !== '') lines.push(line)
    line = indent + word
    for (; line.length > width; line = indent + line.slice(width)) lines.push(line.slice(0, width))
  }
  return [...lines, line]
}

/** Prose in lines broken at spaces, each as far to the right as the one it goes on from. */
export function wrapLines(text: string, columns: number): string {
  return text
    .split('\n')
    .flatMap((line) => wrapped(line, Math.max(columns, TEXT_WIDTH_MIN + indentOf(line))))
    .join('\n')
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}

/** Without colours. */
function shownLength(text: string): number {
  return stripVTControlCharacters(text).length
}

/**
 * A name that came from somebody else, with the characters that move a cursor, end a line or turn
 * it around as `\xHH`: so a path can still be typed.
 */
export function printable(text: string): string {
  return shownText(text)
}

/**
 * Lines and colours of our own as they are, and whatever in them should have been made printable.
 */
export function printableLines(text: string): string {
  return text
    .split(OWN_CODES)
    .map((part, at) => (at % 2 === 0 ? printable(part) : part))
    .join('')
}

/**
 * A value as --json shows it: exact, on one line, and nothing in it does anything to a terminal.
 */
export function jsonLine(value: unknown): string {
  return escapeHidden(encodeJson(value))
}

/** The one line on stderr for a failure. */
export function errorLine(error: ShoalError): string {
  return `${colors.red('shoal:')} ${printable(error.message)}`
}

/**
 * Any thrown value as ShoalError; what the local file system reports gets a sentence of its own.
 */
export function explain(thrown: unknown): ShoalError {
  const error = asShoalError(thrown)
  const { code, path } = (
    error.code === 'internal' ? (error.cause ?? {}) : {}
  ) as NodeJS.ErrnoException
  if (code === undefined || path === undefined || !isLocalFailure(code)) return error
  return new ShoalError(code, `${LOCAL_FAILURES[code]}: ${path}`, { cause: error.cause })
}

const LOCAL_FAILURES = {
  ENOENT: 'no such local file',
  EACCES: 'permission denied for local file',
  EPERM: 'operation not permitted on local file',
  ENOTDIR: 'a component of the local path is not a folder',
  EISDIR: 'the local path is a folder',
  EEXIST: 'the local file exists already',
  ENOTEMPTY: 'the local folder is not empty',
  ENOSPC: 'no space left on the disk of the local file',
  EROFS: 'read-only file system of the local file',
  ENOTCONN: 'the mount at the local path is dead; unmount it, or mount it again',
} as const satisfies Partial<Record<ErrorCode, string>>

function isLocalFailure(code: string): code is keyof typeof LOCAL_FAILURES {
  return Object.hasOwn(LOCAL_FAILURES, code)
}
