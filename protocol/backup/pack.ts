// A pack: sealed chunks back to back, after them a sealed directory that says where each begins,
// and the length of that in four bytes. So the index can be made again from the packs alone. The id
// of a pack is random and never used again: what was removed does not come back under its name.
import { concatBytes, equalBytes, fromHex, toHex, utf8 } from '../bytes.ts'
import { Fields } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { MIB } from '../units.ts'
import { openObject, sealObject } from './sealed.ts'
import type { BackupKeys } from './key.ts'

export const MAGIC: Uint8Array = utf8('SHOALPK1')
/** A pack is closed when its chunks have so many bytes, or are so many. */
export const PACK_BYTES: number = 16 * MIB
export const PACK_CHUNKS_MAX = 32_768
export const PACK_ID_BYTES = 16
/** The directory of a full pack takes less. */
export const DIRECTORY_BYTES_MAX: number = MIB
export const TRAILER_BYTES = 4
/**
 * The start of the digest in a chunk's id: enough to find it; whoever reads it checks all of it.
 */
export const DIGEST_BYTES = 16
const ENTRY_BYTES: number = DIGEST_BYTES + 4
const PACK_VERSION = 1

/** Whether a pack has the contents of files, or what lists them: folders and lists of chunks. */
export type PackKind = 'data' | 'tree'

export interface PackContents {
  /** The set that it is of: that of the run that made it, in hex. */
  readonly set: string
  readonly kind: PackKind
  /** In order. */
  readonly chunks: readonly PackedChunk[]
}

export interface PackedChunk {
  /** DIGEST_BYTES. */
  readonly digest: Uint8Array
  /** Sealed. */
  readonly length: number
}

/** The directory and its length, to be put after the chunks. */
export function sealDirectory(
  keys: BackupKeys,
  pack: string,
  contents: PackContents,
  salt: Uint8Array,
): Uint8Array {
  const sealed = sealObject(keys, 'packs', pack, encodeContents(contents), salt)
  const length = new Uint8Array(TRAILER_BYTES)
  new DataView(length.buffer).setUint32(0, sealed.length)
  return concatBytes([sealed, length])
}

/** The bytes of a directory, by the last bytes of a pack. throws ShoalError 'corrupt'. */
export function directoryLength(trailer: Uint8Array): number {
  const length = new DataView(trailer.buffer, trailer.byteOffset).getUint32(0)
  if (length <= DIRECTORY_BYTES_MAX) return length
  throw new ShoalError('corrupt', 'a pack does not end with a directory')
}

/** throws ShoalError 'corrupt', 'malformed'. */
export function openDirectory(keys: BackupKeys, pack: string, sealed: Uint8Array): PackContents {
  return decodeContents(openObject(keys, 'packs', pack, sealed))
}

/** As it stands in a directory, and in an index. */
export function encodeContents({ set, kind, chunks }: PackContents): Record<string, unknown> {
  const entries = new Uint8Array(ENTRY_BYTES * chunks.length)
  const view = new DataView(entries.buffer)
  chunks.forEach(({ digest, length }, at) => {
    entries.set(digest, ENTRY_BYTES * at)
    view.setUint32(ENTRY_BYTES * at + DIGEST_BYTES, length)
  })
  return { v: PACK_VERSION, s: fromHex(set), k: kind === 'tree' ? 1 : 0, c: entries }
}

/** throws ShoalError 'malformed', 'unsupported'. */
export function decodeContents(value: unknown): PackContents {
  const f = new Fields(value, 'pack')
  if (f.integer('v') !== PACK_VERSION)
    throw new ShoalError('unsupported', 'a pack of this backup is newer than this program')
  const entries = f.bytes('c', ENTRY_BYTES * PACK_CHUNKS_MAX)
  if (entries.length % ENTRY_BYTES !== 0)
    throw new ShoalError('malformed', 'the directory of a pack is cut off')
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
  const chunks = Array.from({ length: entries.length / ENTRY_BYTES }, (_, at) => ({
    digest: entries.subarray(ENTRY_BYTES * at, ENTRY_BYTES * at + DIGEST_BYTES),
    length: view.getUint32(ENTRY_BYTES * at + DIGEST_BYTES),
  }))
  const set = toHex(f.bytes('s', PACK_ID_BYTES, PACK_ID_BYTES))
  return { set, kind: f.integer('k', 0, 1) === 1 ? 'tree' : 'data', chunks }
}

export function isPackStart(bytes: Uint8Array): boolean {
  return equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)
}
