// The faults that are planted to show that the simulator finds them (protocol/planted-faults.ts),
// each with the number of seeds of a scenario within which it is caught.
import { ShoalError } from '../protocol/errors.ts'
import type { PlantedFault } from '../protocol/planted-faults.ts'

export interface Mutation {
  readonly fault: PlantedFault
  readonly scenario: string
  /** Seeds from 1 on. */
  readonly caughtWithinSeeds: number
}

export const MUTATIONS: readonly Mutation[] = [
  { fault: 'moves-make-cycles', scenario: 'partition', caughtWithinSeeds: 20 },
  { fault: 'moves-not-undone', scenario: 'partition', caughtWithinSeeds: 20 },
  { fault: 'dependency-left-out', scenario: 'partition', caughtWithinSeeds: 5 },
  { fault: 'published-before-commit', scenario: 'crash', caughtWithinSeeds: 40 },
  { fault: 'commit-without-sync', scenario: 'crash', caughtWithinSeeds: 20 },
  { fault: 'acknowledged-before-commit', scenario: 'crash', caughtWithinSeeds: 10 },
  { fault: 'acknowledged-before-journal', scenario: 'close', caughtWithinSeeds: 10 },
  { fault: 'replay-from-the-start', scenario: 'close', caughtWithinSeeds: 10 },
  { fault: 'replay-skips-a-record', scenario: 'close', caughtWithinSeeds: 10 },
  { fault: 'replay-forgets-ops', scenario: 'close', caughtWithinSeeds: 10 },
  { fault: 'received-joins-batch', scenario: 'close', caughtWithinSeeds: 10 },
  { fault: 'wall-clock-alone', scenario: 'clocks', caughtWithinSeeds: 5 },
  { fault: 'version-replaces-unseen', scenario: 'partition', caughtWithinSeeds: 20 },
  { fault: 'last-version-alone', scenario: 'partition', caughtWithinSeeds: 5 },
  { fault: 'delete-covers-unseen', scenario: 'partition', caughtWithinSeeds: 10 },
  { fault: 'removed-content-returns', scenario: 'partition', caughtWithinSeeds: 20 },
  { fault: 'conflict-copies-go-along', scenario: 'partition', caughtWithinSeeds: 10 },
  { fault: 'last-attribute-wins', scenario: 'partition', caughtWithinSeeds: 10 },
  { fault: 'last-xattr-wins', scenario: 'partition', caughtWithinSeeds: 20 },
  { fault: 'xattr-of-one-node-wins', scenario: 'partition', caughtWithinSeeds: 10 },
  { fault: 'last-name-wins', scenario: 'partition', caughtWithinSeeds: 20 },
  { fault: 'applied-before-its-past', scenario: 'default', caughtWithinSeeds: 10 },
  { fault: 'exchange-leaves-out', scenario: 'partition', caughtWithinSeeds: 5 },
  { fault: 'no-redial', scenario: 'partition', caughtWithinSeeds: 10 },
  { fault: 'replaced-moves-forgotten', scenario: 'crash', caughtWithinSeeds: 40 },
  { fault: 'checkpoint-has-later-moves', scenario: 'churn', caughtWithinSeeds: 20 },
  { fault: 'former-versions-collected', scenario: 'versions', caughtWithinSeeds: 10 },
  { fault: 'last-ending-counts', scenario: 'versions', caughtWithinSeeds: 10 },
  { fault: 'past-forgotten-at-once', scenario: 'versions', caughtWithinSeeds: 10 },
  { fault: 'appenders-spare-nothing', scenario: 'versions', caughtWithinSeeds: 20 },
  { fault: 'shortened-at-once', scenario: 'versions', caughtWithinSeeds: 20 },
  { fault: 'mass-loss-holds-nothing', scenario: 'versions', caughtWithinSeeds: 10 },
  { fault: 'snapshots-collected', scenario: 'snapshots', caughtWithinSeeds: 10 },
  { fault: 'snapshots-dropped', scenario: 'snapshots', caughtWithinSeeds: 20 },
  { fault: 'snapshot-of-later', scenario: 'snapshots', caughtWithinSeeds: 10 },
  { fault: 'clone-shares-file', scenario: 'snapshots', caughtWithinSeeds: 10 },
  { fault: 'released-before-placed', scenario: 'partition', caughtWithinSeeds: 10 },
  { fault: 'given-up-before-upload', scenario: 'cold', caughtWithinSeeds: 10 },
  { fault: 'pack-not-read-back', scenario: 'cold', caughtWithinSeeds: 10 },
  { fault: 'pack-not-compared', scenario: 'cold', caughtWithinSeeds: 10 },
  { fault: 'demoted-before-stable', scenario: 'cold', caughtWithinSeeds: 10 },
  { fault: 'all-shards-given-up', scenario: 'cold', caughtWithinSeeds: 10 },
  { fault: 'young-packs-removed', scenario: 'cold', caughtWithinSeeds: 40 },
  { fault: 'revivable-packs-removed', scenario: 'cold', caughtWithinSeeds: 40 },
  { fault: 'recalled-before-placed', scenario: 'cold', caughtWithinSeeds: 10 },
]

/** throws ShoalError 'usage' naming those there are. */
export function faultNamed(name: string, mutations: readonly Mutation[] = MUTATIONS): PlantedFault {
  const found = mutations.find(({ fault }) => fault === name)
  if (found !== undefined) return found.fault
  const known = mutations.map(({ fault }) => `  ${fault}`).join('\n')
  throw new ShoalError('usage', `there is no mutation "${name}"; there are:\n${known}`)
}
