// The bytes of a bulk connection (docs/formats/network.md): how it is asked for over a libp2p
// connection that is there, what it begins with, and its records. A record is a head of
// RECORD_HEAD_BYTES and, for some kinds, `n` bytes; DATA of a lane, back to back, is what a stream
// of its protocol would carry. Every decoder throws ShoalError 'malformed' and nothing else.
import { concatBytes, equalBytes, toHex, utf8 } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { KIB } from '../units.ts'

/** Protocol id of the messages about a bulk connection. */
export const BULK_PROTOCOL = '/shoal/bulk/1'
/** Frames of it either way. */
export const BULK_MESSAGE_MAX: number = 1 * KIB
/** ALPN name within the TLS handshake. */
export const BULK_ALPN = 'shoal-bulk/1'

/** The first bytes of the side that dials; those of libp2p are a length and '/multistream'. */
const MAGIC: Uint8Array = utf8('SHOAL-BULK-TLS/1')
/** The part of a token that is sent in the clear, and the part that is shown within TLS. */
export const KNOCK_BYTES = 16
const SECRET_BYTES = 16
export const TOKEN_BYTES: number = KNOCK_BYTES + SECRET_BYTES
export const PREAMBLE_BYTES: number = MAGIC.length + KNOCK_BYTES

export const RECORD_HEAD_BYTES = 12
/** Data of one record, so that lanes take turns. */
export const RECORD_DATA_MAX: number = 256 * KIB
/** Bytes of a lane that may be sent before anybody there asks for them. */
export const LANE_WINDOW: number = 256 * KIB
/** The name of a protocol. */
const LANE_PROTOCOL_MAX = 64
/** Above it nothing more is granted: whoever reads on asks later. */
export const CREDIT_MAX: number = 2 ** 31

/** Kinds of records; `n` is the number of bytes after the head, but for CREDIT. */
export const RECORD = {
  /** The first of each side. Of the one that dialled, with the secret of its token. */
  HELLO: 0,
  /** A lane begins, of the protocol named. Its other side may send LANE_WINDOW at once. */
  OPEN: 1,
  DATA: 2,
  /** So many bytes more may be sent on the lane. The first one says that it is served. */
  CREDIT: 3,
  /** No more data comes on the lane. */
  END: 4,
  /** The lane is broken off, or was never served. */
  RESET: 5,
} as const

export type BulkRequest =
  /** A token to dial with. */
  | { readonly kind: 'token' }
  /** Dial me, with this token. */
  | { readonly kind: 'dial'; readonly token: Uint8Array }

export type BulkReply =
  | { readonly kind: 'token'; readonly token: Uint8Array }
  | { readonly kind: 'connected' }
  | { readonly kind: 'refused' }

const ITEMS_MAX = 16

export function encodeBulkRequest(request: BulkRequest): Uint8Array {
  return encodeCbor(
    request.kind === 'dial' ? { t: 'dial', token: request.token } : { t: request.kind },
  )
}

export function decodeBulkRequest(bytes: Uint8Array): BulkRequest {
  const fields = new Fields(decodeCbor(bytes, 'bulk request', ITEMS_MAX), 'bulk request')
  const kind = fields.text('t', 16)
  if (kind === 'token') return { kind }
  if (kind === 'dial') return { kind, token: fields.bytes('token', TOKEN_BYTES, TOKEN_BYTES) }
  throw new ShoalError('malformed', 'a bulk request is no such request')
}

export function encodeBulkReply(reply: BulkReply): Uint8Array {
  return encodeCbor(reply.kind === 'token' ? { t: 'token', token: reply.token } : { t: reply.kind })
}

export function decodeBulkReply(bytes: Uint8Array): BulkReply {
  const fields = new Fields(decodeCbor(bytes, 'bulk reply', ITEMS_MAX), 'bulk reply')
  const kind = fields.text('t', 16)
  if (kind === 'connected' || kind === 'refused') return { kind }
  if (kind === 'token') return { kind, token: fields.bytes('token', TOKEN_BYTES, TOKEN_BYTES) }
  throw new ShoalError('malformed', 'a bulk reply is no such reply')
}

/** The first bytes of a connection that is dialled with `token`, in the clear. */
export function encodePreamble(token: Uint8Array): Uint8Array {
  return concatBytes([MAGIC, token.subarray(0, KNOCK_BYTES)])
}

/** May these first bytes, however few, be those of a bulk connection? */
export function mayBeBulk(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, MAGIC.length)
  return equalBytes(bytes.subarray(0, length), MAGIC.subarray(0, length))
}

/** The knock of a whole preamble, as hex: the name of a token, not its secret. */
export function knockOf(bytes: Uint8Array): string {
  return toHex(bytes.subarray(bytes.length - KNOCK_BYTES))
}

/** Writes the head of a record at `at`. */
export function writeRecordHead(
  into: Uint8Array,
  at: number,
  { kind, lane, n }: { kind: number; lane: number; n: number },
): void {
  const view = new DataView(into.buffer, into.byteOffset + at, RECORD_HEAD_BYTES)
  view.setUint32(0, kind)
  view.setUint32(4, lane)
  view.setUint32(8, n)
}

/**
 * Bytes that follow a record head, checked before any of them is taken.
 * throws ShoalError 'malformed'.
 */
export function bytesAfterHead(kind: number, lane: number, n: number): number {
  const refuse = (): never => {
    throw new ShoalError('malformed', `a record of kind ${kind}, lane ${lane}, n ${n}`)
  }
  switch (kind) {
    case RECORD.HELLO:
      return lane === 0 && (n === 0 || n === SECRET_BYTES) ? n : refuse()
    case RECORD.OPEN:
      return lane > 0 && n > 0 && n <= LANE_PROTOCOL_MAX ? n : refuse()
    case RECORD.DATA:
      return lane > 0 && n > 0 && n <= RECORD_DATA_MAX ? n : refuse()
    case RECORD.CREDIT:
      return lane > 0 && n > 0 && n <= CREDIT_MAX ? 0 : refuse()
    case RECORD.END:
    case RECORD.RESET:
      return lane > 0 && n === 0 ? 0 : refuse()
    default:
      return refuse()
  }
}

/** The protocol that an OPEN names, printable ASCII. throws ShoalError 'malformed'. */
export function decodeLaneProtocol(bytes: Uint8Array): string {
  if (!bytes.every((byte) => byte > 0x20 && byte < 0x7f))
    throw new ShoalError('malformed', 'a lane of no protocol')
  return String.fromCharCode(...bytes)
}
