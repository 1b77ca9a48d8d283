// The commands of `shoal`, the options that all of them have, and how one is run and fails.
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no node is running.
import { Command, CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { errorBody } from '../node/control/wire.ts'
import { ShoalError } from '../protocol/errors.ts'
import { addGrant, addRevoke } from './accounts/grant.ts'
import { addGroup } from './accounts/group.ts'
import { addUser } from './accounts/user.ts'
import { addDoor } from './commands/door.ts'
import { addLogs } from './observe/logs.ts'
import { addAlerts } from './observe/alerts.ts'
import { addDoctor } from './doctor/doctor.ts'
import { addBackup } from './backup/backup.ts'
import { addCat } from './commands/cat.ts'
import { addCold } from './commands/cold.ts'
import { addCompletion } from './commands/completion.ts'
import { addConsole } from './commands/console.ts'
import { addConflicts } from './commands/conflicts.ts'
import { addDown } from './commands/down.ts'
import { addEvents } from './observe/events.ts'
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
import { addClone } from './past/clone.ts'
import { addLoss } from './past/loss.ts'
import { addRestore } from './past/restore.ts'
import { addRm } from './commands/rm.ts'
import { addScrub } from './commands/scrub.ts'
import { addStat } from './commands/stat.ts'
import { addStatus } from './observe/status.ts'
import { addTop } from './observe/top.ts'
import { addSync } from './commands/sync.ts'
import { addUp } from './commands/up.ts'
import { addSnapshot } from './past/snapshot.ts'
import { addUndelete } from './past/undelete.ts'
import { addVersions } from './past/versions.ts'
import { addVolume } from './commands/volume.ts'
import { Context } from './context.ts'
import { errorLine, explain, jsonLine, wrapLines } from './output.ts'
import { withVersionIds } from './past/when.ts'
import type { Output } from './context.ts'

/** In the order of `shoal --help`. */
const COMMANDS = [
  addInit,
  addUp,
  addDown,
  addStatus,
  addTop,
  addPeer,
  addInvite,
  addJoin,
  addVolume,
  addPut,
  addGet,
  addSync,
  addLs,
  addCat,
  addRm,
  addMv,
  addMkdir,
  addStat,
  addLog,
  addVersions,
  addUndelete,
  addRestore,
  addLoss,
  addSnapshot,
  addClone,
  addAlerts,
  addDoctor,
  addEvents,
  addLogs,
  addConflicts,
  addExport,
  addImport,
  addPin,
  addCold,
  addBackup,
  addRecover,
  addDoor,
  addConsole,
  addUser,
  addGroup,
  addGrant,
  addRevoke,
  addMount,
  addUnmount,
  addScrub,
  addRepair,
  addGc,
  addKey,
  addCompletion,
] as const

/** The exit code of what SIGINT has ended, as shells have it: 128 + 2. */
export const INTERRUPTED = 130

/** The width of help that no terminal shows. */
const COLUMNS = 80

/** The reason to stop where there is nothing more to say. */
export const OUTPUT_GONE: ShoalError = new ShoalError('aborted', 'nobody reads the output')

/**
 * Runs a command, and says what went wrong. argv: as a process has it. signal: aborts it.
 * returns the exit code.
 */
export async function runCommand(
  argv: readonly string[],
  output: Output,
  { signal }: { signal: AbortSignal },
): Promise<number> {
  const program = new Command('shoal')
  const context = new Context(program, output, { signal })
  describe(program)
  for (const add of COMMANDS) add(program, context)
  addHelp(program)
  for (const command of [program, ...descendants(program)]) failByThrowing(command, output)
  try {
    await program.parseAsync(withVersionIds(argv)).finally(() => context.saveSession())
    return context.exitCode
  } catch (thrown) {
    // A failure caused by the interrupt is reported as the interrupt.
    const { aborted, reason } = signal
    const isInterrupted = aborted && explain(thrown).code === 'aborted'
    const failure: unknown = isInterrupted ? reason : thrown
    const code = report(failure, output, { json: argv.includes('--json') })
    return isInterrupted && code !== 0 ? INTERRUPTED : code
  } finally {
    context.close()
  }
}

/** Say what went wrong, once. returns the exit code. */
export function report(
  thrown: unknown,
  { stdout, stderr }: Output,
  { json }: { json: boolean },
): number {
  if (thrown === OUTPUT_GONE || (thrown instanceof CommanderError && thrown.exitCode === 0))
    return 0
  const error = explain(thrown)
  if (json) stdout.write(`${jsonLine(errorBody(error))}\n`)
  else stderr.write(`${errorLine(error)}\n`)
  if (error.code === 'not-running') return 3
  return error.code === 'usage' ? 2 : 1
}

function describe(program: Command): void {
  program
    .description('One encrypted file namespace over the machines you own, with no server.')
    .version(manifest.version)
    .option('--home <dir>', 'home folder of the node (default: $SHOAL_HOME, else ~/.shoal)')
    .option('--json', 'print JSON, and only JSON, to stdout')
    .option('-q, --quiet', 'print no progress and no summaries')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      '\n' +
        'Example:\n' +
        '  shoal up --mount ~/Shoal     start a node and mount the namespace\n' +
        '  shoal invite                 print a ticket for another machine',
    )
}

/** `shoal help peer add`, the same as `shoal peer add --help`. */
function addHelp(program: Command): void {
  program
    .command('help [command...]')
    .description('display help for a command')
    .addHelpText('after', '\nExample:\n  shoal help peer add')
    .action((names: readonly string[]) => {
      let command = program
      for (const name of names) {
        const next = command.commands.find((child) => child.name() === name)
        if (next === undefined)
          throw new ShoalError(
            'usage',
            `unknown command '${names.join(' ')}'. See "${pathOf(command)} --help".`,
          )
        command = next
      }
      command.help()
    })
}

/** Help that was asked for is no failure; all else that commander finds is wrong usage. */
function failByThrowing(command: Command, { stdout, stderr }: Output): void {
  command.helpCommand(false).configureOutput({
    writeOut: (text) => stdout.write(wrapLines(text, stdout.columns || COLUMNS)),
    writeErr: (text) => stderr.write(text),
    outputError: () => {},
    getOutHelpWidth: () => stdout.columns || COLUMNS,
  })
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
