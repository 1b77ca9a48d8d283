// Signatures of requests (AWS Signature Version 4 for S3): what is signed, and by which key. Pure.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { utf8 } from '../../../protocol/bytes.ts'

export const ALGORITHM = 'AWS4-HMAC-SHA256'
export const EMPTY_HASH: string = sha256Hex('')
const UNRESERVED = /[^A-Za-z0-9_.~-]/g
const UNRESERVED_PATH = /[^A-Za-z0-9_.~/-]/g

/** The day, region and service that a key is for. */
export interface Scope {
  readonly date: string
  readonly region: string
  readonly service: string
}

export function scopeText({ date, region, service }: Scope): string {
  return `${date}/${region}/${service}/aws4_request`
}

/** As much of a request as is signed. */
export interface SignedRequest {
  readonly method: string
  /** Decoded: bytes. */
  readonly path: string
  /** Decoded, in any order. */
  readonly query: readonly (readonly [name: string, value: string])[]
  /** Names in lower case, of those that are signed. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly payload: string
}

/** text: bytes, each a char. */
export function uriEncode(text: string, keepsSlash = false): string {
  return text.replace(
    keepsSlash ? UNRESERVED_PATH : UNRESERVED,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

export function stringToSign(request: SignedRequest, scope: Scope, time: string): string {
  return [ALGORITHM, time, scopeText(scope), sha256Hex(canonicalRequest(request))].join('\n')
}

function canonicalRequest({ method, path, query, headers, payload }: SignedRequest): string {
  const pairs = query.map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
  pairs.sort(([a, av], [b, bv]) => (a === b ? compare(av, bv) : compare(a, b)))
  const sorted = headers.toSorted(([a], [b]) => compare(a, b))
  return [
    method,
    uriEncode(path, true),
    pairs.map(([name, value]) => `${name}=${value}`).join('&'),
    ...sorted.map(([name, value]) => `${name}:${value.trim().replaceAll(/ +/g, ' ')}`),
    '',
    sorted.map(([name]) => name).join(';'),
    payload,
  ].join('\n')
}

/** The key of a day, which signs what is sent then. */
export function signingKey(secret: string, { date, region, service }: Scope): Buffer {
  const ofDay = hmac(utf8(`AWS4${secret}`), date)
  return hmac(hmac(hmac(ofDay, region), service), 'aws4_request')
}

export function sign(key: Uint8Array, text: string): string {
  return hmac(key, text).toString('hex')
}

/** In the same time whatever differs. */
export function isSameSignature(one: string, other: string): boolean {
  return timingSafeEqual(sha256(one), sha256(other))
}

export function sha256Hex(text: string): string {
  return sha256(text).toString('hex')
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(Buffer.from(text, 'latin1')).digest()
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest()
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/**
 * Decodes a part of a URL to bytes, each a char, as which it came; undefined where a percent sign
 * stands for nothing.
 */
export function uriDecode(text: string): string | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined
  return text.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
