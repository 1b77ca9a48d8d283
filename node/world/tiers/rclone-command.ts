// One run of the rclone program: its output as it comes, its end, and what its complaints mean. It
// is killed when nobody reads on. Its settings, and the secrets in them, are rclone's own; nothing
// secret is among its arguments.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { SECOND_MS } from '../../../protocol/units.ts'
import { tierError } from './tier-error.ts'
import type { ErrorCode, ShoalError } from '../../../protocol/errors.ts'
import type { TierPlace } from './tier-error.ts'
import { ignoreFailure } from '../ignore-failure.ts'

/**
 * No questions, a bound to silence, and no bucket that comes into being because it is not there.
 * ("Global flags", rclone documentation)
 */
const FLAGS: readonly string[] = [
  '--ask-password=false',
  '--log-level=ERROR',
  '--stats=0',
  '--contimeout=10s',
  '--timeout=30s',
  '--low-level-retries=5',
  '--retries=3',
  '--retries-sleep=1s',
  '--s3-no-check-bucket',
]
/** "List of exit codes", rclone documentation: a folder or file that is not there. */
const NOT_FOUND: ReadonlySet<number> = new Set([3, 4])
/** How long it may take to end. */
const KILL_MS = 5 * SECOND_MS
const COMPLAINT_MAX = 300
const ERRORS_MAX = 16_384

/** The meanings of complaints; the first that fits. */
const MEANINGS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [
    /didn't find section in config file/i,
    'cold-gone',
    'rclone has no remote of that name: make it with `rclone config`, as the user that runs the node',
  ],
  [/NoSuchBucket/, 'cold-gone', 'the bucket does not exist: create it, or check its name'],
  [/InvalidObjectState/, 'cold-archived', 'is archived: restore it, then read it again'],
  [
    /status code: 40[13]|SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied|invalid_grant|fetch token|unauthori[sz]ed|permission denied|unable to decrypt/i,
    'cold-denied',
    'not allowed: check the remote with `rclone config`, as the user that runs the node',
  ],
  [/no space left|quota|insufficient.?storage/i, 'ENOSPC', 'the remote is full: make room'],
  [/command not (supported|found)|not implemented/i, 'unsupported', 'this remote cannot do that'],
]

export interface RcloneOptions {
  /** Program to run. */
  readonly program: string
  /** Its environment; that of this process if not said. */
  readonly env?: NodeJS.ProcessEnv
}

/**
 * Runs rclone to its end; its whole output as text, which must be short. throws as streamRclone.
 */
export async function runRclone(
  options: RcloneOptions,
  place: TierPlace,
  run: { readonly args: readonly string[]; readonly input?: string; readonly signal: AbortSignal },
): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of streamRclone(options, place, run)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Runs rclone; its output as it comes. input: what it reads.
 * throws 'cold-missing' if it found nothing there, 'unsupported' without rclone, else what its
 * complaint means.
 */
export async function* streamRclone(
  { program, env }: RcloneOptions,
  place: TierPlace,
  { args, input, signal }: { args: readonly string[]; input?: string; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted()
  const child = spawn(program, [...FLAGS, ...args], { ...(env && { env }), stdio: 'pipe' })
  const ended = once(child, 'close') as Promise<[number | null]>
  // Whoever waits for its end is told; before that nobody need be.
  void ignoreFailure(ended, 'it is thrown where it is awaited')
  let late: NodeJS.Timeout | undefined
  // Asked to end, it discards what it has sent of an object.
  const kill = (): void => {
    child.kill('SIGTERM')
    late ??= setTimeout(() => child.kill('SIGKILL'), KILL_MS)
  }
  signal.addEventListener('abort', kill, { once: true })
  let errors = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => (errors = (errors + text).slice(-ERRORS_MAX)))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  try {
    yield* child.stdout
    const [code] = await ended
    signal.throwIfAborted()
    if (code !== 0) throw complaint(place, code ?? -1, errors)
  } catch (error) {
    signal.throwIfAborted()
    throw isMissingProgram(error) ? noRclone(place, program, error) : error
  } finally {
    signal.removeEventListener('abort', kill)
    if (child.exitCode === null && child.signalCode === null) kill()
    await ignoreFailure(ended, 'it is thrown where it is awaited')
    clearTimeout(late)
  }
}

function complaint(place: TierPlace, code: number, errors: string): ShoalError {
  const lines = errors.split('\n').map((line) => line.replace(/^\d{4}\S* \S+ /, '').trim())
  const told = lines
    .filter((line) => line !== '')
    .slice(-2)
    .join(' ')
    .slice(-COMPLAINT_MAX)
  if (NOT_FOUND.has(code)) return tierError('cold-missing', place, `does not exist (${told})`)
  const [, errorCode, what] = MEANINGS.find(([pattern]) => pattern.test(errors)) ?? [
    undefined,
    'cold-unreachable' as const,
    'rclone failed',
  ]
  return tierError(errorCode, place, `${what} (rclone: ${told})`)
}

function isMissingProgram(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT' && 'syscall' in error
}

function noRclone(place: TierPlace, program: string, cause: unknown): ShoalError {
  const how = '`apt install rclone`, or https://rclone.org/downloads'
  return tierError('unsupported', place, `there is no program ${program} here: ${how}`, { cause })
}
