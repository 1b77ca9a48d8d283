// The figures that `npm run bench -- --compare` calls slower, and those it puts down to noise.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { compare, formatComparison } from '../../bench/compare.ts'
import { recordedIn } from '../../bench/record.ts'

function isSlower(before: readonly number[], now: readonly number[]): boolean | undefined {
  const [compared] = compare([{ name: 'put', ratios: before }], [{ name: 'put', ratios: now }])
  return compared?.isSlower
}

test('a ratio that fell by more than the noise of both runs is slower', () => {
  // Half the range is 10 % of the median on each side.
  assert.equal(isSlower([0.9, 1, 1.1], [0.72, 0.8, 0.88]), false)
  assert.equal(isSlower([0.9, 1, 1.1], [0.71, 0.79, 0.87]), true)
  assert.equal(isSlower([0.9, 1, 1.1], [1.8, 2, 2.2]), false)
})

test('rounds that agree by chance do not make small changes count', () => {
  assert.equal(isSlower([1, 1, 1], [0.91, 0.91, 0.91]), false)
  assert.equal(isSlower([1, 1, 1], [0.89, 0.89, 0.89]), true)
})

test('of one or two rounds no range is known: each is taken for 20 %', () => {
  assert.equal(isSlower([1], [0.61]), false)
  assert.equal(isSlower([1], [0.59]), true)
  assert.equal(isSlower([1, 1], [0.61, 0.61]), false)
  assert.equal(isSlower([1], [0.76, 0.76, 0.76]), false)
  assert.equal(isSlower([1], [0.74, 0.74, 0.74]), true)
})

test('only what both runs have is compared, and what is missing is counted', () => {
  const before = ['a', 'b', 'c'].map((name) => ({ name, ratios: [2] }))
  const now = [
    { name: 'b', ratios: [2] },
    { name: 'a', ratios: [1] },
    { name: 'new', ratios: [1] },
  ]
  assert.deepEqual(formatComparison(compare(before, now), before), [
    'SLOWER  a: 2.00 -> 1.00, noise 40 %',
    'ok  b: 2.00 -> 2.00, noise 40 %',
    '1 of 2 are slower, 1 were not measured',
  ])
  assert.deepEqual(compare([], now), [])
})

test('a figure too noisy to tell is not called well', () => {
  const figures = [{ name: 'a', ratios: [0.1, 1, 3] }]
  const [line] = formatComparison(compare(figures, figures), figures)
  assert.equal(line, 'too noisy to tell  a: 1.00 -> 1.00, noise 290 %')
})

test('ratios of one name are rounds of one figure', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'record')
  const lines = ['put', 'get', 'put'].map((name, n) => JSON.stringify({ name, ratio: n + 1 }))
  await writeFile(path, `${lines.join('\n')}\n`)
  assert.deepEqual(recordedIn(path), [
    { name: 'put', ratios: [1, 3] },
    { name: 'get', ratios: [2] },
  ])
  assert.deepEqual(recordedIn(join(folder, 'none')), [])
})
