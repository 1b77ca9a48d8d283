// The ordered store seam: LevelDB in production, memory in simulations. Keys are byte strings
// (protocol/bytes.ts).
import type { ByteString } from '../../protocol/bytes.ts'

export type KvWrite =
  | { readonly kind: 'put'; readonly key: ByteString; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: ByteString }

export interface KvRange {
  /** Inclusive lower bound. */
  readonly from: ByteString
  /** Exclusive upper bound. */
  readonly to: ByteString
  readonly reverse?: boolean
  readonly countMax?: number
}

export interface Kv {
  /** Point read, synchronous: a read through the thread pool costs more than the lookup. */
  get(key: ByteString): Uint8Array | undefined
  /** All or nothing. With `sync` it is durable when the promise resolves. */
  write(writes: readonly KvWrite[], options: { sync: boolean }): Promise<void>
  /** Entries of a range in key order, from a snapshot taken at the call. */
  scan(range: KvRange): AsyncIterable<readonly [ByteString, Uint8Array]>
  /** Bytes that its entries take on disk, about; less what is being written just now. */
  sizeBytes(): Promise<number>
  /** Gives back the room of what was deleted in a range; absent: it comes back by itself. */
  compact?(range: Pick<KvRange, 'from' | 'to'>): Promise<void>
  close(): Promise<void>
}
