// Buckets: folders of the door's folder, and the listings of what is in them.
import type { ByteString } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import type { FileStat } from '../../control/files.ts'
import { sendNothing } from '../web-answers.ts'
import { OWNER, givesAccess } from './access.ts'
import { changeSettings, settingOf } from './bucket-settings.ts'
import { listKeys } from './listing.ts'
import type { Listed, ListedItem } from './listing.ts'
import { UPLOADS } from './keys.ts'
import { metadataOf } from './metadata.ts'
import { S3Error, invalid } from './s3-error.ts'
import {
  bucketPath,
  checkBucket,
  checkNewBucket,
  childText,
  countOf,
  element,
  headerOf,
  isBucketName,
  isoTime,
  sendXml,
  shownKey,
  statIfThere,
  xmlBody,
} from './s3-request.ts'
import type { S3Request } from './s3-request.ts'
import { refuseUnknown } from './new-metadata.ts'
import { escapeXml } from '../xml/xml-text.ts'

export const KEYS_MAX = 1000
const BUCKETS_PAGE = 1000
const BUCKETS_MAX = 10_000
const LOCATION = /^[\w-]{1,64}$/
/** The creator of a bucket that is a folder which was made otherwise. */
const NODE_OWNER = 'owner'

export async function listBuckets(asked: S3Request): Promise<void> {
  const { query } = asked
  const max = countOf(asked, 'max-buckets', BUCKETS_MAX, BUCKETS_MAX)
  const prefix = query.get('prefix') ?? ''
  const from = fromToken(query.get('continuation-token') ?? '')
  const found: FileStat[] = []
  for await (const stat of bucketsAfter(asked, from)) {
    if (!stat.name.startsWith(prefix)) continue
    found.push(stat)
    if (found.length > max) break
  }
  const shown = found.slice(0, max)
  const last = shown.at(-1)
  const isCut = found.length > max && last !== undefined
  const text = shown.map(
    (stat) =>
      `<Bucket>${element('Name', stat.name)}${element('CreationDate', isoTime(stat))}</Bucket>`,
  )
  sendXml(
    asked,
    'ListAllMyBucketsResult',
    `${OWNER}<Buckets>${text.join('')}</Buckets>` +
      element('ContinuationToken', isCut ? toToken(last.name) : undefined) +
      element('Prefix', query.get('prefix')),
  )
}

/** In order of their names, those after one: none for an account that may see none. */
async function* bucketsAfter(
  { api, place, signal }: S3Request,
  name: string,
): AsyncGenerator<FileStat> {
  let after = name === '' ? undefined : Buffer.from(name, 'latin1').toString('hex')
  do {
    const options = { after, limit: BUCKETS_PAGE, signal }
    const page = await api.listPage(`${place.root}/`, options).catch((error: unknown) => {
      if (hasCode(error, 'EPERM')) return { entries: [], next: undefined }
      throw error
    })
    yield* page.entries.filter((stat) => stat.kind === 'folder' && isBucketName(stat.name))
    after = page.next
  } while (after !== undefined)
}

export async function createBucket(asked: S3Request): Promise<void> {
  const { api, bucket, response, signal, who } = asked
  const path = bucketPath(asked, bucket)
  if (await isSeen(asked, path)) {
    // Its own may make it again, and nothing changes.
    const creator = (await settingOf(asked, 'creator')) ?? NODE_OWNER
    if (creator !== who || givesAccess(asked)) throw isThere()
    return sendNothing(response, 200, { location: `/${bucket}` })
  }
  checkNewBucket(bucket)
  refuseUnknown(asked)
  const location = await readLocation(asked)
  const ownership = headerOf(asked, 'x-amz-object-ownership')
  try {
    await api.makeFolder(path, { signal })
    await changeSettings(asked, { creator: who, location, ownership }).catch((error: unknown) => {
      // An account that may only add has made it, and says no more of it.
      if (!hasCode(error, 'EPERM')) throw error
    })
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? isThere() : error
  }
  sendNothing(response, 200, { location: `/${bucket}` })
}

/** Is it there, as far as the account may know? */
async function isSeen(asked: S3Request, path: string): Promise<boolean> {
  try {
    return (await statIfThere(asked, path)) !== undefined
  } catch (error) {
    if (hasCode(error, 'EPERM')) return false
    throw error
  }
}

function isThere(): S3Error {
  return new S3Error('BucketAlreadyExists', 409, 'there is such a bucket already')
}

/** The region that a new bucket is to be in: all are here, and it is told again. */
async function readLocation({ request }: S3Request): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) === 0) return undefined
  const body = request as AsyncIterable<Uint8Array>
  const location = childText(await xmlBody(body, 'CreateBucketConfiguration'), 'LocationConstraint')
  if (location === undefined || location === '') return undefined
  if (!LOCATION.test(location)) throw invalid('no region', 'InvalidLocationConstraint')
  return location
}

export async function headBucket(asked: S3Request): Promise<void> {
  await checkBucket(asked)
  sendNothing(asked.response, 200)
}

export async function deleteBucket(asked: S3Request): Promise<void> {
  const { api, bucket, response, signal } = asked
  await checkBucket(asked)
  const path = bucketPath(asked, bucket)
  const { entries } = await api.listPage(path, { limit: 2, signal })
  if (entries.some(({ name }) => name !== UPLOADS)) throw notEmpty()
  if (entries.length > 0) await api.remove(`${path}/${UPLOADS}`, { recursive: true, signal })
  try {
    await api.remove(path, { signal })
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY')) throw error
    throw notEmpty()
  }
  sendNothing(response, 204)
}

function notEmpty(): S3Error {
  const why = 'there is something in the bucket, or an upload goes on below a folder of it'
  return new S3Error('BucketNotEmpty', 409, why)
}

/** ListObjects, of both kinds. */
export async function listObjects(asked: S3Request): Promise<void> {
  const { query } = asked
  const isV2 = query.get('list-type') === '2'
  const encoding = encodingOf(asked)
  const max = countOf(asked, 'max-keys', KEYS_MAX, KEYS_MAX)
  const prefix = (query.get('prefix') ?? '') as ByteString
  const delimiter = query.get('delimiter') ?? ''
  if (delimiter !== '' && query.get('allow-unordered') === 'true')
    throw invalid('what has a delimiter is in order')
  const token = query.get('continuation-token')
  const from = isV2
    ? token === undefined
      ? query.get('start-after')
      : fromToken(token)
    : query.get('marker')
  const after = (from ?? '') as ByteString
  await checkBucket(asked)
  const listed = await list(asked, { prefix, delimiter, after, max })
  const last = listed.items.at(-1)?.key
  const next = listed.isCut ? last : undefined
  const show = (name: string, text: string | undefined, isEncoded = true): string => {
    if (text === undefined) return ''
    return `<${name}>${shownKey(text as ByteString, isEncoded ? encoding : undefined)}</${name}>`
  }
  const withOwner = !isV2 || query.get('fetch-owner') === 'true'
  const shown = { tag: 'Contents', first: '', owner: withOwner ? OWNER : '' }
  sendXml(
    asked,
    'ListBucketResult',
    element('Name', asked.bucket) +
      show('Prefix', prefix, isV2 || !isPlain(prefix)) +
      (isV2
        ? element('KeyCount', listed.items.length) +
          element('ContinuationToken', token) +
          element('NextContinuationToken', next && toToken(next)) +
          (query.has('start-after') ? show('StartAfter', query.get('start-after')) : '')
        : show('Marker', after) + (delimiter === '' ? '' : show('NextMarker', next))) +
      element('MaxKeys', max) +
      (delimiter === '' ? '' : show('Delimiter', delimiter)) +
      element('EncodingType', encoding) +
      element('IsTruncated', String(listed.isCut)) +
      listed.items.map((item) => itemText(item, encoding, shown)).join(''),
  )
}

function list(
  asked: S3Request,
  request: { prefix: ByteString; delimiter: string; after: ByteString; max: number },
): Promise<Listed> {
  const { api, place, bucket, signal } = asked
  const options = { layout: place.layout, bucket: bucketPath(asked, bucket), signal }
  return listKeys(api, options, request)
}

/** How an object shows in a listing. */
interface ShownAs {
  readonly tag: string
  /** Before its key. */
  readonly first: string
  readonly owner: string
}

function itemText(
  item: ListedItem,
  encoding: string | undefined,
  { tag, first, owner }: ShownAs,
): string {
  const key = shownKey(item.key, encoding)
  if (item.kind === 'prefix') return `<CommonPrefixes><Prefix>${key}</Prefix></CommonPrefixes>`
  const { stat } = item
  const { etag, checksum } = metadataOf(stat)
  return (
    `<${tag}>${first}<Key>${key}</Key><LastModified>${isoTime(stat)}</LastModified>` +
    `<ETag>&quot;${escapeXml(etag)}&quot;</ETag>` +
    (checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', checksum.name) +
        element('ChecksumType', checksum.isFull ? 'FULL_OBJECT' : 'COMPOSITE')) +
    `<Size>${stat.kind === 'folder' ? 0 : stat.sizeBytes}</Size>${owner}` +
    `<StorageClass>STANDARD</StorageClass></${tag}>`
  )
}

/** throws S3Error. */
export function encodingOf({ query }: S3Request): string | undefined {
  const encoding = query.get('encoding-type')
  if (encoding === undefined || encoding === 'url') return encoding
  throw invalid('encoding-type is "url"')
}

/** Does it read the same decoded? Of ListObjects not all clients decode the prefix. */
function isPlain(text: string): boolean {
  return /^[\t\n -$&-*,-~\x80-\xff]*$/.test(text)
}

function toToken(key: string): string {
  return Buffer.from(key, 'latin1').toString('base64url')
}

function fromToken(token: string): string {
  if (!/^[\w-]{0,2000}$/.test(token)) throw invalid('the continuation token is none')
  return Buffer.from(token, 'base64url').toString('latin1')
}

export async function bucketLocation(asked: S3Request): Promise<void> {
  const location = (await settingOf(asked, 'location')) ?? ''
  sendXml(asked, 'LocationConstraint', LOCATION.test(location) ? location : '')
}
