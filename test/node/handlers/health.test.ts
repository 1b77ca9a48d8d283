// The health of a volume's data in status, from the groups of its shard map.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  countCold,
  countDegradedPlacement,
  countStripes,
  countWaiting,
  holdings,
  reclaimableBytes,
  spaceOf,
  tolerated,
  wholeBytesOf,
} from '../../../node/handlers/observe/health.ts'
import type { GroupId, StripeGroup } from '../../../node/shard-map/stripe-map.ts'
import type { PeerId } from '../../../protocol/ids.ts'

/** Shards are named by their holders: 'a b c+d' is three shards, the last of them on two peers. */
function group(k: number, holders: string, rest: Partial<StripeGroup> = {}): StripeGroup {
  const peers = holders.split(' ').map((shard) => (shard === '-' ? [] : shard.split('+')))
  return {
    id: holders as GroupId,
    placementGroup: 0,
    k,
    m: peers.length - k,
    class: undefined,
    isCondemned: false,
    isSwept: false,
    holders: peers as unknown as PeerId[][],
    tiers: [],
    count: 1,
    shardBytes: 100,
    ...rest,
  }
}

/** The peers that are up, and zones of two letters: the first of each peer's name. */
function among(up: string, ...live: StripeGroup[]): Parameters<typeof countStripes>[0] {
  const reachable = new Set(up.split(' ') as PeerId[])
  return { live, reachable, zoneOf: (peer) => peer[0] ?? '' }
}

describe('health', () => {
  test('a stripe is full, degraded, at risk or lost by its reachable shards', () => {
    const stripe = group(2, 'a b c d', { count: 5 })
    const states = ['a b c d', 'a b c', 'a b', 'a'].map((up) => countStripes(among(up, stripe)))
    assert.deepEqual(
      states.map((counts) => Object.entries(counts).filter(([, number]) => number > 0)),
      [[['full', 5]], [['degraded', 5]], [['atRisk', 5]], [['lost', 5]]],
    )
  })

  test('one holder of a shard is enough, and a shard without holders is missing', () => {
    assert.equal(countStripes(among('a c', group(1, 'a b+c'))).full, 1)
    assert.equal(countStripes(among('a b', group(2, 'a b -'))).atRisk, 1)
  })

  test('stripes in a cold tier are counted apart, and do not bound the tolerance', () => {
    const cold = group(2, 'a b - -', { tiers: ['attic'], count: 3 })
    assert.deepEqual(countCold(among('a b', cold)), { copied: 3, only: 0, bytes: 200 })
    assert.deepEqual(countCold(among('a', cold)), { copied: 0, only: 3, bytes: 200 })
    assert.deepEqual(countStripes(among('a', cold)), { full: 0, degraded: 0, atRisk: 0, lost: 0 })
    assert.equal(tolerated(among('a b', cold), ['a', 'b'] as PeerId[]), 1)
  })

  test('without parity a stripe is full or lost, never at risk', () => {
    assert.equal(countStripes(among('a', group(1, 'a'))).full, 1)
    assert.equal(countStripes(among('b', group(1, 'a'))).lost, 1)
  })

  test('placement is degraded if the loss of one zone is the loss of the data', () => {
    const up = 'a1 a2 a3 b1'
    const cases: readonly [string, number][] = [
      ['a1 a2 b1 c1', 0],
      ['a1 a2 a3 b1', 1],
      ['a1 a1 a1 b1', 1],
      ['a1 a2 a3+b1 b2', 0],
    ]
    for (const [holders, degraded] of cases)
      assert.equal(countDegradedPlacement(among(up, group(2, holders))), degraded, holders)
    assert.equal(countDegradedPlacement(among(up, group(2, 'a1 a2'))), 0, 'no parity, no choice')
  })

  test('tolerated losses assume the worst zones, and the least safe stripe', () => {
    const members = ['a1', 'b1', 'c1', 'd1'] as PeerId[]
    const up = members.join(' ')
    assert.equal(tolerated(among(up), members), 3)
    assert.equal(tolerated(among(up, group(2, 'a1 b1 c1 d1')), members), 2)
    assert.equal(tolerated(among(up, group(2, 'a1 a2 b1 c1')), members), 1)
    assert.equal(tolerated(among(up, group(2, 'a1 b1 c1 d1'), group(1, 'a1')), members), 0)
    assert.equal(tolerated(among('a1 b1 c1', group(2, 'a1 b1 c1 d1')), members), 1)
  })

  test('a stripe that lacks shards waits for a late holder, or for room on a peer', () => {
    const stripe = group(2, 'a b c')
    const waiting = (up: string, store: string, gone: string): string =>
      Object.entries(
        countWaiting(among(up, stripe), store.split(' ') as PeerId[], (peer) =>
          gone.includes(peer),
        ),
      )
        .flatMap(([what, number]) => (number === 0 ? [] : [what]))
        .join()
    assert.equal(waiting('a b c', 'a b c', ''), '', 'full')
    assert.equal(waiting('a b', 'a b c', ''), 'forPeers', 'c is late')
    assert.equal(waiting('a b', 'a b c', 'c'), 'forRoom')
    assert.equal(waiting('a b d', 'a b c d', 'c'), '', 'd can take it')
    assert.equal(waiting('a d', 'a b c d', 'bc'), 'forPeers', 'there is too little to make it from')
  })

  test('a peer holds the shards of all its groups, condemned ones too', () => {
    const groups = [
      group(1, 'a b', { count: 3, shardBytes: 30 }),
      group(1, 'a+b c', { count: 2, shardBytes: 8, isCondemned: true }),
    ]
    assert.deepEqual(
      [...holdings(groups)],
      [
        ['a', { shards: 5, bytes: 38 }],
        ['b', { shards: 5, bytes: 38 }],
        ['c', { shards: 2, bytes: 8 }],
      ],
    )
    assert.equal(reclaimableBytes(groups), 3 * 8)
  })

  test('the bytes of the data, of all its shards, and of the whole copies that one peer has', () => {
    const groups = [
      group(2, 'a b c', { shardBytes: 50 }),
      group(1, 'a+c b', { shardBytes: 10 }),
      group(2, 'a b c', { shardBytes: 4, isCondemned: true }),
      group(2, 'a b c', { shardBytes: 1, isCondemned: true, isSwept: true }),
    ]
    assert.deepEqual(spaceOf(groups), { dataBytes: 110, shardBytes: 150 + 30 + 12 })
    assert.equal(wholeBytesOf(groups, 'a' as PeerId), 10)
  })

  test('the health of 100,000 groups is computed in one pass', () => {
    const groups = Array.from({ length: 100_000 }, () => group(2, 'a b c d'))
    assert.equal(countStripes(among('a b c d', ...groups)).full, 100_000)
    assert.equal(tolerated(among('a b c d', ...groups), ['a', 'b'] as PeerId[]), 1)
  })
})
