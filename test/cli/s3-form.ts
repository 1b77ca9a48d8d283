// Forms as a browser sends them to the S3 door, signed as whoever made the page does it.
import { createHmac } from 'node:crypto'
import { scopeText, sign, signingKey } from '../../node/doors/s3/sigv4.ts'
import { asked } from './ask-http.ts'
import type { Answer } from './ask-http.ts'

export const BOUNDARY = 'x-a-boundary-x'
const HOUR_MS = 3_600_000

/** In order; a file has a name. */
export type Field = readonly [name: string, value: string | Buffer, fileName?: string]

export function formBody(fields: readonly Field[]): Buffer {
  const parts = fields.flatMap(([name, value, fileName]) => {
    const file = fileName === undefined ? '' : `; filename="${fileName}"`
    const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`
    return [Buffer.from(head), Buffer.from(value), Buffer.from('\r\n')]
  })
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)])
}

export interface Policy {
  readonly conditions?: readonly unknown[]
  readonly expiration?: string
  /** In place of all that. */
  readonly document?: unknown
  readonly atMs?: number
  readonly id?: string
}

/** The fields that sign what the conditions allow. */
export function signedFields(
  secret: string,
  {
    conditions = [],
    expiration = inHours(1),
    document,
    atMs = Date.now(),
    id = 'owner',
  }: Policy = {},
): readonly Field[] {
  const time = new Date(atMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const scope = { date: time.slice(0, 8), region: 'us-east-1', service: 's3' }
  const own = [
    ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
    ['x-amz-credential', `${id}/${scopeText(scope)}`],
    ['x-amz-date', time],
  ] as const
  const all = [...conditions, ...own.map(([name, value]) => ({ [name]: value }))]
  const policy = base64(document ?? { expiration, conditions: all })
  const signature = sign(signingKey(secret, scope), policy)
  return [...own, ['policy', policy], ['x-amz-signature', signature]]
}

/** The same by version 2. */
export function oldSignedFields(secret: string, conditions: readonly unknown[]): readonly Field[] {
  const policy = base64({ expiration: inHours(1), conditions })
  const signature = createHmac('sha1', secret).update(policy).digest('base64')
  return [
    ['AWSAccessKeyId', 'owner'],
    ['policy', policy],
    ['signature', signature],
  ]
}

export function inHours(hours: number): string {
  return new Date(Date.now() + hours * HOUR_MS).toISOString()
}

export function base64(document: unknown): string {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  return Buffer.from(text).toString('base64')
}

export function postForm(
  url: URL,
  bucket: string,
  fields: readonly Field[],
  headers: Record<string, string> = {},
): Promise<Answer> {
  const body = formBody(fields)
  const type = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
  const length = { 'content-length': `${body.length}` }
  return asked(url, `/${bucket}`, {
    method: 'POST',
    headers: { ...type, ...length, ...headers },
    body,
  })
}
