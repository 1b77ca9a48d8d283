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
      const { kind: _, ...done } = await run(context, source, target, at)
      context.summarize({ path: target, ...done }, () => text(target, done))
    })
  addConsistency(command, context)
}

function text(target: string, { files, folders, sizeBytes, nearest }: Omit<Done, 'kind'>): string {
  const made = folders === 0 ? '' : ` in ${count(folders, 'folder')}`
  const near = nearest === 0 ? '' : `; of ${count(nearest, 'file')} the nearest that is kept`
  const what = `${count(files, 'file')} (${formatBytes(sizeBytes)})${made}`
  return `Cloned ${what} to ${printable(target)}${near}`
}

async function run(
  context: Context,
  source: string,
  target: string,
  at: When | undefined,
): Promise<Done> {
  let made = 0
  const progress = showProgress(context, 'clone', { counts: () => count(made, 'file') })
  try {
    for await (const events of context.client.clone(source, target, { ...at })) {
      for (const event of events) {
        made = event.files
        progress.reach(event.sizeBytes, event.sizeBytes)
        if (event.kind === 'done') return event
      }
    }
  } finally {
    progress.end()
  }
  const message = 'the node stopped before the clone was complete; nothing was made'
  throw new ShoalError('stopped', message)
}
