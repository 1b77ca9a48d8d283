// `shoal log`: what happened in a volume, or to a path.
import colors from 'picocolors'
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import { parseCount } from '../arguments.ts'
import { Graph } from '../graph.ts'
import { count, formatTime, jsonLine, printable, tableRows, wrapLines } from '../output.ts'
import { asPath, baseName } from '../paths.ts'
import { printPages } from '../observe/print-pages.ts'
import type { Command } from 'commander'
import type { LogEntry, LogItem } from '../../node/control/history.ts'
import type { Change, ChangeKind } from '../../protocol/tree/describe.ts'
import type { Context } from '../context.ts'

const SHORT_ID = 8
/** At first; it grows with the names that come. */
const AUTHOR_WIDTH = 6
/** Between the graph and its text. */
const GAP = '  '

interface LogCommandOptions {
  readonly graph?: boolean
  readonly follow?: boolean
  readonly limit?: number
  readonly verbose?: boolean
  readonly all?: boolean
}

export function addLog(program: Command, context: Context): void {
  program
    .command('log [path]')
    .description("show the history of a path, newest first (default: the node's first volume)")
    .option('--graph', 'draw the graph of entries; implies --all')
    .option('-f, --follow', 'print the latest entries, then new ones as they arrive')
    .option(
      '-n, --limit <n>',
      'maximum number of entries (default: all; with --follow: 10)',
      parseCount,
    )
    .option('-v, --verbose', 'list each change of an entry')
    .option('--all', 'include internal entries: data placement, merges, checkpoints')
    .addHelpText(
      'after',
      `
PATH is a file, a folder (with its contents), or VOLUME: for a whole volume. The
history of a file continues across renames. For the history of a removed file,
give the folder that contained it. With a PATH the whole log is searched; Ctrl-C
stops. --json prints one JSON value for each entry, on a line.

Example:
  shoal log --limit 20
  shoal log --verbose /photos`,
    )
    .action(async (path: string | undefined, options: LogCommandOptions) => {
      await show(context, asPath(path ?? '/'), options)
    })
}

async function show(context: Context, path: string, options: LogCommandOptions): Promise<void> {
  const { graph = false, follow = false, limit, all = false, verbose = false } = options
  if (graph && (follow || baseName(path) !== '')) {
    throw new ShoalError(
      'usage',
      '--graph shows a whole volume: it cannot be combined with --follow or a path in the volume',
    )
  }
  const shown = { verbose, columns: context.columns ?? Infinity }
  const print = context.json ? printJson : graph ? graphPrinter(shown) : textPrinter(shown)
  const pages = context.client.readLog(path, { limit, follow, all: all || graph })
  await printPages(context, pages, { print, follow })
}

type Printer = (item: LogItem) => string

interface Shown {
  readonly verbose: boolean
  /** Infinite where nobody reads it at a terminal. */
  readonly columns: number
}

function printJson(item: LogItem): string {
  if (item.kind === 'entry') {
    const { timeMs, ...entry } = item
    return jsonLine({ ...entry, time: isoTime(timeMs) })
  }
  return jsonLine({ kind: item.kind, before: isoTime(item.beforeMs) })
}

function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}

function textPrinter(shown: Shown): Printer {
  const width = { author: AUTHOR_WIDTH }
  return (item) => {
    if (item.kind === 'dropped') return droppedLine(item, shown)
    return [...entryLines(item, width, shown), ...details(item, shown)].join('\n')
  }
}

function graphPrinter(shown: Shown): Printer {
  const width = { author: AUTHOR_WIDTH }
  const graph = new Graph()
  return (item) => {
    if (item.kind === 'dropped') return droppedLine(item, shown)
    const { before, node, more, after } = graph.next(item.id, item.parents)
    const beside = { ...shown, columns: shown.columns - node.length - GAP.length }
    const [first = '', ...rest] = entryLines(item, width, beside)
    return [
      ...before,
      node + GAP + first,
      ...[...rest, ...details(item, beside)].map((line) => more.padEnd(node.length) + GAP + line),
      ...after,
    ].join('\n')
  }
}

function droppedLine({ beforeMs }: Exclude<LogItem, LogEntry>, { columns }: Shown): string {
  const what =
    beforeMs === undefined ? 'Older history' : `The history up to ${formatTime(beforeMs)}`
  const text = `${what} was dropped at a checkpoint; the volume setting history=full keeps it.`
  return colors.dim(wrapLines(text, columns))
}

function entryLines(
  { id, timeMs, author, changes }: LogEntry,
  width: { author: number },
  { columns }: Shown,
): readonly string[] {
  const name = printable(author)
  width.author = Math.max(width.author, name.length)
  const row = [
    colors.yellow(id.slice(0, SHORT_ID)),
    formatTime(timeMs),
    colors.cyan(name.padEnd(width.author)),
    printable(summary(changes)),
  ]
  return tableRows([row], columns).flatMap((lines) => lines.split('\n'))
}

function details({ changes }: LogEntry, { verbose, columns }: Shown): readonly string[] {
  if (!verbose || changes.length < 2) return []
  return changes.flatMap((change) =>
    wrapLines(`    ${printable(changeText(change))}`, columns).split('\n'),
  )
}

function changeText({ text, note, sizeBytes }: Change): string {
  const size = sizeBytes === undefined ? '' : ` (${formatBytes(sizeBytes)})`
  return text + size + (note === undefined ? '' : `, ${note}`)
}

/**
 * "added 10 files (1.20 MB), made 2 folders in /docs": counted by kind where there are more than
 * two.
 */
function summary(changes: readonly Change[]): string {
  if (changes.length <= 2) return changes.map(changeText).join(', ')
  const kinds = Map.groupBy(changes, ({ kind }) => kind)
  const parts = [...kinds].map(([kind, alike]) => {
    const bytes = alike.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
    return COUNTED[kind](alike.length) + (bytes === 0 ? '' : ` (${formatBytes(bytes)})`)
  })
  const folder = commonFolder(
    changes.flatMap(({ kind, path }) => (kind === 'folder' ? `${path}/` : (path ?? []))),
  )
  return parts.join(', ') + (folder === '' ? '' : ` in ${folder}`)
}

const COUNTED: Readonly<Record<ChangeKind, (number: number) => string>> = {
  add: (number) => `added ${count(number, 'file')}`,
  write: (number) => `wrote ${count(number, 'file')}`,
  folder: (number) => `made ${count(number, 'folder')}`,
  link: (number) => `linked ${count(number, 'name')}`,
  move: (number) => `moved ${count(number, 'name')}`,
  remove: (number) => `removed ${count(number, 'name')}`,
  attributes: (number) => `set attributes of ${count(number, 'name')}`,
  resolve: (number) => `resolved ${count(number, 'conflict')}`,
  member: (number) => `changed members ${count(number, 'time')}`,
  policy: (number) => `set ${count(number, 'setting')}`,
  place: (number) => `placed ${count(number, 'stripe')}`,
  merge: (number) => `merged ${count(number, 'time')}`,
  checkpoint: (number) => `proposed ${count(number, 'checkpoint')}`,
  snapshot: (number) => `changed snapshots ${count(number, 'time')}`,
  restated: (number) => `restated ${count(number, 'late entry')}`,
  loss: (number) => `told of ${count(number, 'mass loss')}`,
  unknown: (number) => `${count(number, 'change')} that this node cannot read`,
}

/** The deepest folder that all paths lie in, '' for the root. */
function commonFolder([first = '', ...others]: readonly string[]): string {
  const parts = first.split('/').slice(0, -1)
  const shared = parts.findIndex((_, at) => {
    const folder = `${parts.slice(0, at + 1).join('/')}/`
    return !others.every((path) => path.startsWith(folder))
  })
  return (shared < 0 ? parts : parts.slice(0, shared)).join('/')
}
