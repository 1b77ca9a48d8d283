// `shoal stat`: what is known of a path.
import { addConsistency } from '../arguments.ts'
import { kindText } from '../../protocol/op/file-kind.ts'
import { formatBytes } from '../../protocol/size.ts'
import { count, formatDevice, formatMode, formatTime, printable, table } from '../output.ts'
import type { Command } from 'commander'
import type { FileStat } from '../../node/control/files.ts'
import type { Context } from '../context.ts'

export function addStat(program: Command, context: Context): void {
  const command = program
    .command('stat <path>')
    .description('show kind, mode, owner, size and times of a path')
    .addHelpText('after', '\nExample:\n  shoal stat /photos/cat.jpg')
    .action(async (path: string) => {
      const stat = await context.client.stat(path)
      context.print({ path, ...stat }, () => describe(path, stat))
    })
  addConsistency(command, context)
}

function describe(path: string, stat: FileStat): string {
  const rows = [
    ['Path', printable(path)],
    ['Kind', kindOf(stat)],
    ['Size', `${formatBytes(stat.sizeBytes)} (${count(stat.sizeBytes, 'byte')})`],
    ['Mode', formatMode(stat.kind, stat.mode)],
    ['Owner', `${stat.uid}:${stat.gid}`],
    ['Links', String(stat.linkCount)],
    ['Modified', formatTime(Number(stat.modifiedNs / 1_000_000n))],
    ['Changed', formatTime(Number(stat.changedNs / 1_000_000n))],
  ]
  return table(rows)
}

function kindOf({ kind, target, rdev }: FileStat): string {
  if (target !== undefined) return `symlink to ${printable(target)}`
  return rdev === undefined ? kindText(kind) : `${kindText(kind)} ${formatDevice(rdev)}`
}
