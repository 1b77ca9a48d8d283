// The alerts of a node over time: who is told of what, and how often.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ALERTS_KEPT, AlertRecords } from '../../../node/alerts/alert-records.ts'
import { NodeAlerts, checkAlertConfig } from '../../../node/alerts/node-alerts.ts'
import { CLEAR_AFTER_MS } from '../../../node/alerts/raising.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { factsWith } from './facts.ts'
import type { AlertSettings } from '../../../node/alerts/node-alerts.ts'
import type { AlertTarget } from '../../../node/world/targets/alert-targets.ts'
import type { Changed } from './facts.ts'

const PHONE: AlertTarget = {
  label: 'command phone',
  least: 'warning',
  kind: 'command',
  command: ['phone'],
}
const MAIL: AlertTarget = { ...PHONE, label: 'command mail', least: 'notice' }
/** Longer than the longest time between two looks. */
const LOOK_MS: number = 2 * MINUTE_MS
const CONFLICT: Changed = { volume: { conflicts: 1 } }
const UNTRUSTED: Changed = { volume: { tiersToTrust: ['attic'] } }

class Watched {
  readonly clock = new ManualClock()
  readonly kv = new MemoryKv()
  readonly told: string[] = []
  changed: Changed = {}
  settings: AlertSettings | Error = { targets: [PHONE], off: [], afterMs: {} }
  isDeaf = false
  alerts: NodeAlerts | undefined

  /** Start, or start anew. */
  async start(): Promise<NodeAlerts> {
    await this.alerts?.stop()
    this.alerts = new NodeAlerts({
      world: {
        clock: this.clock,
        random: { number: () => 0.5, bytes: () => new Uint8Array(), unlucky: () => false },
      },
      records: await AlertRecords.load(this.kv),
      facts: () => Promise.resolve(factsWith(this.changed)),
      alerting: {
        settings: () =>
          this.settings instanceof Error
            ? Promise.reject(this.settings)
            : Promise.resolve(this.settings),
        send: ({ label }, { title, events }) => {
          if (this.isDeaf) return Promise.reject(new Error('no answer'))
          this.told.push(`${label}: ${title} (${events.length})`)
          return Promise.resolve()
        },
      },
      name: 'nas',
      log: () => {},
    })
    this.alerts.start()
    return this.alerts
  }

  /** Let time pass, a look at a time. returns what was told meanwhile. */
  async pass(ms: number): Promise<string[]> {
    this.told.length = 0
    for (let left = ms; left > 0; left -= LOOK_MS) {
      this.clock.advance(Math.min(left, LOOK_MS))
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
    }
    return this.told.splice(0)
  }
}

describe('alerts of a node', () => {
  test('each is told once when it is raised, and once when it is over', async () => {
    const node = new Watched()
    const alerts = await node.start()
    assert.deepEqual(await node.pass(LOOK_MS), [])
    node.changed = CONFLICT
    const [told, ...more] = await node.pass(HOUR_MS)
    assert.match(told ?? '', /^command phone: Shoal nas: 1 conflict in main: .* \(1\)$/)
    assert.deepEqual(more, [])
    node.changed = {}
    const [over, ...others] = await node.pass(CLEAR_AFTER_MS + 2 * LOOK_MS)
    assert.match(over ?? '', /^command phone: Shoal nas: over: 1 conflict in main/)
    assert.deepEqual(others, [])
    const events = await alerts.listAlerts()
    assert.deepEqual(
      events.map(({ number, state, name }) => [number, state, name]),
      [
        [1, 'raised', 'conflicts'],
        [2, 'cleared', 'conflicts'],
      ],
    )
    await alerts.stop()
  })

  test('a restart raises and tells nothing anew', async () => {
    const node = new Watched()
    await node.start()
    node.changed = CONFLICT
    assert.equal((await node.pass(LOOK_MS)).length, 1)
    const alerts = await node.start()
    assert.deepEqual(await node.pass(HOUR_MS), [])
    const { raised } = await alerts.checkAlerts()
    assert.deepEqual(
      raised.map(({ name }) => name),
      ['conflicts'],
    )
    await alerts.stop()
  })

  test('a target that does not answer is told later what it missed, all in one', async () => {
    const node = new Watched()
    const alerts = await node.start()
    node.isDeaf = true
    node.changed = CONFLICT
    await node.pass(10 * MINUTE_MS)
    node.changed = { ...CONFLICT, peer: { state: 'gone' } }
    await node.pass(10 * MINUTE_MS)
    const [{ waiting, failure } = { waiting: 0, failure: '' }] = (await alerts.checkAlerts())
      .targets
    assert.deepEqual([waiting, failure], [2, 'no answer'])
    node.isDeaf = false
    assert.deepEqual(await node.pass(2 * HOUR_MS), [
      'command phone: Shoal nas: 2 alerts raised, 0 over (2)',
    ])
    await alerts.stop()
  })

  test('a target is told what is bad enough for it, and a new one nothing of before', async () => {
    const node = new Watched()
    const alerts = await node.start()
    node.changed = UNTRUSTED
    assert.deepEqual(await node.pass(HOUR_MS), [])
    node.settings = { targets: [PHONE, MAIL], off: [], afterMs: {} }
    assert.deepEqual(await node.pass(HOUR_MS), [])
    node.changed = { volume: { tiersToTrust: ['attic', 'cellar'] } }
    const told = await node.pass(HOUR_MS)
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', /^command mail: .*cellar/)
    await alerts.stop()
  })

  test('settings that cannot be read are told of where they said before', async () => {
    const node = new Watched()
    const alerts = await node.start()
    await node.pass(LOOK_MS)
    node.settings = new Error('config.yaml is not YAML.')
    const told = await node.pass(LOOK_MS)
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', /^command phone: Shoal nas: config\.yaml is not YAML \(1\)$/)
    await alerts.stop()
  })

  test('the history is bounded, and of many at once the newest are told', async () => {
    const node = new Watched()
    const alerts = await node.start()
    await node.pass(LOOK_MS)
    for (let round = 0; round < 8; round++) {
      const tiersToTrust = Array.from({ length: 200 }, (_, i) => `tier-${round}-${i}`)
      node.changed = { volume: { tiersToTrust } }
      await node.pass(CLEAR_AFTER_MS + 2 * LOOK_MS)
    }
    const all = await alerts.listAlerts()
    assert.equal(all.length, ALERTS_KEPT)
    const numbers = all.map(({ number }) => number)
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
    assert.equal((await alerts.listAlerts({ limit: 3 })).length, 3)
    const entries: string[] = []
    for await (const [key] of node.kv.scan({ from: 'a', to: 'b' })) entries.push(key)
    assert.ok(entries.length <= ALERTS_KEPT + 2)
    await alerts.stop()
  })

  test('a condition that there is not is refused, with those that there are', () => {
    assert.throws(
      () => checkAlertConfig({ off: ['peer-tired'], afterMs: {} }),
      /"peer-tired".*peer-late/s,
    )
    assert.throws(() => checkAlertConfig({ off: [], afterMs: { nothing: 1 } }), /"nothing"/)
    checkAlertConfig({ off: ['peer-late'], afterMs: { conflicts: 1000 } })
  })
})
