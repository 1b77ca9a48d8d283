// The files of a chained log (docs/formats/security-log.md) and what they prove: each line names
// the hash of the one before, so that no line can be changed, left out or put in without a break,
// but for those at the end; of these the last number and hash are held elsewhere.
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts'
import { hasCode } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import { escapeHidden } from '../../protocol/hidden-chars.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Disk } from '../world/world.ts'

/** The folder of logs in a home. */
export const FOLDER = 'logs'

/** An entry of any chained log. */
export interface Numbered {
  readonly number: number
  readonly timeMs: WallTime
}

/** The entries of one log: where they are, how they are hashed and read. */
export interface LogKind<Entry extends Numbered> {
  /** The name of its files: `security` is in logs/security.log. */
  readonly name: string
  /** The hash of a line without its line end. */
  readonly hash: (line: string) => Uint8Array
  /** The entry that has these fields. */
  readonly entryOf: (numbered: Numbered, fields: Readonly<Record<string, unknown>>) => Entry
}

/** The place of a log, and the way to open its lines. */
export interface LogFiles<Entry extends Numbered> {
  readonly kind: LogKind<Entry>
  readonly disk: Disk
  readonly open: (line: string) => string
}

/** An event by its number, and the hash of its line. */
export interface Link {
  readonly number: number
  readonly hash: Uint8Array
}

/** A former state of a log. */
export interface Known {
  readonly link: Link
  /** The oldest event that is kept. */
  readonly first: number
}

interface ReadLine<Entry> {
  readonly entry: Entry
  readonly link: Link
  readonly prev: string
}

/** A line of a file; undefined for one that cannot be read. */
interface Line<Entry> {
  /** Its end in the file, behind its line end. */
  readonly endBytes: number
  readonly read: ReadLine<Entry> | undefined
}

/** The result of examining a log. */
export interface Examined {
  readonly first: number | undefined
  readonly last: Link | undefined
  /** Bytes of the current file up to the last line that can be read. */
  readonly currentBytes: number
  /** Something is behind them. */
  readonly hasTail: boolean
  /** Breaks of the chain, in words. */
  readonly problems: readonly string[]
}

export function currentFile(name: string): string {
  return `${FOLDER}/${name}.log`
}

/** The name of a full file when the next event has this number. */
export function formerFile(name: string, next: number): string {
  return `${FOLDER}/${name}-${String(next).padStart(12, '0')}.log`
}

/** Inverse of formerFile; NaN for the current file. */
export function nextAfter(file: string): number {
  return Number(/\d{12}/.exec(file)?.[0])
}

/** Files that are full, oldest first. */
export async function formerFiles(disk: Disk, name: string): Promise<string[]> {
  const isFormer = new RegExp(`^${name}-\\d{12}\\.log$`)
  const names = await disk.list(FOLDER)
  return names.filter((one) => isFormer.test(one)).map((one) => `${FOLDER}/${one}`)
}

/** All entries that can be read, of one file after the other; but for full files before `after`. */
export async function* readEntries<Entry extends Numbered>(
  files: LogFiles<Entry>,
  after: number = 0,
): AsyncGenerator<Entry[]> {
  for (const file of await allFiles(files)) {
    if (nextAfter(file) <= after + 1) continue
    yield entriesOf(await readLines(files, file))
  }
}

/** The newest that are asked for, oldest first. cost: the files that hold them. */
export async function readNewest<Entry extends Numbered>(
  files: LogFiles<Entry>,
  limit: number,
  isAsked: (entry: Entry) => boolean,
): Promise<Entry[]> {
  let newest: Entry[] = []
  for (const file of (await allFiles(files)).reverse()) {
    if (newest.length >= limit) break
    newest = [...entriesOf(await readLines(files, file)).filter(isAsked), ...newest]
  }
  return limit === 0 ? [] : newest.slice(-limit)
}

function entriesOf<Entry>(lines: readonly Line<Entry>[]): Entry[] {
  return lines.flatMap(({ read }) => (read ? [read.entry] : []))
}

async function allFiles<Entry extends Numbered>({
  disk,
  kind: { name },
}: LogFiles<Entry>): Promise<string[]> {
  return [...(await formerFiles(disk, name)), currentFile(name)]
}

/**
 * The hash of an event's line, as it is or as the next one names it; undefined for one that is not
 * kept.
 */
export async function hashOf<Entry extends Numbered>(
  files: LogFiles<Entry>,
  number: number,
): Promise<string | undefined> {
  for (const file of await allFiles(files)) {
    for (const { read } of await readLines(files, file)) {
      if (read?.link.number === number) return toHex(read.link.hash)
      if (read?.link.number === number + 1) return read.prev
    }
  }
  return undefined
}

/** Read it. known: what it once was, from elsewhere. cost: of memory one file. */
export async function examine<Entry extends Numbered>(
  files: LogFiles<Entry>,
  known: Known | undefined,
  part: 'all' | 'newest file',
): Promise<Examined> {
  const problems: string[] = []
  let last: Link | undefined
  let [first, currentBytes, unread]: [number | undefined, number, number] = [undefined, 0, 0]
  let hasTail = false
  const unreadable = (): string[] =>
    unread === 0 ? [] : [`${unread} lines after event ${last?.number ?? 0} cannot be read`]
  const current = currentFile(files.kind.name)
  for (const file of part === 'all' ? await allFiles(files) : [current]) {
    for (const { endBytes, read } of await readLines(files, file)) {
      const breaks = read === undefined ? [] : breakBefore(read, last, known)
      const isWhole = read !== undefined && unread === 0 && breaks.length === 0
      // Behind what was durable is what was being written when the node ended, whole or not.
      hasTail = !isWhole && known !== undefined && (last?.number ?? 0) >= known.link.number
      if (hasTail) break
      if (read === undefined) {
        unread++
        continue
      }
      problems.push(...unreadable(), ...breaks)
      unread = 0
      if (file === current) currentBytes = endBytes
      last = read.link
      first ??= last.number
    }
  }
  problems.push(...unreadable())
  if (known !== undefined)
    problems.push(...breakAtEnds(part === 'all' ? first : known.first, last, known))
  return { first, last, currentBytes, hasTail: hasTail || unread > 0, problems }
}

function breakBefore(
  { link: { number, hash }, prev }: Pick<ReadLine<unknown>, 'link' | 'prev'>,
  last: Link | undefined,
  known: Known | undefined,
): string[] {
  const isOther = known?.link.number === number && !equalBytes(known.link.hash, hash)
  if (isOther) return [`event ${number} was altered`]
  if (last === undefined) return []
  if (number > last.number + 1) return [missing(last.number + 1, number - 1)]
  if (number <= last.number) return [`event ${number} comes after event ${last.number}`]
  if (prev === toHex(last.hash)) return []
  return [`event ${number} does not follow from event ${last.number}: one of the two was altered`]
}

function breakAtEnds(first: number | undefined, last: Link | undefined, known: Known): string[] {
  const begin = first ?? known.link.number + 1
  return [
    ...(begin > known.first ? [missing(known.first, begin - 1)] : []),
    ...(last !== undefined && last.number < known.link.number
      ? [missing(last.number + 1, known.link.number)]
      : []),
  ]
}

function missing(from: number, to: number): string {
  return from === to ? `event ${from} is missing` : `events ${from} to ${to} are missing`
}

async function readLines<Entry extends Numbered>(
  files: LogFiles<Entry>,
  file: string,
): Promise<Line<Entry>[]> {
  const bytes = Buffer.from(await readWhole(files.disk, file))
  const lines: Line<Entry>[] = []
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start)
    const text = bytes.toString('utf8', start, end < 0 ? bytes.length : end)
    const endBytes = end < 0 ? bytes.length : end + 1
    lines.push({ endBytes, read: end < 0 ? undefined : readLine(files, text) })
    start = endBytes
  }
  return lines
}

async function readWhole(disk: Disk, path: string): Promise<Uint8Array> {
  try {
    const file = await disk.open(path, 'read')
    try {
      return await file.read(0, await file.size())
    } finally {
      await file.close()
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return new Uint8Array()
    throw error
  }
}

/** An event, after the line with this hash. */
export function formatLine({ number, timeMs, ...rest }: Numbered, prev: Uint8Array): string {
  const time = new Date(timeMs).toISOString()
  return escapeHidden(JSON.stringify({ n: number, time, ...rest, prev: toHex(prev) }))
}

function readLine<Entry extends Numbered>(
  { kind, open }: LogFiles<Entry>,
  stored: string,
): ReadLine<Entry> | undefined {
  try {
    const text = open(stored)
    const { n, time, prev, ...fields } = JSON.parse(text) as Record<string, unknown>
    const timeMs = Date.parse(String(time))
    if (!Number.isSafeInteger(n) || Number.isNaN(timeMs)) return undefined
    if (typeof prev !== 'string' || fromHex(prev).length !== HASH_BYTES) return undefined
    const numbered = { number: n as number, timeMs: timeMs as WallTime }
    const entry = kind.entryOf(numbered, fields)
    return { entry, link: { number: entry.number, hash: kind.hash(text) }, prev }
  } catch {
    return undefined // no JSON, or no hash
  }
}
