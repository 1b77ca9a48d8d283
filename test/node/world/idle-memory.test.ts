// When a node gives memory back: once work is over, as often as there was work.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { IdleMemory } from '../../../node/world/idle-memory.ts'
import { MIB, MINUTE_MS } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

describe('memory of an idle node', () => {
  test('it is given back once the work is over, and then left alone', async () => {
    const node = start({ baseMib: 100 })
    await node.minute({ busy: 0 })
    await node.minute({ busy: 0.9, mib: 800 })
    assert.equal(node.releases(), 0, 'a busy node is left alone')
    await node.minute({ busy: 0.01 })
    assert.equal(node.releases(), 1)
    for (let count = 0; count < 10; count++) await node.minute({ busy: 0.01 })
    assert.equal(node.releases(), 1)
  })

  test('also by a node that went to work as it started', async () => {
    const node = start({ baseMib: 100 })
    await node.minute({ busy: 0.9, mib: 800 })
    await node.minute({ busy: 0 })
    assert.equal(node.releases(), 1)
  })

  test('each work is followed by one', async () => {
    const node = start({ baseMib: 100 })
    await node.minute({ busy: 0 })
    for (let count = 1; count <= 3; count++) {
      await node.minute({ busy: 0.5, mib: 300 })
      await node.minute({ busy: 0 })
      await node.minute({ busy: 0 })
      assert.equal(node.releases(), count)
    }
  })

  test('a node that grew by little is left alone', async () => {
    const node = start({ baseMib: 100 })
    await node.minute({ busy: 0 })
    for (let mib = 101; mib <= 116; mib++) await node.minute({ busy: 0, mib })
    assert.equal(node.releases(), 0)
    await node.minute({ busy: 0, mib: 117 })
    assert.equal(node.releases(), 1)
  })

  test('what cannot be given back is not asked for again and again', async () => {
    const node = start({ baseMib: 100 })
    await node.minute({ busy: 0 })
    node.keep()
    await node.minute({ busy: 0, mib: 500 })
    for (let count = 0; count < 10; count++) await node.minute({ busy: 0, mib: 500 })
    assert.equal(node.releases(), 1)
  })

  test('a node that stopped gives nothing back', async () => {
    const node = start({ baseMib: 100 })
    await node.minute({ busy: 0 })
    node.stop()
    await node.minute({ busy: 0, mib: 500 })
    assert.equal(node.releases(), 0)
  })
})

interface TestedNode {
  /** busy: part of a core that was used in it. mib: the memory in use at its end. */
  readonly minute: (use: { busy: number; mib?: number }) => Promise<void>
  readonly releases: () => number
  /** From now on nothing can be given back. */
  readonly keep: () => void
  readonly stop: () => void
}

function start({ baseMib }: { baseMib: number }): TestedNode {
  const clock = new ManualClock()
  let releases = 0
  let isKept = false
  let mib = baseMib
  let processorMs = 0
  const memory = new IdleMemory({
    clock,
    use: () => ({ residentBytes: mib * MIB, processorMs }),
    release: async () => {
      releases++
      if (!isKept) mib = baseMib
    },
  })
  memory.start()
  return {
    minute: async ({ busy, mib: now = mib }) => {
      mib = now
      processorMs += busy * MINUTE_MS
      clock.advance(MINUTE_MS)
      await new Promise((resolve) => setImmediate(resolve))
    },
    releases: () => releases,
    keep: () => void (isKept = true),
    stop: () => memory.stop(),
  }
}
