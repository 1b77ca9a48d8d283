// A command line is open to every user of the machine as long as the process runs, and a ticket
// admits whoever has it. So a command that was given one becomes itself again (execve) without it:
// the ticket goes by way of a file of 0600, which is removed as soon as it was read. Plain
// JavaScript, since it is the first thing that runs (shoal.mjs).
import { mkdtempSync, readFileSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** In the environment: the file that the ticket is in. */
const FILE = 'SHOAL_TICKET_FILE'
/** In the place of the ticket. */
const HIDDEN = 'shoal1...'
const TICKET = /^(--join=)?(shoal1[a-z2-7]{20,})$/

/**
 * In process.argv is the ticket, in that of the operating system it is not. Does not return where
 * it begins anew.
 */
export function hideTicket() {
  const file = process.env[FILE]
  if (file !== undefined) return take(file)
  const at = process.argv.findIndex((word) => TICKET.test(word))
  const [, option = '', ticket = ''] = TICKET.exec(process.argv[at] ?? '') ?? []
  if (ticket === '' || process.execve === undefined) return
  const path = join(mkdtempSync(join(tmpdir(), 'shoal-ticket-')), 'ticket')
  writeFileSync(path, ticket, { mode: 0o600, flag: 'wx' })
  const words = process.argv.with(at, option + HIDDEN).slice(1)
  const env = { ...process.env, [FILE]: path }
  process.execve(process.execPath, [process.execPath, ...process.execArgv, ...words], env)
}

/** @param {string} file */
function take(file) {
  delete process.env[FILE]
  const ticket = readFileSync(file, 'utf8')
  unlinkSync(file)
  rmdirSync(dirname(file))
  process.argv = process.argv.map((word) => word.replace(HIDDEN, ticket))
}
