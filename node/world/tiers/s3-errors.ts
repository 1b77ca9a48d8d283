// The meanings of S3 servers' answers, and the remedies ("Error responses", Amazon S3 API
// Reference).
import { ShoalError } from '../../../protocol/errors.ts'
import { tierError } from './tier-error.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { TierPlace } from './tier-error.ts'

export interface S3Place extends TierPlace {
  readonly bucket: string
}

/** The server says it. */
const NAME_MAX = 64
const RIGHTS = 'needs the rights to list the bucket, and to get, put and delete in it'

/** The meanings of error names, for errors that say no more. */
const MEANINGS: ReadonlyMap<string, readonly [ErrorCode, string]> = new Map([
  ['NoSuchKey', ['cold-missing', 'does not exist']],
  ['NotFound', ['cold-missing', 'does not exist']],
  ['InvalidObjectState', ['cold-archived', 'is archived: restore it, then read it again']],
  ['InvalidAccessKeyId', ['cold-denied', 'no such access key: check the credentials']],
  ['SignatureDoesNotMatch', ['cold-denied', 'wrong secret key: check the credentials']],
  ['ExpiredToken', ['cold-denied', 'the session token has expired: get a new one']],
  ['InvalidToken', ['cold-denied', 'the session token is not valid: get a new one']],
  ['AccessDenied', ['cold-denied', `not allowed: the access key ${RIGHTS}`]],
  ['Forbidden', ['cold-denied', `not allowed: the access key ${RIGHTS}`]],
  ['AllAccessDisabled', ['cold-denied', 'the account is closed: ask the provider']],
  ['RequestTimeTooSkewed', ['cold-denied', 'the clock of this machine is wrong: set it']],
  ['RequestExpired', ['cold-denied', 'the clock of this machine is wrong: set it']],
  ['PreconditionFailed', ['cold-corrupt', 'was replaced while it was read: read it again']],
  ['BadDigest', ['cold-corrupt', 'arrives damaged there: check the network']],
  ['XAmzContentSHA256Mismatch', ['cold-corrupt', 'arrives damaged there: check the network']],
  ['QuotaExceeded', ['ENOSPC', 'the quota is used up: raise it, or make room']],
  ['XMinioStorageFull', ['ENOSPC', 'the server is full: make room']],
  ['InsufficientStorage', ['ENOSPC', 'the server is full: make room']],
  ['NotImplemented', ['unsupported', 'this server cannot do that']],
  ['MethodNotAllowed', ['unsupported', 'this server cannot do that']],
  ['InvalidStorageClass', ['unsupported', 'there is no such storage class on this server']],
  ['SlowDown', ['cold-unreachable', 'the server asks to slow down: retried later']],
  ['ServiceUnavailable', ['cold-unreachable', 'the server is overloaded: retried later']],
  ['TimeoutError', ['cold-unreachable', 'the server does not answer: check it and the network']],
])

/** Any error of the SDK as a ShoalError; those of the signal stay what they are. */
export function s3Error(error: unknown, place: S3Place, signal: AbortSignal): ShoalError {
  if (error instanceof ShoalError) return error
  if (signal.aborted && signal.reason instanceof ShoalError) return signal.reason
  const { name, message, status, system } = detailsOf(error)
  if (name === 'AbortError') return new ShoalError('aborted', message, { cause: error })
  if (name === 'NoSuchBucket') return bucketGone(place, error)
  if (name === 'CredentialsProviderError') {
    const how = 'give this node one with --credentials FILE or --profile NAME'
    return tierError('cold-denied', place, `no access key: ${how}`, { cause: error })
  }
  if (/region is missing/i.test(message)) {
    return tierError('usage', place, 'no region: give one with --region', { cause: error })
  }
  const [code, what] = MEANINGS.get(name) ?? meaningOf(status, system, name)
  return tierError(code, place, `${what} (${system || name})`, { cause: error })
}

export function bucketGone(place: S3Place, cause?: unknown): ShoalError {
  const { tier, bucket } = place
  const what = `the bucket ${bucket} does not exist: check its name and region, or create it`
  return tierError('cold-gone', { tier }, what, { cause })
}

/** The name of an error: the server's, where it gave one. */
export function nameOf(error: unknown): string {
  return detailsOf(error).name
}

function meaningOf(status: number, system: string, name: string): readonly [ErrorCode, string] {
  if (status === 404) return ['cold-missing', 'does not exist']
  if (status === 401 || status === 403) return ['cold-denied', `the server refuses: ${name}`]
  if (status === 507) return ['ENOSPC', 'the server is full: make room']
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return ['unsupported', `the server rejects the request: ${name}`]
  }
  if (status >= 500) return ['cold-unreachable', `the server failed with ${status}`]
  if (system === 'ENOTFOUND') {
    return ['cold-unreachable', 'no such host: check the endpoint and the network']
  }
  return ['cold-unreachable', 'the server does not answer: check the endpoint and the network']
}

function detailsOf(error: unknown): {
  readonly name: string
  readonly message: string
  readonly status: number
  readonly system: string
} {
  if (!(error instanceof Error)) return { name: '', message: String(error), status: 0, system: '' }
  const { $metadata, Code, code } = error as Error & {
    readonly $metadata?: { readonly httpStatusCode?: number }
    readonly Code?: unknown
    readonly code?: unknown
  }
  const name = (typeof Code === 'string' ? Code : error.name).slice(0, NAME_MAX)
  const status = $metadata?.httpStatusCode ?? 0
  return { name, message: error.message, status, system: typeof code === 'string' ? code : '' }
}
