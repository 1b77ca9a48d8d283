// Bytes outside the runs are zeros, and runs are no longer than they must be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dataRuns } from '../../protocol/data-runs.ts'
import { KIB } from '../../protocol/units.ts'

const BLOCK: number = 16 * KIB

test('runs hold all that is not zero, in whole blocks that are not all zeros', () => {
  const anyBytes = fc
    .tuple(fc.nat(9 * BLOCK), fc.array(fc.nat(9 * BLOCK), { maxLength: 4 }))
    .map(([length, places]) => {
      const bytes = new Uint8Array(length)
      for (const place of places) if (place < length) bytes[place] = 1
      return bytes
    })
  fc.assert(
    fc.property(anyBytes, fc.nat(3 * BLOCK), (bytes, position) => {
      const blockOf = (at: number): number => Math.floor((position + at) / BLOCK)
      const isBorder = (at: number): boolean =>
        at === 0 || at === bytes.length || (position + at) % BLOCK === 0
      const runs = [...dataRuns(bytes, position)]
      const holding = new Set([...bytes.keys()].filter((at) => bytes[at] !== 0).map(blockOf))
      const covered = runs.flatMap(({ start, end }) => {
        assert.ok(start < end && isBorder(start) && isBorder(end))
        const count = blockOf(end - 1) - blockOf(start) + 1
        return Array.from({ length: count }, (_, n) => n + blockOf(start))
      })
      assert.deepEqual(new Set(covered), holding)
      assert.equal(covered.length, holding.size)
      assert.ok(runs.every(({ start }, index) => start > (runs[index - 1]?.end ?? -1)))
    }),
    { seed: 1 },
  )
})
