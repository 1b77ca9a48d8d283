// The field GF(2^8) of Reed-Solomon codes: bytes, addition is XOR, multiplication modulo x^8 + x^4
// + x^3 + x^2 + 1 (0x11d, where x generates all non-zero elements). Here are single elements and
// matrices of them; whole blocks of bytes are combined by the kernel.
import { assert } from '../errors.ts'
import { galoisKernel } from '../kernels/load.ts'

const POLYNOMIAL = 0x11d
const ORDER = 255

/** Powers of x, twice over, so that a sum of two logarithms needs no reduction. */
const EXP = new Uint8Array(2 * ORDER)
const LOG = new Uint8Array(256)
for (let power = 0, element = 1; power < ORDER; power++) {
  EXP[power] = element
  EXP[power + ORDER] = element
  LOG[element] = power
  element = element < 128 ? element << 1 : (element << 1) ^ POLYNOMIAL
}

/** A matrix by rows. */
export type Matrix = readonly Uint8Array[]

/** a * b. */
export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (EXP[(LOG[a] ?? 0) + (LOG[b] ?? 0)] ?? 0)
}

/** 1 / a, for a non-zero a. */
export function invert(a: number): number {
  assert(a !== 0, 'zero has no inverse')
  return EXP[ORDER - (LOG[a] ?? 0)] ?? 0
}

/** The inverse of a square matrix by Gauss-Jordan elimination; undefined if it has none. */
export function invertMatrix(matrix: Matrix): Matrix | undefined {
  const size = matrix.length
  const work = matrix.map((row, index) => {
    const wide = new Uint8Array(2 * size)
    wide.set(row)
    wide[size + index] = 1
    return wide
  })
  for (let column = 0; column < size; column++) {
    const pivotIndex = work.findIndex((row, index) => index >= column && row[column] !== 0)
    const pivot = work[pivotIndex]
    const displaced = work[column]
    if (pivot === undefined || displaced === undefined) return undefined
    work[pivotIndex] = displaced
    work[column] = pivot
    scale(pivot, invert(pivot[column] ?? 0))
    for (const row of work) if (row !== pivot) addScaled(row, pivot, row[column] ?? 0)
  }
  return work.map((row) => row.subarray(size))
}

function scale(row: Uint8Array, factor: number): void {
  for (let i = 0; i < row.length; i++) row[i] = multiply(row[i] ?? 0, factor)
}

/** row += factor * other. */
function addScaled(row: Uint8Array, other: Uint8Array, factor: number): void {
  if (factor === 0) return
  for (let i = 0; i < row.length; i++) row[i] = (row[i] ?? 0) ^ multiply(other[i] ?? 0, factor)
}

/**
 * matrix * inputs, where inputs are rows of equally many bytes: one output for each row of the
 * matrix.
 *
 * cost: O(rows * inputs * bytes) in the kernel, which takes at most 32 inputs.
 */
export function combine(matrix: Matrix, inputs: readonly Uint8Array[]): Uint8Array[] {
  const { rowsMax } = galoisKernel()
  const length = inputs[0]?.length ?? 0
  const outputs = matrix.map(() => new Uint8Array(length))
  for (let first = 0; first < matrix.length; first += rowsMax) {
    const last = first + rowsMax
    combineInto(outputs.slice(first, last), matrix.slice(first, last), inputs)
  }
  return outputs
}

/**
 * As combine, for as many rows as the kernel has. Its memory holds one block of each row: the rest
 * is copied by.
 */
function combineInto(
  outputs: readonly Uint8Array[],
  matrix: Matrix,
  inputs: readonly Uint8Array[],
): void {
  const kernel = galoisKernel()
  assert(inputs.length <= kernel.columnsMax, 'inputs of a combination')
  const { blockBytes } = kernel
  kernel.tables.set(productTables(matrix))
  const length = inputs[0]?.length ?? 0
  for (let start = 0; start < length; start += blockBytes) {
    const end = Math.min(start + blockBytes, length)
    inputs.forEach((input, column) => {
      kernel.input.set(input.subarray(start, end), column * blockBytes)
    })
    // The bytes of the last vectors beyond `end` are computed from whatever is there, and not read.
    kernel.combine(matrix.length, inputs.length, (end - start + 31) & ~31)
    outputs.forEach((output, row) => {
      const at = row * blockBytes
      output.set(kernel.output.subarray(at, at + end - start), start)
    })
  }
}

/** For each coefficient its products with 0, 1, .. 15 and with 0, 16, .. 240. */
function productTables(matrix: Matrix): Uint8Array {
  const coefficients = matrix.flatMap((row) => [...row])
  const tables = new Uint8Array(coefficients.length * 32)
  coefficients.forEach((coefficient, index) => {
    for (let nibble = 0; nibble < 16; nibble++) {
      tables[index * 32 + nibble] = multiply(coefficient, nibble)
      tables[index * 32 + 16 + nibble] = multiply(coefficient, nibble << 4)
    }
  })
  return tables
}
