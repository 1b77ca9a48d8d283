// The index of shards. A shard has at most one record that is live: it is held, or it is in the
// trash, which is not held and still keeps its bytes; never both.
import {
  decodePointers,
  decodeTrash,
  encodePointers,
  encodeTrash,
  headerKey,
  shardKey,
  trashKey,
} from './keys.ts'
import { SHARD_HEAD_BYTES } from './record.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { ShardPointer, TrashedShard } from './keys.ts'
import type { StagedIndex } from './staged-index.ts'

/** The shards of a stripe that are held, by index. */
export function pointersOf(index: StagedIndex, stripe: StripeId): readonly ShardPointer[] {
  const value = index.get(shardKey(stripe))
  return value === undefined ? [] : decodePointers(value)
}

export function heldShard(
  index: StagedIndex,
  stripe: StripeId,
  shard: number,
): ShardPointer | undefined {
  return pointersOf(index, stripe).find((pointer) => pointer.index === shard)
}

export function trashedShard(
  index: StagedIndex,
  stripe: StripeId,
  shard: number,
): TrashedShard | undefined {
  const value = index.get(trashKey(stripe, shard))
  return value === undefined ? undefined : decodeTrash(value)
}

/** Hold a shard by this record; another that it was held or trashed by is dead. */
export function stageShard(
  index: StagedIndex,
  stripe: StripeId,
  pointer: ShardPointer,
  headerBytes: Uint8Array,
): void {
  unstageTrash(index, stripe, pointer.index)
  if (pointersOf(index, stripe).length === 0) index.stage(headerKey(stripe), headerBytes)
  replaceShard(index, stripe, pointer)
}

/**
 * Point at this record of a shard of a stripe whose header is kept; one that was pointed at is
 * dead.
 */
export function replaceShard(index: StagedIndex, stripe: StripeId, pointer: ShardPointer): void {
  const pointers = pointersOf(index, stripe)
  const old = pointers.find((other) => other.index === pointer.index)
  const all = [...pointers.filter((other) => other !== old), pointer]
  index.stage(shardKey(stripe), encodePointers(all.sort((a, b) => a.index - b.index)))
  if (old !== undefined) countHeld(index, old, -1)
  countHeld(index, pointer, 1)
}

/** Hold a shard no more; its record is dead. */
export function unstageShard(index: StagedIndex, stripe: StripeId, shard: number): void {
  const pointers = pointersOf(index, stripe)
  const pointer = pointers.find((other) => other.index === shard)
  if (pointer === undefined) return
  const left = pointers.filter((other) => other !== pointer)
  index.stage(shardKey(stripe), left.length === 0 ? undefined : encodePointers(left))
  if (left.length === 0) index.stage(headerKey(stripe), undefined)
  countHeld(index, pointer, -1)
}

/** Have a shard in the trash by this record; another that it was held or trashed by is dead. */
export function stageTrash(index: StagedIndex, stripe: StripeId, trashed: TrashedShard): void {
  const { pointer } = trashed
  unstageShard(index, stripe, pointer.index)
  unstageTrash(index, stripe, pointer.index)
  index.stage(trashKey(stripe, pointer.index), encodeTrash(trashed))
  countTrash(index, pointer, 1)
}

/** Have a shard in the trash no more; its record is dead. */
export function unstageTrash(index: StagedIndex, stripe: StripeId, shard: number): void {
  const trashed = trashedShard(index, stripe, shard)
  if (trashed === undefined) return
  index.stage(trashKey(stripe, shard), undefined)
  countTrash(index, trashed.pointer, -1)
}

/** Bytes of the shard itself. */
export function shardBytes({ address, prefixBytes }: ShardPointer): number {
  return address.length - prefixBytes
}

function countHeld(index: StagedIndex, pointer: ShardPointer, sign: 1 | -1): void {
  index.count({ shardBytes: sign * shardBytes(pointer) })
  countLive(index, pointer, sign)
}

function countTrash(index: StagedIndex, pointer: ShardPointer, sign: 1 | -1): void {
  index.count({ trashBytes: sign * shardBytes(pointer) })
  countLive(index, pointer, sign)
}

function countLive(index: StagedIndex, { address }: ShardPointer, sign: 1 | -1): void {
  index.segments.live(address.segment, sign * (SHARD_HEAD_BYTES + address.length))
}
