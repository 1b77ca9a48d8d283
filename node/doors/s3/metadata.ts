// The part of an object that is not its bytes, in one extended attribute. Any member may set that,
// so it is read field by field; and it counts only for the content it was written with: whoever
// writes the file otherwise gives it another time or size.
import type { FileStat } from '../../control/files.ts'
import type { ChecksumName } from './checksums.ts'
import { isChecksumName } from './checksums.ts'
import { readMade } from './parts/object-parts.ts'
import type { PartsMade } from './parts/object-parts.ts'

export const ATTRIBUTE = 'user.s3'
/** Bytes of all metadata that a user gives. */
export const USER_BYTES_MAX = 2048
const KEPT_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
] as const
const VISIBLE = /^[\t\x20-\x7e\x80-\xff]*$/
const TOKEN = /^[\w!#$%&'*+.^`|~-]{1,256}$/
const TEXTS_MAX = 256
const VERSION = /^[0-9a-f]{32}$/

export type KeptHeader = (typeof KEPT_HEADERS)[number]
type Texts = Readonly<Record<string, string>>

export interface ObjectMetadata {
  /** Without quotes. */
  readonly etag: string
  readonly headers: Texts
  /** By name, in lower case, without `x-amz-meta-`. */
  readonly user: Texts
  readonly tags: readonly (readonly [key: string, value: string])[]
  readonly checksum?:
    { readonly name: ChecksumName; readonly value: string; readonly isFull: boolean } | undefined
  readonly parts?: number | undefined
  readonly made?: PartsMade | undefined
  /** The id of its version, where its bucket has those. */
  readonly version?: string | undefined
}

/** As much of a file as tells of it. */
export type DescribedFile = Pick<FileStat, 'extended' | 'tag' | 'sizeBytes' | 'modifiedNs'>

/** The content that it is of. */
interface ContentMark {
  readonly sizeBytes: number
  readonly modifiedNs: bigint
}

export const NO_METADATA: ObjectMetadata = { etag: '', headers: {}, user: {}, tags: [] }

/** Was a file of this tag written as an object? Else its ETag is opaque. */
export function isWritten({ etag }: ObjectMetadata, { tag }: DescribedFile): boolean {
  return etag !== opaqueTag(tag)
}

function opaqueTag(tag: string | undefined): string {
  return `${tag ?? ''}-0`
}

export function keptHeaders(of: (name: string) => string | undefined): Texts {
  return Object.fromEntries(
    KEPT_HEADERS.flatMap((name) => {
      const value = of(name)
      return value === undefined || value === '' ? [] : [[name, value]]
    }),
  )
}

export function isKeptHeader(name: string): name is KeptHeader {
  return KEPT_HEADERS.some((kept) => kept === name)
}

/** As an extended attribute has it. */
export function encodeMetadata(metadata: ObjectMetadata, mark: ContentMark): string {
  const { sizeBytes: size, modifiedNs } = mark
  const text = JSON.stringify({ ...metadata, size, modified: `${modifiedNs}` })
  return Buffer.from(text).toString('base64')
}

/** The metadata of an object, also of one that was written otherwise. */
export function metadataOf(stat: DescribedFile): ObjectMetadata {
  const opaque = opaqueTag(stat.tag)
  const fields = fieldsOf(stat)
  if (fields === undefined) return { ...NO_METADATA, etag: opaque }
  const { etag, headers, user, tags, checksum, parts, made, version, size, modified } = fields
  const isOfThis = size === stat.sizeBytes && modified === `${stat.modifiedNs}`
  return {
    etag: isOfThis && typeof etag === 'string' && /^[\w-]{1,64}$/.test(etag) ? etag : opaque,
    headers: textsOf(headers, (name) => isKeptHeader(name)),
    user: textsOf(user, (name) => TOKEN.test(name)),
    tags: tagsOf(tags),
    ...(isOfThis &&
      isCount(parts) && {
        parts,
        made: isObject(made) ? readMade(made, { sizeBytes: stat.sizeBytes, parts }) : undefined,
      }),
    ...(isOfThis && { checksum: checksumOf(checksum) }),
    ...(isOfThis && typeof version === 'string' && VERSION.test(version) && { version }),
  }
}

/** Was this folder made by a key that ends with a slash? */
export function hasMarker(stat: DescribedFile): boolean {
  return attributeOf(stat, ATTRIBUTE) !== undefined
}

/** An extended attribute in base64, where it has that. */
export function attributeOf({ extended = {} }: DescribedFile, name: string): string | undefined {
  return Object.hasOwn(extended, name) ? extended[name] : undefined
}

function fieldsOf(stat: DescribedFile): Readonly<Record<string, unknown>> | undefined {
  const value = attributeOf(stat, ATTRIBUTE)
  if (value === undefined) return undefined
  const read = parseJson(Buffer.from(value, 'base64').toString('utf8'))
  return isObject(read) ? read : undefined
}

/** Undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Somebody else's, or damaged: it says nothing.
    return undefined
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

function textsOf(value: unknown, isName: (name: string) => boolean): Texts {
  if (!isObject(value)) return {}
  const pairs = Object.entries(value).filter(
    ([name, text]) => isName(name) && typeof text === 'string' && VISIBLE.test(text),
  )
  return Object.fromEntries(pairs.slice(0, TEXTS_MAX)) as Texts
}

export function tagsOf(value: unknown): ObjectMetadata['tags'] {
  if (!Array.isArray(value)) return []
  return value.filter(
    (pair): pair is [string, string] =>
      Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === 'string'),
  )
}

function checksumOf(value: unknown): ObjectMetadata['checksum'] {
  if (!isObject(value)) return undefined
  const { name, value: text, isFull } = value
  if (typeof name !== 'string' || !isChecksumName(name)) return undefined
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/=-]{1,100}$/.test(text)) return undefined
  return { name, value: text, isFull: isFull === true }
}
