// The table of segments, in memory and in the ordered store: the bytes of each, and those of its
// records that the index points at. It changes with the index and is written in the same batch, so
// a row is true whenever its checkpoint is.
import { assert } from '../../protocol/errors.ts'
import {
  decodeSegmentRow,
  encodeSegmentRow,
  prefixRange,
  segmentKey,
  segmentOfKey,
  SEGMENT_PREFIX,
} from './keys.ts'
import type { SegmentRow } from './keys.ts'
import type { Kv, KvWrite } from './kv.ts'

const NOTHING: SegmentRow = { bytes: 0, liveBytes: 0 }

/** See the head of the file. Memory: a row a segment. */
export class SegmentTable {
  readonly #kv: Kv
  readonly #rows = new Map<number, SegmentRow>()
  #total: SegmentRow = NOTHING
  /** Rows that the ordered store does not have as they are. */
  #dirty = new Set<number>()
  #taken: ReadonlySet<number> = new Set()

  private constructor(kv: Kv) {
    this.#kv = kv
  }

  static async load(kv: Kv): Promise<SegmentTable> {
    const table = new SegmentTable(kv)
    for await (const [key, value] of kv.scan(prefixRange(SEGMENT_PREFIX))) {
      table.#set(segmentOfKey(key), decodeSegmentRow(value))
    }
    return table
  }

  /** Over all segments. */
  get total(): SegmentRow {
    return this.#total
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0
  }

  /** By number, rising. */
  rows(): (readonly [number, SegmentRow])[] {
    return [...this.#rows].sort(([a], [b]) => a - b)
  }

  row(segment: number): SegmentRow {
    return this.#rows.get(segment) ?? NOTHING
  }

  /** Bytes were added at the end of a segment. */
  grow(segment: number, bytes: number): void {
    const row = this.row(segment)
    this.#change(segment, { ...row, bytes: row.bytes + bytes })
  }

  /** Records of so many bytes in a segment came to be live; or, if negative, dead. */
  live(segment: number, bytes: number): void {
    const row = this.row(segment)
    assert(row.liveBytes + bytes >= 0, 'no more records die than live')
    this.#change(segment, { ...row, liveBytes: row.liveBytes + bytes })
  }

  /**
   * Nothing in the segment is live, and what came last to be so is known to the ordered store
   * durably.
   */
  isDead(segment: number): boolean {
    if (this.row(segment).liveBytes > 0) return false
    const stored = this.#kv.get(segmentKey(segment))
    return stored === undefined || decodeSegmentRow(stored).liveBytes === 0
  }

  /** The file of the segment is no more. */
  remove(segment: number): void {
    this.#set(segment, NOTHING)
    this.#rows.delete(segment)
    this.#dirty.add(segment)
  }

  /**
   * The writes that bring the ordered store up to date. Then settle() or restore(), before the
   * next.
   */
  take(): KvWrite[] {
    this.#taken = this.#dirty
    this.#dirty = new Set()
    return Array.from(this.#taken, (segment): KvWrite => {
      const [key, row] = [segmentKey(segment), this.#rows.get(segment)]
      if (row === undefined) return { kind: 'delete', key }
      return { kind: 'put', key, value: encodeSegmentRow(row) }
    })
  }

  /** The writes taken were made. */
  settle(): void {
    this.#taken = new Set()
  }

  /** The writes taken were not made. */
  restore(): void {
    this.#dirty = new Set([...this.#taken, ...this.#dirty])
    this.#taken = new Set()
  }

  #change(segment: number, row: SegmentRow): void {
    this.#set(segment, row)
    this.#dirty.add(segment)
  }

  #set(segment: number, row: SegmentRow): void {
    const before = this.row(segment)
    this.#rows.set(segment, row)
    this.#total = {
      bytes: this.#total.bytes + row.bytes - before.bytes,
      liveBytes: this.#total.liveBytes + row.liveBytes - before.liveBytes,
    }
  }
}
