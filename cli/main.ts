// The `shoal` command: options that all commands have, signals, and how a failure ends the process.
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no node is running.
import { isatty } from 'node:tty'
import { Command, CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { errorBody } from '../node/control/wire.ts'
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
import { errorLine, explain, jsonLine } from './output.ts'

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

/**
 * npm passes on the Ctrl-C that the terminal has sent to its children anyway: so soon after the
 * first, it is that one.
 */
const ECHO_MS = 1000

/** The reason to stop where there is nothing more to say. */
const OUTPUT_GONE = new ShoalError('aborted', 'nobody reads the output')

await main(process.argv)

async function main(argv: readonly string[]): Promise<void> {
  const interrupt = new AbortController()
  stopOnSignals(interrupt)
  stopWithoutOutput(interrupt)
  const program = new Command('shoal')
  const context = new Context(program, interrupt.signal)
  describe(program)
  for (const add of COMMANDS) add(program, context)
  for (const command of [program, ...descendants(program)]) failByThrowing(command)
  try {
    await program.parseAsync(argv).finally(() => context.saveSession())
  } catch (thrown) {
    // A failure caused by the interrupt is reported as the interrupt.
    const { aborted, reason } = interrupt.signal
    const failure: unknown = aborted && explain(thrown).code === 'aborted' ? reason : thrown
    process.exitCode ||= report(failure, argv.includes('--json'))
  } finally {
    context.close()
    // Now, whatever libraries have left open, but with the output written, or its failure told.
    process.stdout.write('', () => setImmediate(() => process.exit()))
  }
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

/** Say what went wrong, once. returns the exit code. */
function report(thrown: unknown, json: boolean): number {
  if (thrown === OUTPUT_GONE || (thrown instanceof CommanderError && thrown.exitCode === 0))
    return 0
  const error = explain(thrown)
  if (json) process.stdout.write(`${jsonLine(errorBody(error))}\n`)
  else process.stderr.write(`${errorLine(error)}\n`)
  if (error.code === 'not-running') return 3
  return error.code === 'usage' ? 2 : 1
}

/** The first signal ends the work in order, the second at once. */
function stopOnSignals(interrupt: AbortController): void {
  const message = 'interrupted. Completed work is kept; run the same command again to continue.'
  let firstMs: number | undefined
  const stop = (): void => {
    if (firstMs !== undefined && performance.now() - firstMs > ECHO_MS) process.exit(130)
    firstMs ??= performance.now()
    interrupt.abort(new ShoalError('aborted', message))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // Under nohup(1), which takes the terminal away from stdin, a hangup is to be ignored.
  if (isatty(0)) process.on('SIGHUP', stop)
}

/**
 * `shoal cat big | head` is no failure: who reads has seen enough. A full disk under stdout is one.
 */
function stopWithoutOutput(interrupt: AbortController): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const told = interrupt.signal.reason === OUTPUT_GONE
    interrupt.abort(OUTPUT_GONE)
    if (told || error.code === 'EPIPE') return
    const failure = new ShoalError('EIO', `cannot write the output: ${error.message}`)
    process.exitCode = report(failure, false)
  })
  // Nobody is left to be told.
  process.stderr.on('error', () => {})
}
