// The one door to ciphers: AES-256-GCM, and sealing a small secret to an Ed25519 identity. And raw
// keys of Curve25519 as key objects of node:crypto, by the DER wrappers of RFC 8410.
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { blake3Concat, deriveKey } from './hash.ts'
import { concatBytes } from './bytes.ts'
import { ShoalError, assert } from './errors.ts'

/** Bytes that sealing adds. */
export const TAG_BYTES = 16
// Keys are made key objects: Node 24 takes 25 us longer over plain bytes, which it tries to read as
// one first.
const ZERO_NONCE = new Uint8Array(12)

/** Ed25519 signs, X25519 agrees on secrets. */
export type Curve = 'ed25519' | 'x25519'

/** The last byte of the object identifier 1.3.101.x of a curve. */
const CURVES: Readonly<Record<Curve, string>> = { ed25519: '70', x25519: '6e' }
const PUBLIC_KEY_BYTES = 32

/**
 * AES-256-GCM under a key that seals exactly one message, hence the zero nonce: the key must be
 * derived from the message or from a fresh random salt.
 * returns ciphertext || 16-byte tag.
 */
export function sealOnce(key: Uint8Array, plain: Uint8Array, associated: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(plain.length + TAG_BYTES)
  sealInto(sealed, key, plain, associated)
  return sealed
}

/** The same into `out`, which is TAG_BYTES longer than `plain`. */
export function sealInto(
  out: Uint8Array,
  key: Uint8Array,
  plain: Uint8Array,
  associated: Uint8Array,
): void {
  assert(out.length === plain.length + TAG_BYTES, 'room for the tag')
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), ZERO_NONCE)
  cipher.setAAD(associated)
  out.set(cipher.update(plain))
  cipher.final()
  out.set(cipher.getAuthTag(), plain.length)
}

/** Inverse of sealOnce. throws ShoalError 'corrupt' when the tag does not match. */
export function openOnce(key: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array {
  if (sealed.length < TAG_BYTES) throw new ShoalError('corrupt', 'sealed bytes are too short')
  const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), ZERO_NONCE)
  decipher.setAAD(associated)
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES))
  try {
    decipher.final()
  } catch (cause) {
    throw new ShoalError('corrupt', 'sealed bytes do not match their key', { cause })
  }
  return plain
}

/**
 * Seal a short secret so that only the holder of an Ed25519 identity can open it: ephemeral X25519
 * with the key's Montgomery form, BLAKE3 key derivation, AES-256-GCM (the construction of age and
 * libsodium's sealed box).
 *
 * ephemeralSeed: 32 fresh random bytes. returns ephemeral public key (32) || sealed.
 */
export function sealTo(
  publicKey: Uint8Array,
  secret: Uint8Array,
  ephemeralSeed: Uint8Array,
): Uint8Array {
  const theirs = ed25519.utils.toMontgomery(publicKey)
  // X25519 of OpenSSL: in JavaScript one takes some milliseconds.
  const privateKey = rawPrivateKey('x25519', ephemeralSeed)
  const ours = publicKeyBytes(privateKey)
  const shared = diffieHellman({ privateKey, publicKey: rawPublicKey('x25519', theirs) })
  const key = deriveKey('shoal 2026 seal-to-identity v1', blake3Concat(shared, ours, theirs))
  return concatBytes([ours, sealOnce(key, secret, ours)])
}

/** Inverse of sealTo, with the 32-byte Ed25519 seed. throws ShoalError 'corrupt'. */
export function openFrom(seed: Uint8Array, sealed: Uint8Array): Uint8Array {
  const theirs = sealed.subarray(0, 32)
  const privateKey = rawPrivateKey('x25519', ed25519.utils.toMontgomerySecret(seed))
  try {
    const shared = diffieHellman({ privateKey, publicKey: rawPublicKey('x25519', theirs) })
    const material = blake3Concat(shared, theirs, publicKeyBytes(privateKey))
    const key = deriveKey('shoal 2026 seal-to-identity v1', material)
    return openOnce(key, sealed.subarray(32), theirs)
  } catch (cause) {
    throw new ShoalError('corrupt', 'the secret is not sealed to this node', { cause })
  }
}

/** secret: a seed of Ed25519, or a scalar of X25519. */
export function rawPrivateKey(curve: Curve, secret: Uint8Array): KeyObject {
  const prefix = Buffer.from(`302e020100300506032b65${CURVES[curve]}04220420`, 'hex')
  const key = Buffer.concat([prefix, secret])
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

/** throws if the bytes are no key. */
export function rawPublicKey(curve: Curve, bytes: Uint8Array): KeyObject {
  const prefix = Buffer.from(`302a300506032b65${CURVES[curve]}032100`, 'hex')
  const key = Buffer.concat([prefix, bytes])
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

/** The 32 bytes of the public key that belongs to a private one. */
export function publicKeyBytes(privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return new Uint8Array(spki.subarray(-PUBLIC_KEY_BYTES))
}
