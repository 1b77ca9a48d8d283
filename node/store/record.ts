// The record of a segment (docs/formats/store.md). A head can be checked without its payload, so
// that one rotten payload hides nothing behind it. Integers are big-endian.
import { crc32 } from 'node:zlib'
import { equalBytes } from '../../protocol/bytes.ts'
import { assert } from '../../protocol/errors.ts'
import { CID_BYTES } from '../../protocol/ids.ts'

/** The kinds of content of a record. */
export const CHUNK_RECORD = 1
export const SHARD_RECORD = 2
export type RecordKind = typeof CHUNK_RECORD | typeof SHARD_RECORD

/** "ShR" and the version. */
export const RECORD_MAGIC: Uint8Array = Uint8Array.of(0x53, 0x68, 0x52, 1)

const KIND_AT = 4
const ID_LENGTH_AT = 5
const LENGTH_AT = 6
const PAYLOAD_CRC_AT = 10
const ID_AT = 14
const CRC_BYTES = 4
const ID_MAX = 255

/** The longest head. */
export const RECORD_HEAD_MAX: number = recordHeadBytes(ID_MAX)
/**
 * Heads of chunks, whose id is a CID, and of shards, whose id is a CID and an index of one byte.
 */
export const CHUNK_HEAD_BYTES: number = recordHeadBytes(CID_BYTES)
export const SHARD_HEAD_BYTES: number = recordHeadBytes(CID_BYTES + 1)

export interface RecordHead {
  readonly kind: RecordKind
  readonly id: Uint8Array
  /** Bytes of the payload. */
  readonly length: number
  readonly payloadCrc: number
  /** Bytes of the head itself. */
  readonly headBytes: number
}

/** Bytes before the payload of a record whose id has `idLength` bytes. */
export function recordHeadBytes(idLength: number): number {
  return ID_AT + idLength + CRC_BYTES
}

/** CRC-32 of `parts` back to back. */
export function crcOf(parts: readonly Uint8Array[]): number {
  let crc = 0
  for (const part of parts) crc = crc32(part, crc)
  return crc
}

/** The head of a record with this payload. `id` has 1 to 255 bytes, the payload less than 4 GiB. */
export function encodeRecordHead(
  kind: RecordKind,
  id: Uint8Array,
  payload: readonly Uint8Array[],
): Uint8Array {
  const length = payload.reduce((sum, part) => sum + part.byteLength, 0)
  assert(id.byteLength >= 1 && id.byteLength <= ID_MAX, 'a record id has 1 to 255 bytes')
  assert(length < 2 ** 32, 'a record payload is shorter than 4 GiB')
  const head = new Uint8Array(recordHeadBytes(id.byteLength))
  const view = new DataView(head.buffer)
  head.set(RECORD_MAGIC)
  head[KIND_AT] = kind
  head[ID_LENGTH_AT] = id.byteLength
  view.setUint32(LENGTH_AT, length)
  view.setUint32(PAYLOAD_CRC_AT, crcOf(payload))
  head.set(id, ID_AT)
  const crcAt = ID_AT + id.byteLength
  view.setUint32(crcAt, crc32(head.subarray(0, crcAt)))
  return head
}

/**
 * The head at the start of `bytes`, which may be longer; undefined if there is no whole and intact
 * one.
 */
export function decodeRecordHead(bytes: Uint8Array): RecordHead | undefined {
  const idLength = bytes[ID_LENGTH_AT]
  if (idLength === undefined || idLength === 0) return undefined
  const crcAt = ID_AT + idLength
  if (bytes.byteLength < crcAt + CRC_BYTES) return undefined
  if (!equalBytes(bytes.subarray(0, RECORD_MAGIC.length), RECORD_MAGIC)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint32(crcAt) !== crc32(bytes.subarray(0, crcAt))) return undefined
  const kind = bytes[KIND_AT]
  if (kind !== CHUNK_RECORD && kind !== SHARD_RECORD) return undefined
  return {
    kind,
    id: bytes.slice(ID_AT, crcAt),
    length: view.getUint32(LENGTH_AT),
    payloadCrc: view.getUint32(PAYLOAD_CRC_AT),
    headBytes: crcAt + CRC_BYTES,
  }
}
