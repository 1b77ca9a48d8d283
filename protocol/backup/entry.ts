// An entry of a folder in a backup: a name, what has it, and where its content is. The entries of a
// folder stand one after the other, each with its length before it, as the content of the folder:
// so a folder is read in parts however large it is, and one that did not change is the same chunks.
import { fromByteString, toByteString } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { readRef, refItem } from '../chunk/manifest.ts'
import type { Manifest } from '../chunk/manifest.ts'
import type { ChunkRef } from '../chunk/seal.ts'
import { ShoalError } from '../errors.ts'
import {
  FILE_SIZE_MAX,
  INLINE_FILE_MAX,
  MANIFEST_LEVELS_MAX,
  NAME_MAX,
  SYMLINK_MAX,
  XATTRS_SHOWN_MAX,
  XATTR_NAME_MAX,
  XATTR_VALUE_MAX,
} from '../limits.ts'
import { parseName } from '../op/names.ts'
import type { FileKind } from '../op/file-kind.ts'
import { NS_PER_SECOND } from '../units.ts'

/** The content of a file or folder: its bytes, its only chunk, or the list of its chunks. */
export type BackupContent =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'chunk'; readonly ref: ChunkRef }
  | { readonly kind: 'chunks'; readonly manifest: Manifest }

export interface BackupEntry {
  /** As bytes; '' for the folder that was backed up. */
  readonly name: ByteString
  readonly kind: FileKind
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly modifiedNs: bigint
  readonly xattrs: readonly (readonly [name: ByteString, value: Uint8Array])[]
  /** The content of a file or folder. */
  readonly content?: BackupContent | undefined
  /** The target of a symlink. */
  readonly target?: ByteString | undefined
  /** The number of a device. */
  readonly rdev?: number | undefined
  /** The same for all names of one file, where it has several. */
  readonly link?: Uint8Array | undefined
  /** Equal for equal contents in the volume: one that is known already need not be read. */
  readonly mark?: Uint8Array | undefined
}

export const LENGTH_BYTES = 4
export const MARK_BYTES = 16
/** An entry with all that one can have. */
export const ENTRY_BYTES_MAX: number = (XATTRS_SHOWN_MAX + 1) * (XATTR_VALUE_MAX + 1024)
const ITEMS_MAX: number = 4 * XATTRS_SHOWN_MAX + 64
/** The items of a chunk that stands alone. */
const CHUNK_ITEMS = 5
const SECONDS_MAX: number = 2 ** 40
const MODE_MAX = 0o7777
const ID_MAX: number = 2 ** 32 - 1

/** One letter each. */
const KINDS: Readonly<Record<FileKind, string>> = {
  file: 'f',
  folder: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  'character-device': 'c',
  'block-device': 'b',
}

/** An entry with its length before it. */
export function encodeEntry(entry: BackupEntry): Uint8Array {
  const { name, kind, mode, uid, gid, modifiedNs, xattrs } = entry
  const seconds = floorDiv(modifiedNs)
  const value: Record<string, unknown> = {
    n: fromByteString(name),
    k: KINDS[kind],
    m: mode,
    u: uid,
    g: gid,
    t: [Number(seconds), Number(modifiedNs - seconds * NS_PER_SECOND)],
  }
  if (xattrs.length > 0) value['x'] = xattrs.map(([key, bytes]) => [fromByteString(key), bytes])
  if (entry.content !== undefined) value['c'] = encodeContent(entry.content)
  if (entry.target !== undefined) value['y'] = fromByteString(entry.target)
  if (entry.rdev !== undefined) value['r'] = entry.rdev
  if (entry.link !== undefined) value['l'] = entry.link
  if (entry.mark !== undefined) value['w'] = entry.mark
  const body = encodeCbor(value)
  const framed = new Uint8Array(LENGTH_BYTES + body.length)
  new DataView(framed.buffer).setUint32(0, body.length)
  framed.set(body, LENGTH_BYTES)
  return framed
}

/** Inverse of encodeEntry, without the length. throws ShoalError 'malformed', 'unsupported'. */
export function decodeEntry(body: Uint8Array): BackupEntry {
  const f = new Fields(decodeCbor(body, 'entry', ITEMS_MAX), 'entry')
  const kind = kindOf(f.text('k', 1))
  const name = toByteString(f.bytes('n', NAME_MAX))
  if (name !== '') parseName(name)
  return {
    name,
    kind,
    mode: f.integer('m', 0, MODE_MAX),
    uid: f.integer('u', 0, ID_MAX),
    gid: f.integer('g', 0, ID_MAX),
    modifiedNs: timeOf(f.list('t', 2)),
    xattrs: f.has('x') ? f.list('x', XATTRS_SHOWN_MAX).map(xattrOf) : [],
    ...(f.has('c') && { content: decodeContent(f.raw('c')) }),
    ...(f.has('y') && { target: toByteString(f.bytes('y', SYMLINK_MAX, 1)) }),
    ...(f.has('r') && { rdev: f.integer('r', 0, ID_MAX) }),
    ...(f.has('l') && { link: f.bytes('l', MARK_BYTES, MARK_BYTES) }),
    ...(f.has('w') && { mark: f.bytes('w', MARK_BYTES, MARK_BYTES) }),
  }
}

/** Bytes of a content. */
export function contentBytes(content: BackupContent | undefined): number {
  if (content === undefined) return 0
  switch (content.kind) {
    case 'inline':
      return content.bytes.length
    case 'chunk':
      return content.ref.length
    default:
      return content.manifest.size
  }
}

/** Bytes, a chunk, or a list of chunks: its root, level, size, and bytes in no hole. */
function encodeContent(content: BackupContent): unknown {
  if (content.kind === 'inline') return content.bytes
  if (content.kind === 'chunk') return refItem(content.ref)
  const { root, depth, size, allocated } = content.manifest
  const items = [...refItem(root), depth, size]
  return allocated === undefined ? items : [...items, allocated]
}

/** Inverse of encodeContent. throws ShoalError 'malformed', 'unsupported'. */
function decodeContent(value: unknown): BackupContent {
  if (value instanceof Uint8Array && value.length <= INLINE_FILE_MAX)
    return { kind: 'inline', bytes: value }
  if (!Array.isArray(value)) throw malformed('content')
  const items = value as readonly unknown[]
  const root = readRef(items)
  if (items.length === CHUNK_ITEMS) return { kind: 'chunk', ref: root }
  const depth = integer(items[5], 0, MANIFEST_LEVELS_MAX - 1, 'depth')
  const size = integer(items[6], 1, FILE_SIZE_MAX, 'size')
  const manifest = { root, depth, size }
  if (items[7] === undefined) return { kind: 'chunks', manifest }
  const allocated = integer(items[7], 0, size, 'bytes')
  return { kind: 'chunks', manifest: { ...manifest, allocated } }
}

function kindOf(letter: string): FileKind {
  for (const [kind, known] of Object.entries(KINDS)) if (known === letter) return kind as FileKind
  throw new ShoalError('unsupported', `an entry of the kind "${letter}" is newer than this program`)
}

function xattrOf(item: unknown): readonly [ByteString, Uint8Array] {
  const [name, value] = Array.isArray(item) ? (item as readonly unknown[]) : []
  const isRight =
    name instanceof Uint8Array &&
    value instanceof Uint8Array &&
    name.length > 0 &&
    name.length <= XATTR_NAME_MAX &&
    value.length <= XATTR_VALUE_MAX
  if (!isRight || name.includes(0)) throw malformed('extended attribute')
  return [toByteString(name), value]
}

function timeOf([seconds, rest]: readonly unknown[]): bigint {
  const whole = integer(seconds, -SECONDS_MAX, SECONDS_MAX, 'time')
  const part = integer(rest, 0, Number(NS_PER_SECOND) - 1, 'time')
  return BigInt(whole) * NS_PER_SECOND + BigInt(part)
}

function floorDiv(ns: bigint): bigint {
  const whole = ns / NS_PER_SECOND
  return whole * NS_PER_SECOND > ns ? whole - 1n : whole
}

function integer(value: unknown, min: number, max: number, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max)
    return value
  throw malformed(what)
}

function malformed(what: string): ShoalError {
  return new ShoalError('malformed', `an entry of a backup has a bad ${what}`)
}
