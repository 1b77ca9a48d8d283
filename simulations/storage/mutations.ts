// Bugs in what keeps data redundant, put in on purpose to show that the simulation finds them (see
// ../mutations.ts).
import { ShoalError } from '../../protocol/errors.ts'
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
  {
    name: 'forget the limit of a zone',
    scenario: 'storage',
    caughtWithinSeeds: 3,
    patches: [
      {
        file: 'protocol/placement/plan.ts',
        find: 'placeRanked(eligible, k + m, m).chosen',
        replace: 'placeRanked(eligible, k + m, 0).chosen',
      },
    ],
  },
  {
    name: 'repair what is merely late',
    scenario: 'storage',
    caughtWithinSeeds: 5,
    patches: [
      {
        file: 'node/repair/cluster-view.ts',
        find: "if (silentMs >= graceMs && !braked) return 'gone'",
        replace: "if (silentMs > 0) return 'gone'",
      },
    ],
  },
  {
    name: 'record a shard before it is put',
    scenario: 'storage',
    caughtWithinSeeds: 3,
    patches: [
      {
        file: 'node/repair/shard-repair.ts',
        find: 'placed.push(await transfer.put(id, stripe, { index, to, shard }, options))',
        replace: `await map.recordShards(id, [{ index, peer: to, isHeld: true }])
        placed.push(await transfer.put(id, stripe, { index, to, shard }, options))`,
      },
    ],
  },
  {
    name: 'acknowledge a shard before it is durable',
    scenario: 'storage',
    caughtWithinSeeds: 3,
    patches: [
      {
        file: 'node/peers/shard-receipts.ts',
        find: 'await this.#store.commit(all.flatMap(({ writes }) => writes))\n',
        replace: '\n',
      },
    ],
  },
  {
    name: 'give away before it is taken',
    scenario: 'storage-growth',
    caughtWithinSeeds: 3,
    patches: [
      {
        file: 'node/repair/rebalance.ts',
        find: 'const shard = await transfer.read(id, stripe, index, from, options)',
        replace: `const shard = await transfer.read(id, stripe, index, from, options)
      await map.recordShards(id, [
        { index, peer: to, isHeld: true },
        { index, peer: from, isHeld: false },
      ])`,
      },
    ],
  },
  {
    name: 'rank peers otherwise when there are more of them',
    scenario: 'storage-growth',
    caughtWithinSeeds: 3,
    patches: [
      {
        file: 'protocol/placement/plan.ts',
        find: 'return rankPeers(placementGroup, weighted)',
        replace: 'return rankPeers(placementGroup + 2000 * peers.length, weighted)',
      },
    ],
  },
  {
    name: 'leave a damaged shard as it is',
    scenario: 'storage',
    caughtWithinSeeds: 5,
    patches: [
      {
        file: 'node/repair/scrub-check.ts',
        find: "if (state === 'damaged') {",
        replace: "if (state === 'damaged' && known === undefined) {",
      },
      {
        file: 'node/repair/audit.ts',
        find: "if (!isAscribed || outcome === 'proven') return",
        replace: "if (!isAscribed || outcome !== 'absent') return",
      },
    ],
  },
  {
    name: 'sweep without a second look',
    scenario: 'storage-garbage',
    caughtWithinSeeds: 6,
    patches: [
      {
        file: 'node/gc/collect.ts',
        find: 'if ((await this.#needs(id, stripe, live, signal)).length === 0) {\n        dead.push(id)\n        sweptBytes',
        replace: 'if (live !== undefined) {\n        dead.push(id)\n        sweptBytes',
      },
    ],
  },
]

/** throws ShoalError 'usage' naming those there are. */
export function storageMutationNamed(name: string): Mutation {
  const found = STORAGE_MUTATIONS.find((mutation) => mutation.name === name)
  if (found !== undefined) return found
  const known = STORAGE_MUTATIONS.map((mutation) => `  ${mutation.name}`).join('\n')
  throw new ShoalError('usage', `there is no mutation "${name}" of storage; there are:\n${known}`)
}
