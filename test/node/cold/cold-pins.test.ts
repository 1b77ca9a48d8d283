// Pins to cold tiers, on simulated machines: existing files below the path go there at once, and
// later ones too; which node uploads them; and what happens when that node or the tier is offline.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOUR_MS, KIB, MINUTE_MS } from '../../../protocol/units.ts'
import { FAIR_TIER } from '../../../simulations/object-tier.ts'
import { encodeJson } from '../../../node/control/wire.ts'
import type { TierStatus } from '../../../node/control/cold.ts'
import type { Pin } from '../../../node/control/pins.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import { withMembers } from '../handlers/members.ts'
import { pinsOf } from '../handlers/pins-of.ts'
import { agreeTo } from '../../../simulations/cold/trust.ts'
import type { Clock } from '../../../node/world/world.ts'
import { contentOf, put } from '../gc/garbage-world.ts'

const FILE_BYTES: number = 400 * KIB

describe('pins to a cold tier', () => {
  test('send files below their path to the tier, also later ones and after a restart', async () => {
    await withMembers(3, 1, async ({ nodes: [a, b, c], clock }) => {
      await addAttic([a, b, c], clock)
      await a.ask((api) => api.makeFolder('/old/deep', { parents: true }))
      await a.ask((api) => api.makeFolder('/moved'))
      await write(a, '/old/deep/one', 1)
      await write(a, '/note', 2)
      await write(a, '/moved/two', 3)
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await b.ask((api) => api.addColdPin('/old', 'attic')), {
        path: '/old',
        kind: 'cold',
        tier: 'attic',
      })
      await clock.sleep(MINUTE_MS)
      for (const node of [a, b, c]) assert.deepEqual(await node.ask(pinsOf), [whole('/old', 1)])
      assert.equal(await stripesIn(a), 1)

      await write(c, '/old/later', 4)
      await write(a, '/old/deep/one', 5)
      await a.ask((api) => api.move('/moved', '/old/moved'))
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await a.ask(pinsOf), [whole('/old', 3)])

      await b.stop()
      await b.start()
      await clock.sleep(MINUTE_MS)
      await write(a, '/old/after', 6)
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await b.ask(pinsOf), [whole('/old', 4)])

      await assert.rejects(recall(a, '/old/deep/one'), {
        code: 'usage',
        message: /the pin of \/old; remove that first/,
      })
      await a.ask((api) => api.removePin('/old'))
      await recall(a, '/old/deep/one')
      const before = await stripesIn(a)
      await write(a, '/old/last', 7)
      await clock.sleep(2 * MINUTE_MS)
      assert.deepEqual(await b.ask(pinsOf), [])
      assert.equal(await stripesIn(a), before, 'nothing follows')
    })
  })

  test('the nearest pin decides to which tier a file goes', async () => {
    await withMembers(3, 2, async ({ nodes: [a], clock }) => {
      for (const name of ['attic', 'cellar'])
        await a.ask((api) => api.addTier({ name, url: `dir:/${name}` }))
      await a.ask((api) => api.makeFolder('/old/older', { parents: true }))
      await a.ask((api) => api.addColdPin('/old', 'attic'))
      await a.ask((api) => api.addColdPin('/old/older', 'cellar'))
      await a.ask((api) => api.addPin('/old', { class: 'copies2' }))
      await write(a, '/old/one', 1)
      await write(a, '/old/older/two', 2)
      await clock.sleep(MINUTE_MS)
      const figures = { wantedBytes: 2 * FILE_BYTES, actualBytes: 2 * FILE_BYTES }
      assert.deepEqual(await a.ask(pinsOf), [
        { path: '/old', kind: 'class', class: 'copies2', ...figures },
        whole('/old', 1),
        whole('/old/older', 1, 'cellar'),
      ])
      assert.equal(await stripesIn(a, 'cellar'), 1)
      await assert.rejects(
        a.ask((api) => api.addColdPin('/old', 'shed')),
        { code: 'ENOENT', message: /no cold tier shed, only attic, cellar/ },
      )
    })
  })

  test('if the node of a pin is offline, only the next in rank uploads, an hour on', async () => {
    await withMembers(3, 3, async ({ nodes: [a, b, c], clock }) => {
      await addAttic([a, b, c], clock)
      await a.ask((api) => api.makeFolder('/old'))
      await write(a, '/old/one', 1)
      await clock.sleep(MINUTE_MS)
      await b.ask((api) => api.addColdPin('/old', 'attic'))
      await b.stop()
      await clock.sleep(HOUR_MS + 5 * MINUTE_MS)
      for (const node of [a, c]) assert.deepEqual(await node.ask(pinsOf), [whole('/old', 1)])
      await b.start()
      await clock.sleep(MINUTE_MS)
      const [tier] = await a.ask((api) => api.listTiers())
      assert.equal(tier?.objects, 1)
    })
  })

  test('a failing tier is reported with the pin, and files go there once it works', async () => {
    await withMembers(3, 4, async ({ nodes: [a, b], clock, cold }) => {
      await a.ask((api) => api.addTier({ name: 'attic', url: 'dir:/attic' }))
      const attic = cold.at({ kind: 'dir', path: '/attic' })
      await write(a, '/one', 1)
      attic.weather = { ...FAIR_TIER, isGone: true }
      await a.ask((api) => api.addColdPin('/one', 'attic'))
      await clock.sleep(MINUTE_MS)
      const [pin] = await a.ask(pinsOf)
      assert.equal(pin?.failure?.code, 'cold-gone')
      assert.deepEqual([pin.actualBytes, pin.wantedBytes], [0, FILE_BYTES])
      attic.weather = FAIR_TIER
      // As the command hears of it, before the next pass.
      const [tier] = JSON.parse(encodeJson(await a.ask((api) => api.listTiers()))) as TierStatus[]
      assert.equal(tier?.failure?.code, 'cold-gone')
      assert.match(tier.failure.message, /attic/)
      await a.stop()
      await a.start()
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await b.ask(pinsOf), [whole('/one', 1)])
    })
  })

  test('files pinned below a folder stay in the tier when the rest is recalled', async () => {
    await withMembers(3, 6, async ({ nodes: [a], clock }) => {
      await a.ask((api) => api.addTier({ name: 'attic', url: 'dir:/attic' }))
      await a.ask((api) => api.makeFolder('/all/kept', { parents: true }))
      await a.ask((api) => put(api, '/all/beside', contentOf(3, FILE_BYTES)))
      await write(a, '/all/kept/one', 1)
      await write(a, '/all/two', 2)
      await clock.sleep(MINUTE_MS)
      await a.ask(async (api) => {
        for await (const page of api.pushCold('/all', { tier: 'attic' })) assert.ok(page.length > 0)
      })
      await a.ask((api) => api.addColdPin('/all/kept', 'attic'))
      await clock.sleep(MINUTE_MS)
      assert.equal(await stripesIn(a), 2)
      await recall(a, '/all')
      assert.equal(await stripesIn(a), 1)
      assert.deepEqual(await a.ask(pinsOf), [whole('/all/kept', 1)])
    })
  })

  test('nothing goes while cold moves are paused, and all that is due afterwards', async () => {
    await withMembers(3, 5, async ({ nodes: [a], clock }) => {
      await a.ask((api) => api.addTier({ name: 'attic', url: 'dir:/attic' }))
      await a.ask((api) => api.setVolume('main', { cold: 'paused' }))
      await write(a, '/one', 1)
      await a.ask((api) => api.addColdPin('/one', 'attic'))
      await clock.sleep(MINUTE_MS)
      assert.equal(await stripesIn(a), 0)
      await a.ask((api) => api.setVolume('main', { cold: 'on' }))
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await a.ask(pinsOf), [whole('/one', 1)])
    })
  })
})

/** A pin of which all files are there. */
function whole(path: string, files: number, tier = 'attic'): Pin {
  const bytes = files * FILE_BYTES
  return { path, kind: 'cold', tier, wantedBytes: bytes, actualBytes: bytes }
}

/** All owners agree to it. */
async function addAttic([a, ...others]: readonly ClusterNode[], clock: Clock): Promise<void> {
  const attic = { name: 'attic', url: 'dir:/attic' }
  await a?.ask((api) => api.addTier(attic))
  await agreeTo(attic, others, clock)
}

async function write(node: ClusterNode, path: string, seed: number): Promise<void> {
  await node.ask((api) => put(api, path, contentOf(seed, FILE_BYTES)))
  await node.ask((api) => api.settle('placed'))
}

async function recall(node: ClusterNode, path: string): Promise<void> {
  await node.ask(async (api) => {
    for await (const page of api.recallCold(path)) assert.ok(page.length > 0)
  })
}

async function stripesIn(node: ClusterNode, name = 'attic'): Promise<number> {
  const tiers = await node.ask((api) => api.listTiers())
  return tiers.find((tier) => tier.name === name)?.stripes ?? 0
}
