// The one door to signatures: Ed25519 (RFC 8032), native and synchronous, domain-separated.
import { sign as nodeSign, verify as nodeVerify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { concatBytes, toByteString, utf8 } from './bytes.ts'
import { publicKeyBytes, rawPrivateKey, rawPublicKey } from './cipher.ts'
import { peerIdFromPublicKey } from './ids.ts'
import type { PeerId } from './ids.ts'

export const SIGNATURE_BYTES = 64

/** A node's identity: its Ed25519 key pair. */
export interface Identity {
  readonly peer: PeerId
  readonly publicKey: Uint8Array
  /** The 32-byte private seed. Never leaves the node. */
  readonly seed: Uint8Array
  /** Signature of `message` under `domain`. */
  sign(domain: SignatureDomain, message: Uint8Array): Uint8Array
}

/**
 * The purpose of a signature; part of the signed bytes, so that none can be replayed for another.
 */
export type SignatureDomain =
  | 'shoal/entry/1'
  | 'shoal/beacon/1'
  | 'shoal/attestation/1'
  | 'shoal/receipt/1'
  | 'shoal/security/1'
  | 'shoal/backup-head/1'
  | 'shoal/vote/1'

/** Identity of a 32-byte seed. */
export function identityFromSeed(seed: Uint8Array): Identity {
  const key = rawPrivateKey('ed25519', seed)
  const publicKey = publicKeyBytes(key)
  return {
    peer: peerIdFromPublicKey(publicKey),
    publicKey,
    seed,
    sign: (domain, message) => nodeSign(null, signedBytes(domain, message), key),
  }
}

/** True if `signature` is that of `publicKey` over `message` under `domain`. */
export function verifySignature(
  publicKey: Uint8Array,
  domain: SignatureDomain,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.byteLength !== SIGNATURE_BYTES) return false
  return nodeVerify(null, signedBytes(domain, message), keyOf(publicKey), signature)
}

/**
 * Making a key object costs as much as verifying with it: those of the members that are heard of
 * are kept.
 */
const keys = new Map<string, KeyObject>()
const KEYS_MAX = 1024

function keyOf(publicKey: Uint8Array): KeyObject {
  const name = toByteString(publicKey)
  const known = keys.get(name)
  if (known !== undefined) return known
  const key = rawPublicKey('ed25519', publicKey)
  if (keys.size >= KEYS_MAX) keys.clear()
  keys.set(name, key)
  return key
}

function signedBytes(domain: SignatureDomain, message: Uint8Array): Uint8Array {
  return concatBytes([utf8(`${domain}\0`), message])
}
