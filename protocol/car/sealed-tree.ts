// The root of a sealed export, and the entries of its listing: which files a CAR of sealed chunks
// makes. The root block shows strangers a volume id and an epoch; names, times, sizes and what
// opens the chunks are sealed in it and in the listing, which is content like that of a file. One
// tree under one epoch's keys always has the same root block.
import { Fields, decodeCanonicalCbor, decodeCbor, encodeCbor } from '../cbor.ts'
import { concatBytes, utf8 } from '../bytes.ts'
import { openOnce, sealOnce } from '../cipher.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { HASH_BYTES, blake3Keyed, deriveKey } from '../hash.ts'
import { hexId, hexIdBytes } from '../ids.ts'
import { FILE_SIZE_MAX, IMPORT_LEVELS_MAX, NAME_MAX, SYMLINK_MAX } from '../limits.ts'
import { decodeContent, encodeContent } from '../op/codec.ts'
import { nameFromPlainText } from '../op/names.ts'
import { encodeVarint } from './car.ts'
import type { ChunkKeys } from '../chunk/seal.ts'
import type { VolumeId } from '../ids.ts'
import type { ContentRef } from '../op/op.ts'

/** The parts of a root block that are not encrypted. */
export interface SealedRoot {
  readonly volume: VolumeId
  readonly epoch: number
  readonly salt: Uint8Array
  readonly sealed: Uint8Array
}

/** A content and its length: all that is needed to read it, with the volume's keys. */
export interface SizedContent {
  readonly content: ContentRef
  readonly size: number
}

interface EntryBase {
  /** 0 for what was exported, one more for what is in the folder before it that has one less. */
  readonly depth: number
  readonly name: string
  readonly mode: number
  readonly modifiedNs: bigint
}

/**
 * In the order of the listing a folder comes before what is in it, and that before anything else.
 */
export type SealedEntry =
  | (EntryBase & { readonly kind: 'folder' })
  | (EntryBase & { readonly kind: 'file' } & SizedContent)
  | (EntryBase & { readonly kind: 'symlink'; readonly target: string })

const FORMAT = 'shoal sealed tree'
const VERSION = 1
const SALT_CONTEXT = 'shoal 2026 sealed tree salt v1'
const KEY_CONTEXT = 'shoal 2026 sealed tree key v1'
const ROOT_SEALED_MAX = 4096
/** Items of a root, or of an entry with its content. */
const ITEMS_MAX = 64

/** The root block of a tree with this listing. */
export function sealRoot(keys: ChunkKeys, listing: SizedContent): Uint8Array {
  const plain = encodeCbor({ s: listing.size, c: encodeContent(listing.content) })
  // From what is sealed, so that a key seals one message; under a key of its own, so that it says
  // nothing of chunks.
  const salt = blake3Keyed(deriveKey(SALT_CONTEXT, keys.chunkSecret), plain)
  const volume = hexIdBytes(keys.volume)
  const sealed = sealOnce(rootKey(keys.chunkSecret, salt), plain, volume)
  return encodeCbor({ format: FORMAT, v: VERSION, volume, epoch: keys.epoch, salt, sealed })
}

/**
 * Decodes the parts of a root block that are not encrypted. throws ShoalError 'malformed',
 * 'unsupported' for another version.
 */
export function decodeRoot(bytes: Uint8Array): SealedRoot {
  const fields = new Fields(
    decodeCanonicalCbor(bytes, 'the root of the archive', ITEMS_MAX),
    'the root',
  )
  if (fields.raw('format') !== FORMAT)
    throw new ShoalError(
      'unsupported',
      'the root of the archive is neither UnixFS nor a sealed tree',
    )
  const version = fields.integer('v')
  if (version !== VERSION) {
    throw new ShoalError(
      'unsupported',
      `the sealed tree has version ${version}, newer than this node`,
    )
  }
  return {
    volume: hexId<VolumeId>(fields.bytes('volume', HASH_BYTES), HASH_BYTES, 'volume id'),
    epoch: fields.integer('epoch'),
    salt: fields.bytes('salt', HASH_BYTES, HASH_BYTES),
    sealed: fields.bytes('sealed', ROOT_SEALED_MAX),
  }
}

/**
 * The listing. keys: those of root.epoch. throws ShoalError 'corrupt' if no secret of theirs opens
 * it, 'malformed'.
 */
export function openRoot(keys: ChunkKeys, { volume, salt, sealed }: SealedRoot): SizedContent {
  for (const secret of [keys.chunkSecret, ...(keys.otherSecrets ?? [])]) {
    try {
      const plain = openOnce(rootKey(secret, salt), sealed, hexIdBytes(volume))
      return sizedContent(
        new Fields(decodeCbor(plain, 'the sealed root', ITEMS_MAX), 'the sealed root'),
      )
    } catch (error) {
      if (!hasCode(error, 'corrupt')) throw error
    }
  }
  throw new ShoalError('corrupt', "the root of the archive does not open with this volume's keys")
}

/** With the length that precedes it. */
export function encodeEntry(entry: SealedEntry): Uint8Array {
  const { depth, name, mode, modifiedNs } = entry
  const base = { d: depth, n: name, m: mode, y: modifiedNs }
  const body =
    entry.kind === 'file'
      ? encodeCbor({ ...base, s: entry.size, c: encodeContent(entry.content) })
      : encodeCbor(entry.kind === 'symlink' ? { ...base, t: utf8(entry.target) } : base)
  return concatBytes([encodeVarint(body.length), body])
}

/**
 * An entry without its length. throws ShoalError 'malformed', 'EINVAL' for a name that no file can
 * have.
 */
export function decodeEntry(bytes: Uint8Array): SealedEntry {
  const fields = new Fields(decodeCbor(bytes, 'an entry', ITEMS_MAX), 'an entry')
  const depth = fields.integer('d', 0, IMPORT_LEVELS_MAX)
  const name = fields.text('n', NAME_MAX)
  nameFromPlainText(name)
  const mode = fields.integer('m', 0, 0o7777)
  const modifiedNs = timeOf(fields.raw('y'))
  const base = { depth, name, mode, modifiedNs }
  if (fields.has('c')) return { ...base, kind: 'file', ...sizedContent(fields) }
  if (!fields.has('t')) return { ...base, kind: 'folder' }
  const target = new TextDecoder().decode(fields.bytes('t', SYMLINK_MAX, 1))
  return { ...base, kind: 'symlink', target }
}

function sizedContent(fields: Fields): SizedContent {
  const content = decodeContent(fields.raw('c'))
  const size = fields.integer('s', 0, FILE_SIZE_MAX)
  if (content.kind === 'inline' && content.bytes.length !== size)
    throw new ShoalError('malformed', `${content.bytes.length} bytes where ${size} were announced`)
  return { content, size }
}

function timeOf(value: unknown): bigint {
  const ns = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof ns === 'bigint' && BigInt.asIntN(64, ns) === ns) return ns
  throw new ShoalError('malformed', 'an entry has a time that is no integer of 64 bits')
}

function rootKey(secret: Uint8Array, salt: Uint8Array): Uint8Array {
  return deriveKey(KEY_CONTEXT, concatBytes([secret, salt]))
}
