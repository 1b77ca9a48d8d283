// Uploads in parts. An upload is a folder in the bucket, out of sight of listings, and its parts
// are files there: it survives the node, and goes on at another one. It becomes an object whole, or
// not at all.
import { createHash } from 'node:crypto'
import type { ByteString } from '../../../protocol/bytes.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import type { FileStat } from '../../control/files.ts'
import { sendNothing } from '../web-answers.ts'
import { UPLOADS } from './keys.ts'
import { ATTRIBUTE, NO_METADATA, attributeOf, encodeMetadata, metadataOf } from './metadata.ts'
import { newMetadata } from './new-metadata.ts'
import { makeFolder, placeObject, sendStored, writeCondition } from './objects.ts'
import { described, payloadOf } from './payload.ts'
import type { Payload } from './payload.ts'
import { OWNER, encodingOf } from './buckets.ts'
import { S3Error, invalid } from './s3-error.ts'
import {
  bucketPath,
  checkBucket,
  childText,
  childrenNamed,
  countOf,
  element,
  freshTime,
  isoTime,
  keepingAlive,
  objectPath,
  sendXml,
  shownKey,
  statIfThere,
  xmlBody,
} from './s3-request.ts'
import type { S3Request } from './s3-request.ts'
import { MIB } from '../../../protocol/units.ts'

const ID_BYTES = 16
const PARTS_MAX = 10_000
const PART_BYTES_MIN: number = 5 * MIB
const PART_DIGITS = 5
const PAGE = 1000
/** The attribute of an upload's folder: its key. */
const KEY_ATTRIBUTE = 'user.s3-key'
const INITIATOR: string = OWNER.replaceAll('Owner', 'Initiator')

interface Upload {
  readonly path: string
  readonly stat: FileStat
}

export async function createUpload(asked: S3Request): Promise<void> {
  const { bucket, key, random } = asked
  objectPath(asked, bucket, key)
  if (key.endsWith('/') && asked.place.layout === 'path')
    throw new S3Error('KeyConflict', 409, 'a key with a slash at its end is a folder here')
  const metadata = newMetadata(asked)
  await checkBucket(asked)
  const id = toHex(random.bytes(ID_BYTES))
  const path = uploadPath(asked, id)
  await makeFolder(asked, path, metadata, {
    [KEY_ATTRIBUTE]: Buffer.from(key, 'latin1').toString('base64'),
  })
  sendXml(
    asked,
    'InitiateMultipartUploadResult',
    element('Bucket', bucket) + `<Key>${shownKey(key, undefined)}</Key>` + element('UploadId', id),
  )
}

export async function putPart(asked: S3Request): Promise<void> {
  const number = partNumberOf(asked)
  const upload = await findUpload(asked)
  const payload = payloadOf(asked)
  if (asked.headers.expect !== undefined) asked.response.writeContinue()
  await writePart(asked, upload, number, payload)
  sendStored(asked, payload.seen)
}

export async function writePart(
  asked: S3Request,
  { path }: Upload,
  number: number,
  body: Pick<Payload, 'parts' | 'seen'>,
): Promise<void> {
  const { content, attributes } = described(body, NO_METADATA, freshTime(asked))
  try {
    const { api, signal } = asked
    await api.writeFile(`${path}/${partName(number)}`, content(), attributes, { signal })
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw noSuchUpload()
    throw error
  }
}

/** throws S3Error 404. */
export async function findUpload(asked: S3Request): Promise<Upload> {
  const id = asked.query.get('uploadId') ?? ''
  if (!/^[0-9a-f]{32}$/.test(id)) throw noSuchUpload()
  const path = uploadPath(asked, id)
  const stat = await statIfThere(asked, path)
  if (stat?.kind !== 'folder' || keyOf(stat) !== asked.key) {
    await checkBucket(asked)
    throw noSuchUpload()
  }
  return { path, stat }
}

export function partNumberOf({ query }: S3Request): number {
  const text = query.get('partNumber') ?? ''
  const number = Number(text)
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > PARTS_MAX)
    throw invalid(`a part has a number from 1 to ${PARTS_MAX}`)
  return number
}

export async function completeUpload(asked: S3Request): Promise<void> {
  const upload = await findUpload(asked)
  const body = payloadOf(asked)
  const root = await xmlBody(body.parts, 'CompleteMultipartUpload')
  const wanted = childrenNamed(root, 'Part').map((part) => ({
    number: Number(childText(part, 'PartNumber')),
    etag: (childText(part, 'ETag') ?? '').trim().replaceAll('"', ''),
  }))
  if (wanted.length === 0) throw new S3Error('MalformedXML', 400, 'no part is named')
  const parts = await checkedParts(asked, upload, wanted)
  const ifTag = await writeCondition(asked)
  await keepingAlive(asked, () => join(asked, upload, { wanted, parts, ifTag }))
}

interface Joined {
  readonly wanted: readonly { readonly etag: string }[]
  readonly parts: readonly Part[]
  readonly ifTag: string | undefined
}

async function join(
  asked: S3Request,
  upload: Upload,
  { wanted, parts, ifTag }: Joined,
): Promise<void> {
  const { request, api, bucket, key, signal } = asked
  const md5 = createHash('md5')
  for (const { etag } of wanted) md5.update(Buffer.from(etag, 'hex'))
  const etag = `${md5.digest('hex')}-${wanted.length}`
  const sizeBytes = parts.reduce((sum, { stat }) => sum + stat.sizeBytes, 0)
  const modifiedNs = freshTime(asked)
  const metadata = { ...metadataOf(upload.stat), etag, parts: wanted.length, checksum: undefined }
  const extended = { [ATTRIBUTE]: encodeMetadata(metadata, { sizeBytes, modifiedNs }) }
  const paths = parts.map(({ path }) => path)
  const attributes = { sizeBytes, modifiedNs, extended }
  await placeObject(asked, (to) => api.joinFiles(to, paths, attributes, { ifTag, signal }))
  await api.remove(upload.path, { recursive: true, signal })
  sendXml(
    asked,
    'CompleteMultipartUploadResult',
    element('Location', `http://${request.headers.host ?? ''}/${bucket}/${key}`) +
      element('Bucket', bucket) +
      `<Key>${shownKey(key, undefined)}</Key>` +
      element('ETag', `"${etag}"`),
  )
}

interface Part {
  readonly path: string
  readonly stat: FileStat
}

/** throws S3Error where one is not there as it is named, out of order, or too small. */
async function checkedParts(
  asked: S3Request,
  { path }: Upload,
  wanted: readonly { readonly number: number; readonly etag: string }[],
): Promise<readonly Part[]> {
  const there = new Map<number, FileStat>()
  for await (const { number, stat } of partsIn(asked, path)) there.set(number, stat)
  return wanted.map(({ number, etag }, index) => {
    const before = wanted[index - 1]
    if (before !== undefined && before.number >= number)
      throw invalid('the parts are not in order of their numbers', 'InvalidPartOrder')
    const stat = there.get(number)
    if (stat === undefined || metadataOf(stat).etag !== etag)
      throw invalid(`part ${number} is not there, or another`, 'InvalidPart')
    if (index < wanted.length - 1 && stat.sizeBytes < PART_BYTES_MIN)
      throw invalid(`part ${number} has less than 5 MiB`, 'EntityTooSmall')
    return { path: `${path}/${partName(number)}`, stat }
  })
}

async function* partsIn(
  { api, signal }: S3Request,
  path: string,
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

export async function abortUpload(asked: S3Request): Promise<void> {
  const { path } = await findUpload(asked)
  await asked.api.remove(path, { recursive: true, signal: asked.signal })
  sendNothing(asked.response, 204)
}

export async function listParts(asked: S3Request): Promise<void> {
  const { path } = await findUpload(asked)
  const max = countOf(asked, 'max-parts', PAGE, PAGE)
  const from = countOf(asked, 'part-number-marker', 0, PARTS_MAX)
  let [text, count, last, isCut] = ['', 0, from, false]
  for await (const { number, stat } of partsIn(asked, path, from)) {
    if (count === max) {
      isCut = true
      break
    }
    const { etag, checksum } = metadataOf(stat)
    text +=
      `<Part>${element('PartNumber', number)}${element('LastModified', isoTime(stat))}` +
      `${element('ETag', `"${etag}"`)}${element('Size', stat.sizeBytes)}` +
      `${checksum === undefined ? '' : element(`Checksum${checksum.name}`, checksum.value)}</Part>`
    last = number
    count++
  }
  sendXml(
    asked,
    'ListPartsResult',
    element('Bucket', asked.bucket) +
      `<Key>${shownKey(asked.key, encodingOf(asked))}</Key>` +
      element('UploadId', asked.query.get('uploadId')) +
      INITIATOR +
      OWNER +
      '<StorageClass>STANDARD</StorageClass>' +
      element('PartNumberMarker', from) +
      (isCut ? element('NextPartNumberMarker', last) : '') +
      element('MaxParts', max) +
      element('IsTruncated', String(isCut)) +
      text,
  )
}

/** Those of a bucket, by key. */
export async function listUploads(asked: S3Request): Promise<void> {
  const { query, bucket } = asked
  await checkBucket(asked)
  const encoding = encodingOf(asked)
  const max = countOf(asked, 'max-uploads', PAGE, PAGE)
  const prefix = query.get('prefix') ?? ''
  const [keyMarker, idMarker] = [query.get('key-marker') ?? '', query.get('upload-id-marker') ?? '']
  const all: { readonly key: string; readonly id: string; readonly stat: FileStat }[] = []
  for await (const stat of uploadsIn(asked)) {
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
            `${element('Initiated', isoTime(stat))}</Upload>`,
        )
        .join(''),
  )
}

async function* uploadsIn(asked: S3Request): AsyncGenerator<FileStat> {
  const { api, bucket, signal } = asked
  const path = `${bucketPath(asked, bucket)}/${UPLOADS}`
  if ((await statIfThere(asked, path)) === undefined) return
  let after: string | undefined
  do {
    const page = await api.listPage(path, { after, limit: PAGE, extended: true, signal })
    yield* page.entries.filter(({ kind }) => kind === 'folder')
    after = page.next
  } while (after !== undefined)
}

function keyOf(stat: FileStat): string | undefined {
  const value = attributeOf(stat, KEY_ATTRIBUTE)
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('latin1')
}

function uploadPath(asked: S3Request, id: string): string {
  return `${bucketPath(asked, asked.bucket)}/${UPLOADS}/${id}`
}

function partName(number: number): string {
  return `${number}`.padStart(PART_DIGITS, '0')
}

function noSuchUpload(): S3Error {
  return new S3Error('NoSuchUpload', 404, 'there is no such upload, or it has ended')
}
