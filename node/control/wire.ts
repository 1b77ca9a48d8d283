// How the control API looks on the socket: HTTP/1.1, `POST /v1/<method>` with a JSON object for
// most calls; others have a row of their own in the table of routes. What server and client agree
// on, in one place.
import { join } from 'node:path'
import { toHex } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { SESSION_TEXT_MAX } from '../../protocol/limits.ts'
import type { ErrorCode } from '../../protocol/errors.ts'

/**
 * Begins the paths of all routes. A call without a path of its own (route.ts) is `POST
 * ${API_PREFIX}${its name}`.
 */
export const API_PREFIX = '/v1/'

/** Response header of a file: its FileStat, as encodeHeader. */
export const STAT_HEADER = 'shoal-stat'
/** Response header of a file: FileContent.lengthBytes. */
export const LENGTH_HEADER = 'shoal-length'
/** Request header: FileCallOptions.consistency. */
export const CONSISTENCY_HEADER = 'shoal-consistency'
/**
 * Request header: FileCallOptions.session; empty to begin one. Then it is a response header too,
 * what onSession was told; or a trailer, where it is told after the response has begun.
 */
export const SESSION_HEADER = 'shoal-session'
/** Headers hold a token, and as much again. */
export const HEADER_BYTES_MAX: number = 2 * SESSION_TEXT_MAX
/** Trailer of a CAR: what Exported tells, as encodeHeader. */
export const EXPORTED_TRAILER = 'shoal-exported'
/** Trailer of a streamed response that broke off: an ErrorBody, as encodeHeader. */
export const ERROR_TRAILER = 'shoal-error'

/** A request in JSON is at most this long, in bytes. */
export const REQUEST_BYTES_MAX = 1_048_576

/** Body of every response that is not 2xx. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly permanent: boolean }
}

export function errorBody({ code, message, permanent }: ShoalError): ErrorBody {
  return { error: { code, message, permanent } }
}

/**
 * Inverse of errorBody. A node of another version may have codes that we do not know; they are
 * kept.
 */
export function errorFrom({ error }: ErrorBody): ShoalError {
  const { code, message, permanent } = error
  return new ShoalError(code as ErrorCode, message, { permanent })
}

/** The control socket of a home. */
export function socketPathOf(home: string): string {
  return join(home, 'api.sock')
}

/** The failure of a home whose path is longer than a socket's may be. */
export function socketTooLong(socketPath: string): ShoalError {
  const message = `${socketPath} is too long for a Unix socket. Choose a shorter --home.`
  return new ShoalError('usage', message)
}

/** JSON in which a bigint is its decimal text, and bytes are in hexadecimal. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? String(item) : item instanceof Uint8Array ? toHex(item) : item,
  )
}

/** Inverse of encodeJson: what is named `...Ns` becomes a bigint again. throws SyntaxError. */
export function decodeJson(text: string): unknown {
  return JSON.parse(text, (key, item: unknown) =>
    key.endsWith('Ns') && typeof item === 'string' ? BigInt(item) : item,
  )
}

/** JSON in the characters a header may have. */
export function encodeHeader(value: unknown): string {
  return encodeURIComponent(encodeJson(value))
}

export function decodeHeader(text: string): unknown {
  return decodeJson(decodeURIComponent(text))
}
