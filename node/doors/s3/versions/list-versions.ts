// Lists the versions of the objects of a bucket: of each key all that is kept, the newest first,
// also of keys that were removed. A page can end within those of a key.
import type { ByteString } from '../../../../protocol/bytes.ts'
import type { NodeApi } from '../../../control/api.ts'
import type { FileStat } from '../../../control/files.ts'
import { statIfThere } from '../../stat-if-there.ts'
import { escapeXml } from '../../xml/xml-text.ts'
import { OWNER } from '../access.ts'
import { KEYS_MAX, encodingOf } from '../buckets.ts'
import { listKeys } from '../listing.ts'
import type { ListRequest, ListedItem } from '../listing.ts'
import { metadataOf } from '../metadata.ts'
import {
  bucketPath,
  checkBucket,
  countOf,
  element,
  isoTime,
  objectPath,
  sendXml,
  shownKey,
} from '../s3-request.ts'
import type { S3Request } from '../s3-request.ts'
import { NULL_VERSION, versioningOf, versionsAt } from './versions.ts'
import type { KeptVersion } from './versions.ts'

/** Keys that are looked for at a time. */
const KEYS_AT_ONCE = 100

/** All that is looked at of a folder that was removed. */
const GONE_FOLDER: FileStat = {
  name: '',
  kind: 'folder',
  mode: 0,
  uid: 0,
  gid: 0,
  linkCount: 0,
  sizeBytes: 0,
  modifiedNs: 0n,
  changedNs: 0n,
  isRemoved: true,
}

type Entry =
  | { readonly key: ByteString; readonly version?: undefined }
  | { readonly key: ByteString; readonly version: ShownVersion }

type ShownVersion = Pick<KeptVersion, 'kind' | 'id' | 'isLatest' | 'modifiedNs' | 'metadata'> & {
  readonly sizeBytes: number
}

interface Marker {
  readonly key: ByteString
  /** Go on after this version of the key; '': after the key. */
  readonly version: string
}

export async function listVersions(asked: S3Request): Promise<void> {
  const { query } = asked
  const encoding = encodingOf(asked)
  const max = countOf(asked, 'max-keys', KEYS_MAX, KEYS_MAX)
  const prefix = (query.get('prefix') ?? '') as ByteString
  const delimiter = query.get('delimiter') ?? ''
  const marker: Marker = {
    key: (query.get('key-marker') ?? '') as ByteString,
    version: query.get('version-id-marker') ?? '',
  }
  await checkBucket(asked)
  const shown: Entry[] = []
  let isCut = false
  if (max > 0)
    for await (const entry of entriesOf(asked, { prefix, delimiter }, marker)) {
      isCut = shown.length === max
      if (isCut) break
      shown.push(entry)
    }
  const last = isCut ? shown.at(-1) : undefined
  sendXml(
    asked,
    'ListVersionsResult',
    element('Name', asked.bucket) +
      `<Prefix>${shownKey(prefix, encoding)}</Prefix>` +
      `<KeyMarker>${shownKey(marker.key, encoding)}</KeyMarker>` +
      element('VersionIdMarker', marker.version) +
      (last === undefined
        ? ''
        : `<NextKeyMarker>${shownKey(last.key, encoding)}</NextKeyMarker>` +
          element('NextVersionIdMarker', last.version?.id)) +
      element('MaxKeys', max) +
      (delimiter === ''
        ? ''
        : `<Delimiter>${shownKey(delimiter as ByteString, encoding)}</Delimiter>`) +
      element('EncodingType', encoding) +
      element('IsTruncated', String(isCut)) +
      shown.map((entry) => entryText(entry, encoding)).join(''),
  )
}

async function* entriesOf(
  asked: S3Request,
  request: Pick<ListRequest, 'prefix' | 'delimiter'>,
  marker: Marker,
): AsyncGenerator<Entry> {
  const { place, bucket, signal } = asked
  const isVersioned = (await versioningOf(asked)) !== undefined
  const api = isVersioned ? withRemoved(asked.api) : asked.api
  if (isVersioned && marker.version !== '') yield* versionsAfter(asked, marker)
  const options = { layout: place.layout, bucket: bucketPath(asked, bucket), signal }
  let after = marker.key
  for (;;) {
    const { items, isCut } = await listKeys(api, options, { ...request, after, max: KEYS_AT_ONCE })
    for (const item of items) yield* entriesOfItem(asked, item, isVersioned)
    const last = items.at(-1)
    if (!isCut || last === undefined) return
    after = last.key
  }
}

/** The rest of a key within which the page before ended. */
async function* versionsAfter(asked: S3Request, marker: Marker): AsyncGenerator<Entry> {
  if (marker.key === '') return
  const all = await versionsOfKey(asked, marker.key)
  const at = all.findIndex(({ id }) => id === marker.version)
  // One that was forgotten meanwhile: what is left of the key comes again, rather than not at all.
  for (const version of all.slice(at + 1)) yield { key: marker.key, version }
}

async function* entriesOfItem(
  asked: S3Request,
  item: ListedItem,
  isVersioned: boolean,
): AsyncGenerator<Entry> {
  const { key } = item
  if (item.kind === 'prefix') return yield { key }
  const { stat } = item
  // A folder that was made as a key has one version; one that was removed, none.
  if (!isVersioned || stat.kind === 'folder') {
    if (stat.isRemoved !== true) yield { key, version: presentOf(stat) }
    return
  }
  for (const version of await versionsOfKey(asked, key)) yield { key, version }
}

async function versionsOfKey(asked: S3Request, key: ByteString): Promise<readonly ShownVersion[]> {
  const all = await versionsAt(asked, objectPath(asked, asked.bucket, key))
  return all.map((version) => ({ ...version, sizeBytes: version.file.sizeBytes }))
}

function presentOf(stat: FileStat): ShownVersion {
  const { modifiedNs } = stat
  const sizeBytes = stat.kind === 'folder' ? 0 : stat.sizeBytes
  const metadata = metadataOf(stat)
  return { kind: 'version', id: NULL_VERSION, isLatest: true, modifiedNs, metadata, sizeBytes }
}

/** Listings have what was removed, too; and a folder is there that was. */
function withRemoved(api: NodeApi): NodeApi {
  const listPage: NodeApi['listPage'] = (path, options) =>
    api.listPage(path, { ...options, removed: true })
  const stat: NodeApi['stat'] = async (path, options) => {
    const found = await statIfThere(api, path, options)
    if (found?.kind === 'folder') return found
    await listPage(path, { ...options, limit: 1 })
    return { ...GONE_FOLDER, name: path.slice(path.lastIndexOf('/') + 1) }
  }
  return { ...api, listPage, stat }
}

function entryText({ key, version }: Entry, encoding: string | undefined): string {
  const shown = shownKey(key, encoding)
  if (version === undefined) return `<CommonPrefixes><Prefix>${shown}</Prefix></CommonPrefixes>`
  const { kind, id, isLatest, metadata } = version
  const common =
    `<Key>${shown}</Key>${element('VersionId', id)}${element('IsLatest', String(isLatest))}` +
    `${element('LastModified', isoTime(version))}${OWNER}`
  if (kind === 'marker') return `<DeleteMarker>${common}</DeleteMarker>`
  const { etag, checksum } = metadata
  return (
    `<Version>${common}<ETag>&quot;${escapeXml(etag)}&quot;</ETag>` +
    (checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', checksum.name) +
        element('ChecksumType', checksum.isFull ? 'FULL_OBJECT' : 'COMPOSITE')) +
    `<Size>${version.sizeBytes}</Size><StorageClass>STANDARD</StorageClass></Version>`
  )
}
