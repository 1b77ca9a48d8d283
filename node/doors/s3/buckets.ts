// Buckets: folders of the door's folder, and the listings of what is in them.
import type { ByteString } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { sendNothing } from '../web-answers.ts'
import { listKeys } from './listing.ts'
import type { Listed, ListedItem } from './listing.ts'
import { UPLOADS } from './keys.ts'
import { metadataOf } from './metadata.ts'
import { S3Error, invalid } from './s3-error.ts'
import {
  bucketPath,
  checkBucket,
  checkNewBucket,
  countOf,
  element,
  isBucketName,
  isoTime,
  sendXml,
  shownKey,
  xmlBody,
} from './s3-request.ts'
import type { S3Request } from './s3-request.ts'
import { refuseUnknown } from './new-metadata.ts'
import { escapeXml } from '../xml/xml-text.ts'

const KEYS_MAX = 1000
const BUCKETS_PAGE = 1000
/** One owner of all: rights are those of the account that asks. */
export const OWNER: string = '<Owner><ID>shoal</ID><DisplayName>shoal</DisplayName></Owner>'

export async function listBuckets(asked: S3Request): Promise<void> {
  const { api, place, signal } = asked
  let text = ''
  let after: string | undefined
  do {
    const page = await api.listPage(`${place.root}/`, { after, limit: BUCKETS_PAGE, signal })
    for (const stat of page.entries)
      if (stat.kind === 'folder' && isBucketName(stat.name))
        text += `<Bucket>${element('Name', stat.name)}${element('CreationDate', isoTime(stat))}</Bucket>`
    after = page.next
  } while (after !== undefined)
  sendXml(asked, 'ListAllMyBucketsResult', `${OWNER}<Buckets>${text}</Buckets>`)
}

export async function createBucket(asked: S3Request): Promise<void> {
  const { api, bucket, response, signal, headers, body } = asked
  checkNewBucket(bucket)
  refuseUnknown(asked)
  if (Number(headers['content-length'] ?? 0) > 0) await xmlBody(body, 'CreateBucketConfiguration')
  try {
    await api.makeFolder(bucketPath(asked, bucket), { signal })
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
    throw new S3Error('BucketAlreadyOwnedByYou', 409, 'there is such a bucket already')
  }
  sendNothing(response, 200, { location: `/${bucket}` })
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
  if (entries.some(({ name }) => name !== UPLOADS))
    throw new S3Error('BucketNotEmpty', 409, 'there is something in the bucket')
  if (entries.length > 0) await api.remove(`${path}/${UPLOADS}`, { recursive: true, signal })
  try {
    await api.remove(path, { signal })
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY')) throw error
    throw new S3Error('BucketNotEmpty', 409, 'there is something in the bucket')
  }
  sendNothing(response, 204)
}

/** ListObjects, of both kinds. */
export async function listObjects(asked: S3Request): Promise<void> {
  const { query } = asked
  const isV2 = query.get('list-type') === '2'
  const encoding = encodingOf(asked)
  const max = countOf(asked, 'max-keys', KEYS_MAX, KEYS_MAX)
  const prefix = (query.get('prefix') ?? '') as ByteString
  const delimiter = query.get('delimiter') ?? ''
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
  const show = (name: string, text: string | undefined): string =>
    text === undefined ? '' : `<${name}>${shownKey(text as ByteString, encoding)}</${name}>`
  const withOwner = !isV2 || query.get('fetch-owner') === 'true'
  const shown = { tag: 'Contents', first: '', owner: withOwner ? OWNER : '' }
  sendXml(
    asked,
    'ListBucketResult',
    element('Name', asked.bucket) +
      show('Prefix', prefix) +
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

/** Tells what there is as versions without ids: former ones are had as files have them. */
export async function listVersions(asked: S3Request): Promise<void> {
  const { query } = asked
  const encoding = encodingOf(asked)
  const max = countOf(asked, 'max-keys', KEYS_MAX, KEYS_MAX)
  const prefix = (query.get('prefix') ?? '') as ByteString
  const delimiter = query.get('delimiter') ?? ''
  await checkBucket(asked)
  const after = (query.get('key-marker') ?? '') as ByteString
  const listed = await list(asked, { prefix, delimiter, after, max })
  const next = listed.isCut ? listed.items.at(-1)?.key : undefined
  const text = listed.items.map((item) => itemText(item, encoding, VERSION))
  sendXml(
    asked,
    'ListVersionsResult',
    element('Name', asked.bucket) +
      `<Prefix>${shownKey(prefix, encoding)}</Prefix>` +
      `<KeyMarker>${shownKey(after, encoding)}</KeyMarker>` +
      (next === undefined
        ? ''
        : `<NextKeyMarker>${shownKey(next, encoding)}</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>`) +
      element('MaxKeys', max) +
      element('EncodingType', encoding) +
      element('IsTruncated', String(listed.isCut)) +
      text.join(''),
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

const VERSION: ShownAs = {
  tag: 'Version',
  first: '<VersionId>null</VersionId><IsLatest>true</IsLatest>',
  owner: OWNER,
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

function toToken(key: ByteString): string {
  return Buffer.from(key, 'latin1').toString('base64url')
}

function fromToken(token: string): string {
  if (!/^[\w-]{1,2000}$/.test(token)) throw invalid('the continuation token is none')
  return Buffer.from(token, 'base64url').toString('latin1')
}

export async function bucketLocation(asked: S3Request): Promise<void> {
  await checkBucket(asked)
  sendXml(asked, 'LocationConstraint', '')
}

/** All that is granted is said by accounts: in its words, the owner may do all. */
export function sendAcl(asked: S3Request): void {
  const grantee =
    '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">' +
    '<ID>shoal</ID><DisplayName>shoal</DisplayName></Grantee>'
  sendXml(
    asked,
    'AccessControlPolicy',
    `${OWNER}<AccessControlList><Grant>${grantee}<Permission>FULL_CONTROL</Permission></Grant></AccessControlList>`,
  )
}
