// Records of a view as the ordered store has them, absent ones too: a call that names a path reads
// those of its folders again and again. Invariant: what is here is what the store would answer;
// whoever changes a record there says so here.
import type { ByteString } from '../../protocol/bytes.ts'

/** Records in each half. */
const RECORDS_MAX = 4096
/** A larger record is read again. */
const RECORD_BYTES_MAX = 512

type Records = Map<ByteString, Uint8Array | undefined>

export class ReadCache {
  /** Read, or written, since the halves changed places; what was not goes when they do it again. */
  #young: Records = new Map()
  #old: Records = new Map()

  /** The record of `key`, read by `read` where it is not known. */
  get(key: ByteString, read: (key: ByteString) => Uint8Array | undefined): Uint8Array | undefined {
    const known = this.#young.get(key)
    if (known !== undefined || this.#young.has(key)) return known
    const isOld = this.#old.has(key)
    const value = isOld ? this.#old.get(key) : read(key)
    if (value === undefined || value.byteLength <= RECORD_BYTES_MAX) this.#add(key, value)
    return value
  }

  /** The store has another value now, or none. */
  update(key: ByteString, value: Uint8Array | undefined): void {
    if (!this.#young.has(key) && !this.#old.delete(key)) return
    this.#young.delete(key)
    // A copy: a small value may be a view of a big buffer.
    if (value === undefined || value.byteLength <= RECORD_BYTES_MAX)
      this.#add(key, value && Uint8Array.from(value))
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }

  #add(key: ByteString, value: Uint8Array | undefined): void {
    this.#young.set(key, value)
    if (this.#young.size < RECORDS_MAX) return
    this.#old = this.#young
    this.#young = new Map()
  }
}
