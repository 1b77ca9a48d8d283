// Batches of spans on their way to a collector, and the cost of one that is away.
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { Exporter } from '../../../node/traces/exporter.ts'
import type { EndedSpan } from '../../../node/traces/recorder.ts'
import type { Instant, WallTime } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const SPAN: EndedSpan = {
  traceId: new Uint8Array(16),
  id: new Uint8Array(8),
  parentId: undefined,
  kind: 'server',
  name: 'http.GET',
  startAt: 0 as Instant,
  endAt: 0 as Instant,
  facts: {},
  code: undefined,
  left: 0,
}

function exporting(): {
  clock: ManualClock
  exporter: Exporter
  sizes: number[]
  lines: string[]
  state: { isAway: boolean }
} {
  const clock = new ManualClock()
  const [sizes, lines, state]: [number[], string[], { isAway: boolean }] = [
    [],
    [],
    { isAway: false },
  ]
  const post = (body: string): Promise<void> => {
    if (state.isAway) return Promise.reject(new Error('connect\nECONNREFUSED'))
    sizes.push(body.split('"name":"http.GET"').length - 1)
    return Promise.resolve()
  }
  const exporter = new Exporter({
    clock,
    post,
    teller: { node: 'n', version: 'v', zeroMs: 0 as WallTime },
    log: (event, fields) => lines.push(`${event} ${JSON.stringify(fields)}`),
    label: 'collector:4318',
  })
  return { clock, exporter, sizes, lines, state }
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms)
  for (let n = 0; n < 10; n++) await turn()
}

describe('sending traces', () => {
  test('some together, soon, and the rest at the end', async () => {
    const { clock, exporter, sizes, lines } = exporting()
    exporter.take([SPAN])
    exporter.take([SPAN, SPAN])
    await pass(clock, 999)
    assert.deepEqual(sizes, [])
    await pass(clock, 1)
    assert.deepEqual(sizes, [3])
    exporter.take([SPAN])
    await exporter.close()
    exporter.take([SPAN])
    await exporter.close()
    assert.deepEqual(sizes, [3, 1])
    assert.deepEqual(lines, [])
  })

  test('to one that is away costs a bounded queue and a line, until it is back', async () => {
    const { clock, exporter, sizes, lines, state } = exporting()
    state.isAway = true
    for (let n = 0; n < 100; n++) {
      exporter.take(Array(50).fill(SPAN))
      await pass(clock, 1000)
    }
    assert.deepEqual(lines, [
      'traces.not-sent {"to":"collector:4318","message":"connect; ECONNREFUSED"}',
    ])
    state.isAway = false
    await pass(clock, 300_000)
    assert.deepEqual(sizes, [512, 512, 512, 512])
    assert.equal(lines[1], 'traces.sent-again {"to":"collector:4318","lost":2952}')
    state.isAway = true
    exporter.take([SPAN])
    await exporter.close()
    assert.equal(lines.length, 2, 'the end is not held up')
  })
})
