// `shoal gc`: give up now what no file needs any more.
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import { falseFileText } from '../health.ts'
import { count, printable } from '../output.ts'
import { amountText, showProgress } from '../progress.ts'
import type { Command } from 'commander'
import type {
  GarbageProgress,
  GarbageReport,
  VolumeGarbageReport,
} from '../../node/control/garbage.ts'
import type { Context } from '../context.ts'
import type { Unit } from '../progress.ts'

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
as the volume setting "keep-local" says. Ctrl-C stops it safely; "shoal status"
shows how far any collection is.

Example:
  shoal gc`,
    )
    .action(async ({ volume }: { readonly volume?: string }) => {
      const report = await follow(context, volume)
      context.summarize(report, () => described(report))
    })
}

/** Shows how far it is. */
async function follow(context: Context, volume: string | undefined): Promise<GarbageReport> {
  const progress = showProgress(context, STEPS.files[0])
  try {
    for await (const page of context.client.collectGarbage({ volume }))
      for (const event of page) {
        if (event.kind === 'done') {
          const { kind: _, ...report } = event
          return report
        }
        const [label, unit] = STEPS[event.step]
        progress.begin(label, unit)
        progress.reach(event.done, event.total)
      }
  } finally {
    progress.end()
  }
  throw new ShoalError('stopped', 'the node stopped before the collection was complete; try again')
}

/** "Freeing space: 1.20 GB of 3.40 GB" */
export function garbageText({ step, done, total }: GarbageProgress): string {
  const [label, unit] = STEPS[step]
  return `${label}: ${amountText(done, total, unit)}`
}

/** The label of each step, and the unit of what is counted. */
const STEPS = {
  files: ['Looking at files', 'file'],
  stripes: ['Looking at stripes', 'stripe'],
  copies: ['Looking at local copies', 'bytes'],
  members: ['Waiting for other members', 'ms'],
  space: ['Freeing disk space', 'bytes'],
} as const satisfies Readonly<Record<GarbageProgress['step'], readonly [string, Unit]>>

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
