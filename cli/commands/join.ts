// `shoal join`: become a member of a volume by a ticket.
import { count, printable } from '../output.ts'
import { askAboutTiers } from './cold-trust.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { ShoalError } from '../../protocol/errors.ts'

/** For the help of options and arguments. */
export const TICKET_HELP =
  'ticket from "shoal invite"; - prompts for it or reads stdin, @FILE reads a file'

const HINT =
  'Warning: other users of this machine can see a ticket on the command line (with npm, for as long as\n' +
  'the node runs). Next time use "--join -", which prompts for it, or "--join @FILE".'

export function addJoin(program: Command, context: Context): void {
  program
    .command('join')
    .description('join a volume with a ticket')
    .argument('[ticket]', TICKET_HELP, '-')
    .addHelpText(
      'after',
      '\n' +
        'The node must be running; "shoal up --join -" starts one and joins.\n\n' +
        'Examples:\n' +
        '  shoal join\n' +
        '  ssh anna shoal invite | shoal join -',
    )
    .action(async (ticket: string) => {
      const volume = await context.client.join(await readTicketText(context, ticket))
      context.print(volume, () => {
        const { name, role, calledAs, members } = volume
        const called = calledAs === undefined ? '' : `, called ${printable(calledAs)}`
        const others = count(members.length, 'member')
        return `Joined volume "${printable(name)}" as ${role}${called}, with ${others}`
      })
      await askAboutTiers(context, context.client, volume)
    })
}

/** throws ShoalError 'usage' where there is none. */
/**
 * Reads the ticket of a command: `-` is stdin, `@FILE` a file, anything else the ticket itself,
 * which every user of the machine can then see in the output of `ps`.
 */
export async function readTicketText(context: Context, given: string): Promise<string> {
  if (given === '-') return readStdin(context)
  if (given.startsWith('@')) return (await readFile(given.slice(1), 'utf8')).trim()
  if (given.startsWith('shoal1')) context.tell(HINT)
  return given.trim()
}

/** The first line that is not empty. */
async function readStdin(context: Context): Promise<string> {
  const { signal } = context
  if (process.stdin.isTTY)
    process.stderr.write('Ticket (from "shoal invite" on a machine of the volume): ')
  const lines = createInterface({ input: process.stdin })
  const close = (): void => lines.close()
  signal.addEventListener('abort', close, { once: true })
  try {
    for await (const line of lines) if (line.trim() !== '') return line.trim()
  } finally {
    lines.close()
    process.stdin.pause()
    signal.removeEventListener('abort', close)
  }
  signal.throwIfAborted()
  throw new ShoalError(
    'usage',
    'no ticket given; create one with "shoal invite" on a machine of the volume',
  )
}
