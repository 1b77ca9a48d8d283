// Systematic Reed-Solomon codes from a Cauchy matrix (Bloemer et al., "An XOR-Based
// Erasure-Resilient Coding Scheme", ICSI TR-95-048, 1995): the first k shards are the data, and any
// k of all k+m shards give back every other.
//
// The coefficient of data shard j in parity shard i depends on neither k nor m, and is 1 where i or
// j is 0: the first parity is the XOR of the data, and with k = 1 every shard is the data.
import { ShoalError, assert } from '../errors.ts'
import { STRIPE_K_MAX, STRIPE_M_MAX } from '../limits.ts'
import { combine, invert, invertMatrix, multiply } from './galois.ts'
import type { Matrix } from './galois.ts'

assert(STRIPE_K_MAX + STRIPE_M_MAX <= 256, 'a Cauchy matrix needs distinct elements')

/**
 * The m parity shards of k data shards of one length. With k = 1 they are the data shard itself,
 * not copies of it.
 *
 * cost: O(k * m * shard bytes).
 */
export function encodeParity(data: readonly Uint8Array[], m: number): Uint8Array[] {
  checkCode(data.length, m)
  const [first] = data
  assert(
    data.every((shard) => shard.length === first?.length),
    'shards have one length',
  )
  if (data.length === 1 && first !== undefined) return Array.from({ length: m }, () => first)
  return combine(codeRows(data.length, data.length, m), data)
}

/**
 * The `wanted` shards, in that order, from any k others; a shard that is there is returned as it
 * is.
 *
 * shards: k+m, each the same byte range of its shard, or undefined if it is lost. Not modified.
 * throws ShoalError 'stripe-unrecoverable' when fewer than k are there. cost: O(k^3) for the
 * matrix, O(k * lost * range bytes) for the data.
 */
export function reconstruct(
  k: number,
  m: number,
  shards: readonly (Uint8Array | undefined)[],
  wanted: readonly number[],
): Uint8Array[] {
  checkCode(k, m)
  assert(shards.length === k + m, 'one place for each shard')
  const lost = [...new Set(wanted)].filter((index) => shards[index] === undefined)
  const rebuilt = lost.length === 0 ? [] : rebuild(k, shards, lost)
  return wanted.map((index) => {
    const shard = shards[index] ?? rebuilt[lost.indexOf(index)]
    assert(shard !== undefined, `shard ${index} of ${k}+${m}`)
    return shard
  })
}

function rebuild(
  k: number,
  shards: readonly (Uint8Array | undefined)[],
  lost: readonly number[],
): Uint8Array[] {
  const sources = shards
    .flatMap((bytes, index) => (bytes === undefined ? [] : [{ bytes, index }]))
    .slice(0, k)
  const length = sources[0]?.bytes.length
  assert(
    sources.every(({ bytes }) => bytes.length === length),
    'ranges of shards have one length',
  )
  if (sources.length < k) {
    throw new ShoalError(
      'stripe-unrecoverable',
      `${sources.length} shards are left of a stripe that needs ${k}`,
    )
  }
  // data = inverse * sources and lost = rows * data, so lost = (rows * inverse) * sources.
  const inverse = invertMatrix(sources.map(({ index }) => codeRow(k, index)))
  assert(inverse !== undefined, 'any k rows of the code are independent')
  const matrix = lost.map((index) => multiplyRow(codeRow(k, index), inverse))
  return combine(
    matrix,
    sources.map(({ bytes }) => bytes),
  )
}

function checkCode(k: number, m: number): void {
  assert(k >= 1 && k <= STRIPE_K_MAX && m >= 0 && m <= STRIPE_M_MAX, `code ${k}+${m}`)
}

/** `count` rows of the code from row `first` on. */
function codeRows(k: number, first: number, count: number): Matrix {
  return Array.from({ length: count }, (_, i) => codeRow(k, first + i))
}

/** Shard `index` as a combination of the k data shards. */
function codeRow(k: number, index: number): Uint8Array {
  const row = new Uint8Array(k)
  if (index < k) row[index] = 1
  else for (let j = 0; j < k; j++) row[j] = coefficient(index - k, j)
  return row
}

/**
 * The Cauchy matrix 1 / (x_i + y_j), its rows and columns scaled so that the first of each are all
 * 1.
 */
function coefficient(i: number, j: number): number {
  const scaled = multiply(cauchy(i, j), cauchy(0, 0))
  return multiply(scaled, invert(multiply(cauchy(i, 0), cauchy(0, j))))
}

function cauchy(i: number, j: number): number {
  return invert((STRIPE_K_MAX + i) ^ j)
}

function multiplyRow(row: Uint8Array, matrix: Matrix): Uint8Array {
  const product = new Uint8Array(row.length)
  matrix.forEach((other, index) => {
    other.forEach((element, column) => {
      product[column] = (product[column] ?? 0) ^ multiply(row[index] ?? 0, element)
    })
  })
  return product
}
