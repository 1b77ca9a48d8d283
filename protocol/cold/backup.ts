// The namespace of a volume in a cold tier lies in parts, of three kinds: nodes of the newest
// checkpoint's trees, the entries of the log that come after it, and all governing entries. A part
// is sealed with a key of its own, that the head (head.ts) says, and its name is the hash of its
// sealed bytes: it never changes, and what has its name is it.
import { toHex } from '../bytes.ts'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import { openOnce, sealOnce } from '../cipher.ts'
import { ShoalError } from '../errors.ts'
import { blake3 } from '../hash.ts'
import { hexIdBytes } from '../ids.ts'
import type { VolumeId } from '../ids.ts'
import type { NodeHash } from '../prolly/prolly.ts'

/** An object with a piece of the namespace. */
export interface BackupPart {
  /** Hex of the hash of its sealed bytes. */
  readonly id: string
  readonly key: Uint8Array
  readonly bytes: number
}

/** Nodes of one tree of a checkpoint. */
export interface NodePart extends BackupPart {
  readonly isSealed: boolean
  readonly ids: readonly NodeHash[]
}

export function nodesPrefix(volume: VolumeId): string {
  return `${volume}/checkpoints/`
}

export function logPrefix(volume: VolumeId): string {
  return `${volume}/log/`
}

/** key: 32 fresh random bytes. */
export function sealPart(
  volume: VolumeId,
  items: readonly Uint8Array[],
  key: Uint8Array,
): BackupPart & { readonly sealed: Uint8Array } {
  const sealed = sealOnce(key, encodeCbor(items), hexIdBytes(volume))
  return { id: toHex(blake3(sealed)), key, bytes: sealed.length, sealed }
}

/** Opens a part of a backup. throws ShoalError 'corrupt'. */
export function openPart(volume: VolumeId, part: BackupPart, sealed: Uint8Array): Uint8Array[] {
  if (toHex(blake3(sealed)) !== part.id)
    throw new ShoalError('corrupt', `part ${part.id} of a backup is damaged`)
  const items = decodeCbor(openOnce(part.key, sealed, hexIdBytes(volume)), 'part of a backup')
  if (Array.isArray(items) && items.every((item) => item instanceof Uint8Array)) return items
  throw new ShoalError('corrupt', `part ${part.id} of a backup is none`)
}
