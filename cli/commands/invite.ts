// `shoal invite`: tickets for other machines: made, listed, taken back.
import colors from 'picocolors'
import { InvalidArgumentError, Option } from 'commander'
import { ShoalError } from '../../protocol/errors.ts'
import { TICKET_LIFETIME_MS_MAX, TICKET_USES_MAX } from '../../protocol/limits.ts'
import { ROLES } from '../../protocol/roles.ts'
import { DAY_MS } from '../../protocol/units.ts'
import { countBetween, parseDuration } from '../arguments.ts'
import { count, formatTime, printable, table } from '../output.ts'
import type { Command } from 'commander'
import type { TicketStatus } from '../../node/control/tickets.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Context } from '../context.ts'

const DAYS_MAX = TICKET_LIFETIME_MS_MAX / DAY_MS

interface Options {
  readonly role: Role
  readonly uses: number
  readonly expires: number
  readonly volume?: string
}

export function addInvite(program: Command, context: Context): void {
  const invite = program
    .command('invite')
    .description('create a ticket that lets another machine join a volume')
    .addOption(
      new Option('--role <role>', 'role of the new member').choices(ROLES).default('writer'),
    )
    .option(
      '--uses <n>',
      `number of machines that may use it, at most ${TICKET_USES_MAX}`,
      countBetween(1, TICKET_USES_MAX),
      1,
    )
    .addOption(
      new Option('--expires <time>', `lifetime of the ticket, at most ${DAYS_MAX}d`)
        .argParser(parseExpiry)
        .default(parseDuration('24h'), '24h'),
    )
    .option('--volume <name>', "volume to join (default: the node's first)")
    .addHelpText(
      'after',
      '\nExample:\n  shoal invite --role reader --expires 7d\n  shoal invite ls',
    )
    .action(async ({ role, uses, expires, volume }: Options) => {
      const invitation = await context.client.invite({ role, uses, expiresInMs: expires, volume })
      // The ticket alone on stdout, so that a script can take it; what to do with it beside it.
      const until = formatTime(invitation.expiresMs)
      context.tell(
        `On the other machine, until ${until}, ${count(uses, 'time')}:\n` +
          `  ${context.joinLine}\n` +
          'It asks for the ticket, which is',
      )
      context.print(invitation, () => invitation.ticket)
    })
  addList(invite, context)
  addRevoke(invite, context)
}

function addList(invite: Command, context: Context): void {
  invite
    .command('ls')
    .description('list the tickets issued by this node and their uses, newest first')
    .option('--all', 'include expired, used-up and revoked tickets')
    .addHelpText('after', '\nExample:\n  shoal invite ls --all')
    .action(async ({ all = false }: { all?: boolean }) => {
      const tickets = await context.client.listTickets()
      const shown = tickets.filter(({ state }) => all || state === 'open')
      context.print(shown, () => describe(shown, tickets.length - shown.length, context))
    })
}

function addRevoke(invite: Command, context: Context): void {
  invite
    .command('revoke [id]')
    .description('revoke a ticket; machines that joined with it stay members')
    .option('--all', 'revoke all tickets issued by this node')
    .addHelpText(
      'after',
      '\n' +
        'ID is listed by "shoal invite ls". To remove a member, use "shoal peer rm".\n\n' +
        'Example:\n' +
        '  shoal invite revoke 0a1b2c3d',
    )
    .action(async (id: string | undefined, { all = false }: { all?: boolean }) => {
      if ((id === undefined) !== all)
        throw new ShoalError('usage', 'give the ID of a ticket (see "shoal invite ls"), or --all')
      const revoked = await context.client.revokeTickets(id)
      context.print(revoked, () =>
        revoked.length === 0
          ? 'Nothing to revoke: no such ticket can be used any more.'
          : revoked.map(revokedText).join('\n'),
      )
    })
}

function revokedText({ id, role, volume, uses, usesLeft }: TicketStatus): string {
  return `Revoked ${id} (${role} of ${printable(volume)}, ${usesLeft} of ${uses} left)`
}

function describe(tickets: readonly TicketStatus[], hidden: number, { columns }: Context): string {
  const more =
    hidden === 0 ? '' : `\n${count(hidden, 'ticket')} expired, used up or revoked: list with --all.`
  if (tickets.length === 0) return `No open tickets.${more}`
  const head = ['Id', 'State', 'Role', 'Volume', 'Left', 'Until', 'Made', 'Used by']
  const rows = tickets.flatMap((ticket) => {
    const { id, state, role, volume, uses, usesLeft, expiresMs, madeMs, usedBy } = ticket
    const left = `${usesLeft} of ${uses}`
    const own = [
      id,
      state,
      role,
      printable(volume),
      left,
      formatTime(expiresMs),
      formatTime(madeMs),
    ]
    const users = usedBy.map(({ name, atMs }) => `${printable(name)}, ${formatTime(atMs)}`)
    const blank = own.map(() => '')
    return [[...own, users[0] ?? '-'], ...users.slice(1).map((user) => [...blank, user])]
  })
  return table([head.map(colors.dim), ...rows], columns) + more
}

function parseExpiry(text: string): number {
  const ms = parseDuration(text)
  if (ms <= TICKET_LIFETIME_MS_MAX) return ms
  throw new InvalidArgumentError(`Give a time of at most ${DAYS_MAX}d.`)
}
