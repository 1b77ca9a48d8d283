// Every failure that a caller may react to carries a stable code. A code exists only where some
// caller branches on it or a person must do something about it; the rest is `internal`.

/** Stable codes; part of the API and of `--json` output. */
export type ErrorCode =
  | 'internal'
  | 'aborted'
  | 'timeout'
  // bad input
  | 'usage'
  | 'malformed' // bytes that do not parse, or break a limit of protocol/limits.ts
  | 'bad-signature'
  | 'corrupt' // bytes whose hash or checksum is wrong
  | 'contradiction' // bytes as they were written, which are not what their writer said of them
  | 'unsupported'
  // namespace (named as POSIX does)
  | 'ENOENT'
  | 'EEXIST'
  | 'ENOTDIR'
  | 'EISDIR'
  | 'ENOTEMPTY'
  | 'EINVAL'
  | 'EPERM'
  | 'EACCES'
  | 'EROFS'
  | 'ENOSPC'
  | 'ENAMETOOLONG'
  | 'EIO'
  | 'ESTALE'
  | 'EBUSY'
  | 'EXDEV' // what can be copied, but neither moved nor linked
  | 'EFBIG'
  | 'ENXIO'
  | 'ERANGE'
  | 'E2BIG'
  | 'ENODATA'
  | 'EAGAIN' // a lock that somebody else has
  | 'ENOLCK'
  | 'precondition' // a file is not the one that a conditional call is about
  | 'too-many' // requests, or wrong secrets, of one account or address: later there is room
  | 'ENOTCONN' // a mount of which the program has died
  // log
  | 'missing-past' // an entry whose prev or deps are not held yet
  | 'future-clock'
  | 'fork'
  // membership
  | 'not-a-member'
  | 'ticket-unknown'
  | 'ticket-expired'
  | 'ticket-used'
  | 'ticket-revoked'
  | 'ticket-malformed'
  // data
  | 'chunk-unavailable'
  | 'stripe-unrecoverable'
  | 'not-placed'
  | 'NO_QUORUM' // fewer voters of a volume answered than strong consistency needs
  // network
  | 'unreachable'
  | 'no-such-peer'
  | 'no-such-volume'
  // cold tier
  | 'cold-unreachable' // it does not answer, or asks to slow down
  | 'cold-denied' // no credentials, wrong ones, or not allowed to do this
  | 'cold-untrusted' // its owner has not agreed that this node uses it
  | 'cold-gone' // the bucket, folder or remote as a whole is not there
  | 'cold-missing' // this object is not there
  | 'cold-archived' // an object that must be restored before it can be read
  | 'cold-corrupt' // an object that is not what was put
  // backups
  | 'hook-failed' // a command that the owner has set to run before or after a backup
  // alerts
  | 'alert-failed' // a target of config.yaml was not told
  // process
  | 'not-running'
  | 'already-running'
  | 'stopped'
  | 'mount-failed'

/** An error with a stable code. `permanent` says that trying again as it is cannot help. */
export class ShoalError extends Error {
  readonly code: ErrorCode
  readonly permanent: boolean

  /**
   * message: what happened, to which path, id or peer; then what to do next where a person can do
   * something.
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; permanent?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ShoalError'
    this.code = code
    this.permanent = options.permanent ?? !TRANSIENT.has(code)
  }
}

const TRANSIENT: ReadonlySet<ErrorCode> = new Set([
  'timeout',
  'aborted',
  'missing-past',
  'future-clock',
  'chunk-unavailable',
  'not-placed',
  'NO_QUORUM',
  'unreachable',
  'cold-unreachable',
  'cold-archived',
  'ENOSPC',
  'EBUSY',
  'too-many',
  'EAGAIN',
  'ENOLCK',
])

/** True for a ShoalError with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is ShoalError {
  return error instanceof ShoalError && error.code === code
}

/** The words of another program or library, as a part of one sentence. */
export function oneLine(text: string): string {
  return text.trim().replace(/\s*[\r\n]\s*/g, '; ')
}

/** Any thrown value as a ShoalError; foreign errors become `internal` with the cause kept. */
export function asShoalError(error: unknown): ShoalError {
  if (error instanceof ShoalError) return error
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')) {
    return new ShoalError(error.name === 'AbortError' ? 'aborted' : 'timeout', error.message, {
      cause: error,
    })
  }
  const said = error instanceof Error ? error.message : String(error)
  return new ShoalError('internal', oneLine(said), { cause: error })
}

/** For the end of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new ShoalError('internal', `unexpected case ${JSON.stringify(value)}`)
}

/** Assert what only our own bug can break; stays on in production. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ShoalError('internal', `assertion failed: ${message}`)
}
