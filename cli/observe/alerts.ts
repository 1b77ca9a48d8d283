// `shoal alerts`: what is wrong now, what was, and who is told of it.
import colors from 'picocolors'
import { parseCount, parseDuration } from '../arguments.ts'
import { count, formatDuration, formatTime, printable, table, wrapLines } from '../output.ts'
import type { Command } from 'commander'
import type {
  Alert,
  AlertEvent,
  AlertTargetStatus,
  CheckedAlerts,
} from '../../node/control/observe/alerts.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Context } from '../context.ts'

interface AlertsOptions {
  readonly history?: boolean
  readonly since?: number
  readonly limit?: number
}

export function addAlerts(program: Command, context: Context): void {
  const alerts = program
    .command('alerts')
    .description('show what is wrong, worst first')
    .option('--history', 'show what was raised and cleared, oldest first')
    .option('--since <time>', 'only history of the last 30m, 24h, 7d, ...', parseDuration)
    .option('-n, --limit <n>', 'only the newest N events of the history', parseCount)
    .addHelpText(
      'after',
      `
An alert is raised once its condition was true for a while, and cleared once it
was not for five minutes. Who is told of that is set under "alerts" in
config.yaml of this machine: a command, a webhook or a mailbox. For monitoring
see "shoal status --check".

Example:
  shoal alerts
  shoal alerts --history --since 7d
  shoal alerts test`,
    )
    .action((options: AlertsOptions) => show(context, options))
  alerts
    .command('test')
    .description('send a test alert to everyone who is told')
    .addHelpText('after', '\nExample:\n  shoal alerts test')
    .action(async () => {
      const told = await context.client.testAlerts()
      context.print(told, () => testText(told))
      if (told.some(({ failure }) => failure !== undefined)) context.exitCode = 1
    })
}

async function show(context: Context, { history, since, limit }: AlertsOptions): Promise<void> {
  if (history !== true && since === undefined && limit === undefined) {
    const checked = await context.client.checkAlerts()
    context.print(checked, () => checkedText(checked, context.columns))
    return
  }
  const sinceMs = since === undefined ? undefined : ((Date.now() - since) as WallTime)
  const events = await context.client.listAlerts({ sinceMs, limit })
  context.print(events, () => historyText(events, context.columns))
}

/** Exit codes of monitoring plugins (Nagios): 0 fine, 1 warning, 2 critical. */
export async function checkStatus(context: Context): Promise<void> {
  const checked = await context.client.checkAlerts()
  const urgent = checked.raised.filter(({ severity }) => severity !== 'notice')
  const [worst] = urgent
  const state = worst === undefined ? 'OK' : worst.severity === 'critical' ? 'CRITICAL' : 'WARNING'
  context.print({ state, ...checked }, () => {
    const [first = 'nothing is wrong', ...more] = urgent.map(({ message }) => printable(message))
    const others = more.length === 0 ? '' : `; and ${count(more.length, 'more alert')}`
    return `${state}: ${first}${others}`
  })
  context.exitCode = { OK: 0, WARNING: 1, CRITICAL: 2 }[state]
}

function checkedText({ raised, pending, targets }: CheckedAlerts, columns?: number): string {
  const parts = raised.map((alert) => alertText(alert, columns))
  if (parts.length === 0) parts.push('Nothing is wrong.')
  const soon = pending.map(({ name, message, sinceMs }) => [
    `  ${name}`,
    `${printable(message)} (for ${formatDuration(Date.now() - sinceMs)})`,
  ])
  if (soon.length > 0) parts.push(`Not for long enough to be told:\n${table(soon, columns)}`)
  const failing = targets.filter(({ failure }) => failure !== undefined)
  for (const { target, waiting, failure = '' } of failing)
    parts.push(
      `${colors.red('Not told')}: ${printable(target)}, ${count(waiting, 'event')} wait ` +
        `(${printable(failure)})`,
    )
  if (targets.length === 0)
    parts.push('Nobody is told of alerts: see "alerts" in config.yaml of this home.')
  return parts.join('\n')
}

function alertText({ name, severity, message, next, sinceMs }: Alert, columns?: number): string {
  const head = `${severityText(severity)} ${name}, for ${formatDuration(Date.now() - sinceMs)}`
  const rows = [`  ${printable(message)}.`, `  To do: ${printable(next)}.`]
  const width = columns ?? Infinity
  return [head, ...rows.map((row) => wrapLines(row, width))].join('\n')
}

function severityText(severity: Alert['severity']): string {
  const text = severity.toUpperCase()
  if (severity === 'critical') return colors.red(text)
  return severity === 'warning' ? colors.yellow(text) : text
}

function historyText(events: readonly AlertEvent[], columns?: number): string {
  if (events.length === 0) return 'No alert was raised.'
  return table(
    events.map(({ atMs, state, severity, name, message }) => [
      formatTime(atMs),
      state,
      state === 'raised' ? severityText(severity) : '',
      name,
      printable(message),
    ]),
    columns,
  )
}

function testText(told: readonly AlertTargetStatus[]): string {
  if (told.length === 0)
    return 'Nobody is told of alerts: see "alerts" in config.yaml of this home.'
  return told
    .map(({ target, failure }) =>
      failure === undefined
        ? `Told: ${printable(target)}`
        : `${colors.red('Not told')}: ${printable(failure)}`,
    )
    .join('\n')
}
