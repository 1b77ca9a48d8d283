// Memory that is used again.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BytePool } from '../../../node/world/byte-pool.ts'
import { KIB } from '../../../protocol/units.ts'

/** Timers that run when they are told to. */
function timers(): { readonly timer: BytePoolTimer; readonly due: Set<() => void> } {
  const due = new Set<() => void>()
  const timer: BytePoolTimer = (_delayMs, run) => {
    due.add(run)
    return { cancel: () => void due.delete(run) }
  }
  return { timer, due }
}
type BytePoolTimer = (delayMs: number, run: () => void) => { cancel: () => void }

describe('a pool of memory', () => {
  test('what was given back is taken again, for the same length or nearly', () => {
    const pool = new BytePool({ clock: timers() }, { freeBytesMax: 1024 * KIB })
    const first = pool.take(100 * KIB)
    assert.equal(first.length, 100 * KIB)
    pool.giveBack(first)
    assert.notEqual(pool.take(10 * KIB).buffer, first.buffer, 'far too large for it')
    const second = pool.take(120 * KIB)
    assert.equal(second.buffer, first.buffer)
    assert.equal(second.length, 120 * KIB)
    assert.notEqual(pool.take(100 * KIB).buffer, first.buffer, 'it is taken')
    assert.equal(pool.freeBytes, 0)
  })

  test('what was given back is overwritten, where that is wanted', () => {
    const options = { freeBytesMax: 1024 * KIB, isPoisoned: true }
    const pool = new BytePool({ clock: timers() }, options)
    const bytes = pool.take(5)
    bytes.set([1, 2, 3, 4, 5])
    pool.giveBack(bytes)
    assert.deepEqual([...bytes], [0xdb, 0xdb, 0xdb, 0xdb, 0xdb])
  })

  test('no more is kept free than it may, and nothing for long', () => {
    const clock = timers()
    const pool = new BytePool({ clock }, { freeBytesMax: 128 * KIB })
    const taken = [1, 2, 3].map(() => pool.take(64 * KIB))
    for (const bytes of taken) pool.giveBack(bytes)
    assert.equal(pool.freeBytes, 128 * KIB)
    pool.giveBack(pool.take(256 * KIB))
    assert.equal(pool.freeBytes, 128 * KIB)
    assert.equal(clock.due.size, 1)
    for (const run of clock.due) run()
    assert.equal(pool.freeBytes, 0)
  })
})
