// Linear combinations of byte rows over GF(2^8): output[r] = sum over c of coefficient(r, c) * input[c]. A product by a
// constant is two look-ups, one a nibble, and a swizzle looks up 16 at once (Plank, Greenan, Miller, "Screaming Fast
// Galois Field Arithmetic Using Intel SIMD Instructions", USENIX FAST 2013). Indices are 0..15, where a relaxed swizzle
// is the same on every machine.

/** Bytes of a row that one call can take; callers go block by block. */
export const BLOCK: i32 = 16384
export const COLUMNS_MAX: i32 = 32
export const ROWS_MAX: i32 = 16

/** Per row and column 32 bytes: the products of 0..15, then of 0, 16, .. 240. Rows lie columns * 32 bytes apart. */
export const tables: usize = memory.data(16 * 32 * 32, 16)
/** Input rows, BLOCK apart. */
export const input: usize = memory.data(32 * 16384, 16)
/** Output rows, BLOCK apart. */
export const output: usize = memory.data(16 * 16384, 16)

/** Compute `rows` outputs from `columns` inputs; `length` is a multiple of 16, at most BLOCK. */
export function combine(rows: i32, columns: i32, length: i32): void {
  let row = 0
  for (; row + 4 <= rows; row += 4) combineRows(4, row, columns, length)
  const left = rows - row
  if (left == 3) combineRows(3, row, columns, length)
  else if (left == 2) combineRows(2, row, columns, length)
  else if (left == 1) combineRows(1, row, columns, length)
}

/** Up to four rows at once, so that an input is read and split into nibbles once for all of them. */
@inline
function combineRows(count: i32, row: i32, columns: i32, length: i32): void {
  const stride = (columns as usize) << 5
  const firstTable = tables + (row as usize) * stride
  const firstOutput = output + (row as usize) * BLOCK
  for (let at: usize = 0; at < (length as usize); at += 16) {
    let sum0 = i64x2.splat(0)
    let sum1 = i64x2.splat(0)
    let sum2 = i64x2.splat(0)
    let sum3 = i64x2.splat(0)
    let source = input + at
    let entry = firstTable
    for (const end = firstTable + stride; entry < end; entry += 32) {
      const bytes = v128.load(source)
      const low = v128.and(bytes, i8x16.splat(15))
      const high = i8x16.shr_u(bytes, 4)
      sum0 = v128.xor(sum0, product(entry, low, high))
      if (count > 1) sum1 = v128.xor(sum1, product(entry + stride, low, high))
      if (count > 2) sum2 = v128.xor(sum2, product(entry + 2 * stride, low, high))
      if (count > 3) sum3 = v128.xor(sum3, product(entry + 3 * stride, low, high))
      source += BLOCK
    }
    v128.store(firstOutput + at, sum0)
    if (count > 1) v128.store(firstOutput + at, sum1, BLOCK)
    if (count > 2) v128.store(firstOutput + at, sum2, 2 * BLOCK)
    if (count > 3) v128.store(firstOutput + at, sum3, 3 * BLOCK)
  }
}

@inline
function product(entry: usize, low: v128, high: v128): v128 {
  return v128.xor(
    i8x16.relaxed_swizzle(v128.load(entry), low),
    i8x16.relaxed_swizzle(v128.load(entry, 16), high),
  )
}
