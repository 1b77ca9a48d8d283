// Rendezvous ranks and placements: fair, stable when peers come and go, and spread over zones.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import { choosePlacement } from '../../protocol/placement/choose-placement.ts'
import { rankPeers } from '../../protocol/placement/rendezvous.ts'
import { xorshiftBytes } from './vectors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Candidate } from '../../protocol/placement/rendezvous.ts'

const GROUPS = Array.from({ length: 2000 }, (_, i) => i)

describe('rendezvous', () => {
  test('the rank is the same for every order of candidates, and has each once', () => {
    fc.assert(
      fc.property(candidates(), fc.nat(1000), fc.nat(20), (all, group, turn) => {
        const turned = [...all.slice(turn), ...all.slice(0, turn)].toReversed()
        const ranked = rankPeers(group, all)
        assert.deepEqual(rankPeers(group, turned), ranked)
        assert.deepEqual(
          new Set(ranked.map(({ peer }) => peer)),
          new Set(all.filter(({ weight }) => weight > 0).map(({ peer }) => peer)),
        )
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  test('a peer comes first as often as its share of the weight', () => {
    const all = [1, 1, 2, 4, 8].map((weight, i) => ({ peer: peerOf(i), zone: '', weight }))
    const wins = new Map<PeerId, number>()
    for (const group of GROUPS) {
      const [first] = rankPeers(group, all)
      if (first !== undefined) wins.set(first.peer, (wins.get(first.peer) ?? 0) + 1)
    }
    for (const { peer, weight } of all) {
      const share = (wins.get(peer) ?? 0) / GROUPS.length
      // Four standard deviations of a share of 2000 draws are at most 4.5 %.
      assert.ok(Math.abs(share - weight / 16) < 0.045, `${share} for weight ${weight} of 16`)
    }
  })

  test('the order of the other peers does not change when one comes, goes or changes weight', () => {
    fc.assert(
      fc.property(candidates(), fc.nat(1000), fc.nat(20), (all, group, at) => {
        const one = all[at % all.length]
        const without = (list: readonly Candidate[]): readonly PeerId[] =>
          list.map(({ peer }) => peer).filter((peer) => peer !== one?.peer)
        const ranked = without(rankPeers(group, all))
        const fewer = all.filter((candidate) => candidate !== one)
        assert.deepEqual(without(rankPeers(group, fewer)), ranked)
        const heavier = all.map((c) => (c === one ? { ...c, weight: c.weight * 3 } : c))
        assert.deepEqual(without(rankPeers(group, heavier)), ranked)
      }),
      { seed: 2, numRuns: 100 },
    )
  })
})

describe('placement', () => {
  test('shards are spread in proportion to capacity', () => {
    const all = Array.from({ length: 10 }, (_, i) => ({
      peer: peerOf(i),
      zone: '',
      weight: 1 + (i % 2),
    }))
    const held = new Map<PeerId, number>()
    for (const group of GROUPS) {
      for (const peer of choosePlacement(group, all, 3, 1).peers) {
        held.set(peer, (held.get(peer) ?? 0) + 1)
      }
    }
    const perWeight = all.map(({ peer, weight }) => (held.get(peer) ?? 0) / weight)
    // A stripe takes a peer once, so that heavy ones get a little less than their share.
    const mean = perWeight.reduce((sum, n) => sum + n, 0) / all.length
    for (const n of perWeight) assert.ok(Math.abs(n - mean) < 0.2 * mean, `${n}, mean ${mean}`)
  })

  test('of n peers one that comes takes about one shard in n and moves no other, and one that goes likewise', () => {
    const all = Array.from({ length: 10 }, (_, i) => ({ peer: peerOf(i), zone: '', weight: 1 }))
    const last = peerOf(9)
    let moved = 0
    for (const group of GROUPS) {
      const before = choosePlacement(group, all.slice(0, 9), 3, 1).peers
      const after = choosePlacement(group, all, 3, 1).peers
      const gained = after.filter((peer) => !before.includes(peer))
      const lost = before.filter((peer) => !after.includes(peer))
      assert.deepEqual(gained, after.includes(last) ? [last] : [])
      assert.equal(lost.length, gained.length)
      moved += gained.length
    }
    const share = moved / (3 * GROUPS.length)
    assert.ok(Math.abs(share - 0.1) < 0.02, `${share} of all shards moved`)
  })

  test('no zone has more than it may, where that can be; else the fullest has as few as can be', () => {
    const count = fc.integer({ min: 1, max: 9 })
    fc.assert(
      fc.property(candidates(), count, fc.nat(4), fc.nat(1000), (all, wanted, perZone, group) => {
        const { peers, degraded } = choosePlacement(group, all, wanted, perZone)
        const eligible = all.filter(({ weight }) => weight > 0)
        assert.equal(new Set(peers).size, peers.length)
        assert.equal(peers.length, Math.min(wanted, eligible.length))
        assert.ok(peers.every((peer) => eligible.some((candidate) => candidate.peer === peer)))
        const bound = perZone === 0 ? wanted : perZone
        const least = leastBound(eligible, peers.length)
        const allowed = peers.length < wanted ? Infinity : Math.max(bound, least)
        assert.ok(fullestZone(eligible, peers) <= allowed)
        assert.equal(degraded, peers.length < wanted || least > bound)
      }),
      { seed: 3, numRuns: 1000 },
    )
  })

  test('the peers are the best by rendezvous where zones allow', () => {
    const all = ['a', 'a', 'a', '', ''].map((zone, i) => ({ peer: peerOf(i), zone, weight: 1 }))
    for (const group of GROUPS.slice(0, 100)) {
      const ranked = rankPeers(group, all)
      const best = ranked.map(({ peer }) => peer)
      assert.deepEqual(choosePlacement(group, all, 4, 0).peers, best.slice(0, 4))
      const inA = ranked.filter(({ zone }) => zone === 'a').map(({ peer }) => peer)
      const expected = best.filter((peer) => peer !== inA[1] && peer !== inA[2])
      assert.deepEqual(choosePlacement(group, all, 3, 1).peers, expected)
    }
  })

  test('without candidates nothing is placed, and that is degraded', () => {
    assert.deepEqual(choosePlacement(7, [], 3, 1), { peers: [], degraded: true })
    assert.deepEqual(choosePlacement(7, [], 0, 1), { peers: [], degraded: false })
  })
})

function peerOf(n: number): PeerId {
  return peerIdFromPublicKey(xorshiftBytes(n + 1, 32))
}

/** One to twelve distinct peers in up to four zones. */
function candidates(): fc.Arbitrary<Candidate[]> {
  const one = fc.record({
    zone: fc.constantFrom('', 'attic', 'cellar', 'office'),
    weight: fc.constantFrom(0, 1, 2, 1000, 1e12),
  })
  return fc
    .array(one, { minLength: 1, maxLength: 12 })
    .map((all) => all.map((candidate, i) => ({ ...candidate, peer: peerOf(i) })))
}

/** The smallest bound with which `count` of the candidates can be taken. */
function leastBound(all: readonly Candidate[], count: number): number {
  const zones = Map.groupBy(all, ({ zone, peer }) => (zone === '' ? peer : zone))
  const room = (bound: number): number =>
    [...zones.values()].reduce((sum, { length }) => sum + Math.min(length, bound), 0)
  for (let bound = 0; ; bound++) if (room(bound) >= count) return bound
}

function fullestZone(all: readonly Candidate[], peers: readonly PeerId[]): number {
  const chosen = all.filter(({ peer, zone }) => zone !== '' && peers.includes(peer))
  const zones = Map.groupBy(chosen, ({ zone }) => zone)
  return Math.max(0, ...[...zones.values()].map(({ length }) => length))
}
