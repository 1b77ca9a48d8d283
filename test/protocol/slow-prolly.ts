// The tree of docs/formats/checkpoint.md again: built from all records at once, as the page says,
// without regard to cost.
import { fromByteString, fromHex, toHex } from '../../protocol/bytes.ts'
import { blake3Keyed, deriveKey, keyedHasher } from '../../protocol/hash.ts'
import type { ByteString } from '../../protocol/bytes.ts'

/** The key of the trees in tests: 00 01 .. 1f. */
export const TREE_KEY: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => i)

export type TreeRecord = readonly [key: ByteString, value: Uint8Array]

const cutHash = keyedHasher(deriveKey('shoal 2026 tree cut v1', TREE_KEY))

/** The root of records in key order; undefined without any. */
export function slowRoot(records: readonly TreeRecord[]): string | undefined {
  let items = records
  for (let level = 0; ; level++) {
    const nodes: TreeRecord[] = []
    let open: TreeRecord[] = []
    let size = 0
    items.forEach((item, i) => {
      const [key, value] = item
      const own = itemSize(level, key, value.length)
      open.push(item)
      size += own
      const ends = size >= 131_072 || (size >= 16_384 && isNaturalEnd(level, key, own))
      if (!ends && i < items.length - 1) return
      nodes.push([key, blake3Keyed(TREE_KEY, nodeBytes(level, open))])
      open = []
      size = 0
    })
    if (nodes.length <= 1) return nodes[0] && toHex(nodes[0][1])
    items = nodes
  }
}

/** Bytes that an item adds to its node. */
export function itemSize(level: number, key: ByteString, valueLength: number): number {
  return (level === 0 ? 6 : 2) + key.length + valueLength
}

/** size: the item's. */
export function isNaturalEnd(level: number, key: ByteString, size: number): boolean {
  return Number.parseInt(cutStart(level, key), 16) < (2 ** 32 * size) / 16_384
}

/** The value that decides: hex of 4 bytes. */
export function cutStart(level: number, key: ByteString): string {
  return cutHash(Uint8Array.of(level, ...fromByteString(key))).slice(0, 8)
}

function nodeBytes(level: number, items: readonly TreeRecord[]): Uint8Array {
  const number = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
  return fromHex(
    [
      number(1, 2),
      number(level, 2),
      number(items.length, 4),
      ...items.map(([key]) => number(key.length, 4)),
      ...(level === 0 ? items.map(([, value]) => number(value.length, 8)) : []),
      ...items.map(([key]) => toHex(fromByteString(key))),
      ...items.map(([, value]) => toHex(value)),
    ].join(''),
  )
}
