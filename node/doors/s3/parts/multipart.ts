// Uploads in parts, from their beginning to an object. An upload survives the node, and goes on at
// another one. It becomes an object whole, or not at all.
import { createHash } from 'node:crypto'
import { hasCode } from '../../../../protocol/errors.ts'
import { MIB } from '../../../../protocol/units.ts'
import type { FileStat } from '../../../control/files.ts'
import { askForBody, sendNothing } from '../../web-answers.ts'
import { elementsIn } from '../../xml/xml.ts'
import type { XmlElement } from '../../xml/xml.ts'
import { OWNER } from '../access.ts'
import { encodingOf } from '../buckets.ts'
import { checksumHeader, joinChecksums, kindOf } from '../checksums.ts'
import type { ChecksumKind } from '../checksums.ts'
import { ENCRYPTED } from '../encryption.ts'
import { ATTRIBUTE, NO_METADATA, encodeMetadata, metadataOf } from '../metadata.ts'
import type { ObjectMetadata } from '../metadata.ts'
import { newMetadata } from '../new-metadata.ts'
import { placeObject, sendStored, writeCondition } from '../objects.ts'
import { PARTS_MAX, madeOf, partNumberOf } from './object-parts.ts'
import { described, payloadOf } from '../payload.ts'
import type { Payload } from '../payload.ts'
import { S3Error, invalid } from '../s3-error.ts'
import {
  checkBucket,
  childText,
  childrenNamed,
  countOf,
  element,
  freshTime,
  headerOf,
  isoTime,
  keepingAlive,
  objectPath,
  sendXml,
  shownKey,
  statIfThere,
  xmlBody,
} from '../s3-request.ts'
import type { S3Request } from '../s3-request.ts'
import {
  INITIATOR,
  PAGE,
  beginUpload,
  checksumElements,
  checksumType,
  endUpload,
  findUpload,
  noSuchUpload,
  partName,
  partsIn,
  uploadIfThere,
} from './uploads.ts'
import type { Upload } from './uploads.ts'
import { newVersion, versionHeader } from '../versions/versions.ts'
import type { NewVersion } from '../versions/versions.ts'

const PART_BYTES_MIN: number = 5 * MIB
const CHECKSUM = 'Checksum'

export async function createUpload(asked: S3Request): Promise<void> {
  const { bucket, key } = asked
  objectPath(asked, bucket, key)
  if (key.endsWith('/') && asked.place.layout === 'path')
    throw new S3Error('KeyConflict', 409, 'a key with a slash at its end is a folder here')
  const metadata = newMetadata(asked)
  const named = headerOf(asked, 'x-amz-checksum-algorithm')
  const checksum = named === undefined ? undefined : kindOf(named, typeAsked(asked))
  await checkBucket(asked)
  const id = await beginUpload(asked, metadata, checksum)
  sendXml(
    asked,
    'InitiateMultipartUploadResult',
    element('Bucket', bucket) + `<Key>${shownKey(key, undefined)}</Key>` + element('UploadId', id),
    {
      ...ENCRYPTED,
      ...(checksum && {
        'x-amz-checksum-algorithm': checksum.name,
        'x-amz-checksum-type': checksumType(checksum),
      }),
    },
  )
}

function typeAsked(asked: S3Request): string | undefined {
  return headerOf(asked, 'x-amz-checksum-type')
}

export async function putPart(asked: S3Request): Promise<void> {
  const number = partNumberOf(asked)
  const upload = await findUpload(asked)
  const payload = payloadOf(asked, upload.checksum?.name)
  askForBody(asked)
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

/** A part as the end of an upload names it. */
interface WantedPart {
  readonly number: number
  readonly etag: string
  /** Those that are given, by their names. */
  readonly checksums: ReadonlyMap<string, string>
}

export async function completeUpload(asked: S3Request): Promise<void> {
  const upload = await uploadIfThere(asked)
  // Its headers tell of the object, not of the body.
  const root = await xmlBody(payloadOf(asked, 'none').parts, 'CompleteMultipartUpload')
  const wanted = childrenNamed(root, 'Part').map((part) => wantedIn(part))
  if (wanted.length === 0) throw new S3Error('MalformedXML', 400, 'no part is named')
  if (upload === undefined) {
    sendCompleted(asked, await completedBefore(asked, wanted))
    return
  }
  const parts = await checkedParts(asked, upload, wanted)
  const ifTag = await writeCondition(asked)
  await keepingAlive(asked, () => join(asked, upload, { wanted, parts, ifTag }))
}

function wantedIn(part: XmlElement): WantedPart {
  const checksums = elementsIn(part).flatMap(({ name }): [string, string][] =>
    name.startsWith(CHECKSUM) ? [[name.slice(CHECKSUM.length), childText(part, name) ?? '']] : [],
  )
  return {
    number: Number(childText(part, 'PartNumber')),
    etag: (childText(part, 'ETag') ?? '').trim().replaceAll('"', ''),
    checksums: new Map(checksums),
  }
}

/** The object that this upload has become: whoever missed the answer asks again. throws S3Error. */
async function completedBefore(
  asked: S3Request,
  wanted: readonly WantedPart[],
): Promise<ObjectMetadata> {
  const stat = await statIfThere(asked, objectPath(asked, asked.bucket, asked.key))
  const metadata = stat?.kind === 'file' ? metadataOf(stat) : NO_METADATA
  const { made, etag } = metadata
  if (made?.upload === asked.query.get('uploadId') && etag === etagOf(wanted)) return metadata
  await checkBucket(asked)
  throw noSuchUpload()
}

function etagOf(wanted: readonly WantedPart[]): string {
  const md5 = createHash('md5')
  for (const { etag } of wanted) md5.update(Buffer.from(etag, 'hex'))
  return `${md5.digest('hex')}-${wanted.length}`
}

interface Joined {
  readonly wanted: readonly WantedPart[]
  readonly parts: readonly Part[]
  readonly ifTag: string | undefined
}

async function join(
  asked: S3Request,
  upload: Upload,
  { wanted, parts, ifTag }: Joined,
): Promise<void> {
  const { api, signal } = asked
  const sizeBytes = parts.reduce((sum, { stat }) => sum + stat.sizeBytes, 0)
  const said = headerOf(asked, 'x-amz-mp-object-size')
  if (said !== undefined && said !== `${sizeBytes}`)
    throw invalid('the object has another size', 'InvalidRequest')
  const checksum = await checksumOfAll(asked, upload.checksum, parts)
  const modifiedNs = freshTime(asked)
  const made = madeOf(
    upload.id,
    parts.map(({ stat }) => ({
      sizeBytes: stat.sizeBytes,
      checksum: checksum && metadataOf(stat).checksum?.value,
    })),
  )
  const etag = etagOf(wanted)
  const fresh = await newVersion(asked)
  const { version, isNew } = fresh
  const about = { etag, parts: wanted.length, checksum, made, version }
  const metadata = { ...metadataOf(upload.stat), ...about }
  const extended = { [ATTRIBUTE]: encodeMetadata(metadata, { sizeBytes, modifiedNs }) }
  const paths = parts.map(({ path }) => path)
  const attributes = { sizeBytes, modifiedNs, extended, isNew }
  await placeObject(asked, (to) => api.joinFiles(to, paths, attributes, { ifTag, signal }))
  await endUpload(asked, upload)
  sendCompleted(asked, metadata, fresh)
}

function sendCompleted(
  asked: S3Request,
  { etag, checksum, version }: ObjectMetadata,
  fresh: NewVersion = version === undefined ? {} : { isNew: true, version },
): void {
  const { request, bucket, key } = asked
  sendXml(
    asked,
    'CompleteMultipartUploadResult',
    element('Location', `http://${request.headers.host ?? ''}/${bucket}/${key}`) +
      element('Bucket', bucket) +
      `<Key>${shownKey(key, undefined)}</Key>` +
      element('ETag', `"${etag}"`) +
      (checksum === undefined
        ? ''
        : element(`${CHECKSUM}${checksum.name}`, checksum.value) +
          element('ChecksumType', checksumType(checksum))),
    { ...ENCRYPTED, ...versionHeader(fresh) },
  )
}

/** Undefined where a part has none of it. throws S3Error where another was said. */
async function checksumOfAll(
  asked: S3Request,
  kind: ChecksumKind | undefined,
  parts: readonly Part[],
): Promise<ObjectMetadata['checksum']> {
  if (kind === undefined) return undefined
  const sums = parts.flatMap(({ stat }) => {
    const { checksum } = metadataOf(stat)
    return checksum?.name === kind.name
      ? [{ value: checksum.value, sizeBytes: stat.sizeBytes }]
      : []
  })
  if (sums.length < parts.length) return undefined
  const value = await joinChecksums(kind, sums)
  const said = headerOf(asked, checksumHeader(kind.name))
  if (said !== undefined && said !== value)
    throw invalid(`the object has not the ${kind.name} that was said`, 'BadDigest')
  return { ...kind, value }
}

interface Part {
  readonly path: string
  readonly stat: FileStat
}

/** throws S3Error where one is not there as it is named, out of order, or too small. */
async function checkedParts(
  asked: S3Request,
  upload: Upload,
  wanted: readonly WantedPart[],
): Promise<readonly Part[]> {
  const there = new Map<number, FileStat>()
  for await (const { number, stat } of partsIn(asked, upload)) there.set(number, stat)
  return wanted.map(({ number, etag, checksums }, index) => {
    const before = wanted[index - 1]
    if (before !== undefined && before.number >= number)
      throw invalid('the parts are not in order of their numbers', 'InvalidPartOrder')
    const stat = there.get(number)
    const metadata = stat && metadataOf(stat)
    const { name = '', value } = metadata?.checksum ?? {}
    if (stat === undefined || metadata?.etag !== etag || (checksums.get(name) ?? value) !== value)
      throw invalid(`part ${number} is not there, or another`, 'InvalidPart')
    if (index < wanted.length - 1 && stat.sizeBytes < PART_BYTES_MIN)
      throw invalid(`part ${number} has less than 5 MiB`, 'EntityTooSmall')
    return { path: `${upload.path}/${partName(number)}`, stat }
  })
}

export async function abortUpload(asked: S3Request): Promise<void> {
  await endUpload(asked, await findUpload(asked))
  sendNothing(asked.response, 204)
}

export async function listParts(asked: S3Request): Promise<void> {
  const upload = await findUpload(asked)
  const max = countOf(asked, 'max-parts', PAGE, PAGE)
  const from = countOf(asked, 'part-number-marker', 0, PARTS_MAX)
  let [text, count, last, isCut] = ['', 0, from, false]
  for await (const { number, stat } of partsIn(asked, upload, from)) {
    if (count === max) {
      isCut = true
      break
    }
    const { etag, checksum } = metadataOf(stat)
    text +=
      `<Part>${element('PartNumber', number)}${element('LastModified', isoTime(stat))}` +
      `${element('ETag', `"${etag}"`)}${element('Size', stat.sizeBytes)}` +
      `${checksum === undefined ? '' : element(`${CHECKSUM}${checksum.name}`, checksum.value)}</Part>`
    last = number
    count++
  }
  sendXml(
    asked,
    'ListPartsResult',
    element('Bucket', asked.bucket) +
      `<Key>${shownKey(asked.key, encodingOf(asked))}</Key>` +
      element('UploadId', upload.id) +
      INITIATOR +
      OWNER +
      '<StorageClass>STANDARD</StorageClass>' +
      element('PartNumberMarker', from) +
      (isCut ? element('NextPartNumberMarker', last) : '') +
      element('MaxParts', max) +
      element('IsTruncated', String(isCut)) +
      checksumElements(upload.checksum) +
      text,
  )
}
