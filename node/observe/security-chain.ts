// The files of a security log (docs/formats/security-log.md) and what they prove: each line names
// the hash of the one before, so that no line can be changed, left out or put in without a break,
// but for those at the end; of these the last number and hash are held elsewhere.
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts'
import { hasCode } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import { escapeHidden } from '../../protocol/hidden-chars.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import { securityLineHash } from '../../protocol/wire/security.ts'
import type { SecurityEntry } from '../control/observe/security.ts'
import type { Disk } from '../world/world.ts'
import type { SecurityEventKind } from './security.ts'

export const FOLDER = 'logs'
export const CURRENT_FILE: string = `${FOLDER}/security.log`
const FORMER_FILE = /^security-\d{12}\.log$/

/** The place of a log, and the way to open its lines. */
export interface LogFiles {
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

/** A line of a file; undefined for one that cannot be read. */
interface Line {
  readonly file: string
  /** Its end in the file, behind its line end. */
  readonly endBytes: number
  readonly read:
    { readonly entry: SecurityEntry; readonly link: Link; readonly prev: string } | undefined
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

/** The name of a full file when the next event has this number. */
export function formerFile(next: number): string {
  return `${FOLDER}/security-${String(next).padStart(12, '0')}.log`
}

/** Inverse of formerFile. */
export function nextAfter(file: string): number {
  return Number(/\d{12}/.exec(file)?.[0])
}

/** Files that are full, oldest first. */
export async function formerFiles(disk: Disk): Promise<string[]> {
  const names = await disk.list(FOLDER)
  return names.filter((name) => FORMER_FILE.test(name)).map((name) => `${FOLDER}/${name}`)
}

/** All events that can be read, of one file after the other. */
export async function* readEntries(files: LogFiles): AsyncGenerator<SecurityEntry[]> {
  for (const file of [...(await formerFiles(files.disk)), CURRENT_FILE])
    yield (await readLines(files, file)).flatMap(({ read }) => (read ? [read.entry] : []))
}

/**
 * The hash of an event's line, as it is or as the next one names it; undefined for one that is not
 * kept.
 */
export async function hashOf(files: LogFiles, number: number): Promise<string | undefined> {
  for (const file of [...(await formerFiles(files.disk)), CURRENT_FILE]) {
    for (const { read } of await readLines(files, file)) {
      if (read?.link.number === number) return toHex(read.link.hash)
      if (read?.link.number === number + 1) return read.prev
    }
  }
  return undefined
}

/** Read it all. known: what it once was, from elsewhere. cost: of memory one file. */
export async function examine(files: LogFiles, known: Known | undefined): Promise<Examined> {
  const problems: string[] = []
  let last: Link | undefined
  let [first, currentBytes, unread]: [number | undefined, number, number] = [undefined, 0, 0]
  let hasTail = false
  const unreadable = (): string[] =>
    unread === 0 ? [] : [`${unread} lines after event ${last?.number ?? 0} cannot be read`]
  for (const file of [...(await formerFiles(files.disk)), CURRENT_FILE]) {
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
      if (file === CURRENT_FILE) currentBytes = endBytes
      last = read.link
      first ??= last.number
    }
  }
  problems.push(...unreadable())
  if (known !== undefined) problems.push(...breakAtEnds(first, last, known))
  return { first, last, currentBytes, hasTail: hasTail || unread > 0, problems }
}

function breakBefore(
  { link: { number, hash }, prev }: NonNullable<Line['read']>,
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

async function readLines({ disk, open }: LogFiles, file: string): Promise<Line[]> {
  const bytes = Buffer.from(await readWhole(disk, file))
  const lines: Line[] = []
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start)
    const text = bytes.toString('utf8', start, end < 0 ? bytes.length : end)
    const endBytes = end < 0 ? bytes.length : end + 1
    lines.push({ file, endBytes, read: end < 0 ? undefined : readLine(text, open) })
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
export function formatLine(entry: SecurityEntry, prev: Uint8Array): string {
  const { number, timeMs, ...rest } = entry
  const time = new Date(timeMs).toISOString()
  return escapeHidden(JSON.stringify({ n: number, time, ...rest, prev: toHex(prev) }))
}

function readLine(stored: string, open: LogFiles['open']): Line['read'] {
  try {
    const text = open(stored)
    const { n, time, prev, ...rest } = JSON.parse(text) as Record<string, unknown>
    const timeMs = Date.parse(String(time))
    if (!Number.isSafeInteger(n) || Number.isNaN(timeMs)) return undefined
    if (typeof prev !== 'string' || fromHex(prev).length !== HASH_BYTES) return undefined
    const { kind, volume, peer, name, message } = rest as Record<string, string | undefined>
    const entry: SecurityEntry = {
      number: n as number,
      timeMs: timeMs as WallTime,
      kind: String(kind) as SecurityEventKind,
      volume: volume as VolumeId | undefined,
      peer: peer as PeerId | undefined,
      name,
      message: String(message),
    }
    return { entry, link: { number: entry.number, hash: securityLineHash(text) }, prev }
  } catch {
    return undefined // no JSON, or no hash
  }
}
