// The positions of the items of a CBOR value in its bytes, as far as these are one, and the bytes
// with single items changed: lengths that lie, items that are gone, repeated, nested, or of another
// type. A change keeps its surroundings whole, so that a decoder gets as far as the change.
import { concatBytes } from '../../protocol/bytes.ts'
import type { SeededRandom } from '../../simulations/random.ts'

const [UNSIGNED, BYTES, TEXT, LIST, MAP] = [0, 2, 3, 4, 5]
const ITEMS_MAX = 2000
/** Bytes that one change may add. */
const GROWTH_MAX = 400_000

export interface Item {
  readonly start: number
  /** The end of its head. */
  readonly body: number
  end: number
  readonly major: number
  readonly argument: number
  /** Index of the list or map it is in. */
  readonly parent: number | undefined
}

/**
 * The items of the value that begins the bytes, each before those in it; none where it is no value.
 */
export function itemsOf(bytes: Uint8Array): Item[] {
  const items: Item[] = []
  const open: { index: number; left: number }[] = []
  let at = 0
  while (at < bytes.length && items.length < ITEMS_MAX) {
    const head = headAt(bytes, at)
    if (head === undefined) return []
    const { major, argument, length } = head
    const parent = open.at(-1)
    const body = at + length
    const end = major === BYTES || major === TEXT ? body + argument : body
    if (end > bytes.length) return []
    items.push({ start: at, body, end, major, argument, parent: parent?.index })
    at = end
    if (parent !== undefined) parent.left--
    if (major === LIST || major === MAP)
      open.push({ index: items.length - 1, left: major === LIST ? argument : 2 * argument })
    for (let last = open.at(-1); last?.left === 0; last = open.at(-1)) {
      const item = items[last.index]
      if (item !== undefined) item.end = at
      open.pop()
    }
    if (open.length === 0) return items
  }
  return []
}

/** The head of an item with this argument, in as many bytes as are needed, or in 9. */
function headOf(major: number, argument: number | bigint, isLong = false): Uint8Array {
  const value = BigInt(argument)
  const type = major << 5
  if (!isLong && value < 24n) return Uint8Array.of(type | Number(value))
  const widths = [1, 2, 4, 8] as const
  const width = isLong ? 8 : (widths.find((bytes) => value < 1n << BigInt(8 * bytes)) ?? 8)
  const head = new Uint8Array(1 + width)
  head[0] = type | (24 + Math.log2(width))
  for (let n = 0; n < width; n++) head[width - n] = Number((value >> BigInt(8 * n)) & 0xffn)
  return head
}

const ODD_ARGUMENTS: readonly bigint[] = [
  0n,
  1n,
  23n,
  24n,
  255n,
  256n,
  4096n,
  65_535n,
  65_536n,
  65_537n,
  1_000_000n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 48n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
]

/** Values of every type, also of none. */
const ODD_ITEMS: readonly Uint8Array[] = [
  'f6',
  'f5',
  'f4',
  'f7',
  '00',
  '20',
  '17',
  '1bffffffffffffffff',
  '3bffffffffffffffff',
  '1b001fffffffffffff',
  '40',
  '60',
  '80',
  'a0',
  '8180',
  '818181f6',
  'a10000',
  'a1616100',
  'a2616100616100',
  '9f00ff',
  'bfff',
  '5f4100ff',
  'f90000',
  'fb3ff8000000000000',
  'fb7ff0000000000000',
  'fb7ff8000000000000',
  'c100',
  'd82a4100',
  'd82a582500',
  'd82a58250001711e20000000000000000000000000000000000000000000000000000000000000000000',
  '61ff',
  '6100',
  '695f5f70726f746f5f5f',
  'ff',
  'fc',
  '1c',
  '9b7fffffffffffffff',
  'bb7fffffffffffffff',
  '5b7fffffffffffffff',
].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))

/** The value with one thing about it changed; undefined if the bytes are no value. */
export function changed(
  random: SeededRandom,
  bytes: Uint8Array,
  depth = 0,
): Uint8Array | undefined {
  const items = itemsOf(bytes)
  if (items.length === 0) return undefined
  const index = random.below(items.length)
  const item = items[index]
  if (item === undefined) return undefined
  const { start, body, end, major, argument } = item
  const content = bytes.subarray(body, end)
  // What is in a byte string may be CBOR again.
  if (major === BYTES && depth < 4 && random.below(3) > 0) {
    const inner = changed(random, content, depth + 1)
    if (inner !== undefined) return replaced(bytes, start, end, headOf(BYTES, inner.length), inner)
  }
  switch (random.below(10)) {
    case 0:
      return replaced(bytes, start, body, headOf(major, pick(random, ODD_ARGUMENTS)))
    case 1:
      return replaced(bytes, start, body, headOf(random.below(8), argument, random.below(4) === 0))
    case 2:
      return replaced(
        bytes,
        start,
        body,
        headOf(major, Math.max(0, argument + random.below(3) - 1)),
      )
    case 3:
      return replaced(bytes, start, end, pick(random, ODD_ITEMS))
    case 4:
      return nested(random, bytes, item)
    case 5:
      return repeated(random, bytes, items, item)
    case 6:
      return without(bytes, items, item)
    case 7: {
      const other = pick(random, items)
      return replaced(bytes, start, end, bytes.subarray(other.start, other.end))
    }
    case 8: {
      const length = pick(random, [0, 1, 15, 16, 17, 31, 32, 33, 36, 64, 255, 256, 5000, 70_000])
      const text = random.below(2)
      return replaced(
        bytes,
        start,
        end,
        headOf(BYTES + text, length),
        new Uint8Array(length).fill(0x61),
      )
    }
    default:
      return replaced(bytes, start, end, headOf(UNSIGNED, pick(random, ODD_ARGUMENTS)))
  }
}

/** An item within lists, as deep as somebody likes. */
function nested(random: SeededRandom, bytes: Uint8Array, { start, end }: Item): Uint8Array {
  const depth = pick(random, [1, 2, 15, 16, 17, 18, 100, 2000, 100_000])
  return replaced(bytes, start, end, new Uint8Array(depth).fill(0x81), bytes.subarray(start, end))
}

/** An item, or a pair of a map, so many times; its list says so. */
function repeated(
  random: SeededRandom,
  bytes: Uint8Array,
  items: readonly Item[],
  item: Item,
): Uint8Array {
  const parent = item.parent === undefined ? undefined : items[item.parent]
  if (parent === undefined) return bytes
  const [start, end] = unitOf(items, item, parent)
  const unit = bytes.subarray(start, end)
  const wanted = pick(random, [1, 2, 10, 64, 1000, 5000, 70_000, 200_000])
  const times = Math.min(wanted, Math.floor(GROWTH_MAX / Math.max(1, unit.length)))
  const more = new Uint8Array(times * unit.length)
  for (let n = 0; n < times; n++) more.set(unit, n * unit.length)
  const head = headOf(parent.major, parent.argument + times)
  return concatBytes([
    bytes.subarray(0, parent.start),
    head,
    bytes.subarray(parent.body, end),
    more,
    bytes.subarray(end),
  ])
}

function without(bytes: Uint8Array, items: readonly Item[], item: Item): Uint8Array {
  const parent = item.parent === undefined ? undefined : items[item.parent]
  if (parent === undefined) return bytes
  const [start, end] = unitOf(items, item, parent)
  const head = headOf(parent.major, Math.max(0, parent.argument - 1))
  return concatBytes([
    bytes.subarray(0, parent.start),
    head,
    bytes.subarray(parent.body, start),
    bytes.subarray(end),
  ])
}

/** In a map, a key with its value. */
function unitOf(items: readonly Item[], item: Item, parent: Item): readonly [number, number] {
  if (parent.major !== MAP) return [item.start, item.end]
  const siblings = items.filter((one) => one.parent === item.parent)
  const at = siblings.indexOf(item)
  const [key, value] = [siblings[at - (at % 2)], siblings[at - (at % 2) + 1]]
  return [key?.start ?? item.start, value?.end ?? item.end]
}

function replaced(
  bytes: Uint8Array,
  start: number,
  end: number,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  return concatBytes([bytes.subarray(0, start), ...parts, bytes.subarray(end)])
}

function headAt(
  bytes: Uint8Array,
  at: number,
): { major: number; argument: number; length: number } | undefined {
  const first = bytes[at] ?? 0
  const major = first >> 5
  const short = first & 31
  if (short < 24) return { major, argument: short, length: 1 }
  if (short > 27) return undefined
  const width = 1 << (short - 24)
  if (at + 1 + width > bytes.length) return undefined
  let argument = 0
  for (let n = 1; n <= width; n++) argument = argument * 256 + (bytes[at + n] ?? 0)
  return { major, argument, length: 1 + width }
}

export function pick<Value>(random: SeededRandom, values: readonly Value[]): Value {
  const value = values[random.below(values.length)]
  if (value === undefined) throw new Error('nothing to pick from')
  return value
}
