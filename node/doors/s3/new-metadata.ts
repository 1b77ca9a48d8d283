// The metadata that a request gives an object that it makes. What this server has none of is
// refused, lest somebody takes it to hold.
import { utf8 } from '../../../protocol/bytes.ts'
import { refuseAccess } from './access.ts'
import { refuseEncryption } from './encryption.ts'
import { NO_METADATA, USER_BYTES_MAX, keptHeaders } from './metadata.ts'
import type { ObjectMetadata } from './metadata.ts'
import { S3Error, invalid, notImplemented } from './s3-error.ts'
import { headerOf } from './s3-request.ts'
import type { S3Request } from './s3-request.ts'
import { uriDecode } from './sigv4.ts'

const META = 'x-amz-meta-'
const TAGS_MAX = 10
const TAG_KEY_MAX = 128
const TAG_VALUE_MAX = 256

/** throws S3Error. */
export function newMetadata(asked: S3Request): ObjectMetadata {
  refuseUnknown(asked)
  const { headers } = asked
  const user = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    name.startsWith(META) ? [[name.slice(META.length), String(value)]] : [],
  )
  const bytes = user.reduce((sum, [name, value]) => sum + name.length + utf8(value).length, 0)
  if (bytes > USER_BYTES_MAX)
    throw new S3Error('MetadataTooLarge', 400, `metadata has at most ${USER_BYTES_MAX} bytes`)
  const kept = keptHeaders((name) => headerOf(asked, name))
  const encoding = kept['content-encoding']?.replace(/\baws-chunked\b,? ?/g, '').replace(/, ?$/, '')
  const { 'content-encoding': _, ...others } = kept
  return {
    ...NO_METADATA,
    headers:
      encoding === undefined || encoding === ''
        ? others
        : { ...others, 'content-encoding': encoding },
    user: Object.fromEntries(user),
    tags: parseTagging(headerOf(asked, 'x-amz-tagging')),
  }
}

/** throws S3Error for access, encryption and locks that nobody would keep. */
export function refuseUnknown(asked: S3Request): void {
  refuseAccess(asked)
  refuseEncryption(asked)
  for (const name of Object.keys(asked.headers)) {
    if (name.startsWith('x-amz-object-lock')) throw notImplemented('locks of objects')
    if (name === 'x-amz-website-redirect-location') throw notImplemented('websites')
  }
}

/** `a=b&c=d`. throws S3Error. */
function parseTagging(text: string | undefined): ObjectMetadata['tags'] {
  if (text === undefined || text === '') return []
  const pairs = text.split('&').map((pair): [string, string] => {
    const [key = '', value = ''] = pair
      .split('=', 2)
      .map((part) => Buffer.from(uriDecode(part.replaceAll('+', ' ')) ?? '', 'latin1').toString())
    return [key, value]
  })
  return checkTags(pairs.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** throws S3Error. */
export function checkTags(
  pairs: readonly (readonly [string, string])[],
  most: number = TAGS_MAX,
): ObjectMetadata['tags'] {
  if (pairs.length > most) throw invalid(`there are at most ${most} tags`, 'InvalidTag')
  if (new Set(pairs.map(([key]) => key)).size < pairs.length)
    throw invalid('a tag is given twice', 'InvalidTag')
  for (const [key, value] of pairs)
    if (key === '' || key.length > TAG_KEY_MAX || value.length > TAG_VALUE_MAX)
      throw invalid('a tag is longer than it may be', 'InvalidTag')
  return pairs
}
