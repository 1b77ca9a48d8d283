// The genesis document: what never changes of a volume. Its hash is the volume's id, so nobody can
// alter it.
import { toHex } from '../bytes.ts'
import { Fields, decodeCanonicalCbor, encodeCbor } from '../cbor.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { blake3 } from '../hash.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { PeerId, VolumeId } from '../ids.ts'
import type { ChunkSizeName } from '../chunk/fastcdc.ts'
import type { HashName } from '../chunk/seal.ts'
import type { WallTime } from '../units.ts'

const GENESIS_VERSION = 1
export const GENESIS_BYTES_MAX = 4096
const NAME_LENGTH_MAX = 64
const ITEMS_MAX = 64
/** As much as the clock of an entry holds. */
const CREATED_MAX = 2 ** 48 - 1

export interface Genesis {
  readonly creator: PeerId
  /** The name the creator gave; each node may know the volume by another. */
  readonly name: string
  readonly nonce: Uint8Array
  readonly created: WallTime
  readonly chunk: ChunkSizeName
  readonly hash: HashName
}

export function encodeGenesis(genesis: Genesis): Uint8Array {
  return encodeCbor({
    v: GENESIS_VERSION,
    creator: publicKeyOf(genesis.creator),
    name: genesis.name,
    nonce: genesis.nonce,
    created: genesis.created,
    chunk: genesis.chunk,
    hash: genesis.hash,
  })
}

/** throws ShoalError 'malformed' or 'unsupported'. */
export function decodeGenesis(bytes: Uint8Array): Genesis {
  if (bytes.length > GENESIS_BYTES_MAX)
    throw new ShoalError('malformed', 'a genesis document is too long')
  const f = new Fields(decodeCanonicalCbor(bytes, 'genesis', ITEMS_MAX), 'genesis')
  if (f.integer('v') !== GENESIS_VERSION)
    throw new ShoalError('unsupported', 'this volume is newer than this node')
  try {
    return {
      creator: peerIdFromPublicKey(f.bytes('creator', 32, 32)),
      name: checkVolumeName(f.text('name', NAME_LENGTH_MAX)),
      nonce: f.bytes('nonce', 32, 32),
      created: f.integer('created', 0, CREATED_MAX) as WallTime,
      chunk: parseChunkSize(f.text('chunk', 8)),
      hash: parseHashName(f.text('hash', 16)),
    }
  } catch (cause) {
    // A typing error of a user is 'usage'; from a peer it is a malformed document.
    if (!hasCode(cause, 'usage')) throw cause
    throw new ShoalError('malformed', 'a genesis document has a bad value', { cause })
  }
}

export function volumeIdOf(genesisBytes: Uint8Array): VolumeId {
  return toHex(blake3(genesisBytes)) as VolumeId
}

/** A volume's name is part of paths (`name:/dir/file`). throws ShoalError 'usage'. */
export function checkVolumeName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return name
  throw new ShoalError(
    'usage',
    `"${name}" cannot name a volume; use letters, digits, ".", "_" and "-" (at most 64)`,
  )
}

/** throws ShoalError 'usage'. */
export function parseChunkSize(text: string): ChunkSizeName {
  for (const known of ['64k', '256k', '1m'] as const) if (known === text) return known
  throw new ShoalError('usage', `"${text}" is not a chunk size; sizes are 64k, 256k and 1m`)
}

/** throws ShoalError 'usage'. */
export function parseHashName(text: string): HashName {
  for (const known of ['blake3', 'sha2-256'] as const) if (known === text) return known
  throw new ShoalError('usage', `"${text}" is not a hash; hashes are blake3 and sha2-256`)
}
