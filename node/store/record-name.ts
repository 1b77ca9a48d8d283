// The identity of a record in a segment: which chunk, or which shard of which stripe; and its place
// according to the index.
import { hasCode } from '../../protocol/errors.ts'
import { chunkIdFromCid, CID_BYTES, stripeIdFromCid } from '../../protocol/ids.ts'
import { addressOf, stageChunk } from './staged-index.ts'
import { CHUNK_RECORD } from './record.ts'
import { heldShard, replaceShard, stageTrash, trashedShard } from './shard-index.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { Address } from './keys.ts'
import type { RecordHead } from './record.ts'
import type { StagedIndex } from './staged-index.ts'

export type RecordName =
  | { readonly kind: 'chunk'; readonly id: ChunkId }
  | { readonly kind: 'shard'; readonly stripe: StripeId; readonly index: number }

/** undefined for an id that does not parse: bytes inside a payload can look like a record. */
export function recordName({ kind, id }: RecordHead): RecordName | undefined {
  try {
    if (kind === CHUNK_RECORD) return { kind: 'chunk', id: chunkIdFromCid(id) }
    const index = id[CID_BYTES]
    const stripe = stripeIdFromCid(id.subarray(0, CID_BYTES))
    return index === undefined ? undefined : { kind: 'shard', stripe, index }
  } catch (error) {
    if (hasCode(error, 'malformed')) return undefined
    throw error
  }
}

/** Whether the index points at the record at this address, also as trash. */
export function isLive(index: StagedIndex, name: RecordName, address: Address): boolean {
  return mover(index, name, address) !== undefined
}

/** Let the index point at a copy of a record, if it points at the record. */
export function moveRecord(index: StagedIndex, name: RecordName, from: Address, to: Address): void {
  mover(index, name, from)?.(to)
}

/** The op that moves the pointer at the record at this address, if there is one. */
function mover(
  index: StagedIndex,
  name: RecordName,
  address: Address,
): ((to: Address) => void) | undefined {
  if (name.kind === 'chunk') {
    const isHere = isSame(addressOf(index, name.id), address)
    return isHere ? (to) => stageChunk(index, name.id, to) : undefined
  }
  const { stripe } = name
  const held = heldShard(index, stripe, name.index)
  if (held !== undefined && isSame(held.address, address)) {
    return (to) => replaceShard(index, stripe, { ...held, address: to })
  }
  const trashed = trashedShard(index, stripe, name.index)
  if (trashed === undefined || !isSame(trashed.pointer.address, address)) return undefined
  return (to) => {
    stageTrash(index, stripe, { ...trashed, pointer: { ...trashed.pointer, address: to } })
  }
}

/** No two records have one place. */
export function isSame(a: Address | undefined, b: Address): boolean {
  return a?.segment === b.segment && a.offset === b.offset
}
