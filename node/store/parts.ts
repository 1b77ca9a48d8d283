// The shared parts of the chunks and the shards of one store.
import { hasCode } from '../../protocol/errors.ts'
import { isSame } from './record-name.ts'
import type { Clock } from '../world/world.ts'
import type { Address } from './keys.ts'
import type { Kv } from './kv.ts'
import type { RecordKind } from './record.ts'
import type { Placed, Segments } from './segments.ts'
import type { StagedIndex } from './staged-index.ts'

/** The condition of a chunk or shard that is read from the disk as it is now. */
export type Soundness = 'whole' | 'damaged' | 'missing'

export interface StoreParts {
  readonly kv: Kv
  readonly clock: Pick<Clock, 'wall'>
  readonly segments: Segments
  readonly index: StagedIndex
  /** Add a record; when there is no room for it, make some first. throws ShoalError 'ENOSPC'. */
  readonly add: (
    kind: RecordKind,
    id: Uint8Array,
    parts: readonly Uint8Array[],
    placed: Placed,
  ) => Promise<void>
  /** Resolves when the index may take another change: commits when much is staged. */
  readonly room: () => Promise<void>
  /** All that was changed before is durable. */
  readonly commit: () => Promise<void>
}

/**
 * The result of `read` for the record that `find` finds; undefined if there is none. A record that
 * was moved while it was read is read where it is now.
 */
export async function readFound<Pointer extends { readonly address: Address }, Read>(
  find: () => Pointer | undefined,
  read: (pointer: Pointer) => Promise<Read>,
): Promise<Read | undefined> {
  for (let pointer = find(); pointer !== undefined;) {
    try {
      return await read(pointer)
    } catch (error) {
      const now = find()
      if (!hasCode(error, 'corrupt') || isSame(now?.address, pointer.address)) throw error
      pointer = now
    }
  }
  return undefined
}

/** A copy of `length` bytes from `offset` of `parts` back to back. */
export function cutParts(parts: readonly Uint8Array[], offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  let start = -offset // Of the part, relative to the first byte wanted.
  for (const part of parts) {
    const from = Math.max(0, -start)
    const to = Math.min(part.byteLength, length - start)
    if (from < to) out.set(part.subarray(from, to), start + from)
    start += part.byteLength
  }
  return out
}
