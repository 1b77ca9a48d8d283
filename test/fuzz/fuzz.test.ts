// Each decoder takes what is kept and what is honest as it should, and a few hundred inputs more.
// `npm run fuzz` does this for as long as one likes.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { SeededRandom } from '../../simulations/random.ts'
import { TARGETS } from './all-targets.ts'
import { itemsOf } from './cbor-shape.ts'
import { corpusOf } from './corpus.ts'
import { Fuzzer } from './fuzzer.ts'
import { watch } from './watch.ts'

const STEPS = 150

describe('a decoder of what others send', () => {
  for (const target of TARGETS) {
    test(`${target.name} takes it, or refuses it as it may, at little cost`, async () => {
      assert.ok(corpusOf(target.name).length > 0, 'inputs are kept')
      const fuzzer = new Fuzzer(target, new SeededRandom(1, target.name))
      const findings = await fuzzer.replay()
      for (let n = 0; n < STEPS; n++) findings.push(...(await fuzzer.step()))
      const told = findings.map(
        ({ input, what }) => `${Buffer.from(input).toString('base64')} ${what}`,
      )
      assert.deepEqual(told, [])
    })
  }
})

test('every folder of the corpus is of a target', () => {
  const names = new Set(TARGETS.map(({ name }) => name))
  const folders = readdirSync(join(import.meta.dirname, 'corpus'))
  assert.deepEqual(
    folders.filter((name) => !names.has(name)),
    [],
  )
})

describe('the watch over them', () => {
  const honest = (): Uint8Array[] => []
  const outcomeOf = async (run: () => unknown): Promise<string> =>
    (await watch({ name: 'x', run, honest }, new Uint8Array())).finding ?? 'nothing'

  test('finds what takes too long, too much, or throws what it should not', async () => {
    const kept: unknown[] = []
    const spin = (): void => {
      const { user } = process.threadCpuUsage()
      while (process.threadCpuUsage().user - user < 400_000);
    }
    assert.match(
      await outcomeOf(() => {
        throw new RangeError('x')
      }),
      /threw RangeError/,
    )
    assert.match(
      await outcomeOf(async () => {
        throw new TypeError('x')
      }),
      /threw TypeError/,
    )
    assert.match(await outcomeOf(spin), /processor time/)
    assert.match(await outcomeOf(() => kept.push(new Uint8Array(100_000_000))), /MiB of memory/)
    assert.equal(await outcomeOf(() => 1), 'nothing')
  })

  test('knows the items of CBOR, whose lengths are right', () => {
    const bytes = Uint8Array.from(Buffer.from('a2616182010261624103', 'hex'))
    const items = itemsOf(bytes).map(({ start, end, parent }) => [start, end, parent])
    assert.deepEqual(items, [
      [0, 10, undefined],
      [1, 3, 0],
      [3, 6, 0],
      [4, 5, 2],
      [5, 6, 2],
      [6, 8, 0],
      [8, 10, 0],
    ])
    assert.deepEqual(itemsOf(bytes.subarray(0, 9)), [])
  })
})
