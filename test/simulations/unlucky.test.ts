// Unlucky sites (node/world/unlucky-sites.ts): each is asked in one place of the nodes' code, is
// reached by the scenarios, and does no harm, even with all of them on at once.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { performHostile } from '../../simulations/hostile/run.ts'
import { planOf as hostilePlanOf } from '../../simulations/hostile/plan.ts'
import { perform } from '../../simulations/perform.ts'
import { planOf } from '../../simulations/plan.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import { UnluckyTally } from '../../simulations/unlucky-tally.ts'
import { UNLUCKY_SITES } from '../../node/world/unlucky-sites.ts'
import { files } from '../sources.ts'

/** Every site, as often as a site that is on. */
const ALL = { site: 1, each: 0.25 }

describe('the list of unlucky sites', () => {
  test('is sorted by room', () => {
    const rooms = UNLUCKY_SITES.map((site) => site.split('.')[0])
    assert.deepEqual(rooms, rooms.toSorted())
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
