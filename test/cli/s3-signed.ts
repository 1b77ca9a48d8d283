// Requests to an S3 door that are signed as a test tells, where an SDK would put them right.
import { EMPTY_HASH, scopeText, sign, signingKey, stringToSign } from '../../node/doors/s3/sigv4.ts'

const REGION = 'us-east-1'

export interface Signed {
  readonly method?: string
  readonly path: string
  readonly query?: readonly (readonly [string, string])[]
  readonly headers?: Readonly<Record<string, string>>
  readonly payload?: string
  readonly atMs?: number
}

/** The headers of a request that is signed as it is told here. */
export function signed(
  secret: string,
  host: string,
  {
    method = 'GET',
    path,
    query = [],
    headers = {},
    payload = EMPTY_HASH,
    atMs = Date.now(),
  }: Signed,
): Record<string, string> {
  const time = new Date(atMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const scope = { date: time.slice(0, 8), region: REGION, service: 's3' }
  const all = { host, 'x-amz-date': time, 'x-amz-content-sha256': payload, ...headers }
  const pairs = Object.entries(all)
  const text = stringToSign({ method, path, query, headers: pairs, payload }, scope, time)
  const signature = sign(signingKey(secret, scope), text)
  const names = Object.keys(all).sort().join(';')
  return {
    ...all,
    authorization:
      `AWS4-HMAC-SHA256 Credential=owner/${scopeText(scope)}, SignedHeaders=${names}, ` +
      `Signature=${signature}`,
  }
}
