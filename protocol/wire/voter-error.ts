// A voter's reply if it cannot answer: {t: 'error', code, m: text for people}.
import { encodeCbor } from '../cbor.ts'
import type { Fields } from '../cbor.ts'
import type { ErrorCode } from '../errors.ts'

const MESSAGE_MAX = 1024
/** Codes that an error may carry; any other is read as 'internal'. */
const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'not-a-member',
  'malformed',
  'bad-signature',
  'EACCES',
  'unsupported',
  'missing-past',
  'future-clock',
  'ESTALE',
  'stopped',
])

export interface VoterError {
  readonly kind: 'error'
  /** 'missing-past': it lacks what the entry follows. 'ESTALE': its vote is lost. */
  readonly code: ErrorCode
  readonly message: string
}

export function encodeVoterError({ kind, code, message }: VoterError): Uint8Array {
  return encodeCbor({ t: kind, code, m: message.slice(0, MESSAGE_MAX) })
}

/** throws ShoalError 'malformed'. */
export function decodeVoterError(f: Fields): VoterError {
  const code = f.text('code', 64)
  const message = f.text('m', MESSAGE_MAX)
  return { kind: 'error', code: CODES.has(code) ? (code as ErrorCode) : 'internal', message }
}
