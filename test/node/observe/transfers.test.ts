// The log of transfers has a line for each minute, peer and protocol in which much moved, and is
// silent otherwise.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_METER } from '../../../node/metrics/meter.ts'
import { Transfers } from '../../../node/observe/transfers.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const [SHELF, ATTIC] = ['shelf', 'attic'] as unknown as [PeerId, PeerId]
const SHARDS = '/shoal/shard/1'

test('what moved in a minute is written when the next begins, or at the end', () => {
  const clock = new ManualClock()
  const written: unknown[] = []
  const transfers = new Transfers(clock, (event, fields) => written.push([event, fields]))
  const meter = transfers.meter(NO_METER)
  const minute = (fields: object): unknown[] => ['transfer.minute', fields]
  meter.moved(SHELF, SHARDS, 'out', 600_000)
  meter.moved(SHELF, SHARDS, 'in', 60_000)
  meter.moved(SHELF, '/shoal/log/1', 'in', 1000)
  meter.moved(ATTIC, SHARDS, 'out', 65_535)
  transfers.countCold(6_000_000, 'in', { kind: 'dir', path: '/secret' })
  assert.deepEqual(written, [])
  clock.advance(MINUTE_MS)
  meter.moved(SHELF, SHARDS, 'in', 120_000)
  const shards = { peer: SHELF, protocol: SHARDS }
  const first = [
    minute({ ...shards, inBytes: 60_000, outBytes: 600_000, perSecond: 11_000 }),
    minute({ tier: 'dir', inBytes: 6_000_000, outBytes: 0, perSecond: 100_000 }),
  ]
  assert.deepEqual(written, first)
  transfers.flush()
  transfers.flush()
  const last = minute({ ...shards, inBytes: 120_000, outBytes: 0, perSecond: 2000 })
  assert.deepEqual(written, [...first, last])
})
