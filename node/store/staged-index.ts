// The local index: what the ordered store holds, under what is staged for its next commit. Reads
// see staged changes at once; the ordered store gets them in one batch with the checkpoint they
// belong to, so that the checkpoint never passes a record whose pointer is not in the index. The
// table of the segments goes with them.
import { assert } from '../../protocol/errors.ts'
import {
  checkpointKey,
  decodeCheckpoint,
  encodeCheckpoint,
  chunkKey,
  decodeAddress,
  encodeAddress,
} from './keys.ts'
import { SegmentTable } from './segment-table.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { Checkpoint, Address } from './keys.ts'
import type { Kv, KvWrite } from './kv.ts'
import type { SegmentsEnd } from './segments-end.ts'
import { CHUNK_HEAD_BYTES } from './record.ts'
import type { ChunkId } from '../../protocol/ids.ts'

type Changes = ReadonlyMap<ByteString, Uint8Array | undefined>

/** Bytes of what is held, and of the shards in the trash. */
export interface HeldBytes {
  readonly chunkBytes: number
  readonly shardBytes: number
  readonly trashBytes: number
}

/** See the head of the file. */
export class StagedIndex {
  readonly segments: SegmentTable
  readonly #kv: Kv
  #staged = new Map<ByteString, Uint8Array | undefined>()
  /** Taken, and not known to be in the ordered store yet. */
  #taken: Changes = new Map()
  #checkpoint: Checkpoint
  #takenCheckpoint: Checkpoint
  #held: HeldBytes

  private constructor(kv: Kv, segments: SegmentTable, checkpoint: Checkpoint) {
    this.#kv = kv
    this.segments = segments
    this.#checkpoint = checkpoint
    this.#takenCheckpoint = checkpoint
    const { chunkBytes, shardBytes, trashBytes } = checkpoint
    this.#held = { chunkBytes, shardBytes, trashBytes }
  }

  /**
   * kv: has a checkpoint. throws ShoalError 'unsupported', 'corrupt' on one that it cannot read.
   */
  static async open(kv: Kv): Promise<StagedIndex> {
    const saved = kv.get(checkpointKey())
    assert(saved !== undefined, 'an index has a checkpoint')
    const checkpoint = decodeCheckpoint(saved)
    return new StagedIndex(kv, await SegmentTable.load(kv), checkpoint)
  }

  /** As of the last batch settled. */
  get checkpoint(): Checkpoint {
    return this.#checkpoint
  }

  get held(): HeldBytes {
    return this.#held
  }

  /** Changes that the next batch will hold. */
  get stagedCount(): number {
    return this.#staged.size
  }

  get(key: ByteString): Uint8Array | undefined {
    if (this.#staged.has(key)) return this.#staged.get(key)
    if (this.#taken.has(key)) return this.#taken.get(key)
    return this.#kv.get(key)
  }

  /** Stage a value, or with undefined the removal of `key`. */
  stage(key: ByteString, value: Uint8Array | undefined): void {
    this.#staged.set(key, value)
  }

  count({ chunkBytes = 0, shardBytes = 0, trashBytes = 0 }: Partial<HeldBytes>): void {
    this.#held = {
      chunkBytes: this.#held.chunkBytes + chunkBytes,
      shardBytes: this.#held.shardBytes + shardBytes,
      trashBytes: this.#held.trashBytes + trashBytes,
    }
  }

  /**
   * The batch of all that is staged, with the checkpoint if it moved. Then settle() or restore(),
   * before the next.
   */
  take(end: SegmentsEnd): KvWrite[] {
    const moved = end.segment !== this.#checkpoint.segment || end.offset !== this.#checkpoint.offset
    if (this.#staged.size === 0 && !moved && !this.segments.isDirty) return []
    this.#taken = this.#staged
    this.#staged = new Map()
    this.#takenCheckpoint = { ...end, ...this.#held }
    const batch = Array.from(this.#taken, ([key, value]): KvWrite =>
      value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value },
    )
    const value = encodeCheckpoint(this.#takenCheckpoint)
    return [...batch, ...this.segments.take(), { kind: 'put', key: checkpointKey(), value }]
  }

  /** The batch taken is in the ordered store. */
  settle(): void {
    this.#taken = new Map()
    this.#checkpoint = this.#takenCheckpoint
    this.segments.settle()
  }

  /** The batch taken was not written: its changes are staged again, below newer ones. */
  restore(): void {
    this.#staged = new Map([...this.#taken, ...this.#staged])
    this.#taken = new Map()
    this.#takenCheckpoint = this.#checkpoint
    this.segments.restore()
  }
}

export function addressOf(index: StagedIndex, id: ChunkId): Address | undefined {
  const value = index.get(chunkKey(id))
  return value === undefined ? undefined : decodeAddress(value)
}

/** Points at the record of a chunk, its only live one: the one that was pointed at is dead. */
export function stageChunk(index: StagedIndex, id: ChunkId, address: Address): void {
  unstageChunk(index, id)
  index.stage(chunkKey(id), encodeAddress(address))
  count(index, address, 1)
}

/** Point at no record of a chunk. */
export function unstageChunk(index: StagedIndex, id: ChunkId): void {
  const address = addressOf(index, id)
  if (address === undefined) return
  index.stage(chunkKey(id), undefined)
  count(index, address, -1)
}

function count(index: StagedIndex, { segment, length }: Address, sign: 1 | -1): void {
  index.count({ chunkBytes: sign * length })
  index.segments.live(segment, sign * (CHUNK_HEAD_BYTES + length))
}
