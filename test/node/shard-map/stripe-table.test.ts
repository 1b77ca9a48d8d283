// The shard map (docs/formats/membership.md, "Shard map"): what ops make of it, in whatever order
// they come, and what may be forgotten of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import { placementGroup } from '../../../protocol/placement/placement-group.ts'
import { chunkIdOf } from '../store/fixtures.ts'
import {
  CHUNKS,
  HEADERS,
  PEERS,
  RS,
  STRIPES,
  at,
  collect,
  headerOf,
  hlc,
  holdings,
  open,
  receiptOf,
} from './stripe-cast.ts'
import type { ChunkId, PeerId, StripeId } from '../../../protocol/ids.ts'
import type { Holding } from '../../../protocol/op/op.ts'
import type { StripeOp } from '../../../node/shard-map/stripe-table.ts'
import type { Said, Table } from './stripe-cast.ts'

const [A, B, C] = CHUNKS as [ChunkId, ChunkId, ChunkId]
const [P, Q, R] = PEERS as [PeerId, PeerId, PeerId]
const [S, T, CLASSED] = STRIPES as [StripeId, StripeId, StripeId]

describe('the shard map', () => {
  test('tells where chunks lie and who holds what, by the newest records', async () => {
    const table = await open([
      stripe(0, [[P], [Q]], 1),
      { op: shards(S, [1, R, true], [1, Q, false]), stamp: at(3) },
      { op: shards(S, [1, Q, true], [0, P, false]), stamp: at(2) },
    ])
    assert.deepEqual(placesOf(table, A), [[S, 0]])
    assert.deepEqual(placesOf(table, B), [[S, 1]])
    assert.deepEqual(placesOf(table, C), [])
    assert.deepEqual(table.get(S)?.holders, [[], [R]])
    assert.equal(table.get(T), undefined)
  })

  test('the newest record of a holder counts by its own clock, whoever relays it', async () => {
    const table = await open([stripe(0, [[P], []], 1)])
    const receipt = receiptOf(3)
    table.apply(held(S, { index: 1, peer: Q, receipt }), at(4))
    assert.deepEqual(table.get(S)?.holders, [[P], [Q]])
    table.apply(shards(S, [1, Q, false]), at(5))
    table.apply(held(S, { index: 1, peer: Q, receipt }), at(6))
    assert.deepEqual(
      table.get(S)?.holders,
      [[P], []],
      'a receipt that is shown again says nothing new',
    )
    table.apply(held(S, { index: 1, peer: Q, receipt: receiptOf(7) }), at(7))
    assert.deepEqual(table.get(S)?.holders, [[P], [Q]])
    table.apply(shards(S, [1, Q, false]), at(7))
    assert.deepEqual(table.get(S)?.holders, [[P], []], 'what it says itself at that time is newer')
  })

  test('names the stripes that list a chunk, those in use first, then by age', async () => {
    const table = await open([stripe(1, [[P], [Q]], 1), stripe(0, [[P], [Q]], 2)])
    assert.deepEqual(placesOf(table, B), [
      [T, 0],
      [S, 1],
    ])
    table.apply({ kind: 'condemn', stripes: [T] }, at(3))
    assert.deepEqual(placesOf(table, B), [
      [S, 1],
      [T, 0],
    ])
    assert.equal(table.locations(B)[1]?.isCondemned, true, 'it is still read from there')
    table.apply({ kind: 'stripe', header: HEADERS[1] ?? assert.fail(), holders: [] }, at(5))
    assert.equal(table.get(T)?.isCondemned, false)
    assert.deepEqual(table.get(T)?.holders, [[P], [Q]])
  })

  test('tells the class of a stripe', async () => {
    const table = await open([stripe(2, [[P], [Q]], 1)])
    assert.equal(table.locations(A)[0]?.class, 'rs1+1')
    assert.deepEqual(table.get(CLASSED)?.class, RS)
    assert.deepEqual(table.groups.all()[0]?.class, RS)
  })

  test('a sweep covers what is condemned and not recorded again, and removes nothing', async () => {
    const table = await open([stripe(0, [[P], [Q]], 1), stripe(1, [[P], [Q]], 2)])
    table.apply({ kind: 'condemn', stripes: [S, T] }, at(3))
    assert.equal(table.condemnedAt(S), hlc(3))
    table.apply({ kind: 'stripe', header: HEADERS[1] ?? assert.fail(), holders: [] }, at(4))
    table.apply({ kind: 'sweep', condemned: hlc(3), stripes: [S, T] }, at(5))
    assert.deepEqual([table.get(S)?.isSwept, table.get(T)?.isSwept], [true, false])
    assert.deepEqual([table.sweptAt(S), table.sweptAt(T)], [at(5), undefined])
    assert.deepEqual(table.get(S)?.holders, [[P], [Q]], 'its holders may have it still')
    assert.deepEqual(placesOf(table, B), [
      [T, 0],
      [S, 1],
    ])
    assert.deepEqual(table.groups.all().filter(({ isSwept }) => isSwept).length, 1)
    table.apply({ kind: 'stripe', header: HEADERS[0] ?? assert.fail(), holders: [] }, at(6))
    assert.deepEqual(table.get(S)?.isSwept, false, 'who needs it says so')
  })

  test('a sweep of a stripe that was not condemned has no effect', async () => {
    const table = await open([stripe(0, [[P], [Q]], 1)])
    table.apply({ kind: 'sweep', condemned: hlc(4), stripes: [S] }, at(5))
    assert.equal(table.get(S)?.isSwept, false)
  })

  test('a late record is repeated only where there is no newer one', async () => {
    const table = await open([stripe(0, [[P], [Q]], 1)])
    table.apply(shards(S, [1, Q, false]), at(2))
    const late = [
      { index: 0, peer: P, isHeld: true },
      { index: 1, peer: Q, isHeld: true },
      { index: 1, peer: R, isHeld: true },
      { index: 0, peer: R, isHeld: false },
    ]
    assert.deepEqual(table.unsaid(S, late), [late[2]])
    assert.deepEqual(table.unsaid(T, late), late.slice(0, 3))
  })

  test('stripes with the same code and holders are one group, in any shard order', async () => {
    const many = Array.from({ length: 3000 }, (_, n) => headerOf([chunkIdOf(utf8(`${n}`))]))
    const table = await open(
      many.map((header, n) => ({
        op: { kind: 'stripe', header, holders: holdings(n % 2 === 0 ? [[P], [Q]] : [[Q], [P]]) },
        stamp: at(1, n),
      })),
    )
    const groups = table.groups.all()
    assert.ok(groups.length <= 1024)
    assert.equal(sum(groups.map(({ count }) => count)), 3000)
    assert.equal(sum(groups.map(({ shardBytes }) => shardBytes)), 3000 * 64)
    const [one = assert.fail()] = groups
    const members = await collect(table.groups.stripesOf(one.id))
    assert.equal(members.length, one.count)
    for (const id of members) assert.equal(placementGroup(id), one.placementGroup)
    const rest = await collect(table.groups.stripesOf(one.id, members[0]))
    assert.deepEqual(rest, members.slice(1))
    assert.deepEqual(await collect(table.all(members[0])), await after(table, members[0]))
  })
})

function held(id: StripeId, holding: Holding): StripeOp {
  return { kind: 'shards', stripe: id, changes: [{ ...holding, isHeld: true }] }
}

function placesOf(table: Table, chunk: ChunkId): (readonly [StripeId, number])[] {
  return table.locations(chunk).map(({ stripe: id, index }) => [id, index])
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0)
}

function stripe(n: number, holders: readonly (readonly PeerId[])[], time: number): Said {
  const header = HEADERS[n] ?? assert.fail()
  return { op: { kind: 'stripe', header, holders: holdings(holders) }, stamp: at(time) }
}

function shards(
  id: StripeId,
  ...changes: readonly (readonly [number, PeerId, boolean])[]
): StripeOp {
  return {
    kind: 'shards',
    stripe: id,
    changes: changes.map(([index, peer, isHeld]) => ({ index, peer, isHeld })),
  }
}

async function after(table: Table, id: StripeId | undefined): Promise<StripeId[]> {
  const all = await collect(table.all())
  return all.slice(all.indexOf(id ?? assert.fail()) + 1)
}
