// Uploads in parts: each is a folder, out of sight of listings, whose files are its parts. It lies
// in the folder of the bucket or, for an account that may not write there, in the topmost folder
// above its key where it may: whoever has rights there has them to the upload, and nobody else.
import type { ByteString } from '../../../../protocol/bytes.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { hasCode } from '../../../../protocol/errors.ts'
import type { FileStat } from '../../../control/files.ts'
import { ignoreFailure } from '../../../world/ignore-failure.ts'
import { OWNER } from '../access.ts'
import { encodingOf } from '../buckets.ts'
import { isChecksumName } from '../checksums.ts'
import type { ChecksumKind } from '../checksums.ts'
import { UPLOADS, partsOf } from '../keys.ts'
import { attributeOf } from '../metadata.ts'
import type { ObjectMetadata } from '../metadata.ts'
import { makeFolder, removeEmptyAbove } from '../objects.ts'
import { S3Error, accessDenied } from '../s3-error.ts'
import {
  bucketPath,
  checkBucket,
  countOf,
  element,
  isoTime,
  sendXml,
  shownKey,
  statIfThere,
} from '../s3-request.ts'
import type { S3Request } from '../s3-request.ts'

const ID_BYTES = 16
const PART_DIGITS = 5
export const PAGE = 1000
/** The attributes of an upload's folder: its key, and the checksum that its object is to have. */
const KEY_ATTRIBUTE = 'user.s3-key'
const CHECKSUM_ATTRIBUTE = 'user.s3-checksum'
const FULL = 'FULL_OBJECT'
const COMPOSITE = 'COMPOSITE'
export const INITIATOR: string = OWNER.replaceAll('Owner', 'Initiator')
/** A number of chance, and how many folders of the key lie above it. */
const ID = /^[0-9a-f]{32}(?:-([1-9]\d{0,2}))?$/

export interface Upload {
  readonly id: string
  readonly path: string
  readonly stat: FileStat
  readonly checksum: ChecksumKind | undefined
}

/** The upload of a key begins. returns its id. throws S3Error. */
export async function beginUpload(
  asked: S3Request,
  metadata: ObjectMetadata,
  checksum: ChecksumKind | undefined,
): Promise<string> {
  const { random, key } = asked
  const chance = toHex(random.bytes(ID_BYTES))
  const attributes = {
    [KEY_ATTRIBUTE]: Buffer.from(key, 'latin1').toString('base64'),
    ...(checksum && { [CHECKSUM_ATTRIBUTE]: Buffer.from(textOf(checksum)).toString('base64') }),
  }
  const places = placesOf(asked, key)
  for (const [depth, place] of places.entries()) {
    const id = `${chance}${depth === 0 ? '' : `-${depth}`}`
    try {
      await makeFolder(asked, `${place}/${UPLOADS}/${id}`, metadata, attributes)
      return id
    } catch (error) {
      if (!hasCode(error, 'EPERM')) throw error
    }
  }
  throw accessDenied('an upload needs "read" and "write" of a folder that its key is in')
}

/** The folders in which an upload of a key may lie: that of the bucket, and those below it. */
export function placesOf(asked: S3Request, key: ByteString): readonly string[] {
  const { place, bucket } = asked
  const top = bucketPath(asked, bucket)
  const names = place.layout === 'path' ? partsOf(place.layout, key).slice(0, -1) : []
  return [top, ...names.map((_, at) => [top, ...names.slice(0, at + 1)].join('/'))]
}

/** throws S3Error 404, ShoalError 'EPERM'. */
export async function findUpload(asked: S3Request): Promise<Upload> {
  const upload = await uploadIfThere(asked)
  if (upload !== undefined) return upload
  await checkBucket(asked)
  throw noSuchUpload()
}

/** throws ShoalError 'EPERM'. */
export async function uploadIfThere(asked: S3Request): Promise<Upload | undefined> {
  const id = asked.query.get('uploadId') ?? ''
  const depth = depthOf(id)
  const place = depth === undefined ? undefined : placesOf(asked, asked.key)[depth]
  if (place === undefined) return undefined
  const path = `${place}/${UPLOADS}/${id}`
  const stat = await statIfThere(asked, path)
  if (stat?.kind !== 'folder' || keyOf(stat) !== asked.key) return undefined
  return { id, path, stat, checksum: checksumOf(stat) }
}

function depthOf(id: string): number | undefined {
  const [whole, depth = '0'] = ID.exec(id) ?? []
  return whole === undefined ? undefined : Number(depth)
}

/** Its parts go with it, and folders that were made for it. */
export async function endUpload(asked: S3Request, { id, path }: Upload): Promise<void> {
  const { api, signal } = asked
  await api.remove(path, { recursive: true, signal })
  if (depthOf(id) === 0) return
  const folder = path.slice(0, path.lastIndexOf('/'))
  await ignoreFailure(api.remove(folder, { signal }), 'other uploads go on there')
  await removeEmptyAbove(asked, folder)
}

export function noSuchUpload(): S3Error {
  return new S3Error('NoSuchUpload', 404, 'there is no such upload, or it has ended')
}

export function partName(number: number): string {
  return `${number}`.padStart(PART_DIGITS, '0')
}

/** In order of their numbers. */
export async function* partsIn(
  { api, signal }: S3Request,
  { path }: Upload,
  afterNumber = 0,
): AsyncGenerator<{ readonly number: number; readonly stat: FileStat }> {
  let after: string | undefined =
    afterNumber === 0 ? undefined : Buffer.from(partName(afterNumber)).toString('hex')
  do {
    const page = await api.listPage(path, { after, limit: PAGE, extended: true, signal })
    for (const stat of page.entries)
      if (/^\d{5}$/.test(stat.name)) yield { number: Number(stat.name), stat }
    after = page.next
  } while (after !== undefined)
}

/** Lists those of a bucket, by key. */
export async function listUploads(asked: S3Request): Promise<void> {
  const { query, bucket } = asked
  await checkBucket(asked)
  const encoding = encodingOf(asked)
  const max = countOf(asked, 'max-uploads', PAGE, PAGE)
  const prefix = query.get('prefix') ?? ''
  const [keyMarker, idMarker] = [query.get('key-marker') ?? '', query.get('upload-id-marker') ?? '']
  const all: { readonly key: string; readonly id: string; readonly stat: FileStat }[] = []
  for await (const stat of uploadsIn(asked, prefix)) {
    const key = keyOf(stat)
    if (key?.startsWith(prefix) === true) all.push({ key, id: stat.name, stat })
  }
  all.sort((a, b) => (a.key < b.key || (a.key === b.key && a.id < b.id) ? -1 : 1))
  const wanted = all.filter(
    ({ key, id }) => key > keyMarker || (key === keyMarker && idMarker !== '' && id > idMarker),
  )
  const shown = wanted.slice(0, max)
  const isCut = wanted.length > shown.length
  const last = shown.at(-1)
  sendXml(
    asked,
    'ListMultipartUploadsResult',
    element('Bucket', bucket) +
      `<KeyMarker>${shownKey(keyMarker as ByteString, encoding)}</KeyMarker>` +
      element('UploadIdMarker', idMarker) +
      (isCut && last !== undefined
        ? `<NextKeyMarker>${shownKey(last.key as ByteString, encoding)}</NextKeyMarker>` +
          element('NextUploadIdMarker', last.id)
        : '') +
      element('MaxUploads', max) +
      element('EncodingType', encoding) +
      element('IsTruncated', String(isCut)) +
      shown
        .map(
          ({ key, id, stat }) =>
            `<Upload><Key>${shownKey(key as ByteString, encoding)}</Key>${element('UploadId', id)}` +
            `${INITIATOR}${OWNER}<StorageClass>STANDARD</StorageClass>` +
            `${element('Initiated', isoTime(stat))}${checksumElements(checksumOf(stat))}</Upload>`,
        )
        .join(''),
  )
}

/** Yields those in the folder of the bucket, and in folders on the way to a prefix. */
async function* uploadsIn(asked: S3Request, prefix: string): AsyncGenerator<FileStat> {
  const { api, signal } = asked
  const places = placesOfPrefix(asked, prefix)
  for (const [depth, place] of places.entries()) {
    const path = `${place}/${UPLOADS}`
    try {
      let after: string | undefined
      do {
        const page = await api.listPage(path, { after, limit: PAGE, extended: true, signal })
        yield* page.entries.filter(({ kind, name }) => kind === 'folder' && depthOf(name) === depth)
        after = page.next
      } while (after !== undefined)
    } catch (error) {
      const isNone = hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')
      const isElsewhere = hasCode(error, 'EPERM') && depth < places.length - 1
      if (!isNone && !isElsewhere) throw error
    }
  }
}

function placesOfPrefix(asked: S3Request, prefix: string): readonly string[] {
  try {
    // Any key in the folder that the prefix leads to.
    return placesOf(asked, `${prefix.slice(0, prefix.lastIndexOf('/') + 1)}k` as ByteString)
  } catch {
    // No key of this layout begins so.
    return []
  }
}

function keyOf(stat: FileStat): string | undefined {
  const value = attributeOf(stat, KEY_ATTRIBUTE)
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('latin1')
}

function textOf({ name, isFull }: ChecksumKind): string {
  return `${name} ${isFull ? FULL : COMPOSITE}`
}

function checksumOf(stat: FileStat): ChecksumKind | undefined {
  const value = attributeOf(stat, CHECKSUM_ATTRIBUTE) ?? ''
  const [name = '', type] = Buffer.from(value, 'base64').toString().split(' ')
  return isChecksumName(name) ? { name, isFull: type === FULL } : undefined
}

/** The elements that say which checksum something has. */
export function checksumElements(kind: ChecksumKind | undefined): string {
  if (kind === undefined) return ''
  return element('ChecksumAlgorithm', kind.name) + element('ChecksumType', checksumType(kind))
}

export function checksumType({ isFull }: Pick<ChecksumKind, 'isFull'>): string {
  return isFull ? FULL : COMPOSITE
}
