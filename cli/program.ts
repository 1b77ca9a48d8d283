// The commands of `shoal`, the options that all of them have, and how they fail: by throwing.
import { Command, CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { ShoalError } from '../protocol/errors.ts'
import { addCat } from './commands/cat.ts'
import { addCold } from './commands/cold.ts'
import { addConflicts } from './commands/conflicts.ts'
import { addDown } from './commands/down.ts'
import { addEvents } from './commands/events.ts'
import { addExport } from './commands/export.ts'
import { addGc } from './commands/gc.ts'
import { addGet } from './commands/get.ts'
import { addImport } from './commands/import.ts'
import { addInit } from './commands/init.ts'
import { addInvite } from './commands/invite.ts'
import { addJoin } from './commands/join.ts'
import { addKey } from './commands/key.ts'
import { addLog } from './commands/log.ts'
import { addLs } from './commands/ls.ts'
import { addMkdir } from './commands/mkdir.ts'
import { addMount, addUnmount } from './commands/mount.ts'
import { addMv } from './commands/mv.ts'
import { addPeer } from './commands/peer.ts'
import { addPin } from './commands/pin.ts'
import { addPut } from './commands/put.ts'
import { addRecover } from './commands/recover.ts'
import { addRepair } from './commands/repair.ts'
import { addRm } from './commands/rm.ts'
import { addScrub } from './commands/scrub.ts'
import { addStat } from './commands/stat.ts'
import { addStatus } from './commands/status.ts'
import { addUp } from './commands/up.ts'
import { addVolume } from './commands/volume.ts'
import { Context } from './context.ts'

/** In the order of `shoal --help`. */
const COMMANDS = [
  addInit,
  addUp,
  addDown,
  addStatus,
  addPeer,
  addInvite,
  addJoin,
  addVolume,
  addPut,
  addGet,
  addLs,
  addCat,
  addRm,
  addMv,
  addMkdir,
  addStat,
  addLog,
  addEvents,
  addConflicts,
  addExport,
  addImport,
  addPin,
  addCold,
  addRecover,
  addMount,
  addUnmount,
  addScrub,
  addRepair,
  addGc,
  addKey,
] as const

/** A program that has not parsed anything. signal: aborts what its commands do. */
export function shoalProgram(signal: AbortSignal): { program: Command; context: Context } {
  const program = new Command('shoal')
  const context = new Context(program, signal)
  describe(program)
  for (const add of COMMANDS) add(program, context)
  for (const command of [program, ...descendants(program)]) failByThrowing(command)
  return { program, context }
}

function describe(program: Command): void {
  program
    .description('One encrypted file namespace over the machines you own, with no server.')
    .version(manifest.version)
    .option('--home <dir>', 'home folder of the node (default: $SHOAL_HOME, else ~/.shoal)')
    .option('--json', 'print JSON, and only JSON, to stdout')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      '\n' +
        'Example:\n' +
        '  shoal up --mount ~/Shoal     start a node and mount the namespace\n' +
        '  shoal invite                 print a ticket for another machine',
    )
}

/** Help that was asked for is no failure; all else that commander finds is wrong usage. */
function failByThrowing(command: Command): void {
  command.helpCommand(false).configureOutput({ outputError: () => {} })
  command.exitOverride(({ code, exitCode, message }) => {
    if (exitCode === 0) throw new CommanderError(exitCode, code, message)
    const said = message
      .replace(/^error: /, '')
      .replaceAll('\n', ' ')
      .replace(/\.$/, '')
    const what = code === 'commander.help' ? 'a command is missing' : said
    throw new ShoalError('usage', `${what}. See "${pathOf(command)} --help".`)
  })
}

/** "shoal peer add" */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

function descendants(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)])
}
