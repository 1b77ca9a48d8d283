// `shoal ls`: the entries of a folder, or one file.
import colors from 'picocolors'
import { formatBytes } from '../../protocol/size.ts'
import { addConsistency } from '../arguments.ts'
import { formatDevice, formatMode, formatTime, printable, table } from '../output.ts'
import { joinPath } from '../paths.ts'
import type { Command } from 'commander'
import type { FileStat } from '../../node/control/files.ts'
import type { Context } from '../context.ts'

interface Entry extends FileStat {
  readonly path: string
}

interface LsOptions {
  readonly long?: boolean
  readonly recursive?: boolean
  readonly at?: string
}

export function addLs(program: Command, context: Context): void {
  const command = program
    .command('ls [path]')
    .description('list a folder (default: /)')
    .option('-l, --long', 'show mode, size and time')
    .option('-R, --recursive', 'list all paths below, recursively')
    .option('--at <snapshot>', 'as it was in a snapshot')
    .addHelpText('after', '\nExample:\n  shoal ls --long /photos')
    .action(async (path = '/', options: LsOptions) => {
      const entries = await collect(context, path, options)
      const nameOf = options.recursive === true ? pathOf : styledName
      context.print(entries, () =>
        options.long === true ? long(entries, nameOf) : entries.map(nameOf).join('\n'),
      )
    })
  addConsistency(command, context)
}

async function collect(
  context: Context,
  path: string,
  { recursive = false, at }: LsOptions,
): Promise<Entry[]> {
  const version = at === undefined ? undefined : `@${at}`
  const stat = await context.client.stat(path, { version })
  if (stat.kind !== 'folder') return [{ path, ...stat }]
  const entries: Entry[] = []
  const folders = [path]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const page of context.client.list(folder, { version })) {
      for (const entry of page) {
        const inside = joinPath(folder, entry.name)
        entries.push({ path: inside, ...entry })
        if (recursive && entry.kind === 'folder') folders.push(inside)
      }
    }
  }
  return recursive ? entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)) : entries
}

function pathOf(entry: Entry): string {
  return printable(entry.path)
}

function styledName(entry: Entry): string {
  const name = printable(entry.name)
  if (entry.kind === 'folder') return colors.blue(`${name}/`)
  return entry.kind === 'symlink' ? colors.cyan(name) : name
}

function long(entries: readonly Entry[], nameOf: (entry: Entry) => string): string {
  const rows = entries.map((entry) => [
    formatMode(entry.kind, entry.mode),
    (entry.rdev === undefined ? formatBytes(entry.sizeBytes) : formatDevice(entry.rdev)).padStart(
      8,
    ),
    formatTime(Number(entry.modifiedNs / 1_000_000n)),
    nameOf(entry) + (entry.target === undefined ? '' : ` -> ${printable(entry.target)}`),
  ])
  return table(rows)
}
