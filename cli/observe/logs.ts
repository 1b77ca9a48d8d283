// `shoal logs`: what the parts of the node report, and how much of that.
import { Argument, Option } from 'commander'
import colors from 'picocolors'
import { ShoalError } from '../../protocol/errors.ts'
import { LOG_LEVELS } from '../../protocol/log-level.ts'
import { parseCount, parseDuration } from '../arguments.ts'
import { printPages } from './print-pages.ts'
import { formatTime, jsonLine, printable, table, tableRows } from '../output.ts'
import type { Command } from 'commander'
import type { LogLevel } from '../../protocol/log-level.ts'
import type { LogLine } from '../../node/control/observe/logs.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Context } from '../context.ts'

const LIMIT = 100

interface LogsOptions {
  readonly follow?: boolean
  readonly since?: number
  readonly limit?: number
  readonly part?: string
  readonly level?: LogLevel
  readonly transfers?: boolean
}

export function addLogs(program: Command, context: Context): void {
  const logs = program
    .command('logs')
    .description('show what the node reports, oldest first')
    .option('-f, --follow', 'keep printing new lines as they arrive')
    .option('--since <time>', 'only lines of the last 30m, 24h, 7d, ...', parseDuration)
    .option('-n, --limit <n>', `only the newest N lines (default: ${LIMIT})`, parseCount)
    .option('--part <part>', 'only lines of this part of the node, such as sync or repair')
    .addOption(
      new Option('--level <level>', 'only lines of this level and above').choices(LOG_LEVELS),
    )
    .option('--transfers', 'show what moved to peers and cold tiers, and from them')
    .addHelpText(
      'after',
      `
The file is logs/node.log in the home of the node, a JSON object a line, with a
stable name in "event". Changes of files are shown by "shoal log", security by
"shoal events", and what needs somebody by "shoal alerts". Transfers are those of
which at least 64 KiB moved within a minute, in logs/transfers.log.

Example:
  shoal logs -f --part repair
  shoal logs level sync debug`,
    )
    .action((options: LogsOptions) => show(context, options))
  logs
    .command('level')
    .description('show or set how much is logged, until the node stops')
    .argument('[part]', 'part of the node, or "all" for those that have no level of their own')
    .addArgument(new Argument('[level]', 'lines below it are not written').choices(LOG_LEVELS))
    .addHelpText('after', '\nExample:\n  shoal logs level sync debug\n  shoal logs level all warn')
    .action((part?: string, level?: LogLevel) => levels(context, part, level))
}

async function show(context: Context, options: LogsOptions): Promise<void> {
  const { follow = false, since, part, level, transfers } = options
  const { limit = since === undefined ? LIMIT : undefined } = options
  const sinceMs = since === undefined ? undefined : ((Date.now() - since) as WallTime)
  const { columns } = context
  const print = context.json ? lineJson : (line: LogLine) => lineText(line, columns)
  const pages = context.client.readLogs({ sinceMs, limit, follow, part, level, transfers })
  await printPages(context, pages, { print, follow })
}

function lineJson({ timeMs, ...line }: LogLine): string {
  return jsonLine({ time: new Date(timeMs).toISOString(), ...line })
}

function lineText(
  { timeMs, level, event, message, fields }: LogLine,
  columns: number | undefined,
): string {
  const facts = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const said = printable([message, ...facts].join(' '))
  const parts = [formatTime(timeMs), levelText(level), colors.cyan(printable(event)), said]
  return tableRows([parts], columns).join('\n')
}

function levelText(level: LogLevel): string {
  if (level === 'error') return colors.red(level)
  return level === 'warn' ? colors.yellow(level) : level
}

async function levels(context: Context, part?: string, level?: LogLevel): Promise<void> {
  if (part !== undefined && level === undefined)
    throw new ShoalError('usage', `say which level: shoal logs level ${part} debug`)
  if (part !== undefined && level !== undefined)
    await context.client.setLogLevel(part === 'all' ? '' : part, level)
  const set = await context.client.logLevels()
  context.print(set, () =>
    table(Object.entries(set).map(([name, is]) => [name === '' ? 'all' : name, is])),
  )
}
