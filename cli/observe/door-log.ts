// `shoal door log`: who asked what at the doors, and whether the log that says so is whole.
import colors from 'picocolors'
import { ShoalError } from '../../protocol/errors.ts'
import { parseCount, parseDuration } from '../arguments.ts'
import { printPages } from './print-pages.ts'
import { formatTime, jsonLine, printable } from '../output.ts'
import type { Command } from 'commander'
import type { DoorLogEntry } from '../../node/control/doors.ts'
import type { ChainCheck } from '../../node/control/observe/security.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Context } from '../context.ts'

/** Statuses from here on are failures. */
const STATUS_FAILED_MIN = 400

interface DoorLogOptions {
  readonly follow?: boolean
  readonly since?: number
  readonly limit?: number
  readonly who?: string
  readonly check?: boolean
}

export function addDoorLog(door: Command, context: Context): void {
  door
    .command('log')
    .description('show the requests at doors, oldest first')
    .option('-f, --follow', 'keep printing new requests as they are answered')
    .option('--since <time>', 'only requests of the last 30m, 24h, 7d, ...', parseDuration)
    .option('-n, --limit <n>', 'only the newest N requests', parseCount)
    .option('--who <login>', 'only requests of this account, key id, or "owner"')
    .option('--check', 'verify that the log was not altered')
    .addHelpText(
      'after',
      `
A line has when, at which door, from where, who, what, how that ended (a status
of HTTP) and after how long. A name in brackets was not proven: the request was
refused. The newest 32 MiB are kept, chained by hashes: --check detects lines
that were removed or altered, and exits with 1 if there are any.

Example:
  shoal door log --since 24h --who anna@main
  shoal door log -n 20`,
    )
    .action((options: DoorLogOptions) =>
      options.check === true ? check(context, options) : show(context, options),
    )
}

async function show(
  context: Context,
  { follow = false, since, limit, who }: DoorLogOptions,
): Promise<void> {
  const sinceMs = since === undefined ? undefined : ((Date.now() - since) as WallTime)
  const print = context.json ? entryJson : textLine
  const pages = context.client.readDoorLog({ sinceMs, limit, follow, who })
  await printPages(context, pages, { print, follow })
}

function entryJson({ timeMs, ...entry }: DoorLogEntry): string {
  return jsonLine({ ...entry, time: new Date(timeMs).toISOString() })
}

function textLine({
  timeMs,
  door,
  address,
  who,
  claims,
  action,
  status,
  ms,
}: DoorLogEntry): string {
  const shown = who ?? (claims === undefined ? '' : `(${claims})`)
  const ended = status === 0 ? 'gone' : String(status)
  const parts = [
    formatTime(timeMs),
    door,
    address,
    colors.cyan(printable(shown)),
    printable(action),
    status >= STATUS_FAILED_MIN ? colors.red(ended) : ended,
    `${ms} ms`,
  ]
  return parts.filter((part) => part !== '').join('  ')
}

async function check(context: Context, options: DoorLogOptions): Promise<void> {
  if (Object.keys(options).length > 1)
    throw new ShoalError(
      'usage',
      '--check verifies the whole log: it cannot be combined with other options',
    )
  const found = await context.client.checkDoorLog()
  context.print(found, () => [wordsOf(found), ...found.problems.map(printable)].join('\n  '))
  if (found.problems.length > 0) context.exitCode = 1
}

function wordsOf({ first, last, problems }: ChainCheck): string {
  if (first === undefined)
    return problems.length > 0 ? 'The log of doors is missing:' : 'No requests recorded yet.'
  const which = first === last ? `line ${last}` : `lines ${first} to ${last}`
  return problems.length > 0
    ? `The log of doors has ${which}, and was altered:`
    : `The log of doors has ${which}, and is intact.`
}
