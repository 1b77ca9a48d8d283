// The local index: what the ordered store holds, under what is staged for its next commit. Reads see staged changes
// at once; the ordered store gets them in one batch with the checkpoint they belong to, so that the checkpoint never
// passes a record whose pointer is not in the index.
import { assert } from '../../protocol/errors.ts'
import { checkpointKey, decodeCheckpoint, encodeCheckpoint } from './keys.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { Checkpoint } from './keys.ts'
import type { Kv, KvWrite } from './kv.ts'
import type { SegmentsEnd } from './segments.ts'

type Changes = ReadonlyMap<ByteString, Uint8Array | undefined>

/** See the head of the file. */
export class StagedIndex {
  readonly #kv: Kv
  #staged = new Map<ByteString, Uint8Array | undefined>()
  /** Taken, and not known to be in the ordered store yet. */
  #taken: Changes = new Map()
  #checkpoint: Checkpoint
  #takenCheckpoint: Checkpoint
  #chunkBytes: number
  #shardBytes: number

  /** kv: has a checkpoint. throws ShoalError 'unsupported', 'corrupt' on one that it cannot read. */
  constructor(kv: Kv) {
    this.#kv = kv
    const saved = kv.get(checkpointKey())
    assert(saved !== undefined, 'an index has a checkpoint')
    this.#checkpoint = decodeCheckpoint(saved)
    this.#takenCheckpoint = this.#checkpoint
    this.#chunkBytes = this.#checkpoint.chunkBytes
    this.#shardBytes = this.#checkpoint.shardBytes
  }

  /** As of the last batch settled. */
  get checkpoint(): Checkpoint {
    return this.#checkpoint
  }

  /** Bytes of the chunks and shards held. */
  get usage(): { chunkBytes: number; shardBytes: number } {
    return { chunkBytes: this.#chunkBytes, shardBytes: this.#shardBytes }
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

  count(delta: { chunkBytes?: number; shardBytes?: number }): void {
    this.#chunkBytes += delta.chunkBytes ?? 0
    this.#shardBytes += delta.shardBytes ?? 0
  }

  /** The batch of all that is staged, with the checkpoint if it moved. Then settle() or restore(), before the next. */
  take(end: SegmentsEnd): KvWrite[] {
    const moved = end.segment !== this.#checkpoint.segment || end.offset !== this.#checkpoint.offset
    if (this.#staged.size === 0 && !moved) return []
    this.#taken = this.#staged
    this.#staged = new Map()
    this.#takenCheckpoint = { ...end, ...this.usage }
    const batch = Array.from(this.#taken, ([key, value]): KvWrite =>
      value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value },
    )
    batch.push({
      kind: 'put',
      key: checkpointKey(),
      value: encodeCheckpoint(this.#takenCheckpoint),
    })
    return batch
  }

  /** The batch taken is in the ordered store. */
  settle(): void {
    this.#taken = new Map()
    this.#checkpoint = this.#takenCheckpoint
  }

  /** The batch taken was not written: its changes are staged again, below newer ones. */
  restore(): void {
    this.#staged = new Map([...this.#taken, ...this.#staged])
    this.#taken = new Map()
    this.#takenCheckpoint = this.#checkpoint
  }
}
