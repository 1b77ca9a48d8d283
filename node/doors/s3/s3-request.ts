// A request at the S3 door that was let in, and what all kinds of them look at.
import { byteText } from '../../../protocol/byte-text.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import { asShoalError, hasCode } from '../../../protocol/errors.ts'
import { MIB, NS_PER_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { NodeApi } from '../../control/api.ts'
import type { FileStat } from '../../control/files.ts'
import type { S3Options } from '../../door-config.ts'
import type { Clock } from '../../world/world.ts'
import { readBody } from '../read-body.ts'
import { statIfThere as lookAt } from '../stat-if-there.ts'
import { begin } from '../web-answers.ts'
import type { Headers } from '../web-answers.ts'
import type { Exchange } from '../web-server.ts'
import { elementsIn, parseXml, textIn } from '../xml/xml.ts'
import type { XmlElement } from '../xml/xml.ts'
import { escapeXml } from '../xml/xml-text.ts'
import type { Random } from '../../world/world.ts'
import type { Authenticated } from './authenticate.ts'
import { partsOf } from './keys.ts'
import { S3Error, errorElement, invalid, toldBy } from './s3-error.ts'
import { uriEncode } from './sigv4.ts'
import type { IncomingHttpHeaders } from 'node:http'

const XML_BYTES_MAX: number = 4 * MIB
const ELEMENTS_MAX = 60_000
export const XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
/** Names of folders that show as buckets; new ones are as S3 has them. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/
const NEW_BUCKET = /^(?!\d+\.\d+\.\d+\.\d+$)(?!.*(?:\.\.|\.-|-\.))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
/** The header by which each answer has a name. */
export const REQUEST_ID = 'x-amz-request-id'
const ALIVE_MS: number = 10 * SECOND_MS

export interface S3Place extends S3Options {
  /** The folder of the door, as NodeApi takes it, without a slash at its end. */
  readonly root: string
  /** Does its volume keep what is replaced or removed, for a while? */
  readonly keepsVersions: () => Promise<boolean>
}

export interface S3Request extends Exchange {
  /** Those of HTTP, or what a form has in their place. */
  readonly headers: IncomingHttpHeaders
  /** The body of HTTP, or the file of a form. */
  readonly body: AsyncIterable<Uint8Array>
  readonly api: NodeApi
  readonly who: string
  readonly place: S3Place
  readonly clock: Clock
  readonly random: Random
  readonly auth: Pick<Authenticated, 'payload'> & Partial<Pick<Authenticated, 'signing'>>
  readonly query: ReadonlyMap<string, string>
  /** '' is none. */
  readonly bucket: string
  /** Bytes, each a char; '' is none. */
  readonly key: ByteString
}

export function bucketPath({ place }: Pick<S3Request, 'place'>, bucket: string): string {
  if (!BUCKET.test(bucket)) throw new S3Error('InvalidBucketName', 400, 'no bucket has such a name')
  return `${place.root}/${bucket}`
}

export function isBucketName(name: string): boolean {
  return BUCKET.test(name)
}

export function checkNewBucket(name: string): void {
  if (!NEW_BUCKET.test(name))
    throw new S3Error(
      'InvalidBucketName',
      400,
      'a bucket has 3 to 63 small letters, digits, "." and "-"',
    )
}

export function objectPath(
  asked: Pick<S3Request, 'place'>,
  bucket: string,
  key: ByteString,
): string {
  return [bucketPath(asked, bucket), ...partsOf(asked.place.layout, key)].join('/')
}

/** Undefined where nothing is. */
export function statIfThere(
  { api, signal }: Pick<S3Request, 'signal'> & { readonly api: Pick<NodeApi, 'stat'> },
  path: string,
): Promise<FileStat | undefined> {
  return lookAt(api, path, { signal, extended: true })
}

/** throws S3Error 'NoSuchBucket'. */
export async function checkBucket(asked: S3Request, bucket: string = asked.bucket): Promise<void> {
  await statOfBucket(asked, bucket)
}

/** throws S3Error 'NoSuchBucket'. */
export async function statOfBucket(
  asked: S3Request,
  bucket: string = asked.bucket,
): Promise<FileStat> {
  const stat = await statIfThere(asked, bucketPath(asked, bucket))
  if (stat?.kind !== 'folder') throw new S3Error('NoSuchBucket', 404, 'there is no such bucket')
  return stat
}

export function headerOf(
  { headers }: Pick<S3Request, 'headers'>,
  name: string,
): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

/** A number in the query. throws S3Error. */
export function countOf(
  { query }: S3Request,
  name: string,
  byDefault: number,
  most: number,
): number {
  const text = query.get(name)
  if (text === undefined || text === '') return byDefault
  if (!/^\d{1,10}$/.test(text)) throw invalid(`${name} is a number`)
  return Math.min(Number(text), most)
}

/** Bytes as text for XML. */
export function shownKey(key: ByteString, encoding: string | undefined): string {
  return encoding === 'url' ? uriEncode(key, true) : escapeXml(byteText(key))
}

/** The root of a body of XML. throws S3Error 'MalformedXML'. */
export async function xmlBody(
  parts: AsyncIterable<Uint8Array>,
  name: string,
  bytesMax: number = XML_BYTES_MAX,
): Promise<XmlElement> {
  const bytes = await readBody(parts, bytesMax)
  try {
    const root = parseXml(bytes, ELEMENTS_MAX)
    if (root.name === name) return root
  } catch (error) {
    if (!hasCode(error, 'malformed')) throw error
  }
  throw new S3Error('MalformedXML', 400, `the body is no ${name}`)
}

export function childrenNamed(element: XmlElement, name: string): readonly XmlElement[] {
  return elementsIn(element).filter((child) => child.name === name)
}

export function childText(element: XmlElement, name: string): string | undefined {
  const [child] = childrenNamed(element, name)
  return child && textIn(child)
}

export function sendXml(
  { response }: Exchange,
  name: string,
  content: string,
  headers: Headers = {},
): void {
  const text = `<${name} xmlns="${NAMESPACE}">${content}</${name}>`
  if (response.headersSent) {
    response.end(text)
    return
  }
  const body = Buffer.from(XML_HEAD + text)
  begin(response, 200, {
    'content-type': 'application/xml',
    'content-length': body.length,
    ...headers,
  })
  response.end(body)
}

/**
 * Runs what may take long, and from a while on sends white space, so that nobody takes the
 * connection for dead: a failure after that is told in the body of a 200, as S3 does.
 */
export async function keepingAlive(asked: S3Request, run: () => Promise<void>): Promise<void> {
  const { clock, response } = asked
  const beat = (): void => {
    if (!response.headersSent) {
      begin(response, 200, { 'content-type': 'application/xml' })
      response.write(XML_HEAD)
    }
    response.write(' ')
    timer = clock.timer(ALIVE_MS, beat)
  }
  let timer = clock.timer(ALIVE_MS, beat)
  try {
    await run()
  } catch (thrown) {
    if (!response.headersSent) throw thrown
    const error = asShoalError(thrown)
    response.end(errorElement(toldBy(error), error, aboutOf(asked)))
  } finally {
    timer.cancel()
  }
}

/** The fields of an error that say what it is about. */
export function aboutOf({ request, response }: Pick<Exchange, 'request' | 'response'>): {
  readonly resource: string
  readonly requestId: string
} {
  return { resource: request.url ?? '/', requestId: String(response.getHeader(REQUEST_ID) ?? '') }
}

export function element(name: string, text: string | number | undefined): string {
  return text === undefined ? '' : `<${name}>${escapeXml(`${text}`)}</${name}>`
}

export function isoTime({ modifiedNs }: Pick<FileStat, 'modifiedNs'>): string {
  return new Date(Number(modifiedNs / NS_PER_MS)).toISOString()
}

/** A time for what is written now, which no other has: it ties metadata to content. */
export function freshTime({ clock, random }: Pick<S3Request, 'clock' | 'random'>): bigint {
  const [a = 0, b = 0, c = 0] = random.bytes(3)
  const within = BigInt(((a << 16) | (b << 8) | c) % 1_000_000)
  return BigInt(clock.wall()) * NS_PER_MS + within
}
