// WHEN on the command line: a moment in the past, the id of a version, or the name of a snapshot.
// (The API takes the last two as one: `@` comes before a name.)
import { InvalidArgumentError } from 'commander'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { momentOf } from '../../protocol/moment.ts'
import { isSnapshotName } from '../../protocol/op/snapshot-name.ts'
import { formatTime } from '../output.ts'
import type { Context } from '../context.ts'

export type When =
  | { readonly atMs: WallTime; readonly version?: never }
  | { readonly version: string; readonly atMs?: never }

export const WHEN_HELP = `
WHEN is a time as 2026-11-21T14:00 or 2026-11-21 (its beginning), an age as 2h,
30m, 3d or 2w, "yesterday" (this time of day), the id of a version, or the name
of a snapshot.`

const UNITS_MS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
}

/** throws InvalidArgumentError. */
export function parseWhen(text: string): When {
  const when = whenOf(text, Date.now())
  if (when !== undefined) return when
  throw new InvalidArgumentError(
    'Give a time as 2026-11-21T14:00, an age as 2h, "yesterday", the id of a version, or the name of a snapshot.',
  )
}

/** Undefined for what is none. nowMs: the time of this machine. */
export function whenOf(text: string, nowMs: number): When | undefined {
  if (text === 'yesterday') return { atMs: (nowMs - DAY_MS) as WallTime }
  const [, count = '', unit = ''] = /^(\d{1,6})(s|m|h|d|w)$/.exec(text) ?? []
  const unitMs = UNITS_MS[unit]
  if (unitMs !== undefined) return { atMs: Math.max(0, nowMs - Number(count) * unitMs) as WallTime }
  const atMs = momentOf(text)
  if (atMs !== undefined) return { atMs: Math.max(0, atMs) as WallTime }
  if (/^[0-9a-f]{4,12}$/.test(text)) return { version: text }
  return isSnapshotName(text) ? { version: `@${text}` } : undefined
}

/**
 * The id of the version of then, of which it is said where it did not stand then; undefined for
 * what is there now.
 */
export async function versionId(
  context: Pick<Context, 'client' | 'tell'>,
  path: string,
  when: When | undefined,
): Promise<string | undefined> {
  if (when === undefined) return undefined
  if (when.version?.startsWith('@') === true) return when.version
  const found = await context.client.findVersion(path, when)
  if (!found.isExact)
    context.tell(
      `Nothing is kept of then; the nearest is ${found.id} of ${formatTime(found.timeMs)}.`,
    )
  return found.id
}

/**
 * The arguments with `--at` for `--version` after the name of a command that has it: before that,
 * it asks for the version of the program.
 */
export function withVersionIds(argv: readonly string[]): readonly string[] {
  const from = argv.findIndex((word) => TAKE_VERSION.has(word))
  if (from < 0) return argv
  return argv.map((word, at) => (at > from ? word.replace(/^--version(?=$|=)/, '--at') : word))
}

const TAKE_VERSION: ReadonlySet<string> = new Set(['cat', 'get', 'restore', 'clone'])
