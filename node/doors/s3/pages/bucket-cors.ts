// The rules of a bucket about pages of other origins: kept in an extended attribute of its folder,
// and told to browsers with each answer to such a page, and before what a page asks.
import type { NodeApi } from '../../../control/api.ts'
import { sendNothing } from '../../web-answers.ts'
import type { Exchange } from '../../web-server.ts'
import { corsHeaders, decodeRules, encodeRules, ruleFor, rulesIn, rulesText } from './cors.ts'
import type { CorsAsk, CorsRule } from './cors.ts'
import { changeSettings, settingIn } from '../bucket-settings.ts'
import { payloadOf } from '../payload.ts'
import { S3Error } from '../s3-error.ts'
import {
  bucketPath,
  checkBucket,
  isBucketName,
  sendXml,
  statIfThere,
  xmlBody,
} from '../s3-request.ts'
import type { S3Request } from '../s3-request.ts'
import { KIB } from '../../../../protocol/units.ts'

const XML_BYTES_MAX: number = 64 * KIB
const ASKED_HEADERS_MAX = 100

type CorsFinder = Pick<S3Request, 'place' | 'bucket'> &
  Exchange & { readonly api: Pick<NodeApi, 'stat'> }

export async function putCors(asked: S3Request): Promise<void> {
  const root = await xmlBody(payloadOf(asked).parts, 'CORSConfiguration', XML_BYTES_MAX)
  const rules = rulesIn(root)
  await changeSettings(asked, { cors: encodeRules(rules) })
  sendNothing(asked.response, 200)
}

export async function getCors(asked: S3Request): Promise<void> {
  await checkBucket(asked)
  const rules = await rulesOf(asked)
  if (rules.length === 0)
    throw new S3Error('NoSuchCORSConfiguration', 404, 'the bucket has no such configuration')
  sendXml(asked, 'CORSConfiguration', rulesText(rules))
}

export async function deleteCors(asked: S3Request): Promise<void> {
  await changeSettings(asked, { cors: null })
  sendNothing(asked.response, 204)
}

async function rulesOf(asked: CorsFinder): Promise<readonly CorsRule[]> {
  if (!isBucketName(asked.bucket)) return []
  const stat = await statIfThere(asked, bucketPath(asked, asked.bucket))
  const setting = stat?.kind === 'folder' ? settingIn(stat, 'cors') : undefined
  return setting === undefined ? [] : decodeRules(setting)
}

/** Have the answer to a page of another origin, whatever it is, say that the page may read it. */
export async function allowPage(asked: CorsFinder): Promise<void> {
  const ask = askIn(asked)
  if (ask === undefined) return
  const rule = ruleFor(await rulesOf(asked), ask)
  if (rule === undefined) return
  for (const [name, value] of Object.entries(corsHeaders(rule, ask)))
    asked.response.setHeader(name, value)
}

/** A question of a browser, before it asks what a page wants: by nobody. throws S3Error. */
export async function answerPreflight(asked: CorsFinder): Promise<void> {
  const { headers } = asked.request
  if (headers.origin === undefined) throw new S3Error('BadRequest', 400, 'there is no Origin')
  if (headers['access-control-request-method'] === undefined)
    throw new S3Error('BadRequest', 400, 'there is no Access-Control-Request-Method')
  const ask = askIn(asked)
  const rules = await rulesOf(asked)
  const rule = ask && ruleFor(rules, ask)
  if (ask === undefined || rule === undefined)
    throw new S3Error(
      'AccessForbidden',
      403,
      rules.length === 0
        ? 'CORS is not enabled for this bucket'
        : 'no CORS rule of the bucket allows this',
    )
  sendNothing(asked.response, 200, corsHeaders(rule, ask))
}

/** Undefined: no page asks, or one that nothing could be told. */
function askIn({ request: { headers, method } }: Exchange): CorsAsk | undefined {
  const { origin } = headers
  if (origin === undefined) return undefined
  const named = headers['access-control-request-headers'] ?? ''
  const names = named.split(',').flatMap((name) => name.trim().toLowerCase() || [])
  if (names.length > ASKED_HEADERS_MAX) return undefined
  return {
    origin,
    method: headers['access-control-request-method'] ?? method ?? '',
    headers: names,
  }
}
