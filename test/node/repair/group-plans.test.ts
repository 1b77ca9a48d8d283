// Cached plans equal newly made ones, whatever happens to the members.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { peerIdFromPublicKey } from '../../../protocol/ids.ts'
import { PLACEMENT_GROUPS } from '../../../protocol/placement/placement-group.ts'
import { planShards, rankForGroup } from '../../../protocol/placement/plan.ts'
import { GroupPlans } from '../../../node/repair/group-plans.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { PlacePeer, Presence } from '../../../protocol/placement/plan.ts'
import type { GroupId, StripeGroup } from '../../../node/shard-map/stripe-map.ts'
import type { ClusterView } from '../../../node/repair/cluster-view.ts'

const PEERS = Array.from({ length: 12 }, (_, i) =>
  peerIdFromPublicKey(new Uint8Array(32).fill(i + 1)),
)

test('a cached plan equals the plan that would be made now', () => {
  const change = fc.record({
    peer: fc.nat(PEERS.length - 1),
    presence: fc.constantFrom<Presence>('online', 'online', 'late', 'absent', 'gone'),
    zone: fc.constantFrom('', '', 'a', 'b'),
    weight: fc.constantFrom(0, 1, 1, 3),
    isFull: fc.constantFrom(false, false, true),
    isMember: fc.constantFrom(true, true, true, false),
  })
  fc.assert(
    fc.property(
      fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 8 }),
      fc.array(
        fc.tuple(
          fc.nat(PLACEMENT_GROUPS - 1),
          fc.shuffledSubarray(PEERS, { minLength: 5, maxLength: 5 }),
        ),
      ),
      (steps, stripes) => {
        const members = new Map<PeerId, PlacePeer>(PEERS.map((peer) => [peer, { peer, ...WELL }]))
        // Where placement would put them, and anywhere.
        const wanted = stripes.map(([group]): [number, PeerId[]] => [
          group,
          rankForGroup(group, [...members.values()])
            .slice(0, 5)
            .map(({ peer }) => peer),
        ])
        const groups = [...stripes, ...wanted].map(([group, holders], i) =>
          groupOf(i, group, holders),
        )
        // Who is removed holds nothing any more, and the group's id does not tell.
        const believed = (group: StripeGroup): StripeGroup => ({
          ...group,
          holders: group.holders.map((peers) => peers.filter((peer) => members.has(peer))),
        })
        const plans = new GroupPlans()
        for (const step of [[], ...steps]) {
          for (const { peer, isMember, ...rest } of step) {
            const id = PEERS[peer] as PeerId
            if (isMember) members.set(id, { peer: id, ...rest })
            else members.delete(id)
          }
          const clusterView = viewOf([...members.values()])
          const now = groups.map(believed)
          const kept = plans.of(now, clusterView)
          for (const group of now) {
            assert.deepEqual(
              kept.get(group.id),
              planShards(group, clusterView.ranked(group.placementGroup)),
            )
          }
        }
      },
    ),
    { seed: 6, numRuns: 150 },
  )
})

const WELL = { presence: 'online', zone: '', weight: 1, isFull: false } as const

function groupOf(number: number, placementGroup: number, holders: readonly PeerId[]): StripeGroup {
  return {
    id: `${number}` as GroupId,
    placementGroup,
    k: 3,
    m: 2,
    class: undefined,
    isCondemned: false,
    isSwept: false,
    holders: holders.map((peer) => [peer]),
    tiers: [],
    count: 1,
    shardBytes: 1,
  }
}

function viewOf(peers: readonly PlacePeer[]): ClusterView {
  return {
    peers,
    isBraked: false,
    isAvoiding: false,
    settledSince: 0 as ClusterView['settledSince'],
    ranked: (group) => rankForGroup(group, peers),
  }
}
