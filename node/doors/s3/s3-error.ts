// Failures of the S3 door, in the words of its protocol.
import { ShoalError } from '../../../protocol/errors.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'
import { statusOf } from '../../control/status-code.ts'
import { escapeXml } from '../xml/xml-text.ts'

/** A failure with the code and the status that S3 gives it. */
export class S3Error extends ShoalError {
  readonly status: number
  readonly s3Code: string

  constructor(s3Code: string, status: number, message: string) {
    super('usage', message)
    this.s3Code = s3Code
    this.status = status
  }
}

/** The statuses of codes that tell of a request which can never be served. */
export function invalid(message: string, s3Code: string = 'InvalidArgument'): S3Error {
  return new S3Error(s3Code, 400, message)
}

export function noSuchKey(): S3Error {
  return new S3Error('NoSuchKey', 404, 'nothing has this key')
}

export function notImplemented(what: string): S3Error {
  return new S3Error('NotImplemented', 501, `this server has no ${what}`)
}

export function accessDenied(message: string): S3Error {
  return new S3Error('AccessDenied', 403, message)
}

export interface Told {
  readonly status: number
  readonly s3Code: string
}

/** A key under that of an object, or an object in place of keys: a bucket of paths has folders. */
const KEY_CONFLICT: Told = { s3Code: 'KeyConflict', status: 409 }
const ACCESS_DENIED: Told = { s3Code: 'AccessDenied', status: 403 }

const TOLD: Partial<Readonly<Record<ErrorCode, Told>>> = {
  ENOENT: { s3Code: 'NoSuchKey', status: 404 },
  EPERM: ACCESS_DENIED,
  EACCES: ACCESS_DENIED,
  EBUSY: { s3Code: 'SlowDown', status: 503 },
  'too-many': { s3Code: 'SlowDown', status: 503 },
  precondition: { s3Code: 'PreconditionFailed', status: 412 },
  EFBIG: { s3Code: 'MaxMessageLengthExceeded', status: 400 },
  ENAMETOOLONG: { s3Code: 'KeyTooLongError', status: 400 },
  EISDIR: KEY_CONFLICT,
  ENOTDIR: KEY_CONFLICT,
  EEXIST: KEY_CONFLICT,
  ENOTEMPTY: KEY_CONFLICT,
  ENOSPC: { s3Code: 'InsufficientStorage', status: 507 },
  malformed: { s3Code: 'IncompleteBody', status: 400 },
  usage: { s3Code: 'InvalidArgument', status: 400 },
}

export function toldBy(error: ShoalError): Told {
  if (error instanceof S3Error) return error
  const told = TOLD[error.code]
  if (told !== undefined) return told
  const status = statusOf(error.code)
  return { status, s3Code: status === 503 ? 'ServiceUnavailable' : 'InternalError' }
}

export function errorElement(
  { s3Code }: Told,
  { message }: ShoalError,
  { resource, requestId }: { readonly resource: string; readonly requestId: string },
): string {
  return (
    `<Error><Code>${s3Code}</Code><Message>${escapeXml(message)}</Message>` +
    `<Resource>${escapeXml(resource)}</Resource><RequestId>${requestId}</RequestId></Error>`
  )
}
