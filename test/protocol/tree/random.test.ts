// Whatever several sites do, and in whatever order they hear of it: equal records, a tree, and
// nothing lost.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { emptyChanges } from '../../../protocol/tree/apply.ts'
import { checkInvariants } from './invariants.ts'
import { anyOrder, inStampOrder, live, newSites, steps } from './script.ts'
import { newSite } from './sites.ts'
import { tries } from '../../effort.ts'

describe('random trees', () => {
  test('are equal on all that hold the same ops, whatever the order', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (script, seed) => {
        const sites = newSites()
        live(sites, script)
        for (const site of sites) site.receive(...sites)
        const fresh = [0, 1, 2].map((index) => {
          const site = newSite(`fresh${index}`)
          for (const next of anyOrder(site, sites, seed + index)) site.apply(next)
          return site
        })
        const batched = newSite('batched')
        batched.moves.batch(batched.state, emptyChanges(), () => {
          for (const next of anyOrder(batched, sites, seed)) batched.apply(next)
        })
        const ordered = newSite('ordered')
        for (const next of inStampOrder(sites)) ordered.apply(next)
        const expected = ordered.state.dump()
        for (const site of [...sites, ...fresh, batched])
          assert.equal(site.state.dump(), expected, site.name)
      }),
      { numRuns: tries(50) },
    )
  })

  test('are trees at any time: no cycle, one parent, no orphan, no name twice, all contents there', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const sites = newSites()
        const log = sites.map((site) => site.log)
        live(sites, script)
        for (const site of sites) {
          const held = log.flatMap((ops, index) => {
            const maker = sites[index]
            return maker === undefined ? [] : ops.slice(0, site.held.get(maker) ?? 0)
          })
          checkInvariants(site, held)
        }
      }),
      { numRuns: tries(50) },
    )
  })
})
