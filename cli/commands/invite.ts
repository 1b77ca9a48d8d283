// `shoal invite`: a ticket for another machine.
import { InvalidArgumentError, Option } from 'commander'
import { TICKET_LIFETIME_MS_MAX, TICKET_USES_MAX } from '../../protocol/limits.ts'
import { ROLES } from '../../protocol/membership/roles.ts'
import { DAY_MS } from '../../protocol/units.ts'
import { countBetween, parseDuration } from '../arguments.ts'
import { count, formatTime } from '../output.ts'
import type { Command } from 'commander'
import type { Role } from '../../protocol/membership/roles.ts'
import type { Context } from '../context.ts'

const DAYS_MAX = TICKET_LIFETIME_MS_MAX / DAY_MS

interface Options {
  readonly role: Role
  readonly uses: number
  readonly expires: number
  readonly volume?: string
}

export function addInvite(program: Command, context: Context): void {
  program
    .command('invite')
    .description('print a ticket that lets another machine join')
    .addOption(new Option('--role <role>', 'what it may do').choices(ROLES).default('writer'))
    .option(
      '--uses <n>',
      `how many machines may join by it, at most ${TICKET_USES_MAX}`,
      countBetween(1, TICKET_USES_MAX),
      1,
    )
    .addOption(
      new Option('--expires <time>', `how long it is good for, at most ${DAYS_MAX}d`)
        .argParser(parseExpiry)
        .default(parseDuration('24h'), '24h'),
    )
    .option('--volume <name>', 'to which volume (default: the first this node had)')
    .addHelpText('after', '\nExample:\n  shoal invite --role reader --expires 7d')
    .action(async ({ role, uses, expires, volume }: Options) => {
      const invitation = await context.client.invite({ role, uses, expiresInMs: expires, volume })
      // The ticket alone on stdout, so that a script can take it; what to do with it beside it.
      const until = formatTime(invitation.expiresMs)
      context.tell(
        `On the other machine, until ${until}, ${count(uses, 'time')}:\n  ${context.joinLine}\nwhere TICKET is`,
      )
      context.print(invitation, () => invitation.ticket)
    })
}

function parseExpiry(text: string): number {
  const ms = parseDuration(text)
  if (ms <= TICKET_LIFETIME_MS_MAX) return ms
  throw new InvalidArgumentError(`Give a time of at most ${DAYS_MAX}d.`)
}
