// The code against its plain rule, and every pattern of losses of small codes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { encodeParity, reconstruct } from '../../protocol/stripe/reed-solomon.ts'
import { slowInvert, slowMultiply } from './slow-galois.ts'
import { xorshiftBytes } from './vectors.ts'

describe('reed-solomon', () => {
  test('parity is what the plain rule says', () => {
    for (const [k, m] of [
      [1, 2],
      [2, 1],
      [3, 3],
      [6, 3],
      [32, 16],
    ] as const) {
      const data = dataOf(k, 20, 1)
      assert.deepEqual(encodeParity(data, m), referenceParity(data, m), `${k}+${m}`)
    }
  })

  test('any k shards give back all others, whichever are lost', () => {
    for (let k = 1; k <= 5; k++) {
      for (let m = 0; m <= 3; m++) {
        const data = dataOf(k, 33, k * 10 + m + 1)
        const all = [...data, ...encodeParity(data, m)]
        for (const kept of subsets(k + m).filter((subset) => subset.length >= k)) {
          const shards = all.map((shard, index) => (kept.includes(index) ? shard : undefined))
          assert.deepEqual(
            reconstruct(k, m, shards, [...all.keys()]),
            all,
            `${k}+${m} from ${kept.join()}`,
          )
        }
      }
    }
  })

  test('any code repairs random losses, from any equal range of the shards', () => {
    const code = fc.record({
      k: fc.integer({ min: 1, max: 32 }),
      m: fc.integer({ min: 0, max: 16 }),
      length: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(16_384, 40_001)),
      order: fc.integer({ min: 1, max: 1e9 }),
    })
    fc.assert(
      fc.property(code, ({ k, m, length, order }) => {
        const data = dataOf(k, length, order)
        const all = [...data, ...encodeParity(data, m)]
        const lost = shuffled(k + m, order).slice(0, m)
        const start = order % length
        const ranges = all.map((shard) => shard.subarray(start, start + 100))
        const shards = ranges.map((range, index) => (lost.includes(index) ? undefined : range))
        assert.deepEqual(
          reconstruct(k, m, shards, lost),
          lost.map((index) => ranges[index]),
        )
      }),
      { seed: 1, numRuns: 80 },
    )
  })

  test('one shard too few is unrecoverable, but what is there is given', () => {
    const data = dataOf(3, 16, 1)
    const all = [...data, ...encodeParity(data, 2)]
    const shards = all.map((shard, index) => (index < 3 ? undefined : shard))
    assert.throws(() => reconstruct(3, 2, shards, [0]), { code: 'stripe-unrecoverable' })
    assert.deepEqual(reconstruct(3, 2, shards, [4, 3]), [all[4], all[3]])
    assert.deepEqual(reconstruct(3, 2, shards, []), [])
  })

  test('the inputs are not modified', () => {
    const data = dataOf(4, 50, 2)
    const copies = data.map((shard) => Uint8Array.from(shard))
    const parity = encodeParity(data, 2)
    reconstruct(4, 2, [undefined, ...data.slice(1), ...parity], [0])
    assert.deepEqual(data, copies)
  })

  test('with one data shard every shard is the data, and the first parity is the XOR', () => {
    const data = dataOf(3, 40, 5)
    assert.deepEqual(encodeParity(data.slice(0, 1), 2), [data[0], data[0]])
    const xor = data.reduce(
      (sum, shard) => sum.map((byte, i) => byte ^ (shard[i] ?? 0)),
      new Uint8Array(40),
    )
    assert.deepEqual(encodeParity(data, 1), [xor])
  })

  test('codes beyond the limits and unequal shards are refused', () => {
    assert.throws(() => encodeParity([], 1), { code: 'internal' })
    assert.throws(() => encodeParity(dataOf(33, 1, 1), 1), { code: 'internal' })
    assert.throws(() => encodeParity(dataOf(2, 1, 1), 17), { code: 'internal' })
    assert.throws(() => encodeParity([new Uint8Array(1), new Uint8Array(2)], 1), {
      code: 'internal',
    })
    const unequal = [new Uint8Array(1), new Uint8Array(2), undefined]
    assert.throws(() => reconstruct(2, 1, unequal, [2]), { code: 'internal' })
  })
})

function dataOf(k: number, length: number, seed: number): Uint8Array[] {
  return Array.from({ length: k }, (_, i) => xorshiftBytes(seed + i * 7919, length))
}

/** docs/formats/data.md, byte by byte. */
function referenceParity(data: readonly Uint8Array[], m: number): Uint8Array[] {
  const cauchy = (i: number, j: number): number => slowInvert((32 + i) ^ j)
  return Array.from({ length: m }, (_, i) => {
    const parity = new Uint8Array(data[0]?.length ?? 0)
    data.forEach((shard, j) => {
      const above = slowMultiply(cauchy(i, j), cauchy(0, 0))
      const coefficient = slowMultiply(above, slowInvert(slowMultiply(cauchy(i, 0), cauchy(0, j))))
      shard.forEach((byte, at) => {
        parity[at] = (parity[at] ?? 0) ^ slowMultiply(coefficient, byte)
      })
    })
    return parity
  })
}

function subsets(count: number): number[][] {
  const members = Array.from({ length: count }, (_, i) => i)
  return Array.from({ length: 2 ** count }, (_, bits) =>
    members.filter((i) => ((bits >> i) & 1) === 1),
  )
}

function shuffled(count: number, seed: number): number[] {
  const keys = xorshiftBytes(seed, count)
  return Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b,
  )
}
