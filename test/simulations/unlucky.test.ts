// Unlucky sites (node/world/unlucky-sites.ts): each is asked in one place of the nodes' code, is
// reached by the scenarios, and does no harm, even with all of them on at once.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UNLUCKY_SITES } from '../../node/world/unlucky-sites.ts'
import { HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import { checkTrees, quiesce } from '../../simulations/checkers.ts'
import { Cluster } from '../../simulations/cluster.ts'
import { joinedBy } from '../../simulations/hostile/outsider.ts'
import { perform } from '../../simulations/perform.ts'
import { planOf } from '../../simulations/plan.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import { UnluckyTally } from '../../simulations/unlucky-tally.ts'
import { files } from '../sources.ts'
import type { UnluckySite } from '../../node/world/unlucky-sites.ts'
import type { Scenario } from '../../simulations/scenario.ts'

/** Every site, as often as a site that is on. */
const ALL = { site: 1, each: 0.25 }
const FILES = 40
/** A site that was asked as often has had ill luck, but for one in three hundred. */
const OFTEN = 20

/** A part of the time of each. */
const SHORT: readonly Scenario[] = [
  { ...scenarioNamed('default'), nodeCount: 5, hours: 3, sessions: 3 },
  { ...scenarioNamed('strong'), hours: 1, sessions: 1 },
  { ...scenarioNamed('cold'), hours: 8, sessions: 3, faultHours: 2 },
  { ...scenarioNamed('snapshots'), hours: 3, sessions: 4 },
]

describe('the list of unlucky sites', () => {
  test('is sorted by room', () => {
    const rooms = UNLUCKY_SITES.map((site) => site.slice(0, site.indexOf('.')))
    assert.ok(rooms.every((room, n) => n === 0 || room >= (rooms[n - 1] ?? '')))
    assert.equal(new Set(UNLUCKY_SITES).size, UNLUCKY_SITES.length)
  })

  test('has what the code asks, each in one place of its room', () => {
    const asked = files
      .filter(({ path }) => path.startsWith('node/'))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/\.unlucky\('([^']+)'\)/g)].map(([, site]) => `${path} ${site}`),
      )
    for (const site of UNLUCKY_SITES) {
      const places = asked.filter((one) => one.endsWith(` ${site}`))
      assert.deepEqual(places.length, 1, `${site}: ${places.join()}`)
      assert.ok(places[0]?.startsWith(`node/${site.split('.')[0]}/`), places[0])
    }
    assert.equal(asked.length, UNLUCKY_SITES.length)
  })
})

test('sites are on for a seed or not, on all its machines, and draw apart from all else', () => {
  const rates = { site: 0.5, each: 1 }
  const on = (seed: string, stream: string): boolean[] => {
    const random = new SeededRandom(seed, stream, rates)
    return UNLUCKY_SITES.map((site) => random.unlucky(site))
  }
  assert.deepEqual(on('1', 'n0'), on('1', 'n1'))
  assert.notDeepEqual(on('1', 'n0'), on('2', 'n0'))
  const [asked, quiet] = [new SeededRandom('1', 'n0', rates), new SeededRandom('1', 'n0', rates)]
  for (const site of UNLUCKY_SITES) asked.unlucky(site)
  assert.equal(asked.number(), quiet.number())
})

describe('with every site on', () => {
  const tally = new UnluckyTally()

  for (const scenario of SHORT) {
    test(`what is promised holds: ${scenario.name}`, async () => {
      // Recalls that are broken off come in few plans.
      const script = planOf(scenario.name === 'cold' ? '3' : '1', scenario)
      const { unlucky, opCount, refusedCount, sightings } = await perform(script, { unlucky: ALL })
      tally.merge(unlucky)
      if (scenario.name === 'cold') assert.equal(sightings['volume rebuilt from the tier'], 1)
      assert.ok(opCount - refusedCount > 10, `${opCount} ops, ${refusedCount} refused`)
    })
  }

  test('who comes late starts from a checkpoint, and has the same tree', async () => {
    for (const seed of ['late 1', 'late 2', 'late 3']) {
      const scheduler = new Scheduler(seed)
      await scheduler.finish(comeLate(scheduler))
      tally.merge(scheduler.luck.counts())
    }
  })

  test('each of them was asked, and unlucky unless it was asked seldom', () => {
    assert.deepEqual(tally.unasked(), [])
    const counts = tally.counts()
    const isOften = (site: UnluckySite): boolean => (counts[site]?.asked ?? 0) >= OFTEN
    assert.deepEqual(tally.lucky().filter(isOften), [])
    assert.ok(tally.lucky().length <= 2, tally.lucky().join())
  })
})

/** A node joins when the others have dropped their log. */
async function comeLate(scheduler: Scheduler): Promise<void> {
  const checkpoints = { entries: 16, everyMs: HOUR_MS }
  const cluster = new Cluster(scheduler, {
    nodeCount: 3,
    beaconMs: 10 * MINUTE_MS,
    checkpoints,
    unlucky: { site: 1, each: 0.5 },
  })
  const [founder, second, late] = cluster.nodes
  assert.ok(founder !== undefined && second !== undefined && late !== undefined)
  await Promise.all([founder.start(), second.start()])
  const { ticket } = await founder.ask((api) => api.invite({ uses: 2, role: 'admin' }))
  founder.isMember = true
  await joinedBy(second, ticket)
  second.isMember = true
  for (let n = 0; n < FILES; n++) {
    await founder.ask((api) => api.makeFolder(`/${n}`))
    await cluster.clock.sleep(MINUTE_MS)
  }
  await cluster.clock.sleep(3 * HOUR_MS)
  await late.start()
  await joinedBy(late, ticket)
  late.isMember = true
  await quiesce(cluster, { limitMs: 12 * HOUR_MS, lookMs: 10 * MINUTE_MS })
  await checkTrees(cluster.members)
  await cluster.stop()
}
