// Many rounds on three machines with cuts, standstills, kills and restarts (test/cluster/findable):
// all that was acknowledged is findable, or superseded by who had it; and each of some faults of
// the product would be found so. SHOAL_FINDABLE_ROUNDS: how many, SHOAL_FINDABLE_SEED: of which
// seed, SHOAL_FINDABLE_FROM: the first of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runRounds } from '../cluster/findable/rounds.ts'
import { whyNoNamespaces } from '../cluster/netns.ts'
import { skip } from '../mount/mounted.ts'
import { needAll } from '../programs/need.ts'
import type { PlantedFault } from '../../protocol/planted-faults.ts'

needAll(whyNoNamespaces(), skip)

const ROUNDS = numberIn('SHOAL_FINDABLE_ROUNDS', 120)
const SEED = numberIn('SHOAL_FINDABLE_SEED', 100)
const FROM = numberIn('SHOAL_FINDABLE_FROM', 0)
/** A fault is found within so many rounds. */
const PLANTED_ROUNDS = 16

const FAULTS: readonly PlantedFault[] = [
  'version-replaces-unseen',
  'last-version-alone',
  'delete-covers-unseen',
  'removed-content-returns',
  'conflict-copies-go-along',
]

test(`${ROUNDS} rounds lose nothing, and bring nothing back`, async (t) => {
  const say = (line: string): void => t.diagnostic(line)
  const tally = await runRounds({ seed: SEED, from: FROM, count: ROUNDS, say })
  t.diagnostic(JSON.stringify(tally, undefined, 1))
  assert.deepEqual(tally.faults, [])
})

describe('a fault that is planted in three nodes is found', () => {
  for (const fault of FAULTS) {
    test(fault, async (t) => {
      process.env['SHOAL_TEST_FAULT'] = fault
      const preload = new URL('../cluster/findable/plant-fault.ts', import.meta.url).href
      const { faults } = await runRounds({
        seed: SEED,
        count: PLANTED_ROUNDS,
        start: { preload },
        isEnough: ({ faults: found }) => found.length > 0,
      })
      assert.ok(faults.length > 0, `${fault}: nothing was found in ${PLANTED_ROUNDS} rounds`)
      t.diagnostic(faults[0] ?? '')
    })
  }
})

function numberIn(name: string, usual: number): number {
  const number = Number(process.env[name] ?? usual)
  assert.ok(Number.isSafeInteger(number), `${name} is a number`)
  return number
}
