// Files pinned to a node, on simulated machines: they stay when space is short.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MIB, MINUTE_MS } from '../../../protocol/units.ts'
import type { LocalPin } from '../../../node/control/pins.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import { withMembers } from '../handlers/members.ts'
import { pinsOf } from '../handlers/pins-of.ts'
import { contentOf, put, readFile } from '../gc/garbage-world.ts'

const FILE_BYTES: number = 2 * MIB

describe('local pins', () => {
  test('a full disk drops copies, but none that is pinned, also after a restart', async () => {
    await withMembers(3, 7, async ({ nodes, clock, network }) => {
      const [a, b] = nodes
      await a.stop()
      // More than its shards of all files and what is pinned take, and less than those and copies.
      a.machine.disk.capacityBytes = 35 * MIB
      await a.start()
      await clock.sleep(MINUTE_MS)
      for (const path of ['/safe', '/loose']) {
        await b.ask((api) => api.makeFolder(path))
        await b.ask((api) => put(api, `${path}/0`, contentOf(path.length, FILE_BYTES)))
      }
      await b.ask((api) => api.settle('placed'))
      await clock.sleep(MINUTE_MS)
      await pinned(a, '/loose')
      await a.ask((api) => api.removePin('/loose'))
      await pinned(a, '/safe')
      for (let number = 0; number < 14; number++) {
        if (number === 4) {
          await a.stop()
          await a.start()
          await clock.sleep(MINUTE_MS)
        }
        await a.ask((api) => put(api, `/${number}`, contentOf(20 + number, FILE_BYTES)))
        await a.ask((api) => api.settle('placed'))
        await clock.sleep(10 * MINUTE_MS)
      }
      assert.deepEqual(await a.ask(pinsOf), [
        { path: '/safe', kind: 'local', wantedBytes: FILE_BYTES, actualBytes: FILE_BYTES },
      ])
      network.partition(...nodes.map(({ peer }) => [peer]))
      await assert.rejects(
        a.ask((api) => readFile(api, '/loose/0')),
        { code: 'chunk-unavailable' },
      )
      const safe = await a.ask((api) => readFile(api, '/safe/0'))
      assert.ok(Buffer.from(safe).equals(Buffer.from(contentOf(5, FILE_BYTES))))
      network.heal()
    })
  })
})

/** Pin, and wait until all is there. */
async function pinned(node: ClusterNode, path: string): Promise<void> {
  const told = await node.ask(async (api) => {
    let last: Pick<LocalPin, 'wantedBytes' | 'actualBytes'> | undefined
    for await (const page of api.addLocalPin(path)) last = page.at(-1)
    return last
  })
  assert.deepEqual(told, { wantedBytes: FILE_BYTES, actualBytes: FILE_BYTES })
}
