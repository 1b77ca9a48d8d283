// The simulation over many seeds, and with more nodes. Any one of them: npm run simulate -- --seed S --nodes N.
import { test } from 'node:test'
import { runSeed } from '../../simulations/scenario.ts'

const CAMPAIGNS = [
  { nodeCount: 5, from: 1000, seeds: 150 },
  { nodeCount: 9, from: 2000, seeds: 25 },
] as const

for (const { nodeCount, from, seeds } of CAMPAIGNS) {
  test(`${nodeCount} nodes agree in the end, for ${seeds} seeds from ${from}`, async () => {
    for (let seed = from; seed < from + seeds; seed++) await runSeed(`${seed}`, { nodeCount })
  })
}
