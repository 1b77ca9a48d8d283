// Copies of objects. One shares its content with what it is a copy of, and shows when it is whole.
import { hasCode } from '../../../protocol/errors.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import { createHash } from 'node:crypto'
import { rangeOf } from '../ranges.ts'
import { READ_TRIES } from '../send-file.ts'
import { startChecksum } from './checksums.ts'
import { ENCRYPTED } from './encryption.ts'
import { ATTRIBUTE, encodeMetadata } from './metadata.ts'
import { newMetadata, refuseUnknown } from './new-metadata.ts'
import { writePart } from './parts/multipart.ts'
import { partNumberOf } from './parts/object-parts.ts'
import {
  checkRead,
  findObject,
  isKnownThere,
  isMarkerKey,
  placeObject,
  writeCondition,
} from './objects.ts'
import type { FoundObject, ObjectName } from './objects.ts'
import { withSpare } from './spare.ts'
import { newVersion, versionHeader } from './versions/versions.ts'
import type { Seen } from './payload.ts'
import { S3Error, invalid } from './s3-error.ts'
import {
  checkBucket,
  element,
  freshTime,
  headerOf,
  isoTime,
  keepingAlive,
  objectPath,
  sendXml,
} from './s3-request.ts'
import type { S3Request } from './s3-request.ts'
import { uriDecode } from './sigv4.ts'
import { findUpload } from './parts/uploads.ts'

const CONDITIONS = 'x-amz-copy-source-'

/** Somebody may write what is copied between a look at it and its copying. */
export async function copyObject(asked: S3Request, triesLeft: number = READ_TRIES): Promise<void> {
  try {
    await copyOnce(asked)
  } catch (error) {
    if (!hasCode(error, 'malformed') || triesLeft === 1) throw error
    await copyObject(asked, triesLeft - 1)
  }
}

async function copyOnce(asked: S3Request): Promise<void> {
  const { api, bucket, key, signal } = asked
  refuseUnknown(asked)
  const source = sourceOf(asked)
  const found = await findSource(asked, source)
  await checkBucket(asked)
  if (isMarkerKey(asked) || found.stat.kind === 'folder')
    throw new S3Error('KeyConflict', 409, 'a folder is not copied: put its key')
  const directive = headerOf(asked, 'x-amz-metadata-directive') ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE')
    throw invalid('x-amz-metadata-directive is COPY or REPLACE')
  const replaces = directive === 'REPLACE'
  const fresh = await newVersion(asked)
  const { version, isNew = false } = fresh
  const isItself = source.bucket === bucket && source.key === key && found.past === undefined
  if (isItself && !replaces)
    throw invalid('an object is copied to itself for other metadata alone', 'InvalidRequest')
  const given = newMetadata(asked)
  const tags =
    headerOf(asked, 'x-amz-tagging-directive') === 'REPLACE' ? given.tags : found.metadata.tags
  const { etag, checksum, parts, made } = found.metadata
  const kept = replaces ? given : found.metadata
  const metadata = { ...kept, tags, etag, checksum, parts, made, version }
  const modifiedNs = freshTime(asked)
  const { sizeBytes } = found.stat
  const extended = { [ATTRIBUTE]: encodeMetadata(metadata, { sizeBytes, modifiedNs }) }
  const ifTag = await writeCondition(asked)
  const to = objectPath(asked, bucket, key)
  const attributes = { sizeBytes, modifiedNs, extended, isNew }
  const copyFrom = (from: string): Promise<void> =>
    placeObject(asked, (path) => api.joinFiles(path, [from], attributes, { ifTag, signal }))
  if (isItself && !isNew) await api.setAttributes(to, { modifiedNs, extended }, { signal })
  else await withPresent(asked, found, copyFrom)
  sendXml(
    asked,
    'CopyObjectResult',
    element('LastModified', isoTime({ modifiedNs })) +
      element('ETag', `"${etag}"`) +
      (checksum === undefined ? '' : element(`Checksum${checksum.name}`, checksum.value)),
    { ...ENCRYPTED, ...versionHeader(fresh), ...sourceHeader(found) },
  )
}

/** Runs `use` with a file that holds an object, which may be a former version. */
async function withPresent(
  asked: S3Request,
  { path, past }: FoundObject,
  use: (path: string) => Promise<void>,
): Promise<void> {
  if (past === undefined) return use(path)
  const { api, signal } = asked
  await withSpare(asked, async (spare) => {
    for await (const _ of api.clone(path, spare, { version: past, signal })) continue
    await use(spare)
  })
}

function sourceHeader({ version }: FoundObject): Readonly<Record<string, string>> {
  return version === undefined ? {} : { 'x-amz-copy-source-version-id': version }
}

/** UploadPartCopy. */
export async function copyPart(asked: S3Request): Promise<void> {
  await keepingAlive(asked, () => copyRange(asked))
}

async function copyRange(asked: S3Request): Promise<void> {
  const { api, signal } = asked
  const number = partNumberOf(asked)
  const upload = await findUpload(asked)
  const source = await findSource(asked, sourceOf(asked))
  const { stat, path, past } = source
  const said = headerOf(asked, 'x-amz-copy-source-range')
  const range = said === undefined ? undefined : rangeOf(said, stat.sizeBytes)
  const [, last = ''] = /^bytes=\d+-(\d+)$/.exec(said ?? '') ?? []
  if (said !== undefined && (range === undefined || last === ''))
    throw invalid('x-amz-copy-source-range is bytes=FIRST-LAST')
  if (range === 'none' || (last !== '' && Number(last) >= stat.sizeBytes))
    throw new S3Error('InvalidRange', 416, 'the range is not within the object')
  const found = await api.readFile(path, { signal, ...range, version: past })
  const md5 = createHash('md5')
  const { name } = upload.checksum ?? {}
  const running = name && startChecksum(name)
  const seen: Seen = { sizeBytes: 0, md5: Buffer.alloc(0), checksum: undefined }
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    for await (const part of found.content) {
      seen.sizeBytes += part.length
      md5.update(part)
      running?.update(part)
      yield part
    }
    seen.md5 = md5.digest()
    if (name !== undefined && running !== undefined)
      seen.checksum = { name, value: await running.digest() }
  }
  await writePart(asked, upload, number, { parts: parts(), seen })
  sendXml(
    asked,
    'CopyPartResult',
    element('LastModified', new Date(asked.clock.wall()).toISOString()) +
      element('ETag', `"${seen.md5.toString('hex')}"`) +
      (name === undefined ? '' : element(`Checksum${name}`, seen.checksum?.value)),
    sourceHeader(source),
  )
}

/** throws S3Error. */
function sourceOf(asked: S3Request): ObjectName {
  const text = headerOf(asked, 'x-amz-copy-source') ?? ''
  const [path = '', version] = text.split('?versionId=')
  const decoded = uriDecode(path.replace(/^\//, ''))
  const slash = decoded?.indexOf('/') ?? -1
  if (decoded === undefined || slash <= 0) throw invalid('x-amz-copy-source is BUCKET/KEY')
  return { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1) as ByteString, version }
}

async function findSource(asked: S3Request, source: ObjectName): Promise<FoundObject> {
  const found = await findObject(asked, source)
  checkRead(asked, found, CONDITIONS)
  if (isKnownThere(asked, found, CONDITIONS))
    throw new S3Error('PreconditionFailed', 412, 'a condition on the source does not hold')
  return found
}
