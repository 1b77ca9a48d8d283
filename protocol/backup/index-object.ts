// An index object tells what lies in some packs, so that nobody has to look into each. Several may
// tell of the same pack: they say the same of it.
import { fromHex, toHex } from '../bytes.ts'
import { Fields } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { PACK_ID_BYTES, decodeContents, encodeContents } from './pack.ts'
import type { PackContents } from './pack.ts'

/** In one index object. */
export const INDEX_PACKS_MAX = 128
const INDEX_VERSION = 1

export interface IndexedPack extends PackContents {
  readonly id: string
  /** The length of the whole object. */
  readonly bytes: number
}

export function encodeIndex(packs: readonly IndexedPack[]): unknown {
  const items = packs.map((pack) => [fromHex(pack.id), pack.bytes, encodeContents(pack)])
  return { v: INDEX_VERSION, p: items }
}

/** throws ShoalError 'malformed', 'unsupported'. */
export function decodeIndex(value: unknown): readonly IndexedPack[] {
  const f = new Fields(value, 'index')
  if (f.integer('v') !== INDEX_VERSION)
    throw new ShoalError('unsupported', 'an index of this backup is newer than this program')
  return f.list('p', INDEX_PACKS_MAX).map((item) => {
    const [id, bytes, contents] = Array.isArray(item) ? (item as readonly unknown[]) : []
    if (!(id instanceof Uint8Array) || id.length !== PACK_ID_BYTES || !Number.isSafeInteger(bytes))
      throw new ShoalError('malformed', 'an index has a pack without id or size')
    return { id: toHex(id), bytes: bytes as number, ...decodeContents(contents) }
  })
}
