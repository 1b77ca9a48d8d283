// Authenticates the sender of a request: by the signature in its header, or in its query
// (presigned). What is not signed right is refused before its body is read.
import { splitOnce } from '../../../protocol/split-once.ts'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { Gate, Visitor } from '../gate.ts'
import type { Visit } from '../visit.ts'
import type { ChunkSigning } from './chunked-body.ts'
import { S3Error, accessDenied, invalid } from './s3-error.ts'
import {
  ALGORITHM,
  isSameSignature,
  scopeText,
  sign,
  signingKey,
  stringToSign,
  uriDecode,
} from './sigv4.ts'
import type { Scope } from './sigv4.ts'
import type { IncomingMessage } from 'node:http'

const SKEW_MS: number = 15 * MINUTE_MS
/** A signature is good for so long at most. */
export const SIGNED_MS_MAX: number = 7 * DAY_MS
const EXPIRES_MAX_S: number = SIGNED_MS_MAX / SECOND_MS
const TIME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/
const UNSIGNED = 'UNSIGNED-PAYLOAD'

/** A URL taken apart: bytes, each a char. */
export interface S3Url {
  readonly path: string
  readonly query: readonly (readonly [name: string, value: string])[]
}

export interface Authenticated {
  readonly visit: Visit
  /** `x-amz-content-sha256`. */
  readonly payload: string
  readonly signing: ChunkSigning
}

/** The parts of a signature that a request shows. */
interface Shown {
  readonly id: string
  readonly scope: Scope
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly time: string
  readonly expiresMs: number | undefined
}

/** throws S3Error 400. */
export function parseUrl(url: string): S3Url {
  const [path, search] = splitOnce(url, '?')
  const decoded = uriDecode(path)
  if (!path.startsWith('/') || decoded === undefined) throw invalid('no URL', 'InvalidURI')
  const query = search.split('&').flatMap((pair): readonly [string, string][] => {
    if (pair === '') return []
    const [name, value] = splitOnce(pair.replaceAll('+', ' '), '=')
    const both = [uriDecode(name), uriDecode(value)]
    if (both[0] === undefined || both[1] === undefined) throw invalid('no URL', 'InvalidURI')
    return [[both[0], both[1]]]
  })
  return { path: decoded, query }
}

/** throws S3Error, ShoalError 'too-many'. */
export async function authenticate(
  gate: Gate,
  { request, url, visitor }: { request: IncomingMessage; url: S3Url; visitor: Visitor },
  nowMs: WallTime,
): Promise<Authenticated> {
  const headers = headersOf(request)
  const { authorization } = request.headers
  const isPresigned = url.query.some(([name]) => name === 'X-Amz-Signature')
  if (!isPresigned && (authorization === undefined || authorization === ''))
    throw accessDenied('a request is signed by a key: "shoal key create" makes one')
  if (!isPresigned && authorization?.startsWith(`${ALGORITHM} `) !== true)
    throw otherwiseSigned(authorization ?? '', headers, nowMs)
  const shown = isPresigned ? shownInQuery(url) : shownInHeader(authorization ?? '', headers)
  checkTime(shown, nowMs)
  checkSignedHeaders(shown, headers)
  const payload = headers.get('x-amz-content-sha256') ?? UNSIGNED
  const signedHeaders = shown.signedHeaders.map((name) => [name, headers.get(name) ?? ''] as const)
  const text = stringToSign(
    {
      method: request.method ?? '',
      path: url.path,
      query: url.query.filter(([name]) => name !== 'X-Amz-Signature'),
      headers: signedHeaders,
      payload,
    },
    shown.scope,
    shown.time,
  )
  const found = await gate.keyOf(visitor, shown.id)
  const key = signingKey(found?.secret ?? '', shown.scope)
  const isRight = isSameSignature(shown.signature, sign(key, text))
  if (found === undefined || !isRight) return refuse(gate, visitor, shown.id, found !== undefined)
  const visit = found.admit()
  // A URL says nothing of who has it.
  if (!isPresigned) gate.showedSecret(visitor, shown.id)
  const { time, signature: seed } = shown
  return { visit, payload, signing: { key, time, scope: scopeText(shown.scope), seed } }
}

/** throws S3Error 403, ShoalError 'too-many'. */
export async function refuse(
  gate: Gate,
  visitor: Visitor,
  id: string,
  isKey: boolean,
): Promise<never> {
  try {
    return await gate.refuse(visitor, 'the signature is wrong', id)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EACCES')
      throw isKey
        ? new S3Error('SignatureDoesNotMatch', 403, 'the signature is not the one of this key')
        : new S3Error('InvalidAccessKeyId', 403, 'no key of this id opens this door')
    throw cause
  }
}

function shownInHeader(authorization: string, headers: ReadonlyMap<string, string>): Shown {
  const fields = new Map(
    authorization
      .replace(/^\S+\s+/, '')
      .split(',')
      .map((field) => splitOnce(field.trim(), '=')),
  )
  const date = headers.get('x-amz-date') ?? timeOfDate(headers.get('date'))
  if (date === undefined) throw accessDenied('the request has no x-amz-date')
  return {
    ...parseCredential(fields.get('Credential') ?? ''),
    signedHeaders: (fields.get('SignedHeaders') ?? '').toLowerCase().split(';'),
    signature: fields.get('Signature') ?? '',
    time: date,
    expiresMs: undefined,
  }
}

/** The refusal of a request that is signed by no way of this door: a wrong time is told first. */
function otherwiseSigned(
  authorization: string,
  headers: ReadonlyMap<string, string>,
  nowMs: WallTime,
): S3Error {
  const sentMs = Date.parse(headers.get('x-amz-date') ?? headers.get('date') ?? '')
  // One before 1970 is as good as none.
  if (!(sentMs > 0)) return accessDenied('the time of the request is none')
  if (Math.abs(nowMs - sentMs) > SKEW_MS) return tooSkewed()
  if (!/^\S+ \S+[:=]\S/.test(authorization)) return invalid('Authorization is none')
  return invalid(`requests are signed by ${ALGORITHM}`, 'InvalidRequest')
}

function shownInQuery({ query }: S3Url): Shown {
  const fields = new Map(query)
  if (fields.get('X-Amz-Algorithm') !== ALGORITHM)
    throw invalid(`requests are signed by ${ALGORITHM}`, 'AuthorizationQueryParametersError')
  const expires = fields.get('X-Amz-Expires') ?? ''
  if (!/^-?\d{1,9}$/.test(expires))
    throw invalid('X-Amz-Expires is 1 to 604800 s', 'AuthorizationQueryParametersError')
  if (Number(expires) > EXPIRES_MAX_S || Number(expires) < 1)
    throw accessDenied('X-Amz-Expires is 1 to 604800 s')
  return {
    ...parseCredential(fields.get('X-Amz-Credential') ?? ''),
    signedHeaders: (fields.get('X-Amz-SignedHeaders') ?? '').toLowerCase().split(';'),
    signature: fields.get('X-Amz-Signature') ?? '',
    time: fields.get('X-Amz-Date') ?? '',
    expiresMs: Number(expires) * SECOND_MS,
  }
}

/** throws S3Error 400. */
export function parseCredential(text: string): { readonly id: string; readonly scope: Scope } {
  const [, id = '', date = '', region = '', service = ''] =
    /^([\w.-]{1,128})\/(\d{8})\/([\w-]{1,64})\/(\w{1,16})\/aws4_request$/.exec(text) ?? []
  if (id === '' || service !== 's3')
    throw invalid(
      'the credential is ID/DATE/REGION/s3/aws4_request',
      'AuthorizationHeaderMalformed',
    )
  return { id, scope: { date, region, service } }
}

/** expiresMs: after it was signed; undefined: it is good at once alone. throws S3Error 403. */
export function checkTime(
  { time, scope, expiresMs }: Pick<Shown, 'time' | 'scope' | 'expiresMs'>,
  nowMs: WallTime,
): void {
  const parts = TIME.exec(time)
  if (parts === null) throw accessDenied('the time of the signature is none')
  const [, year, month, day, hour, minute, second] = parts.map(Number)
  const signedMs = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second)
  if (!time.startsWith(scope.date)) throw accessDenied('the signature is of another day')
  const isEarly = signedMs > nowMs + SKEW_MS
  const isLate = nowMs - signedMs > (expiresMs ?? SKEW_MS)
  if (isLate && expiresMs !== undefined) throw accessDenied('the request has expired')
  if (isEarly || isLate) throw tooSkewed()
}

function tooSkewed(): S3Error {
  return new S3Error('RequestTimeTooSkewed', 403, 'the clocks differ by more than 15 minutes')
}

/** All that changes a request must be signed. */
function checkSignedHeaders({ signedHeaders }: Shown, headers: ReadonlyMap<string, string>): void {
  if (!signedHeaders.includes('host')) throw accessDenied('Host is not signed')
  for (const name of headers.keys())
    if (
      name.startsWith('x-amz-') &&
      !signedHeaders.includes(name) &&
      name !== 'x-amz-content-sha256'
    )
      throw accessDenied(`${name} is sent, but not signed`)
}

function headersOf({ rawHeaders }: IncomingMessage): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at]?.toLowerCase(), rawHeaders[at + 1]]
    const before = headers.get(name)
    headers.set(name, before === undefined ? value.trim() : `${before},${value.trim()}`)
  }
  return headers
}

/** The time of a Date header, as signatures have it. */
function timeOfDate(text: string | undefined): string | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text)
  if (Number.isNaN(ms)) return undefined
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, '')
}
