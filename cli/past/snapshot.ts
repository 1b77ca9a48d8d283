// `shoal snapshot create|ls|rm|hold|release|diff|rollback`: named states of a volume or a folder.
import { formatBytes } from '../../protocol/size.ts'
import { addConsistency, ofVolumeOption } from '../arguments.ts'
import { confirm } from '../confirm.ts'
import { count, formatTime, printable, table } from '../output.ts'
import { asPath } from '../paths.ts'
import type { Command } from 'commander'
import type { RolledBack, SnapshotChange, SnapshotInfo } from '../../node/control/snapshots.ts'
import type { Context } from '../context.ts'

const ABOUT = `
A snapshot is made at once, takes no space until something is changed, and is
there on every node. It stays until it is removed, whatever versions= keeps.
Files in it are read with "shoal cat|get|restore --at NAME". The setting
snapshots= of a volume has them made each hour, day, week, month or year.

Examples:
  shoal snapshot create before-the-move
  shoal snapshot diff before-the-move
  shoal restore --at before-the-move /photos --to /photos-before`

const CREATE_HELP = `
PATH is a folder, by default all of the node's first volume. NAME is by default
one that tells the time.

Examples:
  shoal snapshot create
  shoal snapshot create /photos before-sorting`

const RM_HELP = `
Whoever made it may remove it, and admins; --force is for admins. Space comes
back after the trash= time of the volume.

Example:
  shoal snapshot rm before-the-move`

const DIFF_HELP = `
FROM and TO are snapshots; "now", which is the default of TO, is what is there
now. Marks: + added, - removed, ~ changed (content, owner or mode), > renamed.

Examples:
  shoal snapshot diff before-the-move
  shoal snapshot diff monday tuesday --path /photos`

const ROLLBACK_HELP = `
Shows what would be done; with --yes, or if you agree, does it. What was made
since is removed, what was changed or removed comes back. These are ordinary
writes: "shoal undelete" and "shoal versions" undo them.

Examples:
  shoal snapshot rollback before-the-move
  shoal snapshot rollback before-the-move /photos --yes`

interface OfVolume {
  readonly volume?: string
}

export function addSnapshot(program: Command, context: Context): void {
  const snapshot = program
    .command('snapshot')
    .description('name a state of a volume or folder, and bring it back')
    .addHelpText('after', ABOUT)
  addCreate(snapshot, context)
  addLs(snapshot, context)
  addRm(snapshot, context)
  addHold(snapshot, context, 'hold')
  addHold(snapshot, context, 'release')
  addDiff(snapshot, context)
  addRollback(snapshot, context)
}

function addCreate(snapshot: Command, context: Context): void {
  const command = snapshot
    .command('create [path] [name]')
    .description('make a snapshot of what is there now')
    .addHelpText('after', CREATE_HELP)
    .action(async (first: string | undefined, second: string | undefined) => {
      const isPath = second !== undefined || (first !== undefined && /^[^/]*:?\//.test(first))
      const path = asPath(isPath ? (first ?? '/') : '/')
      const made = await context.client.createSnapshot(path, { name: isPath ? second : first })
      context.print(json(made), () => `Made the snapshot ${printable(made.name)}${ofPath(made)}`)
    })
  addConsistency(command, context)
}

function addLs(snapshot: Command, context: Context): void {
  snapshot
    .command('ls')
    .description('list the snapshots of a volume, newest first')
    .addOption(ofVolumeOption())
    .option('--space', 'also how much space removing each would free, at most')
    .addHelpText('after', '\nExample:\n  shoal snapshot ls --space')
    .action(async ({ volume, space }: OfVolume & { readonly space?: boolean }) => {
      const all = await context.client.listSnapshots({ volume, space })
      const rows = all.map((one) => row(one, space === true))
      context.print(all.map(json), () => table(rows, context.columns))
      if (all.length === 0) context.tell('No snapshots.')
    })
}

function addRm(snapshot: Command, context: Context): void {
  snapshot
    .command('rm <name>')
    .description('remove a snapshot')
    .addOption(ofVolumeOption())
    .option('--force', 'also if it is held')
    .addHelpText('after', RM_HELP)
    .action(async (name: string, options: OfVolume & { readonly force?: boolean }) => {
      const gone = await context.client.removeSnapshot(name, options)
      context.print({ removed: gone.name }, () => `Removed the snapshot ${printable(gone.name)}`)
    })
}

function addHold(snapshot: Command, context: Context, verb: 'hold' | 'release'): void {
  const isHold = verb === 'hold'
  snapshot
    .command(`${verb} <name>`)
    .description(isHold ? 'keep a snapshot from being removed' : 'let a held snapshot be removed')
    .addOption(ofVolumeOption())
    .addHelpText('after', `\nExample:\n  shoal snapshot ${verb} before-the-move`)
    .action(async (name: string, { volume }: OfVolume) => {
      const done = await context.client.holdSnapshot(name, { volume, release: !isHold })
      context.print(json(done), () => `${isHold ? 'Held' : 'Released'} ${printable(done.name)}`)
    })
}

function addDiff(snapshot: Command, context: Context): void {
  snapshot
    .command('diff <from> [to]')
    .description('list what changed from a snapshot to another, or to now')
    .option('--path <path>', 'only in this folder and below', '/')
    .addHelpText('after', DIFF_HELP)
    .action(async (from: string, to: string | undefined, { path }: { readonly path: string }) => {
      const all: SnapshotChange[] = []
      for await (const page of context.client.diffSnapshots(asPath(path), { from, to }))
        all.push(...page)
      context.print(all, () => all.map(changeText).join('\n'))
      if (all.length === 0) context.tell('No changes.')
    })
}

function addRollback(snapshot: Command, context: Context): void {
  const command = snapshot
    .command('rollback <name> [path]')
    .description('bring a volume or folder back to a snapshot, after showing what that means')
    .option('--yes', 'do it without asking')
    .addHelpText('after', ROLLBACK_HELP)
    .action(
      async (name: string, given: string | undefined, { yes }: { readonly yes?: boolean }) => {
        const path = asPath(given ?? '/')
        const plan = await context.client.rollBack(path, { snapshot: name, dryRun: true })
        if (!context.json) context.print(undefined, () => planText(plan))
        const isAgreed = yes === true || (await confirm(context, 'Do this?'))
        const isEmpty = plan.removed + plan.broughtBack + plan.changed + plan.renamed === 0
        if (!isAgreed || isEmpty) {
          if (context.json) context.print(planJson(plan, false), () => '')
          if (!isEmpty) context.tell('Nothing was changed; with --yes it is done.')
          return
        }
        const done = await context.client.rollBack(path, { snapshot: name })
        if (context.json) context.print(planJson(done, true), () => '')
        context.tell(`Rolled ${printable(done.path)} back to ${printable(name)}.`)
      },
    )
  addConsistency(command, context)
}

const STATE_TEXTS: Readonly<Record<SnapshotInfo['state'], string>> = {
  same: '',
  taken: '',
  awaited: 'not on this node yet',
  lost: 'LOST: nobody has it',
  disputed: 'DISPUTED: differs from what its maker says',
}

function row(info: SnapshotInfo, withSpace: boolean): string[] {
  const { name, path, timeMs, author, isHeld, ownBytes, state } = info
  const what = [isHeld ? 'held' : '', STATE_TEXTS[state]].filter((text) => text !== '').join(', ')
  const space = withSpace ? [ownBytes === undefined ? '' : formatBytes(ownBytes)] : []
  const facts = [printable(name), formatTime(timeMs), printable(author), ...space]
  return [...facts, printable(path ?? ''), what]
}

function json({ timeMs, isHeld, ...info }: SnapshotInfo): Record<string, unknown> {
  return { ...info, time: new Date(timeMs).toISOString(), held: isHeld }
}

function ofPath({ path, volume }: SnapshotInfo): string {
  return path === undefined || path === '/' ? ` of ${volume}` : ` of ${printable(path)}`
}

const MARKS = { added: '+', removed: '-', changed: '~', renamed: '>' } as const

function changeText({ kind, path, from, fileKind, sizeBytes }: SnapshotChange): string {
  const was = from === undefined ? '' : `${printable(from)} -> `
  const size = fileKind === 'file' ? ` (${formatBytes(sizeBytes)})` : ''
  const slash = fileKind === 'folder' ? '/' : ''
  return `${MARKS[kind]} ${was}${printable(path)}${slash}${size}`
}

function planText(plan: RolledBack): string {
  const { path, atMs, removed, removedBytes, broughtBack, changed, renamed, bytes, samples } = plan
  const all = removed + broughtBack + changed + renamed
  const head = `${printable(path)} as of ${formatTime(atMs)}: `
  if (all === 0) return `${head}nothing has changed since`
  const parts = [
    broughtBack > 0 ? `${count(broughtBack, 'name')} would come back` : '',
    changed > 0 ? `${count(changed, 'name')} would be as then` : '',
    renamed > 0 ? `${count(renamed, 'name')} would be called as then` : '',
    removed > 0 ? `${count(removed, 'name')} (${formatBytes(removedBytes)}) would be removed` : '',
  ].filter((part) => part !== '')
  const more = all > samples.length ? [`... and ${all - samples.length} more`] : []
  const lines = samples.map((one) => `  ${undone(one)}`)
  return [`${head}${parts.join(', ')}; ${formatBytes(bytes)} of data`, ...lines, ...more].join('\n')
}

/** The change that a rollback makes for one. */
function undone(change: SnapshotChange): string {
  const { kind, path, from } = change
  switch (kind) {
    case 'added':
      return changeText({ ...change, kind: 'removed' })
    case 'removed':
      return changeText({ ...change, kind: 'added' })
    case 'renamed':
      return changeText({ ...change, path: from ?? path, from: path })
    case 'changed':
      return changeText(change)
  }
}

function planJson({ atMs, ...plan }: RolledBack, done: boolean): Record<string, unknown> {
  return { done, ...plan, at: new Date(atMs).toISOString() }
}
