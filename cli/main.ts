// The process of the `shoal` command: its signals, its output, and its end.
import { flushCompileCache } from 'node:module'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { ShoalError } from '../protocol/errors.ts'
import type { ExitNow } from '../node/world/exit-now.ts'
import { INTERRUPTED, OUTPUT_GONE, report, runCommand } from './program.ts'

/**
 * npm passes on the Ctrl-C that the terminal has sent to its children anyway: so soon after the
 * first, it is that one.
 */
const ECHO_MS = 1000
/** A command that ends within this time has compiled too little to be held up by it. */
const SHORT_MS = 250

await main(process.argv)

async function main(argv: readonly string[]): Promise<void> {
  const interrupt = new AbortController()
  const ended = stopOnSignals(interrupt)
  stopWithoutOutput(interrupt)
  const code = await runCommand(argv, process, interrupt)
  // Output that could not be written has set one.
  process.exitCode ||= code === INTERRUPTED ? ended.code : code
  // Now, whatever libraries have left open, but with the output written, or its failure told.
  process.stdout.write('', () => process.stderr.write('', () => setImmediate(() => void end())))
}

/** Ends the process, without waiting for threads unless somebody watches its end. */
async function end(): Promise<never> {
  const isWatched =
    process.env['NODE_V8_COVERAGE'] !== undefined ||
    process.execArgv.some((option) => option.includes('-prof'))
  if (!isWatched && performance.now() > SHORT_MS) {
    const exitNow = await loadedExitNow()
    const code = Number(process.exitCode)
    flushCompileCache()
    process.emit('exit', code)
    exitNow?.(code)
  }
  process.exit()
}

async function loadedExitNow(): Promise<ExitNow | undefined> {
  try {
    const { loadExitNow } = await import('../node/world/exit-now.ts')
    return await loadExitNow()
  } catch {
    // The sources may have changed while the command ran.
    return undefined
  }
}

/**
 * The first signal ends the work in order, the second at once. returns the exit code of what was
 * ended so.
 */
function stopOnSignals(interrupt: AbortController): { readonly code: number } {
  const message = 'interrupted. Completed work is kept; run the same command again to continue.'
  let firstMs: number | undefined
  const ended = { code: INTERRUPTED }
  const stop = (signal: NodeJS.Signals): void => {
    if (firstMs !== undefined && performance.now() - firstMs > ECHO_MS) {
      process.exitCode = ended.code
      void end()
    }
    ended.code = 128 + constants.signals[signal]
    firstMs ??= performance.now()
    interrupt.abort(new ShoalError('aborted', message))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // Under nohup(1), which takes the terminal away from stdin, a hangup is to be ignored.
  if (isatty(0)) process.on('SIGHUP', stop)
  return ended
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
    process.exitCode = report(failure, process, { json: false })
  })
  // Nobody is left to be told.
  process.stderr.on('error', () => {})
}
