// The process of the `shoal` command: its signals, its output, and how a failure ends it.
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no node is running.
import { isatty } from 'node:tty'
import { CommanderError } from 'commander'
import { errorBody } from '../node/control/wire.ts'
import { ShoalError } from '../protocol/errors.ts'
import { errorLine, explain, jsonLine } from './output.ts'
import { shoalProgram } from './program.ts'

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
  const { program, context } = shoalProgram(interrupt.signal)
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
