// The one door to hashing. BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn 2020) native and
// synchronous; SHA-256 for volumes that ask for it. 32 bytes everywhere.
import { hash as nodeHash, createHmac, createSecretKey } from 'node:crypto'
import { Blake3Hasher, blake3 as nativeBlake3 } from '@napi-rs/blake-hash'
import { concatBytes } from './bytes.ts'

/** Length in bytes of every hash and derived key. */
export const HASH_BYTES = 32

/** BLAKE3-256 of `bytes`. */
export function blake3(bytes: Uint8Array): Uint8Array {
  return nativeBlake3(asBuffer(bytes))
}

/**
 * BLAKE3-256 of the concatenation of `parts`, which are small: to join them takes less than a
 * hasher.
 */
export function blake3Concat(...parts: readonly Uint8Array[]): Uint8Array {
  return nativeBlake3(asBuffer(concatBytes(parts)))
}

/** Keyed BLAKE3-256; `key` is 32 bytes. */
export function blake3Keyed(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return Blake3Hasher.newKeyed(asBuffer(key)).update(asBuffer(bytes)).digestBuffer()
}

/**
 * blake3Keyed in hexadecimal, for many inputs under one key: a tenth of the time where they are
 * small.
 */
export function keyedHasher(key: Uint8Array): (bytes: Uint8Array) => string {
  const hasher = Blake3Hasher.newKeyed(asBuffer(key))
  return (bytes) => {
    hasher.reset()
    return hasher.update(asBuffer(bytes)).digest()
  }
}

/**
 * BLAKE3 derive-key mode: a 32-byte key from `material`, separated by `context` (a constant of this
 * program).
 */
export function deriveKey(context: string, material: Uint8Array): Uint8Array {
  return Blake3Hasher.newDeriveKey(context).update(asBuffer(material)).digestBuffer()
}

/** SHA-256 of `bytes`. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return nodeHash('sha256', bytes, 'buffer')
}

/** HMAC-SHA-256, the keyed hash of volumes that use SHA-256. */
export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  // A key object: see cipher.ts.
  return createHmac('sha256', createSecretKey(key)).update(bytes).digest()
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
