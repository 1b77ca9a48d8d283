// Objects of a backup other than chunks, sealed: a fresh salt, and AES-256-GCM under a key derived
// from it, about the kind of the object. So nobody without the key makes one, changes one, or
// passes one kind off as another.
import { concatBytes, toHex, utf8 } from '../bytes.ts'
import { openOnce, sealOnce } from '../cipher.ts'
import { zstdCompress, zstdDecompress } from '../compress.ts'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { blake3, deriveKey } from '../hash.ts'
import type { BackupKeys } from './key.ts'

/** A kind of object: the folder that it lies in, or the directory at the end of a pack. */
export type SealedKind = 'backups' | 'index' | 'removed' | 'locks' | 'packs'

export const SALT_BYTES = 32
const CONTEXT = 'shoal 2026 backup object v1'
/** Plain bytes of one object: an index of INDEX_PACKS_MAX packs is the largest. */
const OBJECT_PLAIN_MAX: number = 128 * 1024 * 1024
const ITEMS_MAX = 1_000_000

/** salt: SALT_BYTES fresh random bytes. about: what it belongs to, such as the id of a pack. */
export function sealObject(
  keys: BackupKeys,
  kind: SealedKind,
  about: string,
  value: unknown,
  salt: Uint8Array,
): Uint8Array {
  const plain = zstdCompress(encodeCbor(value))
  return concatBytes([salt, sealOnce(keyOf(keys, salt), plain, aboutOf(keys, kind, about))])
}

/**
 * Inverse of sealObject. throws ShoalError 'corrupt' for what was not sealed so with this key,
 * 'malformed'.
 */
export function openObject(
  keys: BackupKeys,
  kind: SealedKind,
  about: string,
  bytes: Uint8Array,
): unknown {
  if (bytes.length < SALT_BYTES)
    throw new ShoalError('corrupt', `an object in ${kind} is too short`)
  const key = keyOf(keys, bytes.subarray(0, SALT_BYTES))
  const plain = openOnce(key, bytes.subarray(SALT_BYTES), aboutOf(keys, kind, about))
  return decodeCbor(zstdDecompress(plain, OBJECT_PLAIN_MAX), `object in ${kind}`, ITEMS_MAX)
}

/** The name of an object that is named by its bytes. */
export function objectName(bytes: Uint8Array): string {
  return toHex(blake3(bytes))
}

function keyOf(keys: BackupKeys, salt: Uint8Array): Uint8Array {
  return deriveKey(CONTEXT, concatBytes([keys.objectSecret, salt]))
}

function aboutOf({ id }: BackupKeys, kind: SealedKind, about: string): Uint8Array {
  return utf8(`shoal/backup/1\0${id}\0${kind}\0${about}`)
}
