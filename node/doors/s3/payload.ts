// The body of a request as the bytes that it says: taken out of chunks, and checked against each
// hash and checksum that came with it, before its writer takes the last of it to be the last.
import { createHash } from 'node:crypto'
import {
  isChecksum,
  isChecksumName,
  checksumHeader,
  checksumOfHeader,
  startChecksum,
} from './checksums.ts'
import type { ChecksumName } from './checksums.ts'
import { chunkedBody } from './chunked-body.ts'
import { ATTRIBUTE, encodeMetadata } from './metadata.ts'
import type { ObjectMetadata } from './metadata.ts'
import { S3Error, invalid } from './s3-error.ts'
import { isSameSignature } from './sigv4.ts'
import { headerOf } from './s3-request.ts'
import type { S3Request } from './s3-request.ts'

const SHA256 = /^[0-9a-f]{64}$/
const MD5_BYTES = 16
const STREAMING = 'STREAMING-'
const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
const TRAILER = '-TRAILER'
const KNOWN: ReadonlySet<string> = new Set([
  SIGNED,
  SIGNED + TRAILER,
  `STREAMING-UNSIGNED-PAYLOAD${TRAILER}`,
])

/** Sums over a body, once it has ended. */
export interface Seen {
  sizeBytes: number
  md5: Buffer
  checksum: { readonly name: ChecksumName; readonly value: string } | undefined
}

export interface Payload {
  readonly parts: AsyncIterable<Uint8Array>
  /** As it was said; undefined: it was not. */
  readonly sizeBytes: number | undefined
  /** Whole after the last part. */
  readonly seen: Seen
}

/**
 * A body that is written with what is kept of it beside its bytes: that is whole once all of it has
 * come, and the attributes are looked at then. content: is asked once for each try, and read at one
 * alone.
 */
export function described(
  { parts, seen }: Pick<Payload, 'parts' | 'seen'>,
  metadata: ObjectMetadata,
  modifiedNs: bigint,
): {
  readonly content: () => AsyncIterable<Uint8Array>
  readonly attributes: { readonly modifiedNs: bigint; readonly extended: Record<string, string> }
} {
  const extended: Record<string, string> = {}
  const content = async function* (): AsyncGenerator<Uint8Array> {
    yield* parts
    const { md5, sizeBytes, checksum } = seen
    const sum = checksum && { ...checksum, isFull: true }
    const whole = { ...metadata, etag: md5.toString('hex'), checksum: sum }
    extended[ATTRIBUTE] = encodeMetadata(whole, { sizeBytes, modifiedNs })
  }
  return { content, attributes: { modifiedNs, extended } }
}

/**
 * wanted: a checksum that the body is to have, if its headers name none; 'none': they tell of
 * something else. throws S3Error; and its parts do.
 */
export function payloadOf(asked: S3Request, wanted?: ChecksumName | 'none'): Payload {
  const { payload } = asked.auth
  const isStreaming = payload.startsWith(STREAMING)
  if (isStreaming ? !KNOWN.has(payload) : payload !== 'UNSIGNED-PAYLOAD' && !SHA256.test(payload))
    throw invalid('x-amz-content-sha256 is none')
  const said = isStreaming
    ? headerOf(asked, 'x-amz-decoded-content-length')
    : headerOf(asked, 'content-length')
  if (said === undefined && isStreaming)
    throw new S3Error('MissingContentLength', 411, 'x-amz-decoded-content-length is missing')
  const isChunked = headerOf(asked, 'transfer-encoding') !== undefined
  if (said === undefined && asked.request.method === 'PUT' && !isStreaming && !isChunked)
    throw new S3Error('MissingContentLength', 411, 'Content-Length is missing')
  const sizeBytes = said !== undefined && /^\d{1,15}$/.test(said) ? Number(said) : undefined
  const seen: Seen = { sizeBytes: 0, md5: Buffer.alloc(0), checksum: undefined }
  const name = wanted === 'none' ? undefined : checksumAsked(asked, wanted)
  return { parts: checkedParts(asked, seen, { sizeBytes, name }), sizeBytes, seen }
}

async function* checkedParts(
  asked: S3Request,
  seen: Seen,
  { sizeBytes, name }: Pick<Payload, 'sizeBytes'> & { readonly name: ChecksumName | undefined },
): AsyncGenerator<Uint8Array> {
  const { payload } = asked.auth
  const md5 = createHash('md5')
  const sha256 = SHA256.test(payload) ? createHash('sha256') : undefined
  const trailers = new Map<string, string>()
  const running = name && startChecksum(name)
  for await (const part of bodyOf(asked, trailers)) {
    seen.sizeBytes += part.length
    if (sizeBytes !== undefined && seen.sizeBytes > sizeBytes)
      throw invalid('the body is longer than it was said to be', 'IncompleteBody')
    md5.update(part)
    sha256?.update(part)
    running?.update(part)
    yield part
  }
  if (sizeBytes !== undefined && seen.sizeBytes !== sizeBytes)
    throw invalid('the body is shorter than it was said to be', 'IncompleteBody')
  seen.md5 = md5.digest()
  if (sha256 !== undefined && !isSameSignature(sha256.digest('hex'), payload))
    throw invalid('the body has not the hash that was signed', 'XAmzContentSHA256Mismatch')
  if (shownMd5(asked)?.equals(seen.md5) === false)
    throw invalid('the body has another MD5', 'BadDigest')
  if (name === undefined || running === undefined) return
  const value = await running.digest()
  const header = checksumHeader(name)
  const shown = headerOf(asked, header) ?? trailers.get(header)
  if (shown !== undefined && shown !== value)
    throw invalid(`the body has not the ${name} that was said`, 'BadDigest')
  seen.checksum = { name, value }
}

function bodyOf(asked: S3Request, trailers: Map<string, string>): AsyncIterable<Uint8Array> {
  const { body, auth } = asked
  if (!auth.payload.startsWith(STREAMING)) return body
  return chunkedBody(body, {
    signing: auth.payload.startsWith(SIGNED) ? auth.signing : undefined,
    hasTrailers: auth.payload.endsWith(TRAILER),
    onTrailers: (found) => {
      for (const [name, value] of found) trailers.set(name, value)
    },
  })
}

/** One that a header or trailer gives, or that is only named. throws S3Error for another, too. */
function checksumAsked(
  asked: S3Request,
  wanted: ChecksumName | undefined,
): ChecksumName | undefined {
  const named = headerOf(asked, 'x-amz-sdk-checksum-algorithm')?.toUpperCase()
  const trailer = checksumOfHeader(headerOf(asked, 'x-amz-trailer') ?? '')
  const given = Object.keys(asked.headers).flatMap((name) => checksumOfHeader(name) ?? [])
  if (given.length > 1) throw invalid('there is more than one checksum', 'InvalidRequest')
  if (given[0] !== undefined && !isChecksum(given[0], headerOf(asked, checksumHeader(given[0]))))
    throw invalid(`the checksum is no ${given[0]} in base64`, 'InvalidRequest')
  const only = named !== undefined && isChecksumName(named) ? named : undefined
  const name = given[0] ?? trailer ?? only
  if (name !== undefined && wanted !== undefined && name !== wanted)
    throw invalid(`this upload began with ${wanted}`, 'InvalidRequest')
  return name ?? wanted
}

/** The header as bytes; it is looked at before anything else is. throws S3Error. */
export function shownMd5(asked: Pick<S3Request, 'headers'>): Buffer | undefined {
  const shown = headerOf(asked, 'content-md5')
  if (shown === undefined) return undefined
  const bytes = Buffer.from(shown, 'base64')
  if (bytes.length !== MD5_BYTES || bytes.toString('base64') !== shown.trim())
    throw invalid('Content-MD5 is none', 'InvalidDigest')
  return bytes
}
