// A key as text: a heading, then lines of base32, each with its number and a check of its own, so
// that who types it in from paper is told which line is wrong. Case, spaces between, empty lines
// and lines that begin with # mean nothing.
import { utf8 } from './bytes.ts'
import { ShoalError } from './errors.ts'
import { blake3Concat } from './hash.ts'
import { fromBase32, toBase32 } from './ids.ts'

/** A kind of key, as its text and messages about it call it. */
export interface KeyKind {
  /** The first line. */
  readonly heading: string
  /** "recovery key" */
  readonly what: string
  /** "one comes of ..." */
  readonly origin: string
  readonly textMax: number
}

/** Chars of base32 in a line, in groups, and of its check. */
const LINE_CHARS = 40
const GROUP_CHARS = 8
const CHECK_CHARS = 4

/** The heading and the lines of a key. */
export function formatKeyLines({ heading }: KeyKind, bytes: Uint8Array): readonly string[] {
  const text = toBase32(bytes)
  const count = Math.ceil(text.length / LINE_CHARS)
  const lines = Array.from({ length: count }, (_, at) => {
    const chars = text.slice(at * LINE_CHARS, (at + 1) * LINE_CHARS)
    const groups = chars.match(new RegExp(`.{1,${GROUP_CHARS}}`, 'g')) ?? []
    return `${at + 1}/${count} ${groups.join(' ')} ${checkOf(heading, at + 1, count, chars)}`
  })
  return [heading, ...lines]
}

/** The bytes of a key. throws ShoalError 'malformed' that names the line. */
export function parseKeyLines(kind: KeyKind, text: string): Uint8Array {
  if (text.length > kind.textMax) throw noKey(kind)
  const [heading, ...lines] = text
    .split('\n')
    .map((line) => line.trim().toLowerCase())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (heading !== kind.heading) throw noKey(kind)
  const chars = joinLines(kind, lines)
  try {
    return fromBase32(chars)
  } catch (cause) {
    throw new ShoalError('malformed', `this ${kind.what} is damaged`, { cause })
  }
}

function joinLines(kind: KeyKind, lines: readonly string[]): string {
  const total = Number(/^\d+\/(\d+) /.exec(lines[0] ?? '')?.[1] ?? 0)
  if (total > kind.textMax / LINE_CHARS) throw noKey(kind)
  const parts = Array.from({ length: Math.max(total, 1) }, (_, at) => {
    const line = lines[at] ?? ''
    const [, number, count, rest = ''] = /^(\d+)\/(\d+) +([a-z2-7 ]+)$/.exec(line) ?? []
    const all = rest.replaceAll(' ', '')
    const chars = all.slice(0, -CHECK_CHARS)
    const isRight =
      Number(number) === at + 1 &&
      Number(count) === total &&
      all.slice(-CHECK_CHARS) === checkOf(kind.heading, at + 1, total, chars)
    if (isRight) return chars
    const message = `line ${at + 1} of the ${kind.what} is wrong or missing: compare it with the original`
    throw new ShoalError('malformed', message)
  })
  if (lines.length > total)
    throw new ShoalError('malformed', `there is more after the ${kind.what} than its lines`)
  return parts.join('')
}

/** So short that it is no burden to type, and finds all but one of a million slips. */
function checkOf(heading: string, line: number, count: number, chars: string): string {
  const hash = blake3Concat(utf8(`${heading} ${line}/${count} `), utf8(chars))
  return toBase32(hash).slice(0, CHECK_CHARS)
}

function noKey({ heading, what, origin }: KeyKind): ShoalError {
  return new ShoalError('malformed', `this is no ${what}: ${origin} and begins with ${heading}`)
}
