// The record of a journal (docs/formats/store.md#journals): changes of one volume's records, sealed
// with a key that one run of the node has for that journal. Its number is the nonce, and a run
// never numbers two records alike. Integers are big-endian.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { equalBytes, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { SegmentsEnd } from './segments-end.ts'

/** "ShJ" and the version. */
const MAGIC = Uint8Array.of(0x53, 0x68, 0x4a, 1)
const LENGTH_AT = 4
const NUMBER_AT = 8
const CRC_AT = 16
export const JOURNAL_HEAD_BYTES = 20
const CIPHER = 'aes-256-gcm'
export const JOURNAL_KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** In place of the length of a value: the key is deleted. */
const DELETED = 0xffff_ffff

/** The content of a record. */
export interface JournalItem {
  /** The payloads that it may name lie before this in the segments. */
  readonly payloadsEnd: SegmentsEnd
  /** The one of the volume's state whose keys these are. */
  readonly generation: number
  readonly changes: readonly (readonly [ByteString, Uint8Array | undefined])[]
  /** The rest of what the log knows, beside its records. */
  readonly rest: Uint8Array
}

/** The head of a record, which says how long it is. */
export interface JournalHead {
  readonly length: number
  readonly number: number
  readonly crc: number
}

/** Head and sealed content. number: greater than that of any record before it under the key. */
export function sealItem(key: KeyObject, number: number, item: JournalItem): Uint8Array[] {
  const head = new Uint8Array(JOURNAL_HEAD_BYTES)
  const view = new DataView(head.buffer)
  const plain = encodeItem(item)
  head.set(MAGIC)
  view.setUint32(LENGTH_AT, plain.length + TAG_BYTES)
  view.setBigUint64(NUMBER_AT, BigInt(number))
  const cipher = createCipheriv(CIPHER, key, nonceOf(number))
  cipher.setAAD(head.subarray(0, CRC_AT))
  const sealed = cipher.update(plain)
  cipher.final()
  const tag = cipher.getAuthTag()
  view.setUint32(CRC_AT, crcOf(head, [sealed, tag]))
  return [head, sealed, tag]
}

/** Undefined where no record begins. */
export function decodeJournalHead(bytes: Uint8Array): JournalHead | undefined {
  if (bytes.length < JOURNAL_HEAD_BYTES) return undefined
  if (!equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const number = Number(view.getBigUint64(NUMBER_AT))
  const length = view.getUint32(LENGTH_AT)
  if (!Number.isSafeInteger(number) || length < TAG_BYTES) return undefined
  return { length, number, crc: view.getUint32(CRC_AT) }
}

/**
 * The content of a record; undefined if it is torn, or of another run.
 * throws ShoalError 'corrupt' for one that is whole, and not what this program writes.
 */
export function openItem(
  key: Uint8Array,
  head: Uint8Array,
  sealed: Uint8Array,
): JournalItem | undefined {
  const decoded = decodeJournalHead(head)
  if (decoded === undefined || decoded.length !== sealed.length) return undefined
  if (decoded.crc !== crcOf(head, [sealed])) return undefined
  const cipher = createDecipheriv(CIPHER, key, nonceOf(decoded.number))
  cipher.setAAD(head.subarray(0, CRC_AT)).setAuthTag(sealed.subarray(-TAG_BYTES))
  const plain = cipher.update(sealed.subarray(0, -TAG_BYTES))
  try {
    cipher.final()
  } catch {
    return undefined // of a run with another key
  }
  return decodeItem(new Uint8Array(plain))
}

function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES)
  new DataView(nonce.buffer).setBigUint64(NONCE_BYTES - 8, BigInt(number))
  return nonce
}

function crcOf(head: Uint8Array, sealed: readonly Uint8Array[]): number {
  let crc = crc32(head.subarray(0, CRC_AT))
  for (const part of sealed) crc = crc32(part, crc)
  return crc
}

/**
 * segment (4), offset (4), generation (1), number of changes (4); for each the length of its key
 * (2), the key, the length of its value (4), the value; then the rest.
 */
function encodeItem({ payloadsEnd, generation, changes, rest }: JournalItem): Uint8Array {
  const fixed = 13
  const bytes = changes.reduce(
    (sum, [key, value]) => sum + 6 + key.length + (value?.length ?? 0),
    0,
  )
  const plain = Buffer.allocUnsafe(fixed + bytes + rest.length)
  plain.writeUInt32BE(payloadsEnd.segment, 0)
  plain.writeUInt32BE(payloadsEnd.offset, 4)
  plain.writeUInt8(generation, 8)
  plain.writeUInt32BE(changes.length, 9)
  let at = fixed
  for (const [key, value] of changes) {
    at = plain.writeUInt16BE(key.length, at)
    at += plain.write(key, at, 'latin1')
    at = plain.writeUInt32BE(value?.length ?? DELETED, at)
    if (value === undefined) continue
    plain.set(value, at)
    at += value.length
  }
  plain.set(rest, at)
  return plain
}

function decodeItem(plain: Uint8Array): JournalItem {
  let at = 0
  const take = (length: number): Uint8Array => {
    if (at + length > plain.length)
      throw new ShoalError('corrupt', 'a record of a journal is short')
    return plain.subarray(at, (at += length))
  }
  const integer = (length: number): number =>
    take(length).reduce((value, byte) => value * 256 + byte, 0)
  const payloadsEnd = { segment: integer(4), offset: integer(4) }
  const generation = integer(1)
  const changes = Array.from({ length: integer(4) }, () => {
    const key = toByteString(take(integer(2)))
    const length = integer(4)
    return [key, length === DELETED ? undefined : take(length).slice()] as const
  })
  return { payloadsEnd, generation, changes, rest: plain.slice(at) }
}
