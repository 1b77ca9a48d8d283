// Sets kept in records: what a plain set would hold, in order, and the same records however they
// came about.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SET_LIST_MAX } from '../../../protocol/limits.ts'
import {
  addItem,
  firstItems,
  forgetItems,
  hasItem,
  isList,
  itemsOf,
  lastItem,
  removeItem,
} from '../../../protocol/tree/record-set.ts'
import { MemoryState } from './sites.ts'
import type { ItemSet } from '../../../protocol/tree/record-set.ts'
import { tries } from '../../effort.ts'

const KEY = 'k'

/** A set, and beside it what it should hold. */
class Modelled {
  readonly state = new MemoryState()
  readonly items = new Set<string>()
  set: ItemSet<string> = []

  add(item: string): void {
    this.items.add(item)
    this.set = addItem(this.state, KEY, this.set, item)
  }

  remove(item: string): void {
    this.items.delete(item)
    this.set = removeItem(this.state, KEY, this.set, item)
  }

  check(): void {
    const sorted = [...this.items].sort()
    assert.deepEqual([...itemsOf(this.state, KEY, this.set)], sorted)
    assert.deepEqual([...firstItems(this.state, KEY, this.set, 5)], sorted.slice(0, 5))
    assert.equal(lastItem(this.state, KEY, this.set), sorted.at(-1))
    assert.equal(this.set.length, sorted.length)
    assert.equal(isList(this.set), sorted.length <= SET_LIST_MAX)
  }
}

/** An item of few letters, so that many begin alike, and some are prefixes of others. */
const item = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 7 })
const step = fc.tuple(fc.boolean(), item)

describe('a set in records', () => {
  test('holds what a plain set would, and equal sets have equal records', () => {
    const property = fc.property(
      fc.array(step, { maxLength: 400, size: 'max' }),
      fc.array(item, { maxLength: 100, size: 'max' }),
      (steps, more) => {
        const one = new Modelled()
        for (const [isAdded, text] of steps) if (isAdded) one.add(text)
        for (const [isAdded, text] of steps) if (!isAdded) one.remove(text)
        for (const text of more) one.add(text)
        one.check()
        for (const text of more) assert.ok(hasItem(one.state, KEY, one.set, text))
        const another = new Modelled()
        for (const text of [...one.items].reverse()) another.add(text)
        assert.deepEqual(another.set, one.set)
        assert.equal(another.state.dump(), one.state.dump())
        for (const text of one.items) one.remove(text)
        assert.deepEqual([one.set, one.state.records.size], [[], 0])
        forgetItems(another.state, KEY, another.set)
        assert.equal(another.state.records.size, 0)
      },
    )
    fc.assert(property, { numRuns: tries(60), seed: 1 })
  })

  test('costs the same however many items there are, also of those that begin alike', () => {
    const cost = (count: number, make: (number: number) => string): number[] => {
      const one = new Modelled()
      for (let number = 0; number < count; number++) one.add(make(number))
      const before = new Map(one.state.records)
      const { calls } = one.state
      one.add(make(count))
      const changed = [...one.state.records].filter(([key, value]) => before.get(key) !== value)
      const bytes = changed.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
      return [one.state.calls - calls, bytes]
    }
    const shapes: readonly ((number: number) => string)[] = [
      (number) => number.toString(16).padStart(32, '0'),
      (number) => `${'x'.repeat(230)}${number}`,
      // Each goes on where the one before ends, as far as an id is long.
      (number) => 'x'.repeat(1 + (number % 16)) + String(number),
    ]
    for (const make of shapes) {
      const [calls = 0, bytes = 0] = cost(5000, make)
      assert.ok(calls < 60 && bytes < 12_000, `${calls} calls, ${bytes} bytes`)
    }
  })
})
