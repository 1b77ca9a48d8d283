// Cuts the items of one level of a Prolly tree (prolly.ts) into nodes.
//
// The rule: going through the items in order, a node ends after the item
//   - with which it has NODE_FULL bytes of items, or
//   - with which it has CUT_MIN bytes, if the item is a natural end: the first 4 bytes of
//     BLAKE3-keyed(cut key, level || key), as a number, are below 2^32 x (bytes of the item) /
//     CUT_MEAN,
// and after the last. What was before a cut does not matter behind it, so what changes in one place
// is over where a new cut meets an old one, which is at the next natural end but in few cases. Who
// chooses keys so that all or none are natural ends moves cuts only as far as their own keys go;
// and since CUT_MIN is more than any two items above the leaves have, each level is shorter than
// the one below whatever they do.
import { fromByteString, fromHex } from '../bytes.ts'
import { KIB } from '../units.ts'
import { NODE_FULL, encodeNode, itemBytes, itemBytesAt, keyAt, valueAt } from './node.ts'
import type { ByteString } from '../bytes.ts'
import type { NodeHash } from './prolly.ts'
import type { ProllyNode } from './node.ts'

/** A record; or, above the leaves, the last key below a node and its hash. */
export type Item = readonly [key: ByteString, value: Uint8Array]
/** An item to put, or with undefined to delete. */
export type ItemChange = readonly [key: ByteString, value: Uint8Array | undefined]

export interface WriterParts {
  /** Hex of the keyed hash that natural ends are told by. */
  readonly cutHash: (bytes: Uint8Array) => string
  /** Take a finished node. */
  readonly store: (bytes: Uint8Array) => NodeHash
}

const CUT_MIN: number = 16 * KIB
/** Beyond CUT_MIN a natural end comes every so many bytes on average: nodes have 32 KiB. */
const CUT_MEAN: number = 16 * KIB

/**
 * Takes the items of a level, or of a stretch of it that begins behind a cut, and makes its nodes.
 */
export class LevelWriter {
  readonly #parts: WriterParts
  readonly #level: number
  readonly #made: Item[] = []
  #keys: ByteString[] = []
  #values: Uint8Array[] = []
  #size = 0

  constructor(parts: WriterParts, level: number) {
    this.#parts = parts
    this.#level = level
  }

  /** Is there a node that has not ended? */
  get isOpen(): boolean {
    return this.#keys.length > 0
  }

  /** The item of the level, if there has been just one. */
  get onlyItem(): Item | undefined {
    const [key] = this.#keys
    const [value, second] = this.#values
    const isOnly = this.#made.length === 0 && second === undefined
    return isOnly && key !== undefined && value !== undefined ? [key, value] : undefined
  }

  /** isInside: it is known that the item is no natural end, which saves the hash. */
  push(key: ByteString, value: Uint8Array, isInside = false): void {
    const bytes = itemBytes(this.#level, key, value)
    this.#keys.push(key)
    this.#values.push(value)
    this.#size += bytes
    if (this.#size < CUT_MIN) return
    if (this.#size >= NODE_FULL || (!isInside && this.#isNaturalEnd(key, bytes))) this.#cut()
  }

  /** The items of `node` with changes [start, end) made, whose keys fit in there. */
  pushMerged(
    node: ProllyNode | undefined,
    changes: readonly ItemChange[],
    start: number,
    end: number,
  ): void {
    const count = node?.count ?? 0
    let at = start
    let size = 0
    for (let i = 0; node !== undefined && i < count; i++) {
      const key = keyAt(node, i)
      size += itemBytesAt(node, i)
      let change = at < end ? changes[at] : undefined
      while (change !== undefined && change[0] < key) {
        this.#pushChange(change)
        change = ++at < end ? changes[at] : undefined
      }
      if (change?.[0] === key) {
        this.#pushChange(change)
        at++
      } else {
        // The node did not end here, though it could have.
        this.push(key, valueAt(node, i), size >= CUT_MIN && i < count - 1)
      }
    }
    for (; at < end; at++) this.#pushChange(changes[at])
  }

  /** All nodes made, as items of the level above. */
  end(): readonly Item[] {
    if (this.isOpen) this.#cut()
    return this.#made
  }

  #pushChange(change: ItemChange | undefined): void {
    if (change?.[1] !== undefined) this.push(change[0], change[1])
  }

  #isNaturalEnd(key: ByteString, bytes: number): boolean {
    const hash = this.#parts.cutHash(fromByteString(String.fromCharCode(this.#level) + key))
    return Number.parseInt(hash.slice(0, 8), 16) * CUT_MEAN < bytes * 2 ** 32
  }

  #cut(): void {
    const last = this.#keys.at(-1) ?? ''
    const bytes = encodeNode(this.#level, this.#keys, this.#values, this.#size)
    this.#made.push([last, fromHex(this.#parts.store(bytes))])
    this.#keys = []
    this.#values = []
    this.#size = 0
  }
}
