// `shoal events`: what happened that concerns the security of this node, and whether the log that
// says so is whole.
import colors from 'picocolors'
import { ShoalError } from '../../protocol/errors.ts'
import { parseCount, parseDuration } from '../arguments.ts'
import { formatTime, jsonLine, printable, table, tableRows } from '../output.ts'
import { printPages } from './print-pages.ts'
import type { Command } from 'commander'
import type { SecurityCheck, SecurityEntry, Witness } from '../../node/control/observe/security.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Context } from '../context.ts'

interface EventsOptions {
  readonly security?: boolean
  readonly follow?: boolean
  readonly since?: number
  readonly limit?: number
  readonly check?: boolean
}

export function addEvents(program: Command, context: Context): void {
  program
    .command('events')
    .description('show security events of this node, oldest first')
    .option('--security', 'show security events (the default; there are no others yet)')
    .option('-f, --follow', 'keep printing new events as they arrive')
    .option('--since <time>', 'only events of the last 30m, 24h, 7d, ...', parseDuration)
    .option('-n, --limit <n>', 'only the newest N events', parseCount)
    .option('--check', 'verify that the log was not altered, using the copies of peers')
    .addHelpText(
      'after',
      `
Events are tickets created and used, refused connections, changes of roles,
members, settings and tiers, and misbehaviour of members. Each event contains
the hash of the one before, and members keep each other's newest hash: --check
detects removed or altered events, and exits with 1 if there are any. --json
prints one JSON value for each event, on a line.

Example:
  shoal events --security --since 7d
  shoal events --security --check`,
    )
    .action((options: EventsOptions) => show(context, options))
}

async function show(context: Context, options: EventsOptions): Promise<void> {
  const { check = false, follow = false, since, limit } = options
  if (check) {
    if (follow || since !== undefined || limit !== undefined)
      throw new ShoalError(
        'usage',
        '--check verifies the whole log: it cannot be combined with other options',
      )
    return checkLog(context)
  }
  const sinceMs = since === undefined ? undefined : ((Date.now() - since) as WallTime)
  const { columns } = context
  const print = context.json ? entryJson : (entry: SecurityEntry) => textLine(entry, columns)
  const pages = context.client.readSecurity({ sinceMs, limit, follow })
  await printPages(context, pages, { print, follow })
}

function entryJson({ timeMs, ...entry }: SecurityEntry): string {
  return jsonLine({ ...entry, time: new Date(timeMs).toISOString() })
}

function textLine(
  { number, timeMs, kind, peer, name, message }: SecurityEntry,
  columns: number | undefined,
): string {
  const who = name ?? peer?.slice(-6) ?? ''
  const parts = [
    colors.yellow(String(number).padStart(4)),
    formatTime(timeMs),
    kind,
    ...(who === '' ? [] : [colors.cyan(printable(who))]),
    printable(message),
  ]
  return tableRows([parts], columns).join('\n')
}

async function checkLog(context: Context): Promise<void> {
  const found = await context.client.checkSecurity()
  const peers = await context.client.listPeers()
  const back = peers.filter(({ securityLog }) => securityLog?.back !== undefined)
  const isBad =
    found.problems.length > 0 || found.witnesses.some(({ holds }) => holds === 'differs')
  context.print(
    {
      ...found,
      wentBack: back.map(({ id, name, securityLog }) => ({ peer: id, name, ...securityLog })),
    },
    () =>
      [
        ownText(found),
        ...found.problems.map((problem) => `  ${colors.red(printable(problem))}`),
        table(
          found.witnesses.map((witness) => [`  ${printable(witness.name)}`, witnessText(witness)]),
        ),
        ...back.map(
          ({ name, securityLog }) =>
            `The log of ${printable(name)} went back from event ${securityLog?.back?.number} ` +
            `on ${formatTime(securityLog?.back?.atMs ?? 0)}: ` +
            'its home was restored or copied, or its log was altered.',
        ),
      ]
        .filter((line) => line !== '')
        .join('\n'),
  )
  if (isBad) context.exitCode = 1
}

function ownText({ first, last, problems }: SecurityCheck): string {
  if (first === undefined)
    return problems.length > 0 ? 'The log of this node is missing:' : 'No events recorded yet.'
  const which = first === last ? `event ${last}` : `events ${first} to ${last}`
  return problems.length > 0
    ? `The log of this node has ${which}, and was altered:`
    : `The log of this node has ${which}, and is intact.`
}

function witnessText({ holds, number }: Witness): string {
  switch (holds) {
    case 'same':
      return `has event ${number}, identical here`
    case 'differs':
      return colors.red(
        `has event ${number}, which differs here: this log was truncated or altered`,
      )
    case 'older':
      return `has event ${number}, which is no longer kept here`
    case 'none':
      return 'has no event of this node yet'
    case 'unreachable':
      return 'does not answer'
  }
}
