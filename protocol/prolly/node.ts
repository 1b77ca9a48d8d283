// One node of a Prolly tree (prolly.ts) as bytes, in columns so that it is read with few calls
// whatever it holds:
//
//   version 1 | level | count u16 | count times key length u16 | leaf: count times value length u32
//     | keys | values
//
// big-endian. Level 0 is a leaf of records. An item above is a child: the last key below it, and as
// value its 32-byte hash, whose length goes without saying. Every field is needed and there is no
// slack, so one node has one form; what decodes has its keys in strictly ascending order.
import { fromByteString, toByteString } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import { CHUNK_PLAIN_MAX, NAME_MAX } from '../limits.ts'
import { KIB } from '../units.ts'
import type { ByteString } from '../bytes.ts'

/** Bytes of items at which a node ends, whatever they are. */
export const NODE_FULL: number = 128 * KIB
const HEADER_BYTES = 4
/** A node fits in a chunk. */
const NODE_MAX = CHUNK_PLAIN_MAX
/** A name, and ids before and after it. */
const KEY_MAX = 4 * (NAME_MAX + 1)
/** The last item of a node may begin one byte below NODE_FULL. */
const ITEM_MAX = NODE_MAX - HEADER_BYTES - NODE_FULL

/**
 * A node that is not the last of its level has at least two items, so no tree has more levels than
 * this.
 */
const LEVEL_MAX = 63

const VERSION = 1
const KEY_LENGTH_BYTES = 2
const VALUE_LENGTH_BYTES = 4

/**
 * A decoded node. Keys and values are cut from it when they are asked for: an array of them would
 * be most of the work of reading one record. What is kept of them keeps all of the node in memory.
 */
export interface ProllyNode {
  readonly level: number
  /** Items, at least one. */
  readonly count: number
  /** The keys, one after another. Key i is chars [keyStarts[i], keyStarts[i + 1]). */
  readonly keyText: ByteString
  readonly keyStarts: Uint32Array
  readonly bytes: Uint8Array
  /** Value i is bytes [valueStarts[i], valueStarts[i + 1]). */
  readonly valueStarts: Uint32Array
}

/** Bytes that an item adds to a node. throws ShoalError 'malformed' if it is too large for any. */
export function itemBytes(level: number, key: ByteString, value: Uint8Array): number {
  const bytes = overhead(level) + key.length + value.length
  if (key.length > KEY_MAX || bytes > ITEM_MAX) {
    throw malformed(`cannot hold a key of ${key.length} bytes with ${value.length} bytes`)
  }
  return bytes
}

/** The bytes of a node. Keys ascend; `size` is the sum of itemBytes. */
export function encodeNode(
  level: number,
  keys: readonly ByteString[],
  values: readonly Uint8Array[],
  size: number,
): Uint8Array {
  const out = new Uint8Array(HEADER_BYTES + size)
  const view = new DataView(out.buffer)
  view.setUint8(0, VERSION)
  view.setUint8(1, level)
  view.setUint16(2, keys.length)
  let at = HEADER_BYTES
  for (const key of keys) {
    view.setUint16(at, key.length)
    at += KEY_LENGTH_BYTES
  }
  if (level === 0) {
    for (const value of values) {
      view.setUint32(at, value.length)
      at += VALUE_LENGTH_BYTES
    }
  }
  const text = fromByteString(keys.join(''))
  out.set(text, at)
  at += text.length
  for (const value of values) {
    out.set(value, at)
    at += value.length
  }
  return out
}

/**
 * Inverse of encodeNode. throws ShoalError 'malformed', 'unsupported' for what a later version
 * wrote.
 */
export function decodeNode(bytes: Uint8Array): ProllyNode {
  if (bytes.length < HEADER_BYTES || bytes.length > NODE_MAX) throw malformed('has a bad length')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint8(0) !== VERSION) {
    throw new ShoalError('unsupported', `tree node version ${view.getUint8(0)} is not known here`)
  }
  const level = view.getUint8(1)
  if (level > LEVEL_MAX) throw malformed('has a bad level')
  const count = view.getUint16(2)
  const keysAt = HEADER_BYTES + count * overhead(level)
  if (count === 0 || keysAt > bytes.length) throw malformed('has a bad count')

  const lengthsAt = HEADER_BYTES + count * KEY_LENGTH_BYTES
  const keyStarts = new Uint32Array(count + 1)
  for (let i = 0; i < count; i++) {
    keyStarts[i + 1] = (keyStarts[i] ?? 0) + view.getUint16(HEADER_BYTES + i * KEY_LENGTH_BYTES)
  }
  const valuesAt = keysAt + (keyStarts[count] ?? 0)
  if (valuesAt > bytes.length) throw malformed('is cut off in its keys')
  const valueStarts = new Uint32Array(count + 1)
  let end = valuesAt
  for (let i = 0; i < count; i++) {
    valueStarts[i] = end
    end += level === 0 ? view.getUint32(lengthsAt + i * VALUE_LENGTH_BYTES) : HASH_BYTES
    // In the loop, since a sum of lengths may not fit in 32 bits.
    if (end > bytes.length) throw malformed('is cut off in its values')
  }
  valueStarts[count] = end
  if (end !== bytes.length) throw malformed('has bytes after its values')
  const node: ProllyNode = {
    level,
    count,
    keyText: toByteString(bytes.subarray(keysAt, valuesAt)),
    keyStarts,
    bytes,
    valueStarts,
  }
  checkKeys(node)
  if (bytes.length - itemBytesAt(node, count - 1) >= HEADER_BYTES + NODE_FULL) {
    throw malformed('goes on after it is full')
  }
  return node
}

/** The level of a node that is known to be one, from its bytes. */
export function levelOf(bytes: Uint8Array): number {
  return bytes[1] ?? 0
}

/** Value `index` of a node, as a view of its bytes. */
export function valueAt(node: ProllyNode, index: number): Uint8Array {
  return node.bytes.subarray(node.valueStarts[index], node.valueStarts[index + 1])
}

/** itemBytes of item `index`. */
export function itemBytesAt(node: ProllyNode, index: number): number {
  return overhead(node.level) + lengthAt(node.keyStarts, index) + lengthAt(node.valueStarts, index)
}

/** Key `index` of a node, which has one. */
export function keyAt({ keyText, keyStarts }: ProllyNode, index: number): ByteString {
  return keyText.substring(keyStarts[index] ?? 0, keyStarts[index + 1])
}

/** The last key of a node. */
export function lastKey(node: ProllyNode): ByteString {
  return keyAt(node, node.count - 1)
}

/** How many keys of the node are below `key`: the index of `key`, or of the first above it. */
export function countBelow(node: ProllyNode, key: ByteString): number {
  let low = 0
  let high = node.count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keyAt(node, middle) < key) low = middle + 1
    else high = middle
  }
  return low
}

/** A ShoalError 'malformed' that says how. */
export function malformed(how: string): ShoalError {
  return new ShoalError('malformed', `a tree node ${how}`)
}

function checkKeys(node: ProllyNode): void {
  let before: ByteString | undefined
  for (let i = 0; i < node.count; i++) {
    const key = keyAt(node, i)
    if (key.length > KEY_MAX) throw malformed('has a key that is too long')
    if (before !== undefined && before >= key) throw malformed('has keys out of order')
    before = key
  }
}

function lengthAt(starts: Uint32Array, index: number): number {
  return (starts[index + 1] ?? 0) - (starts[index] ?? 0)
}

function overhead(level: number): number {
  return level === 0 ? KEY_LENGTH_BYTES + VALUE_LENGTH_BYTES : KEY_LENGTH_BYTES
}
