// Plans for the shards of stripes: what they never do, how little they move, and that they come to
// an end.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import { PLACEMENT_GROUPS } from '../../protocol/placement/placement-group.ts'
import { coordinators, isSettled, planShards, rankForGroup } from '../../protocol/placement/plan.ts'
import { xorshiftBytes } from './vectors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { PlacePeer, Plan, Presence, Shards } from '../../protocol/placement/plan.ts'

const PEERS = Array.from({ length: 24 }, (_, i) => peerIdFromPublicKey(xorshiftBytes(i + 1, 32)))
const PRESENCES: readonly Presence[] = ['online', 'late', 'absent', 'gone']

describe('a plan', () => {
  test('gives a shard only to who takes it, and never a second one of the stripe', () => {
    check(({ shards, ranked }) => {
      const plan = planShards(shards, ranked)
      const after = carryOut(shards, plan)
      for (const { to } of [...plan.repairs, ...plan.moves]) {
        const peer = ranked.find(({ peer }) => peer === to)
        assert(peer !== undefined && peer.presence === 'online' && peer.weight > 0)
        assert(!peer.isFull)
        assert.equal(after.holders.filter((peers) => peers.includes(to)).length, 1)
      }
    })
  })

  test('takes no shard from the last who has it', () => {
    check(({ shards, ranked }) => {
      const plan = planShards(shards, ranked)
      const online = (peers: readonly PeerId[] | undefined): boolean =>
        ranked.some(({ peer, presence }) => presence === 'online' && peers?.includes(peer) === true)
      const after = carryOut(shards, plan)
      for (const { index } of [...plan.drops, ...plan.moves])
        assert(online(after.holders[index]), `shard ${index} is with someone who is there`)
    })
  })

  test('carried out leaves nothing to do where no shard had two holders, and nobody two shards', () => {
    check(({ shards: any, ranked }) => {
      const shards = withoutSeconds(any)
      const after = carryOut(shards, planShards(shards, ranked))
      assert(isSettled(planShards(after, ranked)))
    }, 1)
  })

  test('carried out again and again comes to an end', () => {
    check(({ shards, ranked }) => {
      let now = shards
      for (let round = 0; round < 4; round++) now = carryOut(now, planShards(now, ranked))
      assert(isSettled(planShards(now, ranked)))
    })
  })

  test('lets a peer that has two shards let go of the one that another has, too', () => {
    const [a, b, c] = peersOf(3)
    assert(a !== undefined && b !== undefined && c !== undefined)
    const holders = [[a.peer], [b.peer, c.peer], [c.peer]]
    const { drops, repairs } = planShards({ k: 2, m: 1, holders }, ranked(3, [a, b, c]))
    assert.deepEqual([drops, repairs], [[{ index: 1, peer: c.peer }], []])
  })

  test('is the same for every order of the shards, but for their indices', () => {
    check(({ shards, ranked }) => {
      const turned = {
        ...shards,
        holders: [...shards.holders.slice(1), ...shards.holders.slice(0, 1)],
      }
      const [a, b] = [planShards(shards, ranked), planShards(turned, ranked)]
      assert.deepEqual(
        [a.spares, a.isUrgent, a.missing.length, a.repairs.length, a.moves.length],
        [b.spares, b.isUrgent, b.missing.length, b.repairs.length, b.moves.length],
      )
    }, 1)
  })

  test('rebuilds every shard that is missing while there is someone to take it', () => {
    check(({ shards, ranked }) => {
      const { missing, repairs, spares, isUrgent } = planShards(shards, ranked)
      if (spares < 0) return assert.deepEqual(repairs, [])
      const takers = ranked.filter(
        ({ peer, presence, isFull, weight }) =>
          presence === 'online' && !isFull && weight > 0 && !shards.holders.flat().includes(peer),
      )
      assert(repairs.length >= Math.min(missing.length, takers.length), `urgent: ${isUrgent}`)
    })
  })

  test('counts who is absent as lost only where no shard can be spared', () => {
    const all = peersOf(8)
    const shards = placed(0, all, 4, 2)
    const [first, second, third] = shards.holders.flat()
    const away = (...gone: (PeerId | undefined)[]): Plan =>
      planShards(
        shards,
        ranked(
          0,
          all.map((p) => (gone.includes(p.peer) ? { ...p, presence: 'absent' } : p)),
        ),
      )
    assert.deepEqual([away(first).missing, away(first).isUrgent], [[], false])
    const urgent = away(first, second)
    assert.deepEqual([urgent.missing.length, urgent.spares, urgent.isUrgent], [2, 0, true])
    assert.equal(urgent.repairs.length, 2)
    assert.deepEqual(
      [away(first, second, third).spares, away(first, second, third).repairs],
      [-1, []],
    )
  })

  test('puts at most m shards in a zone where that can be', () => {
    fc.assert(
      fc.property(fc.nat(PLACEMENT_GROUPS - 1), fc.integer({ min: 3, max: 5 }), (group, zones) => {
        const all = peersOf(16).map((peer, i) => ({ ...peer, zone: `z${i % zones}` }))
        // Wherever the shards were before.
        const shards = { k: 4, m: 2, holders: all.slice(0, 6).map(({ peer }) => [peer]) }
        const { holders } = carryOut(shards, planShards(shards, ranked(group, all)))
        for (let zone = 0; zone < zones; zone++) {
          const inZone = all.filter((p) => p.zone === `z${zone}` && holders.flat().includes(p.peer))
          assert(inZone.length <= 2)
        }
      }),
      { seed: 4, numRuns: 200 },
    )
  })

  test('keeps the shards of a full peer, and takes those of a draining one elsewhere', () => {
    const all = peersOf(9)
    const shards = placed(5, all, 4, 2)
    const [holder] = shards.holders[0] ?? []
    const changed = (change: Partial<PlacePeer>): Plan =>
      planShards(
        shards,
        ranked(
          5,
          all.map((p) => (p.peer === holder ? { ...p, ...change } : p)),
        ),
      )
    assert(isSettled(changed({ isFull: true })))
    const { moves, repairs, drops } = changed({ weight: 0 })
    assert.deepEqual(
      moves.map(({ index, from }) => ({ index, from })),
      [{ index: 0, from: holder }],
    )
    assert.deepEqual([repairs, drops], [[], []])
  })

  test('lets a peer that returns keep what it has, and drops what was rebuilt meanwhile', () => {
    const all = peersOf(9)
    const before = placed(7, all, 4, 2)
    const [lost] = before.holders[2] ?? []
    const without = all.map((p) => (p.peer === lost ? { ...p, presence: 'gone' as const } : p))
    const repaired = carryOut(before, planShards(before, ranked(7, without)))
    assert(isSettled(planShards(repaired, ranked(7, without))))
    const back = planShards(repaired, ranked(7, all))
    assert.deepEqual([back.repairs, back.moves, back.drops.length], [[], [], 1])
    assert.notEqual(back.drops[0]?.peer, lost)
    assert.deepEqual(carryOut(repaired, back).holders, before.holders)
  })

  test('of what lies in a tier makes anew no more than is to stay, and is never urgent', () => {
    check(({ shards, ranked }) => {
      for (const floor of [0, shards.k, shards.k + shards.m]) {
        const cold = { ...shards, floor }
        const plan = planShards(cold, ranked)
        const isThere = (peer: PeerId): boolean =>
          ranked.some((one) => one.peer === peer && one.presence !== 'gone')
        const held = shards.holders.filter((peers) => peers.some(isThere)).length
        const holders = new Set(shards.holders.flat().filter(isThere)).size
        // Whoever says that it holds two shards counts for one.
        assert(plan.missing.length >= Math.max(0, floor - Math.min(held, holders)))
        const seconds = withoutSeconds(shards).holders.filter((peers) => peers.some(isThere)).length
        assert(plan.missing.length <= Math.max(0, floor - seconds))
        assert(plan.repairs.length <= plan.missing.length && !plan.isUrgent)
        const single = withoutSeconds(cold)
        const once = planShards(single, ranked)
        assert(once.drops.length > 0 || isSettled(planShards(carryOut(single, once), ranked)))
      }
    })
  })

  test('is seen to by who is online and holds a shard, in the order of rank', () => {
    const all = peersOf(9)
    const shards = placed(3, all, 4, 2)
    const rank = ranked(3, all)
    const order = coordinators(shards, rank)
    assert.deepEqual(
      order,
      rank.slice(0, 6).map(({ peer }) => peer),
    )
    const late = rank.map((p) => (p.peer === order[0] ? { ...p, presence: 'late' as const } : p))
    assert.deepEqual(coordinators(shards, late), order.slice(1))
  })
})

describe('over all placement groups', () => {
  const COUNT = 12

  test('a peer that joins draws its share of the shards, within 1.3 times', () => {
    const before = peersOf(COUNT)
    const after = peersOf(COUNT + 1)
    const { moved, total } = movedBy(before, after)
    assert(moved <= (1.3 * total) / after.length, `${moved} of ${total}`)
    assert(moved >= total / after.length / 1.3, `${moved} of ${total}`)
  })

  test('a peer that leaves moves its own shards and no other', () => {
    const before = peersOf(COUNT)
    const [leaver, ...after] = before
    let rebuilt = 0
    let own = 0
    for (let group = 0; group < PLACEMENT_GROUPS; group++) {
      const shards = placed(group, before, 4, 2)
      const plan = planShards(shards, ranked(group, after))
      own += shards.holders.flat().filter((peer) => peer === leaver?.peer).length
      rebuilt += plan.repairs.length
      assert.deepEqual(plan.moves, [])
    }
    assert.equal(rebuilt, own)
  })

  test('shards lie on peers in proportion to what they offer, within a fifth', () => {
    const weights = [1, 1, 1, 1, 2, 2, 2, 2]
    const all = peersOf(8).map((peer, i) => ({ ...peer, weight: weights[i] ?? 0 }))
    const held = new Map<PeerId, number>()
    for (let group = 0; group < PLACEMENT_GROUPS; group++) {
      for (const peer of placed(group, all, 1, 0).holders.flat())
        held.set(peer, (held.get(peer) ?? 0) + 1)
    }
    for (const { peer, weight } of all) {
      const share = (held.get(peer) ?? 0) / PLACEMENT_GROUPS
      assert(Math.abs(share / (weight / 12) - 1) < 0.2, `${share} for weight ${weight} of 12`)
    }
  })
})

function peersOf(count: number): PlacePeer[] {
  return PEERS.slice(0, count).map((peer) => ({
    peer,
    zone: peer,
    weight: 1,
    presence: 'online',
    isFull: false,
  }))
}

function ranked(group: number, peers: readonly PlacePeer[]): PlacePeer[] {
  return rankForGroup(group, peers)
}

/** A stripe as it is placed where all is well. */
function placed(group: number, peers: readonly PlacePeer[], k: number, m: number): Shards {
  const holders = ranked(group, peers)
    .slice(0, k + m)
    .map(({ peer }) => [peer])
  const shards = { k, m, holders }
  assert(isSettled(planShards(shards, ranked(group, peers))), 'a healthy stripe needs nothing')
  return shards
}

function movedBy(
  before: readonly PlacePeer[],
  after: readonly PlacePeer[],
): { moved: number; total: number } {
  let moved = 0
  let total = 0
  for (let group = 0; group < PLACEMENT_GROUPS; group++) {
    const shards = placed(group, before, 4, 2)
    moved += planShards(shards, ranked(group, after)).moves.length
    total += shards.holders.length
  }
  return { moved, total }
}

/** Nobody holds more than the first of its shards. */
function withoutSeconds(shards: Shards): Shards {
  const seen = new Set<PeerId>()
  const holders = shards.holders.map((peers) =>
    peers.filter((peer) => !seen.has(peer) && seen.add(peer)),
  )
  return { ...shards, holders }
}

function carryOut(shards: Shards, { repairs, moves, drops }: Plan): Shards {
  const holders = shards.holders.map((peers) => [...peers])
  for (const { index, to } of repairs) holders[index]?.push(to)
  for (const { index, from, to } of moves)
    holders[index] = [...(holders[index] ?? []).filter((peer) => peer !== from), to]
  for (const { index, peer } of drops)
    holders[index] = (holders[index] ?? []).filter((other) => other !== peer)
  return { ...shards, holders }
}

/** Any stripe, however its shards came to lie where they do. */
function check(
  property: (the: { shards: Shards; ranked: readonly PlacePeer[] }) => void,
  holdersMax = 3,
): void {
  const peer = fc.record({
    zone: fc.constantFrom('', 'a', 'b', 'c'),
    weight: fc.constantFrom(0, 1, 1, 1, 4),
    presence: fc.constantFrom<Presence>('online', 'online', 'online', ...PRESENCES),
    isFull: fc.constantFrom(false, false, false, true),
  })
  const code = fc.constantFrom([1, 0], [1, 1], [1, 2], [2, 1], [3, 2], [4, 2], [6, 3])
  const any = fc.record({
    peers: fc.array(peer, { minLength: 1, maxLength: 14 }),
    code,
    group: fc.nat(PLACEMENT_GROUPS - 1),
    // Of 16 peers: the last ones are no members any more.
    holders: fc.array(fc.array(fc.nat(15), { maxLength: holdersMax }), {
      minLength: 9,
      maxLength: 9,
    }),
  })
  fc.assert(
    fc.property(any, ({ peers, code: [k = 1, m = 0], group, holders }) => {
      const all = peers.map((some, i) => ({ ...some, peer: PEERS[i] as PeerId }))
      const shards = {
        k,
        m,
        holders: holders
          .slice(0, k + m)
          .map((held) => [...new Set(held)].map((i) => PEERS[i] as PeerId)),
      }
      property({ shards, ranked: ranked(group, all) })
    }),
    { seed: 3, numRuns: 2000 },
  )
}
