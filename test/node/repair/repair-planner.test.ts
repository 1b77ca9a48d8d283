// The tasks that a node finds: the most urgent first, only its own, and nothing before its time.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { peerIdFromPublicKey } from '../../../protocol/ids.ts'
import { coordinators, rankForGroup } from '../../../protocol/placement/plan.ts'
import { parseClass } from '../../../protocol/placement/redundancy.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { RepairPlanner } from '../../../node/repair/repair-planner.ts'
import { ClusterObserver } from '../../../node/repair/cluster-view.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { PlacePeer } from '../../../protocol/placement/plan.ts'
import type { GroupId, StripeGroup } from '../../../node/shard-map/stripe-map.ts'

const PEERS = Array.from({ length: 20 }, (_, i) =>
  peerIdFromPublicKey(new Uint8Array(32).fill(i + 1)),
)
const [SELF] = PEERS as [PeerId]
const GRACE_MS = 10 * MINUTE_MS

describe('repair planner', () => {
  test('stripes with fewer spare shards come first, whatever their number', () => {
    const swarm = new View()
    const [, ...others] = PEERS
    // What has lost three, one, and two shards of 4+3; the others of each are there.
    const lost = others.slice(0, 3)
    swarm.groups = [3, 1, 2].map((count, at) => {
      const holders = [SELF, ...lost.slice(0, count), ...others.slice(4, 10 - count)]
      return swarm.group(at, 4, 3, holders)
    })
    for (const [i, peer] of lost.entries()) swarm.silent.set(peer, (i * 2 + 1) * GRACE_MS)
    swarm.coordinate()
    swarm.look()
    swarm.clock.advance(MINUTE_MS)
    assert.deepEqual(swarm.look(), ['repair 0', 'repair 2', 'repair 1'])
  })

  test('a stripe just written is left to its writer for a moment', () => {
    const swarm = new View()
    swarm.groups = [swarm.group(0, 4, 2, PEERS.slice(0, 5))]
    swarm.coordinate()
    assert.deepEqual(swarm.look(), [])
    const { nextAt } = swarm.planner
    assert(nextAt !== undefined && nextAt <= 10 * SECOND_MS)
    swarm.clock.advance(nextAt)
    assert.deepEqual(swarm.look(), ['repair 0'])
  })

  test('the second in rank takes over after a while without progress, and not before', () => {
    const swarm = new View()
    swarm.members = PEERS.slice(0, 6)
    swarm.groups = [swarm.group(0, 4, 2, PEERS.slice(0, 5), 10)]
    swarm.coordinate(1)
    swarm.look()
    swarm.clock.advance(2 * MINUTE_MS)
    swarm.groups = swarm.groups.map((group) => ({ ...group, count: 9 }))
    assert.deepEqual(swarm.look(), [])
    swarm.clock.advance(2 * MINUTE_MS)
    assert.deepEqual(swarm.look(), [], 'one was repaired two minutes ago')
    swarm.clock.advance(2 * MINUTE_MS)
    assert.deepEqual(swarm.look(), ['repair 0'])
  })

  test('a shard with two holders is left to both for an hour', () => {
    const swarm = new View()
    const [, ann, bob, cid] = PEERS as [PeerId, PeerId, PeerId, PeerId]
    swarm.members = [SELF, ann, bob, cid]
    swarm.className = 'rs1+1'
    swarm.groups = [{ ...swarm.group(0, 1, 1, []), holders: [[ann], [bob, SELF]] }]
    swarm.coordinate(2)
    assert.deepEqual(swarm.look(), [])
    swarm.clock.advance(50 * MINUTE_MS)
    assert.deepEqual(swarm.look(), [])
    swarm.clock.advance(10 * MINUTE_MS)
    assert.deepEqual(
      swarm.look().filter((task) => task.startsWith('drop')),
      ['drop 0'],
    )
  })

  test('stripes are not recoded for new members while more are joining', () => {
    const swarm = new View()
    swarm.className = 'auto'
    swarm.members = PEERS.slice(0, 2)
    swarm.groups = [swarm.group(0, 1, 1, swarm.members)]
    assert.deepEqual(swarm.look(), [])
    for (let count = 3; count <= 9; count++) {
      swarm.members = PEERS.slice(0, count)
      swarm.clock.advance(30 * SECOND_MS)
      assert.deepEqual(swarm.look(), [], `the ${count}th has just come`)
    }
    swarm.clock.advance(2 * MINUTE_MS)
    const isFirst =
      rankForGroup(swarm.groups[0]?.placementGroup ?? 0, swarm.peers())[0]?.peer === SELF
    assert.deepEqual(swarm.look(), isFirst ? ['recode 0'] : [])
  })
})

/** A node's view of a swarm. */
class View {
  readonly clock: ManualClock = new ManualClock()
  readonly silent: Map<PeerId, number> = new Map()
  readonly planner: RepairPlanner
  members: readonly PeerId[] = PEERS
  groups: StripeGroup[] = []
  className = 'rs4+2'

  constructor() {
    const { clock } = this
    const silentMs = (peer: PeerId): number => this.silent.get(peer) ?? 0
    const clusterView = new ClusterObserver({
      map: {
        candidates: () => this.members.map((peer) => ({ peer, zone: '', weight: 1 })),
        isAvoided: () => false,
      },
      detector: {
        silentMs,
        liveness: (peer, graceMs) =>
          silentMs(peer) === 0 ? 'online' : silentMs(peer) >= graceMs ? 'gone' : 'late',
      },
      clock,
      graceMs: () => GRACE_MS,
    })
    this.planner = new RepairPlanner({
      map: {
        groups: () => this.groups,
        redundancy: () => parseClass(this.className),
        progress: () => ({ taken: HLC_ZERO, stable: HLC_ZERO }),
      },
      network: { self: SELF },
      clock,
      clusterView,
      mayRecode: () => true,
    })
  }

  look(): string[] {
    return this.planner.due().map(({ kind, group }) => `${kind} ${group.id}`)
  }

  peers(): PlacePeer[] {
    return this.members.map((peer) => ({
      peer,
      zone: '',
      weight: 1,
      presence: this.silent.has(peer) ? 'gone' : 'online',
      isFull: false,
    }))
  }

  group(id: number, k: number, m: number, held: readonly PeerId[], count = 1): StripeGroup {
    const holders = Array.from({ length: k + m }, (_, i) => held.slice(i, i + 1))
    return {
      id: `${id}` as GroupId,
      placementGroup: id,
      k,
      m,
      class: undefined,
      isCondemned: false,
      isSwept: false,
      holders,
      tiers: [],
      count,
      shardBytes: count * 1e6,
    }
  }

  /** Let the groups be such of which this node comes at this place in rank. */
  coordinate(place = 0): void {
    this.groups = this.groups.map((group) => {
      for (let placementGroup = 0; placementGroup < 1024; placementGroup++) {
        const order = coordinators(group, rankForGroup(placementGroup, this.peers()))
        if (order[place] === SELF) return { ...group, placementGroup }
      }
      throw new Error('there is no such group')
    })
  }
}
