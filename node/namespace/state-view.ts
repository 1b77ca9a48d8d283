// The state of one volume as it is now: what the ordered store holds plus what is applied but not yet durable.
// Reads are synchronous and see every applied op at once; `take` hands over what a group commit must write.
import type { ByteString } from '../../protocol/bytes.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { Kv, KvWrite } from '../store/kv.ts'

/** All keys of volumes in the store begin with this (node/store/keys.ts has the store's own). */
const NAMESPACE_PREFIX = 'n'

type Layer = Map<ByteString, Uint8Array | undefined>

export class StateView implements StateStore {
  readonly #kv: Kv
  readonly #prefix: ByteString
  #applied: Layer = new Map()
  #writing: Layer = new Map()
  #appliedBytes = 0
  #writingBytes = 0

  /** tag: two chars that tell this volume's keys from those of other volumes of the node. */
  constructor(kv: Kv, tag: ByteString) {
    this.#kv = kv
    this.#prefix = NAMESPACE_PREFIX + tag
  }

  /** Bytes applied since the last take, and by takes that failed: what bounds memory between commits. */
  get appliedBytes(): number {
    return this.#appliedBytes
  }

  get dirty(): boolean {
    return this.#applied.size > 0
  }

  get(key: ByteString): Uint8Array | undefined {
    if (this.#applied.has(key)) return this.#applied.get(key)
    if (this.#writing.has(key)) return this.#writing.get(key)
    return this.#kv.get(this.#prefix + key)
  }

  put(key: ByteString, value: Uint8Array): void {
    this.#applied.set(key, value)
    this.#appliedBytes += key.length + value.byteLength
  }

  delete(key: ByteString): void {
    this.#applied.set(key, undefined)
    this.#appliedBytes += key.length
  }

  /** What is applied, to be written now. One take at a time: settle or restore it before the next. */
  take(): KvWrite[] {
    this.#writing = this.#applied
    this.#writingBytes = this.#appliedBytes
    this.#applied = new Map()
    this.#appliedBytes = 0
    return [...this.#writing].map(([key, value]) =>
      value === undefined
        ? { kind: 'delete', key: this.#prefix + key }
        : { kind: 'put', key: this.#prefix + key, value },
    )
  }

  /** The taken writes are durable. */
  settle(): void {
    this.#writing = new Map()
  }

  /** The taken writes failed: keep them for the next take. */
  restore(): void {
    this.#applied = new Map([...this.#writing, ...this.#applied])
    this.#appliedBytes += this.#writingBytes
    this.#writing = new Map()
  }

  /** Records with from <= key < to, in key order. Keys are without the volume's prefix. */
  async *scan(from: ByteString, to: ByteString): AsyncGenerator<readonly [ByteString, Uint8Array]> {
    const pending = this.#pendingIn(from, to)
    let at = 0
    const cut = this.#prefix.length
    for await (const [stored, value] of this.#kv.scan({
      from: this.#prefix + from,
      to: this.#prefix + to,
    })) {
      const key = stored.slice(cut)
      for (let next = pending[at]; next !== undefined && next[0] < key; next = pending[++at]) {
        if (next[1] !== undefined) yield [next[0], next[1]]
      }
      const over = pending[at]
      if (over === undefined || over[0] !== key) {
        yield [key, value]
        continue
      }
      at++
      if (over[1] !== undefined) yield [key, over[1]]
    }
    for (const [key, value] of pending.slice(at)) if (value !== undefined) yield [key, value]
  }

  #pendingIn(from: ByteString, to: ByteString): (readonly [ByteString, Uint8Array | undefined])[] {
    const merged: Layer = new Map()
    for (const layer of [this.#writing, this.#applied]) {
      for (const [key, value] of layer) if (key >= from && key < to) merged.set(key, value)
    }
    return [...merged].sort(([a], [b]) => (a < b ? -1 : 1))
  }
}

/** The end of the range of all keys that begin with `prefix`, which holds a byte below 0xff. */
export function prefixEnd(prefix: ByteString): ByteString {
  let length = prefix.length
  while (prefix.charCodeAt(length - 1) === 0xff) length--
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1)
}
