// `shoal scrub`: read all that this node stores, check it, and have the swarm rebuild what is
// damaged.
import { formatBytes } from '../../protocol/size.ts'
import { count, jsonLine, printable, table } from '../output.ts'
import { showProgress } from '../progress.ts'
import { writeOut } from './cat.ts'
import type { Command } from 'commander'
import type { ScrubEvent, ScrubFinding } from '../../node/control/upkeep.ts'
import type { Context } from '../context.ts'

export function addScrub(program: Command, context: Context): void {
  program
    .command('scrub')
    .description('verify all data stored on this node and repair what is damaged')
    .option('--volume <volume>', 'only data of this volume')
    .addHelpText(
      'after',
      `
A node scrubs its data once a month by itself, slowly. This starts a scrub now.
Ctrl-C stops it safely. --json prints one JSON value for each step and finding,
on a line.

Example:
  shoal scrub`,
    )
    .action(async (options: { readonly volume?: string }) => {
      const pages = context.client.scrub({ volume: options.volume })
      if (context.json) return writeOut(context, lines(pages))
      return show(context, pages)
    })
}

async function* lines(pages: AsyncIterable<readonly ScrubEvent[]>): AsyncGenerator<string> {
  for await (const page of pages) yield page.map((event) => `${jsonLine(event)}\n`).join('')
}

async function show(context: Context, pages: AsyncIterable<readonly ScrubEvent[]>): Promise<void> {
  const findings: ScrubFinding[] = []
  const progress = showProgress(context, 'Checking')
  let done = 0
  try {
    for await (const event of eachOf(pages)) {
      if (event.kind !== 'progress') {
        findings.push(event)
        continue
      }
      progress.reach(event.doneBytes, event.totalBytes)
      done = event.doneBytes
    }
  } finally {
    progress.end()
  }
  const checked = `Read and checked ${formatBytes(done)}`
  if (findings.length === 0) return context.summarize(undefined, () => `${checked}: no errors.`)
  context.print(undefined, () => [`${checked}. Found:`, summary(findings)].join('\n'))
}

async function* eachOf(
  pages: AsyncIterable<readonly ScrubEvent[]>,
): AsyncGenerator<ScrubEvent, void, undefined> {
  for await (const page of pages) yield* page
}

/** Like findings in one row; what nobody can mend, one by one. */
function summary(findings: readonly ScrubFinding[]): string {
  const alike = Map.groupBy(findings, ({ kind, state, action, volume }) =>
    [kind, state, action, volume].join(' '),
  )
  const rows = [...alike.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { kind, state, action, volume } = first
    const where = volume === undefined ? '' : `in ${printable(volume)}`
    return [[`  ${count(group.length, `${state} ${kind}`)}`, where, OUTCOMES[action]]]
  })
  const lost = findings.filter(({ action }) => action === 'lost').map(({ id }) => `  ${id}`)
  return [table(rows), ...lost].join('\n')
}

const OUTCOMES: Readonly<Record<ScrubFinding['action'], string>> = {
  recorded: 'will be rebuilt from the other shards',
  returned: 'the only copy: in use again',
  restored: 'restored from the trash',
  replaced: 'replaced by a good copy from another node',
  dropped: 'not needed here: removed',
  trashed: 'no longer needed here: moved to the trash',
  kept: 'kept for now, will be checked again',
  lost: 'no reachable node has a good copy:',
}
