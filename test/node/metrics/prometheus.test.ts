// The registry, and what is told of a node: names, labels and their bounds.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { METRICS } from '../../../node/metrics/definitions.ts'
import { PrometheusMeter } from '../../../node/metrics/prometheus.ts'
import { meteredCalls } from '../../../node/metrics/metered-calls.ts'
import { samplesOf } from '../../../node/metrics/samples.ts'
import { factsWith } from '../alerts/facts.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import type { PeerId } from '../../../protocol/ids.ts'

describe('metrics', () => {
  test('each name says its unit, and only what grows ends with _total', () => {
    for (const { name, type, labels } of METRICS) {
      assert.match(name, /^shoal_[a-z_]+$/)
      assert.equal(name.endsWith('_total'), type === 'counter', name)
      assert.doesNotMatch(name, /_(ms|mb|kb|count|sum|bucket)$/)
      for (const label of labels)
        assert.match(
          label,
          /^(name|version|door|operation|peer|protocol|direction|kind|state|volume|backup|alert|severity|percentile)$/,
        )
    }
  })

  test('all that the status tells is of the list, with its labels', async () => {
    const { status } = factsWith({ peer: { lastSeenMs: 5000 as never } })
    const samples = samplesOf(status, [])
    const known = new Map(METRICS.map((metric) => [metric.name, metric]))
    for (const [name, all] of samples)
      for (const { labels = {}, value } of all) {
        assert.deepEqual(Object.keys(labels), known.get(name)?.labels, name)
        assert.ok(Number.isFinite(value), name)
      }
    const meter = new PrometheusMeter()
    meter.set(samples)
    meter.set(samples)
    const text = await meter.text()
    assert.match(text, /^shoal_peer_last_seen_time_seconds\{peer="shelf"\} 5$/m)
    assert.match(text, /^shoal_volume_files\{volume="main"\} 12$/m)
  })

  test('a peer that is gone leaves no line behind', async () => {
    const meter = new PrometheusMeter()
    meter.set(new Map([['shoal_peer_connected', [{ labels: { peer: 'a' }, value: 1 }]]]))
    meter.set(new Map([['shoal_peer_connected', [{ labels: { peer: 'b' }, value: 1 }]]]))
    assert.doesNotMatch(await meter.text(), /peer="a"/)
  })

  test('of very many peers the traffic of the last is told together', () => {
    const meter = new PrometheusMeter()
    for (let i = 0; i < 5000; i++) meter.moved(`peer ${i}` as PeerId, '/shoal/log/1', 'in', 2)
    const moves = meter.moves((peer) => peer)
    const other = moves.find(
      ({ labels }) => labels?.['peer'] === 'other' && labels['direction'] === 'in',
    )
    assert.equal(moves.length, 2 * 101)
    assert.equal(other?.value, 2 * 4900)
  })

  test('calls are measured until all of their answer has come', async () => {
    const told: string[] = []
    const clock = new ManualClock()
    const meter = {
      called: (...about: readonly unknown[]) => void told.push(about.join(' ')),
      moved: () => {},
      disk: () => {},
      synced: () => {},
    }
    const target = {
      count: 1,
      quick: () => Promise.resolve('done'),
      failing: () => Promise.reject(new Error('no')),
      at: () => 5,
      async *pages(): AsyncGenerator<number> {
        yield this.count
        clock.advance(7)
        yield 2
      },
    }
    const measured = meteredCalls(target, 'door', { meter, clock })
    assert.equal(await measured.quick(), 'done')
    await assert.rejects(measured.failing())
    assert.equal(measured.at(), 5)
    const seen: number[] = []
    for await (const page of measured.pages()) seen.push(page)
    assert.deepEqual(seen, [1, 2])
    for await (const page of measured.pages()) if (page === 1) break
    assert.deepEqual(told, [
      'door quick 0 false',
      'door failing 0 true',
      'door pages 7 false',
      'door pages 0 false',
    ])
  })
})
