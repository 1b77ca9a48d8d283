// The field GF(2^8), and the kernel, against arithmetic bit by bit.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { combine, invert, invertMatrix, multiply } from '../../protocol/stripe/galois.ts'
import { xorshiftBytes } from './vectors.ts'
import { slowMultiply } from './slow-galois.ts'

const ALL = Array.from({ length: 256 }, (_, i) => i)

describe('galois', () => {
  test('every product is that of polynomials modulo 0x11d', () => {
    for (const a of ALL) for (const b of ALL) assert.equal(multiply(a, b), slowMultiply(a, b))
  })

  test('an element times its inverse is one, and zero has none', () => {
    for (const a of ALL.slice(1)) assert.equal(multiply(a, invert(a)), 1)
    assert.throws(() => invert(0), { code: 'internal' })
  })

  test('a matrix times its inverse is the identity', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 1e9 }),
        (size, seed) => {
          const matrix = Array.from({ length: size }, (_, i) => xorshiftBytes(seed + i, size))
          const inverse = invertMatrix(matrix)
          if (inverse === undefined) return
          const product = matrix.map((row) =>
            Array.from({ length: size }, (_, column) =>
              row.reduce(
                (sum, element, i) => sum ^ multiply(element, inverse[i]?.[column] ?? 0),
                0,
              ),
            ),
          )
          product.forEach((row, i) =>
            assert.deepEqual(
              row,
              row.map((_, j) => (i === j ? 1 : 0)),
            ),
          )
        },
      ),
      { seed: 1, numRuns: 100 },
    )
  })

  test('a matrix whose rows depend on each other has no inverse', () => {
    assert.equal(invertMatrix([Uint8Array.of(1, 2), Uint8Array.of(2, 4)]), undefined)
    assert.equal(invertMatrix([Uint8Array.of(0)]), undefined)
  })

  test('the kernel combines rows as single multiplications do, for any shape and length', () => {
    const shape = fc.record({
      rows: fc.integer({ min: 0, max: 18 }),
      columns: fc.integer({ min: 1, max: 32 }),
      length: fc.oneof(fc.nat(100), fc.constantFrom(16_383, 16_384, 16_385, 40_000)),
      seed: fc.integer({ min: 1, max: 1e9 }),
    })
    fc.assert(
      fc.property(shape, ({ rows, columns, length, seed }) => {
        const matrix = Array.from({ length: rows }, (_, i) => xorshiftBytes(seed + i, columns))
        const inputs = Array.from({ length: columns }, (_, i) =>
          xorshiftBytes(seed + 100 + i, length),
        )
        const outputs = combine(matrix, inputs)
        assert.equal(outputs.length, rows)
        outputs.forEach((output, row) => {
          assert.equal(output.length, length)
          for (const at of [0, 15, 16, length >> 1, length - 1].filter(
            (i) => i >= 0 && i < length,
          )) {
            const expected = inputs.reduce((sum, input, column) => {
              return sum ^ slowMultiply(matrix[row]?.[column] ?? 0, input[at] ?? 0)
            }, 0)
            assert.equal(output[at], expected)
          }
        })
      }),
      { seed: 2, numRuns: 60 },
    )
  })
})
