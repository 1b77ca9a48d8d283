// `shoal up --detach`: the same command again in a process of its own, which reports through an IPC
// channel when it is ready or why it is not. Then the channel closes and nothing ties the two
// together.
import { spawn } from 'node:child_process'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { ShoalError, oneLine } from '../protocol/errors.ts'
import { environmentWithSecret } from './secret.ts'
import { errorBody, errorFrom } from '../node/control/wire.ts'
import type { ChildProcess } from 'node:child_process'
import type { NodeStatus } from '../node/control/status.ts'
import type { ErrorBody } from '../node/control/wire.ts'
import type { Context } from './context.ts'

/** Set in the environment of a process that was started here. */
const MARK = 'SHOAL_DETACHED'
/** How much of what the process printed goes into the message about its end. */
const LAST_WORDS_MAX = 400
/** After stdin, stdout, stderr and the IPC channel. */
const SECRET_DESCRIPTOR = 4

/** Secrets that a process needs and nobody else may see. */
export interface Given {
  readonly ticket: string | undefined
  /** The passphrase of a protected home, if it was typed in. */
  readonly secret: Uint8Array | undefined
}

/** The report of a node that is up. warning: of something asked for that it does without. */
export interface Started {
  readonly status: NodeStatus
  readonly warning?: string | undefined
}

type Report = Started | ErrorBody

/**
 * Start this command again without --detach and wait until its node is ready. An interrupt ends it.
 * What is given goes by pipes: what is on a command line, every user of the machine may read.
 * throws what the process reports, or 'internal' with its last words if it ends before it could.
 */
export async function startDetached(context: Context, { ticket, secret }: Given): Promise<Started> {
  const { home, signal } = context
  await mkdir(join(home, 'logs'), { recursive: true, mode: 0o700 })
  const path = join(home, 'logs', 'output.log')
  const output = await open(path, 'w', 0o600)
  const again = ticket === undefined ? wordsAgain() : [...wordsAgain(), '--join', '-']
  const child = spawn(process.execPath, [...process.execArgv, ...again], {
    detached: true,
    env: {
      ...process.env,
      [MARK]: '1',
      ...(secret === undefined ? {} : environmentWithSecret(SECRET_DESCRIPTOR)),
    },
    stdio: [ticket === undefined ? 'ignore' : 'pipe', output.fd, output.fd, 'ipc', 'pipe'],
  })
  // One that ended at once says so below.
  const pipe = child.stdio[SECRET_DESCRIPTOR]
  if (pipe instanceof Writable) pipe.on('error', () => undefined).end(secret ?? '')
  child.stdin?.on('error', () => undefined).end(`${ticket}\n`)
  const interrupt = (): boolean => child.kill('SIGTERM')
  signal.addEventListener('abort', interrupt)
  try {
    const report = await firstReport(child)
    signal.throwIfAborted()
    if (report === undefined) throw await silentEnd(child, path)
    if ('error' in report) throw errorFrom(report)
    return report
  } finally {
    signal.removeEventListener('abort', interrupt)
    if (child.connected) child.disconnect()
    child.unref()
    await output.close()
  }
}

/** The words of this command, without --detach and without a ticket. */
function wordsAgain(): string[] {
  const words = process.argv.slice(1).filter((word) => word !== '--detach')
  return words.filter((word, at) => !word.startsWith('--join') && words[at - 1] !== '--join')
}

/**
 * Tell the process that started this one how it went. Only the first report counts. returns false
 * if there is none.
 */
export function reportToStarter(report: Started | ShoalError): boolean {
  if (process.env[MARK] === undefined) return false
  if (process.connected) {
    process.send?.(report instanceof ShoalError ? errorBody(report) : report)
    process.disconnect()
  }
  return true
}

/** Undefined if the process ends without one. */
function firstReport(child: ChildProcess): Promise<Report | undefined> {
  return new Promise((resolve, reject) => {
    child.once('message', (report) => resolve(report as Report))
    child.once('exit', () => resolve(undefined))
    child.once('error', reject)
  })
}

async function silentEnd(child: ChildProcess, path: string): Promise<ShoalError> {
  const how = child.signalCode ?? `exit code ${child.exitCode}`
  const words = oneLine(await readFile(path, 'utf8')).slice(-LAST_WORDS_MAX)
  return new ShoalError(
    'internal',
    `the node exited before it was ready (${how}). See ${path}: ${words}`,
  )
}
