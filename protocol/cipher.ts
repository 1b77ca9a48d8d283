// The one door to ciphers: AES-256-GCM, and sealing a small secret to an Ed25519 identity.
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

// DER wrappers of a raw X25519 key (RFC 8410).
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

/**
 * AES-256-GCM under a key that seals exactly one message, hence the zero nonce: the key must be
 * derived from the message or from a fresh random salt.
 * returns ciphertext || 16-byte tag.
 */
export function sealOnce(key: Uint8Array, plain: Uint8Array, associated: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), ZERO_NONCE)
  cipher.setAAD(associated)
  const head = cipher.update(plain)
  cipher.final()
  assert(head.length === head.buffer.byteLength, 'a cipher returns a buffer of its own')
  // Growing that buffer costs half of what a copy of it would.
  const sealed = new Uint8Array((head.buffer as ArrayBuffer).transfer(head.length + TAG_BYTES))
  sealed.set(cipher.getAuthTag(), sealed.length - TAG_BYTES)
  return sealed
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
  const ephemeral = exchangeKey(ephemeralSeed)
  const ours = publicPart(ephemeral)
  const shared = sharedSecret(ephemeral, theirs)
  const key = deriveKey('shoal 2026 seal-to-identity v1', blake3Concat(shared, ours, theirs))
  return concatBytes([ours, sealOnce(key, secret, ours)])
}

/** Inverse of sealTo, with the 32-byte Ed25519 seed. throws ShoalError 'corrupt'. */
export function openFrom(seed: Uint8Array, sealed: Uint8Array): Uint8Array {
  const theirs = sealed.subarray(0, 32)
  const mine = exchangeKey(ed25519.utils.toMontgomerySecret(seed))
  try {
    const shared = sharedSecret(mine, theirs)
    const material = blake3Concat(shared, theirs, publicPart(mine))
    const key = deriveKey('shoal 2026 seal-to-identity v1', material)
    return openOnce(key, sealed.subarray(32), theirs)
  } catch (cause) {
    throw new ShoalError('corrupt', 'the secret is not sealed to this node', { cause })
  }
}

// X25519 (RFC 7748) of OpenSSL: in JavaScript one takes some milliseconds.

function exchangeKey(secret: Uint8Array): KeyObject {
  const key = Buffer.concat([PKCS8_PREFIX, secret])
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

function publicPart(key: KeyObject): Uint8Array {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return new Uint8Array(spki.subarray(SPKI_PREFIX.length))
}

/** throws if `theirs` is no key, or one that gives the same secret with each. */
function sharedSecret(privateKey: KeyObject, theirs: Uint8Array): Uint8Array {
  const key = Buffer.concat([SPKI_PREFIX, theirs])
  const publicKey = createPublicKey({ key, format: 'der', type: 'spki' })
  return diffieHellman({ privateKey, publicKey })
}
