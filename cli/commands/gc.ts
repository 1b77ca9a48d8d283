// `shoal gc`: give up now what no file needs any more.
import { falseFileText } from '../health.ts'
import { count, formatBytes, printable } from '../output.ts'
import type { Command } from 'commander'
import type { GarbageReport, VolumeGarbageReport } from '../../node/control/garbage.ts'
import type { Context } from '../context.ts'

export function addGc(program: Command, context: Context): void {
  program
    .command('gc')
    .description('delete unreferenced data and release copies now')
    .option('--volume <volume>', 'only this volume')
    .addHelpText(
      'after',
      `
Nodes collect garbage by themselves about once a day. This starts at once, and
waits up to a minute for other members: data is deleted only when every member
is known to have seen that it is unused. Its shards then stay in the trash for a
while (the volume setting "trash"). Copies of what was written here are released
as the volume setting "keep-local" says.

Example:
  shoal gc`,
    )
    .action(async ({ volume }: { readonly volume?: string }) => {
      const report = await context.client.collectGarbage({ volume })
      context.print(report, () => described(report))
    })
}

function described(report: GarbageReport): string {
  const { deletedBytes, releasedBytes, freedBytes, trashBytes, reclaimableBytes } = report
  const rest = [
    [deletedBytes, 'of chunks deleted here'],
    [releasedBytes, 'of copies released here'],
    [trashBytes, 'of shards in the trash here'],
    [reclaimableBytes, 'to be compacted here later'],
  ] as const
  const here = [
    `${formatBytes(freedBytes)} freed on this disk`,
    ...rest.filter(([bytes]) => bytes > 0).map(([bytes, what]) => `${formatBytes(bytes)} ${what}`),
  ]
  return [...report.volumes.map(volumeText), here.join(', ')].join('\n')
}

function volumeText(volume: VolumeGarbageReport): string {
  const { swept, sweptBytes, repacked, waiting, waitingFor } = volume
  const given =
    swept === 0
      ? 'no stripes deleted'
      : `${count(swept, 'stripe')} deleted (${formatBytes(sweptBytes)})`
  const packed = repacked === 0 ? '' : `, ${count(repacked, 'stripe')} repacked`
  const names = waitingFor.map(printable).join(', ')
  const left =
    waiting === 0
      ? ''
      : `; ${waiting} waiting ${names === '' ? 'to be deleted later' : `for confirmation by ${names}`}`
  const said = `${printable(volume.volume)}: ${given}${packed}${left}`
  return [said, ...volume.falseFiles.map(falseFileText)].join('\n')
}
