// The simulated network, held to the seam, and what its cuts do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../protocol/errors.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { SimulatedNetwork } from '../../simulations/network.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import { Machine } from '../../simulations/world.ts'
import type { Channel } from '../../node/world/world.ts'
import { networkSuite } from '../seams/network.ts'

const PROTOCOL = '/shoal/test/1'

networkSuite('SimulatedNetwork', async () => {
  const { scheduler, network } = wires('suite')
  const machines = new Map<string, Machine>()
  const machine = (name: string): Machine => {
    const known = machines.get(name) ?? new Machine({ scheduler, network }, { name })
    machines.set(name, known)
    return known
  }
  return {
    clock: machine('clock').world.clock,
    create: async (name) => {
      const isNew = !machines.has(name)
      const made = machine(name)
      if (isNew) return made.world.network
      made.kill('killed')
      await made.restart('killed')
      return made.world.network
    },
    run: (work) => scheduler.finish(work()),
    close: async () => undefined,
  }
})

describe('cuts of a simulated network', () => {
  test('both ends lose a cut connection within a keep-alive, and can dial again', async () => {
    const { scheduler, network, a, b } = pair('cut')
    const signal = new AbortController().signal
    await scheduler.finish(Promise.all([a.start(), b.start()]))
    await scheduler.finish(a.dial(b.addresses(), { signal }))
    await scheduler.run(scheduler.nowMs + 1000)
    network.partition([a.self], [b.self])
    await scheduler.run(scheduler.nowMs + 2 * network.options.keepAliveMs)
    assert.deepEqual([a.peers(), b.peers()], [[], []])
    await assert.rejects(scheduler.finish(a.dial(b.self, { signal })), (error) =>
      hasCode(error, 'unreachable'),
    )
    network.heal()
    assert.equal(await scheduler.finish(a.dial(b.self, { signal })), b.self)
  })

  test('a frame sent during a short cut arrives after it', async () => {
    const { scheduler, network, a, b } = pair('short')
    const signal = new AbortController().signal
    const heard: (Uint8Array | undefined)[] = []
    await b.handle(PROTOCOL, async (channel) => void heard.push(await channel.receive({ signal })))
    await scheduler.finish(Promise.all([a.start(), b.start()]))
    await scheduler.finish(a.dial(b.addresses(), { signal }))
    const channel = await scheduler.finish(a.open(b.self, PROTOCOL, { signal }))
    const slow = scheduler.nowMs
    network.cut(a.self, b.self)
    await scheduler.finish(channel.send([utf8('late')], { signal }))
    network.mend(a.self, b.self)
    await scheduler.run(slow + 5000)
    assert.deepEqual(heard, [new Uint8Array(utf8('late'))])
  })

  test('a bulk connection breaks with the channels on it, and no others', async () => {
    const { scheduler, network, a, b } = pair('bulk')
    network.options = { ...network.options, bulkBreakRate: 1 }
    const signal = new AbortController().signal
    const echo = async (channel: Channel): Promise<void> => {
      const frame = await channel.receive({ signal })
      await channel.send([frame ?? new Uint8Array()], { signal })
    }
    await b.handle(PROTOCOL, echo, { isBulk: true })
    await scheduler.finish(Promise.all([a.start(), b.start()]))
    await scheduler.finish(a.dial(b.addresses(), { signal }))
    const stream = await scheduler.finish(a.open(b.self, PROTOCOL, { signal }))
    const open = (): Promise<Channel> => a.open(b.self, PROTOCOL, { signal, isBulk: true })
    const [first, second] = await scheduler.finish(Promise.all([open(), open()]))
    const lost = assert.rejects(second.receive({ signal }), (error) =>
      hasCode(error, 'unreachable'),
    )
    await assert.rejects(scheduler.finish(first.send([utf8('lost')], { signal })), (error) =>
      hasCode(error, 'unreachable'),
    )
    await scheduler.finish(lost)
    await scheduler.finish(stream.send([utf8('here')], { signal }))
    const answer = await scheduler.finish(stream.receive({ signal }))
    assert.deepEqual(answer, new Uint8Array(utf8('here')))
    assert.deepEqual(a.peers(), [b.self])
  })
})

function wires(seed: string): { scheduler: Scheduler; network: SimulatedNetwork } {
  const scheduler = new Scheduler(seed)
  return { scheduler, network: new SimulatedNetwork(scheduler) }
}

function pair(seed: string): ReturnType<typeof wires> & {
  a: Machine['world']['network']
  b: Machine['world']['network']
} {
  const parts = wires(seed)
  const [a, b] = [new Machine(parts, { name: 'a' }), new Machine(parts, { name: 'b' })]
  return { ...parts, a: a.world.network, b: b.world.network }
}
