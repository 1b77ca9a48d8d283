// The head of a node's security log (docs/formats/security-log.md): how many events it has recorded
// and the hash of the newest. Members tell it in their beacons, signed by itself, so that whoever
// holds one can prove what it said. Messages of /shoal/security/1: a member asks another which head
// of its own log that one holds.
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { concatBytes, utf8 } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { HASH_BYTES, deriveKey } from '../hash.ts'
import { publicKeyOf } from '../ids.ts'
import type { PeerId } from '../ids.ts'
import { SIGNATURE_BYTES, verifySignature } from '../signed.ts'
import type { Identity } from '../signed.ts'

export const SECURITY_PROTOCOL = '/shoal/security/1'
const NUMBER_BYTES = 8

export interface SecurityHead {
  /** Events from 1 on. */
  readonly number: number
  readonly hash: Uint8Array
  readonly signature: Uint8Array
}

/** The hash of a line, without its line end, which the line of the next event contains. */
export function securityLineHash(line: string): Uint8Array {
  return deriveKey('shoal 2026 security log v1', utf8(line))
}

export function signSecurityHead(
  identity: Identity,
  number: number,
  hash: Uint8Array,
): SecurityHead {
  return { number, hash, signature: identity.sign('shoal/security/1', signedPart(number, hash)) }
}

/** Did this peer say so? */
export function isSecurityHeadOf(peer: PeerId, { number, hash, signature }: SecurityHead): boolean {
  return verifySignature(publicKeyOf(peer), 'shoal/security/1', signedPart(number, hash), signature)
}

function signedPart(number: number, hash: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number))
  return concatBytes([bytes, hash])
}

/** As a value of CBOR: of a beacon, of a reply, of what is stored. */
export function securityHeadValue({ number, hash, signature }: SecurityHead): unknown {
  return { n: number, h: hash, s: signature }
}

/** Inverse of securityHeadValue. throws ShoalError 'malformed'. */
export function readSecurityHead(fields: Fields): SecurityHead {
  return {
    number: fields.integer('n', 1),
    hash: fields.bytes('h', HASH_BYTES, HASH_BYTES),
    signature: fields.bytes('s', SIGNATURE_BYTES, SIGNATURE_BYTES),
  }
}

/** Asks a peer which part of the sender's log it holds */
export function encodeSecurityQuestion(): Uint8Array {
  return encodeCbor({ t: 'held?' })
}

/** throws ShoalError 'malformed' for anything else. */
export function checkSecurityQuestion(bytes: Uint8Array): void {
  if (new Fields(decodeCbor(bytes, 'question'), 'question').text('t', 16) !== 'held?')
    throw new ShoalError('malformed', 'this is no question about a security log')
}

export function encodeSecurityAnswer(held: SecurityHead | undefined): Uint8Array {
  return encodeCbor({ t: 'held', e: held === undefined ? null : securityHeadValue(held) })
}

/** throws ShoalError 'malformed'. */
export function decodeSecurityAnswer(bytes: Uint8Array): SecurityHead | undefined {
  const f = new Fields(decodeCbor(bytes, 'answer'), 'answer')
  if (f.text('t', 16) !== 'held')
    throw new ShoalError('malformed', 'this is no answer about a security log')
  return f.has('e') ? readSecurityHead(f.fields('e')) : undefined
}
