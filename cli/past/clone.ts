// `shoal clone`: a copy that shares its content.
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import { addConsistency } from '../arguments.ts'
import { count, printable } from '../output.ts'
import { showProgress } from '../progress.ts'
import { parseWhen, WHEN_HELP } from './when.ts'
import type { Command } from 'commander'
import type { CloneEvent } from '../../node/control/clones.ts'
import type { Context } from '../context.ts'
import type { When } from './when.ts'

type Done = Extract<CloneEvent, { kind: 'done' }>

const HELP = `
SOURCE is a file or a folder, NEW a path in the same volume where nothing is
yet. Nothing is read, and no space taken until one of the two is changed; either
can be changed or removed without the other. A folder is cloned as it is at one
moment, and appears when all of it is there.
${WHEN_HELP}

Examples:
  shoal clone /docs /docs-to-try-out
  shoal clone --at before-the-move /photos /photos-before`

export function addClone(program: Command, context: Context): void {
  const command = program
    .command('clone <source> <new>')
    .description('copy a file or folder within its volume, without copying its data')
    .option('--at <when>', 'as it was at a time, age, snapshot, or id of a version', parseWhen)
    .addHelpText('after', HELP)
    .action(async (source: string, target: string, { at }: { readonly at?: When }) => {
      const events = context.client.clone(source, target, { ...at })
      const { kind: _, ...done } = await run(context, 'clone', events)
      context.summarize({ path: target, ...done }, () => text('Cloned', target, done))
    })
  addConsistency(command, context)
}

const VOLUME_HELP = `
NEW is a volume that is not there yet, or one in which nothing is. A new one has
this node as its admin and the settings of VOLUME, but for ack, consistency,
locks, voters, snapshots and those about cold tiers; invite others as to any
volume. All data is read, sealed under the keys of NEW and stored again. It
appears when all of it is there: if it is interrupted, NEW is empty, and the
same command begins again.

Examples:
  shoal volume clone main main-copy
  shoal volume clone main@before-the-move main-before`

export function addVolumeClone(volume: Command, context: Context): void {
  volume
    .command('clone <volume> <new>')
    .description('copy a volume, or a snapshot of it (VOLUME@SNAPSHOT), into a new one')
    .addHelpText('after', VOLUME_HELP)
    .action(async (source: string, target: string) => {
      const at = source.indexOf('@')
      const [name, snapshot] = at < 0 ? [source] : [source.slice(0, at), source.slice(at + 1)]
      const events = context.client.cloneVolume(name, target, { snapshot })
      const { kind: _, ...done } = await run(context, 'copy', events)
      context.summarize({ volume: target, ...done }, () => text('Copied', target, done))
    })
}

function text(
  verb: string,
  target: string,
  { files, folders, sizeBytes, nearest }: Omit<Done, 'kind'>,
): string {
  const made = folders === 0 ? '' : ` in ${count(folders, 'folder')}`
  const near = nearest === 0 ? '' : `; of ${count(nearest, 'file')} the nearest that is kept`
  const what = `${count(files, 'file')} (${formatBytes(sizeBytes)})${made}`
  return `${verb} ${what} to ${printable(target)}${near}`
}

async function run(
  context: Context,
  label: string,
  source: AsyncIterable<readonly CloneEvent[]>,
): Promise<Done> {
  let made = 0
  const progress = showProgress(context, label, { counts: () => count(made, 'file') })
  try {
    for await (const events of source) {
      for (const event of events) {
        if (event.kind === 'done') return event
        made = event.files
        progress.reach(event.sizeBytes, event.totalBytes ?? event.sizeBytes)
      }
    }
  } finally {
    progress.end()
  }
  const message = 'the node stopped before it was complete; nothing was made'
  throw new ShoalError('stopped', message)
}
