// Linear combinations of byte rows over GF(2^8): output[r] = sum over c of coefficient(r, c) *
// input[c]. A product by a constant is two look-ups, one a nibble, and a swizzle looks up 16 at
// once (Plank, Greenan, Miller, "Screaming Fast Galois Field Arithmetic Using Intel SIMD
// Instructions", USENIX FAST 2013). Indices are 0..15, where a relaxed swizzle is the same on every
// machine.

/**
 * Bytes of a row that one call can take; callers go block by block. Rows lie as far apart: with an
 * odd number of cache lines, as those of a power of two would all compete for the same sets of the
 * cache.
 */
export const BLOCK: i32 = 257 * 64
export const COLUMNS_MAX: i32 = 32
export const ROWS_MAX: i32 = 16

/**
 * Per row and column 32 bytes: the products of 0..15, then of 0, 16, .. 240. Rows lie columns * 32
 * bytes apart.
 */
export const tables: usize = memory.data(16 * 32 * 32, 16)
/** Input rows, BLOCK apart. */
export const input: usize = memory.data(32 * 257 * 64, 16)
/** Output rows, BLOCK apart. */
export const output: usize = memory.data(16 * 257 * 64, 16)

/** Compute `rows` outputs from `columns` inputs; `length` is a multiple of 32, at most BLOCK. */
export function combine(rows: i32, columns: i32, length: i32): void {
  let row = 0
  for (; row + 4 <= rows; row += 4) combineRows(4, row, columns, length)
  const left = rows - row
  if (left == 3) combineRows(3, row, columns, length)
  else if (left == 2) combineRows(2, row, columns, length)
  else if (left == 1) combineRows(1, row, columns, length)
}

/**
 * Up to four rows at once, and two vectors of each, so that an input is read and split into nibbles
 * once for all of them.
 */
@inline
function combineRows(count: i32, row: i32, columns: i32, length: i32): void {
  const stride = (columns as usize) << 5
  const firstTable = tables + (row as usize) * stride
  const firstOutput = output + (row as usize) * BLOCK
  for (let at: usize = 0; at < (length as usize); at += 32) {
    let left0 = i64x2.splat(0)
    let left1 = i64x2.splat(0)
    let left2 = i64x2.splat(0)
    let left3 = i64x2.splat(0)
    let right0 = i64x2.splat(0)
    let right1 = i64x2.splat(0)
    let right2 = i64x2.splat(0)
    let right3 = i64x2.splat(0)
    let source = input + at
    let entry = firstTable
    for (const end = firstTable + stride; entry < end; entry += 32) {
      const left = v128.load(source)
      const right = v128.load(source, 16)
      const leftLow = v128.and(left, i8x16.splat(15))
      const leftHigh = i8x16.shr_u(left, 4)
      const rightLow = v128.and(right, i8x16.splat(15))
      const rightHigh = i8x16.shr_u(right, 4)
      left0 = v128.xor(left0, product(entry, leftLow, leftHigh))
      right0 = v128.xor(right0, product(entry, rightLow, rightHigh))
      if (count > 1) left1 = v128.xor(left1, product(entry + stride, leftLow, leftHigh))
      if (count > 1) right1 = v128.xor(right1, product(entry + stride, rightLow, rightHigh))
      if (count > 2) left2 = v128.xor(left2, product(entry + 2 * stride, leftLow, leftHigh))
      if (count > 2) right2 = v128.xor(right2, product(entry + 2 * stride, rightLow, rightHigh))
      if (count > 3) left3 = v128.xor(left3, product(entry + 3 * stride, leftLow, leftHigh))
      if (count > 3) right3 = v128.xor(right3, product(entry + 3 * stride, rightLow, rightHigh))
      source += BLOCK
    }
    store(firstOutput + at, left0, right0)
    if (count > 1) store(firstOutput + at + BLOCK, left1, right1)
    if (count > 2) store(firstOutput + at + 2 * BLOCK, left2, right2)
    if (count > 3) store(firstOutput + at + 3 * BLOCK, left3, right3)
  }
}

@inline
function product(entry: usize, low: v128, high: v128): v128 {
  return v128.xor(
    i8x16.relaxed_swizzle(v128.load(entry), low),
    i8x16.relaxed_swizzle(v128.load(entry, 16), high),
  )
}

@inline
function store(at: usize, left: v128, right: v128): void {
  v128.store(at, left)
  v128.store(at, right, 16)
}
