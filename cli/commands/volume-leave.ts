// `shoal volume leave|rm|rejoin`: this machine lets go of a volume, and takes it back. What goes is
// named before it goes.
import { shellWord } from '../../protocol/shell-word.ts'
import { formatBytes } from '../../protocol/size.ts'
import { agree } from '../confirm.ts'
import { count, formatTime, printable } from '../output.ts'
import type { Command } from 'commander'
import type { LeaveRequest, LeftStatus } from '../../node/control/leaving.ts'
import type { VolumeInfo } from '../../node/control/volumes.ts'
import type { Context } from '../context.ts'

const LEAVE_HELP = `
What only this machine has is placed with the others first, its shards move to
them, and it gives up its membership; this may take long, and Ctrl-C stops it.
Any member may do so, but for the only admin. --force skips all of this, and may
lose what only this machine has.

Its mounts are unmounted. The volume is hidden at once, and deleted from this
machine after 7 days, with its keys; until then "shoal volume rejoin" brings it
back. --now deletes it at once, also one that was left before.

Example:
  shoal volume leave photos`

const REMOVE_HELP = `
For a volume that no other machine has: ALL OF IT IS LOST, but for what is in
cold tiers, of which nothing is removed. Its mounts are unmounted. It is hidden
at once, and deleted after 7 days, with its keys; until then "shoal volume
rejoin" brings it back. --now deletes it at once, also one that was removed
before.

--force removes from this machine a volume that others have too, without telling
them: they take this machine for lost.

Example:
  shoal volume rm scratch`

const REJOIN_HELP = `
The volume is as it was when it was left. A machine that has given up its
membership needs a new ticket to take part again: "shoal join TICKET" brings the
volume back, too. Where another volume has its name by now, it gets a longer one.

Example:
  shoal volume rejoin photos`

interface LeaveOptions extends LeaveRequest {
  readonly yes?: boolean
}

export function addLeaving(volume: Command, context: Context): void {
  addDeparture(volume, context, {
    name: 'leave',
    description: 'take this machine out of a volume; other machines keep it',
    force: 'leave without placing data or telling others',
    help: LEAVE_HELP,
  })
  addDeparture(volume, context, {
    name: 'rm',
    description: 'delete a volume that no other machine has',
    force: 'also if other machines have it',
    help: REMOVE_HELP,
  })
  volume
    .command('rejoin <name>')
    .description('bring back a volume that was left or removed less than 7 days ago')
    .addHelpText('after', REJOIN_HELP)
    .action(async (name: string) => {
      const info = await context.client.rejoinVolume(name)
      context.print(info, () => `Volume "${printable(info.name)}" is back on this machine`)
    })
}

interface Departure {
  readonly name: 'leave' | 'rm'
  readonly description: string
  readonly force: string
  readonly help: string
}

function addDeparture(
  volume: Command,
  context: Context,
  { name: verb, description, force, help }: Departure,
): void {
  volume
    .command(`${verb} <name>`)
    .description(description)
    .option('--now', 'delete it from this machine at once: it cannot come back')
    .option('--force', force)
    .option('-y, --yes', `${verb === 'rm' ? 'remove' : 'leave'} without asking`)
    .addHelpText('after', help)
    .action((name: string, options: LeaveOptions) => depart(context, verb, name, options))
}

async function depart(
  context: Context,
  verb: Departure['name'],
  text: string,
  { yes, now, force }: LeaveOptions,
): Promise<void> {
  const { client } = context
  const known = await client.listLeftVolumes()
  const volumes = await client.listVolumes()
  const isHere = volumes.some(({ name, id }) => name === text || id === text)
  const left = isHere ? undefined : known.find(({ name, id }) => name === text || id === text)
  const what = left === undefined ? await describe(context, text) : leftText(left)
  const doing = verb === 'rm' ? 'Remove' : 'Leave'
  const question =
    now === true
      ? `${left === undefined ? `${doing}, and delete` : 'Delete'} from this machine at once, ${what}?`
      : `${doing} ${what}?`
  await agree(context, question, { yes, otherwise: 'nothing was changed' })
  const request = { now, force, signal: context.signal }
  const done = await (verb === 'rm'
    ? client.removeVolume(text, request)
    : client.leaveVolume(text, request))
  context.print(done, () => doneText(done, verb, what))
}

/** The volume, and all that goes with it. */
async function describe({ client }: Context, text: string): Promise<string> {
  const info = await client.volumeInfo(text)
  const mounts = await client.listMounts()
  const folders = mounts.filter(({ volume }) => volume === info.name).map(({ folder }) => folder)
  const facts = [
    `${count(info.files, 'file')} of ${formatBytes(info.bytes)}`,
    membersText(info),
    ...(info.cold.copied > 0 ? ['partly in cold tiers'] : []),
    ...(info.unplacedBytes > 0 ? [`${formatBytes(info.unplacedBytes)} on no other machine`] : []),
    ...(folders.length === 0 ? [] : [`mounted at ${folders.map(printable).join(', ')}`]),
  ]
  return `volume "${printable(info.name)}" (${facts.join('; ')})`
}

/** The other machines; this one is a member as well, or was. */
function membersText({ members, logCopies, calledAs, role }: VolumeInfo): string {
  const nodes = members.filter((member) => member.role !== 'recovery')
  const others = Math.max(0, logCopies.nodes - (role === undefined ? 0 : 1))
  if (others === 0) return 'on no other machine'
  const names = nodes.filter(({ name }) => name !== calledAs).map(({ name }) => printable(name))
  return `with ${count(others, 'other machine')}; members ${names.join(', ')}`
}

function leftText({ name, leftMs }: LeftStatus): string {
  return `volume "${printable(name)}" (left ${formatTime(leftMs)})`
}

function doneText({ name, untilMs, state }: LeftStatus, verb: string, what: string): string {
  if (state === 'deleted') return `Deleted ${what} from this machine`
  return (
    `${verb === 'rm' ? 'Removed' : 'Left'} ${what}. Its data are kept here until ` +
    `${formatTime(untilMs)}; until then: shoal volume rejoin ${shellWord(name)}`
  )
}

/** A line for each volume that is still kept, or being deleted. */
export function leftLines(left: readonly LeftStatus[]): readonly string[] {
  return left.map(({ name, leftMs, untilMs, state }) =>
    state === 'kept'
      ? `${printable(name)}: left ${formatTime(leftMs)}, kept until ${formatTime(untilMs)} ` +
        `(shoal volume rejoin ${shellWord(name)})`
      : `${printable(name)}: left ${formatTime(leftMs)}, being deleted`,
  )
}
