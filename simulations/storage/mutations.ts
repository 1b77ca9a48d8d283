// Faults in what keeps data redundant, planted to show that the simulation finds them (see
// ../mutations.ts), and what the nodes of one process share.
import type { Mutation } from '../mutations.ts'
import type { Patch } from '../patches.ts'

const RENDEZVOUS = 'protocol/placement/rendezvous.ts'
const CLUSTER_VIEW = 'node/repair/cluster-view.ts'

/**
 * No bugs: the nodes of one process share hashes, and the orders of those that know the same
 * members.
 */
export const SHARED: readonly Patch[] = [
  {
    file: RENDEZVOUS,
    find: 'const hash = blake3(utf8(`${placementGroup} ${peer}`))',
    replace: `const name = \`\${placementGroup} \${peer}\`
  const hash = hashes.get(name) ?? blake3(utf8(name))
  hashes.set(name, hash)`,
  },
  {
    file: RENDEZVOUS,
    find: 'function scoreOf(',
    replace: 'const hashes = new Map()\nfunction scoreOf(',
  },
  {
    file: CLUSTER_VIEW,
    find: 'if (last === undefined) this.#orders = new Map()',
    replace: `if (last === undefined) {
      this.#orders = allOrders.get(members) ?? new Map()
      allOrders.set(members, this.#orders)
    }`,
  },
  {
    file: CLUSTER_VIEW,
    find: 'function newClusterView(',
    replace: 'const allOrders = new Map()\nfunction newClusterView(',
  },
]

export const STORAGE_MUTATIONS: readonly Mutation[] = [
  { fault: 'zone-limit-forgotten', scenario: 'storage', caughtWithinSeeds: 3 },
  { fault: 'late-is-gone', scenario: 'storage', caughtWithinSeeds: 5 },
  { fault: 'recorded-before-put', scenario: 'storage', caughtWithinSeeds: 3 },
  { fault: 'shard-acknowledged-early', scenario: 'storage', caughtWithinSeeds: 3 },
  { fault: 'given-before-taken', scenario: 'storage-growth', caughtWithinSeeds: 3 },
  { fault: 'rank-by-count', scenario: 'storage-growth', caughtWithinSeeds: 3 },
  { fault: 'damage-left', scenario: 'storage', caughtWithinSeeds: 5 },
  { fault: 'swept-unseen', scenario: 'storage-garbage', caughtWithinSeeds: 6 },
]
