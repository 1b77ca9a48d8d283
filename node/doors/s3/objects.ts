// Objects: written whole, read whole or in part, looked at, and removed. An object is a file, and a
// write of it what a write of a file is: who reads sees the old one or all of the new.
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import type { FileStat } from '../../control/files.ts'
import { ignoreFailure } from '../../world/ignore-failure.ts'
import { READ_TRIES, httpDate } from '../send-file.ts'
import { isChanged, isKnown, rangeOf } from '../ranges.ts'
import type { Dated, Range } from '../ranges.ts'
import { askForBody, sendBytes, sendNothing } from '../web-answers.ts'
import type { Headers } from '../web-answers.ts'
import { checksumHeader } from './checksums.ts'
import { ENCRYPTED, refuseEncryptionOfRead } from './encryption.ts'
import { ATTRIBUTE, encodeMetadata, hasMarker, isKeptHeader, metadataOf } from './metadata.ts'
import type { DescribedFile, ObjectMetadata } from './metadata.ts'
import { newMetadata } from './new-metadata.ts'
import { partNumberOf, placeOfPart } from './parts/object-parts.ts'
import {
  NULL_VERSION,
  newVersion,
  versionHeader,
  versioningOf,
  versionsAt,
} from './versions/versions.ts'
import type { KeptVersion, NewVersion } from './versions/versions.ts'
import { described, payloadOf } from './payload.ts'
import type { Seen } from './payload.ts'
import { S3Error, invalid, noSuchKey } from './s3-error.ts'
import {
  bucketPath,
  checkBucket,
  freshTime,
  headerOf,
  objectPath,
  statIfThere,
} from './s3-request.ts'
import type { S3Request } from './s3-request.ts'

const PLACE_TRIES = 5
const OVERRIDE = 'response-'
/** Headers that name what is to be removed. */
export const REMOVED_IF = 'x-amz-if-match-'
/** The condition that there is something. */
const ANY = '*'

/** A key of a bucket of paths that ends with a slash is a folder. */
export function isMarkerKey({ place, key }: S3Request): boolean {
  return place.layout === 'path' && key.endsWith('/')
}

export async function putObject(asked: S3Request): Promise<void> {
  sendStored(asked, await storeObject(asked))
}

export type Stored = Seen & { readonly made?: NewVersion | undefined }

/** Make the object that a request has, durable as the volume says. */
export async function storeObject(asked: S3Request): Promise<Stored> {
  const { api, signal } = asked
  if (isMarkerKey(asked)) return storeMarker(asked)
  const payload = payloadOf(asked)
  const made = await newVersion(asked)
  const { version, isNew } = made
  const metadata = { ...newMetadata(asked), version }
  const ifTag = await writeCondition(asked)
  const { content, attributes } = described(payload, metadata, freshTime(asked))
  // A form has come so far already.
  if (asked.body === asked.request) askForBody(asked)
  // Nothing of it has been read where there is no folder for it yet.
  await placeObject(asked, (path) => {
    const { sizeBytes } = payload
    return api.writeFile(path, content(), { ...attributes, sizeBytes, isNew }, { ifTag, signal })
  })
  return { ...payload.seen, made }
}

/** The answer to a body that is durable. */
export function sendStored({ response }: S3Request, { md5, checksum, made = {} }: Stored): void {
  sendNothing(response, 200, {
    ...ENCRYPTED,
    etag: `"${md5.toString('hex')}"`,
    ...(checksum && { [checksumHeader(checksum.name)]: checksum.value }),
    ...versionHeader(made),
  })
}

/** Make the object at the key's path, and before it the folders that it needs. */
export async function placeObject(
  asked: S3Request,
  write: (path: string) => Promise<void>,
): Promise<void> {
  const { api, bucket, key, signal } = asked
  const path = objectPath(asked, bucket, key)
  for (let tries = 1; ; tries++) {
    try {
      return await write(path)
    } catch (error) {
      if (!hasCode(error, 'ENOENT') || tries === PLACE_TRIES) {
        if (tries > 1) await removeMade(asked, path)
        throw error
      }
      await checkBucket(asked)
      await api.makeFolder(above(path), { parents: true, signal })
    }
  }
}

async function storeMarker(asked: S3Request): Promise<Seen> {
  const { bucket, key } = asked
  const payload = payloadOf(asked)
  for await (const part of payload.parts)
    if (part.length > 0)
      throw new S3Error('KeyConflict', 409, 'a key with a slash at its end is a folder here: empty')
  await checkBucket(asked)
  const etag = payload.seen.md5.toString('hex')
  await makeFolder(asked, objectPath(asked, bucket, key), { ...newMetadata(asked), etag })
  return payload.seen
}

/** Make a folder that has metadata, and other extended attributes. */
export async function makeFolder(
  { api, signal }: S3Request,
  path: string,
  metadata: ObjectMetadata,
  others: Readonly<Record<string, string>> = {},
): Promise<void> {
  await api.makeFolder(path, { parents: true, signal })
  const value = encodeMetadata(metadata, await api.stat(path, { signal }))
  await api.setAttributes(path, { extended: { [ATTRIBUTE]: value, ...others } }, { signal })
}

/** As Condition has it. throws S3Error 412 and 404. */
export async function writeCondition(asked: S3Request): Promise<string | undefined> {
  const isNot = headerOf(asked, 'if-none-match')
  const is = headerOf(asked, 'if-match')
  if (isNot === '*') return ''
  if (is === undefined && isNot === undefined) return undefined
  const stat = await statIfThere(asked, objectPath(asked, asked.bucket, asked.key))
  if (stat?.kind !== 'file') {
    if (is === undefined) return ''
    throw is === '*' ? precondition() : noSuchKey()
  }
  const dated = datedOf({ stat, metadata: metadataOf(stat) })
  const isOther = isChanged({ match: quoted(is), since: undefined }, dated)
  if (isOther || isKnown({ known: quoted(isNot), since: undefined }, dated)) throw precondition()
  return stat.tag
}

function precondition(): S3Error {
  return new S3Error('PreconditionFailed', 412, 'a condition of the request does not hold')
}

export interface FoundObject {
  readonly stat: DescribedFile & Pick<FileStat, 'kind'>
  readonly metadata: ObjectMetadata
  readonly path: string
  /** The id of its version, where it has one. */
  readonly version?: string | undefined
  /** Set where it is a former version: its state, as Shoal calls it. */
  readonly past?: string | undefined
}

/** An object that is meant, and which version of it. */
export interface ObjectName extends Pick<S3Request, 'bucket' | 'key'> {
  readonly version?: string | undefined
}

/** The object of a key. throws S3Error 404, 405 for a version that is a marker. */
export async function findObject(asked: S3Request, named?: ObjectName): Promise<FoundObject> {
  const { bucket, key, version } = named ?? { ...asked, version: asked.query.get('versionId') }
  const path = objectPath(asked, bucket, key)
  const isMarker = isMarkerKey({ ...asked, key })
  if (version !== undefined && version !== '' && !isMarker) {
    const versioning = await versioningOf(asked, bucket)
    if (version !== NULL_VERSION || versioning !== undefined)
      return findVersion(asked, { bucket, path, version })
  }
  const stat = await statIfThere(asked, path)
  if (stat === undefined || stat.kind !== (isMarker ? 'folder' : 'file')) {
    await checkBucket(asked, bucket)
    await tellMarker(asked, bucket, path)
    throw noSuchKey()
  }
  const metadata = metadataOf(stat)
  const { version: id } = metadata
  return { stat: isMarker ? { ...stat, sizeBytes: 0 } : stat, metadata, path, version: id }
}

async function findVersion(
  asked: S3Request,
  { bucket, path, version }: { readonly bucket: string; readonly path: string; version: string },
): Promise<FoundObject> {
  const found = (await versionsAt(asked, path)).find(({ id }) => id === version)
  if (found === undefined) {
    await checkBucket(asked, bucket)
    throw new S3Error('NoSuchVersion', 404, 'there is no such version, or it is not kept any more')
  }
  if (found.kind === 'marker') {
    showMarker(asked, found)
    throw new S3Error('MethodNotAllowed', 405, 'that the object was removed is no object')
  }
  const { file, metadata, isCurrent, states } = found
  const past = isCurrent ? undefined : states[0]
  return { stat: { ...file, kind: 'file' }, metadata, path, version, past }
}

/** Says of a key that it was removed, where that is a version. */
async function tellMarker(asked: S3Request, bucket: string, path: string): Promise<void> {
  if ((await versioningOf(asked, bucket)) === undefined) return
  const [newest] = await versionsAt(asked, path)
  if (newest?.kind === 'marker') showMarker(asked, newest)
}

function showMarker({ response }: S3Request, { id }: KeptVersion): void {
  response.setHeader('x-amz-delete-marker', 'true')
  response.setHeader('x-amz-version-id', id)
}

/** GET and HEAD. */
export async function getObject(asked: S3Request, triesLeft: number = READ_TRIES): Promise<void> {
  const { api, request, response, signal, query, key } = asked
  refuseEncryptionOfRead(asked)
  const object = await findObject(asked)
  const { stat, metadata, path, past } = object
  checkRead(asked, object)
  if (isKnownThere(asked, object)) return sendNothing(response, 304, { etag: `"${metadata.etag}"` })
  const range = query.has('partNumber')
    ? rangeOfPart(asked, object)
    : rangeOf(headerOf(asked, 'range'), stat.sizeBytes)
  if (range === 'none')
    throw new S3Error('InvalidRange', 416, 'the range begins after the end of the object')
  const headers: Headers = {
    ...objectHeaders(asked, object),
    'content-length': range?.lengthBytes ?? stat.sizeBytes,
    ...(range && {
      'content-range': `bytes ${range.offsetBytes}-${range.offsetBytes + range.lengthBytes - 1}/${stat.sizeBytes}`,
    }),
  }
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD' || stat.kind === 'folder' || stat.sizeBytes === 0)
    return sendNothing(response, status, headers)
  const found = await api.readFile(path, { signal, ...range, version: past })
  if (past === undefined && found.stat.tag !== stat.tag) {
    await found.content[Symbol.asyncIterator]().return?.()
    if (triesLeft === 1)
      throw new ShoalError('ESTALE', `${key}: is written all the time; ask again`)
    return getObject(asked, triesLeft - 1)
  }
  await sendBytes(response, { status, headers, parts: found.content }, signal)
}

/** The place of the part that is asked for; what was not made of parts is one. throws S3Error. */
function rangeOfPart(
  asked: S3Request,
  { stat: { sizeBytes }, metadata: { parts = 1, made } }: FoundObject,
): Range | undefined {
  const number = partNumberOf(asked)
  if (headerOf(asked, 'range') !== undefined)
    throw invalid('a part is asked for, or a range', 'InvalidRequest')
  if (number > parts) throw invalid(`the object has ${parts} parts`, 'InvalidPart')
  const place = parts === 1 ? undefined : made && placeOfPart(made, number)
  if (parts > 1 && place === undefined)
    throw new S3Error('InvalidPartNumber', 416, 'the parts of this object are not told apart')
  return place ?? (sizeBytes === 0 ? undefined : { offsetBytes: 0, lengthBytes: sizeBytes })
}

function objectHeaders(asked: S3Request, { stat, metadata, version }: FoundObject): Headers {
  const { headers, user, tags, checksum, etag, parts } = metadata
  const overridden = [...asked.query].flatMap(([name, value]) => {
    const header = name.toLowerCase().slice(OVERRIDE.length)
    return name.startsWith(OVERRIDE) && isKeptHeader(header) ? [[header, value]] : []
  })
  const isWhole = headerOf(asked, 'range') === undefined && !asked.query.has('partNumber')
  const wantsSum = headerOf(asked, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED' && isWhole
  return {
    ...ENCRYPTED,
    'content-type': 'binary/octet-stream',
    'accept-ranges': 'bytes',
    'last-modified': httpDate(stat),
    etag: `"${etag}"`,
    ...(version !== undefined && { 'x-amz-version-id': version }),
    ...headers,
    ...Object.fromEntries(overridden),
    ...Object.fromEntries(
      Object.entries(user).map(([name, value]) => [`x-amz-meta-${name}`, value]),
    ),
    ...(tags.length > 0 && { 'x-amz-tagging-count': tags.length }),
    ...(parts !== undefined && asked.query.has('partNumber') && { 'x-amz-mp-parts-count': parts }),
    ...(wantsSum &&
      checksum && {
        [checksumHeader(checksum.name)]: checksum.value,
        'x-amz-checksum-type': checksum.isFull ? 'FULL_OBJECT' : 'COMPOSITE',
      }),
  }
}

/** throws S3Error 412. prefix: that of the conditions on the source of a copy. */
export function checkRead(asked: S3Request, found: FoundObject, prefix = ''): void {
  const match = quoted(headerOf(asked, `${prefix}if-match`))
  const since = headerOf(asked, `${prefix}if-unmodified-since`)
  if (isChanged({ match, since }, datedOf(found))) throw precondition()
}

/** Has the other end this content already? */
export function isKnownThere(asked: S3Request, found: FoundObject, prefix = ''): boolean {
  const known = quoted(headerOf(asked, `${prefix}if-none-match`))
  const since = headerOf(asked, `${prefix}if-modified-since`)
  return isKnown({ known, since }, datedOf(found))
}

function datedOf({ stat, metadata: { etag } }: Pick<FoundObject, 'stat' | 'metadata'>): Dated {
  return { tag: `"${etag}"`, date: httpDate(stat) }
}

/** A list of tags, of which some leave the quotes out. */
function quoted(list: string | undefined): string | undefined {
  const parts = list?.split(',').map((part) => part.trim())
  return parts?.map((part) => (part === '*' || part.endsWith('"') ? part : `"${part}"`)).join()
}

/** No failure where nothing is. throws S3Error 412 where a condition does not hold. */
export async function removeKey(asked: S3Request): Promise<void> {
  const { api, bucket, key, signal } = asked
  const path = objectPath(asked, bucket, key)
  if (isMarkerKey(asked)) return removeMarker(asked, path)
  const ifTag = await removalCondition(asked, path)
  try {
    await api.remove(path, { ifTag, signal })
  } catch (error) {
    if (ifTag !== ANY || !isAbsent(error)) throw error
    return
  }
  await removeEmptyAbove(asked, path)
}

/** As Condition has it, of what is there if anything is. throws S3Error 412. */
async function removalCondition(asked: S3Request, path: string): Promise<string> {
  const match = quoted(headerOf(asked, 'if-match'))
  const size = headerOf(asked, `${REMOVED_IF}size`)
  const time = headerOf(asked, `${REMOVED_IF}last-modified-time`)
  if (match === undefined && size === undefined && time === undefined) return ANY
  const stat = await statIfThere(asked, path)
  if (stat?.kind !== 'file') return ANY
  const dated = datedOf({ stat, metadata: metadataOf(stat) })
  const seconds = time && Math.trunc(Date.parse(time) / SECOND_MS)
  const isOther =
    isChanged({ match, since: undefined }, dated) ||
    (size !== undefined && size !== `${stat.sizeBytes}`) ||
    (time !== undefined && seconds !== Date.parse(dated.date) / SECOND_MS)
  if (isOther) throw precondition()
  return stat.tag ?? ANY
}

function isAbsent(error: unknown): boolean {
  return error instanceof ShoalError && ['ENOENT', 'ENOTDIR', 'precondition'].includes(error.code)
}

async function removeMarker(asked: S3Request, path: string): Promise<void> {
  const { api, signal } = asked
  const stat = await statIfThere(asked, path)
  if (stat?.kind !== 'folder') return
  try {
    await api.remove(path, { signal })
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY')) throw error
    if (hasMarker(stat))
      await api.setAttributes(path, { extended: { [ATTRIBUTE]: null } }, { signal })
    return
  }
  await removeEmptyAbove(asked, path)
}

/** Folders that were there for keys alone go with the last of them. */
export async function removeEmptyAbove(asked: S3Request, path: string): Promise<void> {
  const { api, bucket, signal } = asked
  const top = bucketPath(asked, bucket)
  for (let at = above(path); at.length > top.length; at = above(at)) {
    const stat = await statIfThere(asked, at)
    if (stat?.kind !== 'folder' || hasMarker(stat)) return
    try {
      await api.remove(at, { signal })
    } catch (error) {
      if (error instanceof ShoalError) return
      throw error
    }
  }
}

/** An empty folder would show as a key; also where the client went away. */
async function removeMade(asked: S3Request, path: string): Promise<void> {
  const { signal } = new AbortController()
  await ignoreFailure(removeEmptyAbove({ ...asked, signal }, path), 'what failed before is told')
}

function above(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
