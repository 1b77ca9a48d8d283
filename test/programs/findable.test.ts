// All that was acknowledged on three machines is findable after cuts, standstills and kills: some
// rounds (test/cluster/findable); test/long has many.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runRounds } from '../cluster/findable/rounds.ts'
import { whyNoNamespaces } from '../cluster/netns.ts'
import { skip } from '../mount/mounted.ts'
import { needAll } from './need.ts'

needAll(whyNoNamespaces(), skip)

test(
  'what was acknowledged on three machines is findable or superseded by who had it, and nothing else',
  { timeout: 300_000 },
  async (t) => {
    const say = (line: string): void => t.diagnostic(line)
    const { faults } = await runRounds({ seed: 1, count: 4, say })
    assert.deepEqual(faults, [])
  },
)
