// `shoal repair`: make lost shards anew now, and watch it.
import { setTimeout as sleep } from 'node:timers/promises'
import { SECOND_MS } from '../../protocol/units.ts'
import { formatBytes } from '../../protocol/size.ts'
import { count, printable } from '../output.ts'
import type { Command } from 'commander'
import type { VolumeStatus } from '../../node/control/status.ts'
import type { Context } from '../context.ts'

const LOOK_EVERY_MS: number = SECOND_MS

export function addRepair(program: Command, context: Context): void {
  program
    .command('repair')
    .description('rebuild missing shards now, and show progress')
    .option('--volume <volume>', 'only this volume')
    .addHelpText(
      'after',
      `
Nodes repair by themselves, each its share of the stripes. This starts the share
of this node at once and waits until it is done. Ctrl-C stops waiting; the
repair continues.

Example:
  shoal repair`,
    )
    .action(async ({ volume }: { readonly volume?: string }) => {
      const before = await volumesOf(context, volume)
      await follow(context, context.client.repair({ volume }), volume)
      const volumes = await volumesOf(context, volume)
      context.print(
        volumes.map(({ name, stripes, upkeep }) => ({ name, stripes, upkeep })),
        () => volumes.map((each, n) => outcome(each, before[n])).join('\n'),
      )
    })
}

/** Tell how far it is until it is done. throws what the repair throws. */
async function follow(
  context: Context,
  repair: Promise<void>,
  volume: string | undefined,
): Promise<void> {
  const isDone = repair.then(() => true)
  let told = ''
  while (!(await Promise.race([isDone, sleep(LOOK_EVERY_MS, false)]))) {
    const busy = (await volumesOf(context, volume)).filter(isBusy)
    const text = busy.map(progressText).join('\n')
    if (text !== told && text !== '') context.tell(text)
    told = text
  }
}

function isBusy({ upkeep }: VolumeStatus): boolean {
  return upkeep.repairing + upkeep.queued + upkeep.moving > 0
}

async function volumesOf(context: Context, volume: string | undefined): Promise<VolumeStatus[]> {
  const all = await context.client.listVolumes()
  return all.filter(({ name, id }) => volume === undefined || name === volume || id === volume)
}

function progressText({ name, upkeep }: VolumeStatus): string {
  const { repairing, queued, moving, brake, repairedBytes, movedBytes } = upkeep
  const held = brake
    ? '; many peers went offline at once: for now only stripes without spare shards are repaired'
    : ''
  const written = formatBytes(repairedBytes + movedBytes)
  return (
    `${printable(name)}: ${count(repairing + queued, 'stripe')} to repair, ` +
    `${moving} to move or recode, ${written} written${held}`
  )
}

function outcome(
  { name, stripes, upkeep }: VolumeStatus,
  before: VolumeStatus | undefined,
): string {
  const writtenOf = (report: VolumeStatus['upkeep'] | undefined): number =>
    (report?.repairedBytes ?? 0) + (report?.movedBytes ?? 0)
  const written = writtenOf(upkeep) - writtenOf(before?.upkeep)
  const { full, degraded, atRisk, lost } = stripes
  const bad = [
    [degraded, 'degraded'],
    [atRisk, 'without spare shards'],
    [lost, 'unreadable now'],
  ] as const
  const counts = bad.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`)
  const state = counts.length === 0 ? `all ${count(full, 'stripe')} complete` : counts.join(', ')
  const work = written <= 0 ? 'nothing to repair here' : `${formatBytes(written)} written`
  return `${printable(name)}: ${work}; ${state}`
}
