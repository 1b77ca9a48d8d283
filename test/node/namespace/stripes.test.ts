// The shard map (docs/formats/membership.md, "Shard map"): what ops make of it, in whatever order they come, and what may
// be forgotten of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex, utf8 } from '../../../protocol/bytes.ts'
import { hlcMillis } from '../../../protocol/clock/hlc.ts'
import { peerIdFromPublicKey } from '../../../protocol/ids.ts'
import { RECEIPT_AGE_MS, SWEPT_KEPT_MS } from '../../../protocol/limits.ts'
import { makeStamp, stampHlc } from '../../../protocol/log/dot.ts'
import { placementGroup } from '../../../protocol/placement/placement-group.ts'
import { encodeStripeHeader, stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { garbageBy, purgeAll } from '../../../node/namespace/garbage.ts'
import { StateView, prefixEnd } from '../../../node/namespace/state-view.ts'
import { StripeTable, TRACE } from '../../../node/namespace/stripes.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { chunkIdOf } from '../store/fixtures.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId, ChunkId, PackId, PeerId, StripeId } from '../../../protocol/ids.ts'
import type { Stamp } from '../../../protocol/log/dot.ts'
import type { RedundancyClass } from '../../../protocol/placement/redundancy.ts'
import type { Garbage } from '../../../protocol/tree/purge.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import type { Receipt } from '../../../protocol/stripe/receipt.ts'
import type { Holding } from '../../../protocol/tree/op.ts'
import type { StripeOp } from '../../../node/namespace/stripes.ts'

interface Said {
  readonly op: StripeOp
  readonly stamp: Stamp
}

/** Between two ops: so that a receipt, and a sweep, grow old within a history. */
const TICK_MS: number = 8 * HOUR_MS
const TICKS_PER_RECEIPT = RECEIPT_AGE_MS / TICK_MS

const CHUNKS = ['a', 'b', 'c'].map((name) => chunkIdOf(utf8(name)))
const [A, B, C] = CHUNKS as [ChunkId, ChunkId, ChunkId]
const PEERS = [1, 2, 3].map((n) => peerIdFromPublicKey(new Uint8Array(32).fill(n)))
const [P, Q, R] = PEERS as [PeerId, PeerId, PeerId]
const PACK = 'ca'.repeat(16) as PackId
const RS: RedundancyClass = { kind: 'rs', k: 1, m: 1 }
/** Of two chunks each, the last for a class. */
const HEADERS = [headerOf([A, B]), headerOf([B, C]), headerOf([C, A], RS)]
const STRIPES = HEADERS.map(stripeIdOf)
const [S, T, CLASSED] = STRIPES as [StripeId, StripeId, StripeId]

describe('the shard map', () => {
  test('knows where chunks lie and who holds what, by the newest word on each shard and peer', async () => {
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

  test('the newest word of a holder counts by its own clock, whoever passes it on', async () => {
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

  test('names the stripes that list a chunk, those in use first, and then the oldest', async () => {
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

  test('tells for which class a stripe is', async () => {
    const table = await open([stripe(2, [[P], [Q]], 1)])
    assert.equal(table.locations(A)[0]?.class, 'rs1+1')
    assert.deepEqual(table.get(CLASSED)?.class, RS)
    assert.deepEqual(table.groups.all()[0]?.class, RS)
  })

  test('a sweep is said of what was condemned and not recorded again, and takes nothing', async () => {
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

  test('a sweep of what nobody condemned is none', async () => {
    const table = await open([stripe(0, [[P], [Q]], 1)])
    table.apply({ kind: 'sweep', condemned: hlc(4), stripes: [S] }, at(5))
    assert.equal(table.get(S)?.isSwept, false)
  })

  test('what was said too late is said again only where nobody has said anything since', async () => {
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

  test('stripes that share code and holders are one group, whichever shard is whose', async () => {
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

describe('the shard map, of random ops', () => {
  test('is the same in whatever order they come, also when opened again', async () => {
    await fc.assert(
      fc.asyncProperty(anyOps(), fc.infiniteStream(fc.nat()), async (said, keys) => {
        const one = await open(said)
        const shuffled = said
          .map((item) => ({ item, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ item }) => item)
        const other = await open(shuffled)
        assert.equal(await dump(other.view), await dump(one.view))
        const again = await StripeTable.open(one.view)
        assert.deepEqual(byId(again.groups.all()), byId(other.groups.all()))
        await assertConsistent(other)
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('forgets at a cut what leaves no trace: ops above it may come before or after', async () => {
    let forgot = 0
    await fc.assert(
      fc.asyncProperty(anyOps(), fc.nat(60), fc.nat(60), async (said, a, b) => {
        const [upTo, cut] = [hlc(Math.min(a, b)), hlc(Math.max(a, b))]
        const below = await open(said.filter(({ stamp }) => stampHlc(stamp) <= cut))
        const inUse = await open(said)
        const garbage = await garbageIn(below, upTo)
        forgot += garbage.length
        const gone = new Set(STRIPES.filter((id) => isRipe(below, id, upTo)))
        const seen = await seenOf(below, gone)
        purgeAll({ view: below.view, stripes: below }, garbage)
        assert.deepEqual(await seenOf(below, gone), seen, 'nothing else that is seen changes')
        assert.deepEqual(await garbageIn(below, upTo), [], 'and nothing is left to forget')
        purgeAll({ view: inUse.view, stripes: inUse }, garbage)
        for (const { op, stamp } of said) if (stampHlc(stamp) > cut) below.apply(op, stamp)
        assert.equal(await dump(inUse.view), await dump(below.view))
        await assertConsistent(inUse)
      }),
      { seed: 2, numRuns: 500 },
    )
    assert.ok(forgot > 400, `${forgot}`)
  })
})

type Table = StripeTable & { readonly view: StateView }

async function open(said: readonly Said[]): Promise<Table> {
  const view = new StateView(MemoryKv.open(), '\0\0')
  const table = Object.assign(await StripeTable.open(view), { view })
  for (const { op, stamp } of said) table.apply(op, stamp)
  return table
}

/** One to thirty ops, one at each clock. */
function anyOps(): fc.Arbitrary<Said[]> {
  const holding = fc.record({
    index: fc.nat(1),
    peer: fc.constantFrom(...PEERS),
    // Of the op's author itself, or of another so long before the op, in ticks.
    age: fc.option(fc.nat(TICKS_PER_RECEIPT - 1), { nil: undefined }),
  })
  const change = fc.record({ holding, isHeld: fc.boolean() })
  const stripes = fc.subarray(STRIPES, { minLength: 1 })
  const op = fc.oneof(
    fc.record({
      kind: fc.constant('stripe' as const),
      header: fc.constantFrom(...HEADERS),
      holders: fc.array(holding, { maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant('shards' as const),
      stripe: fc.constantFrom(...STRIPES),
      changes: fc.array(change, { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('condemn' as const), stripes }),
    fc.record({ kind: fc.constant('read' as const), stripes }),
    fc.record({
      kind: fc.constant('cold' as const),
      tier: fc.constantFrom('attic', 'glacier'),
      pack: fc.constantFrom(PACK, undefined),
      stripes: stripes.map((ids) => ids.map((id, offset) => ({ stripe: id, offset }))),
    }),
    fc.record({
      kind: fc.constant('sweep' as const),
      condemned: fc.integer({ min: 0, max: 62 }).map(hlc),
      stripes,
    }),
  )
  const shown = ({ age, ...rest }: Drawn, time: number): Holding =>
    age === undefined ? rest : { ...rest, receipt: receiptOf(Math.max(0, time - age)) }
  return fc.array(op, { minLength: 1, maxLength: 60 }).map((ops) =>
    ops.map((one, n): Said => {
      const time = n + 1
      const stamp = at(time)
      if (one.kind === 'stripe')
        return { stamp, op: { ...one, holders: one.holders.map((each) => shown(each, time)) } }
      if (one.kind !== 'shards') return { stamp, op: one }
      // What is let go, is said by whom it is about.
      const changes = one.changes.map(({ holding: drawn, isHeld }) => ({
        ...(isHeld ? shown(drawn, time) : { index: drawn.index, peer: drawn.peer }),
        isHeld,
      }))
      return { stamp, op: { ...one, changes } }
    }),
  )
}

interface Drawn {
  readonly index: number
  readonly peer: PeerId
  readonly age: number | undefined
}

/** Was it swept so long before a clock that it is forgotten? */
function isRipe(table: Table, id: StripeId, upTo: Hlc): boolean {
  const sweptAt = table.sweptAt(id)
  return sweptAt !== undefined && hlcMillis(stampHlc(sweptAt)) + SWEPT_KEPT_MS <= hlcMillis(upTo)
}

async function garbageIn(table: Table, deadBy: Hlc): Promise<Garbage[]> {
  const garbage: Garbage[] = []
  for await (const record of table.view.scan(TRACE, prefixEnd(TRACE))) {
    const tables = { view: table.view, stripes: table }
    garbage.push(...garbageBy(tables, record, { deadBy, lostBy: undefined }))
  }
  return garbage
}

/** What a reader of the map sees, of other stripes than these. */
async function seenOf(table: Table, gone: ReadonlySet<StripeId>): Promise<unknown> {
  return {
    stripes: STRIPES.filter((id) => !gone.has(id)).map((id) => table.get(id)),
    chunks: CHUNKS.map((id) => table.locations(id).filter(({ stripe: one }) => !gone.has(one))),
    groups: byId(table.groups.all().filter(({ isSwept }) => !isSwept)),
    all: (await collect(table.all())).filter((id) => !gone.has(id)),
  }
}

/** Groups and places of chunks are what follows from the stripes. */
async function assertConsistent(table: Table): Promise<void> {
  const known = STRIPES.flatMap((id) => {
    const mapped = table.get(id)
    return mapped === undefined ? [] : [{ id, ...mapped }]
  })
  for (const chunk of CHUNKS) {
    const within = known.filter(({ header }) => header.chunks.some(({ id }) => id === chunk))
    const places = table.locations(chunk)
    assert.deepEqual(places.map((one) => one.stripe).sort(), within.map(({ id }) => id).sort())
    for (const place of places) {
      const one = within.find(({ id }) => id === place.stripe) ?? assert.fail()
      assert.deepEqual(
        [place.isCondemned, place.isSwept, place.class],
        [one.isCondemned, one.isSwept, one.class === undefined ? '' : 'rs1+1'],
      )
    }
  }
  const members: StripeId[] = []
  for (const group of table.groups.all()) {
    const of = await collect(table.groups.stripesOf(group.id))
    assert.equal(of.length, group.count)
    for (const id of of) {
      const one = known.find((candidate) => candidate.id === id) ?? assert.fail()
      assert.equal(one.isCondemned, group.isCondemned)
      assert.equal(one.isSwept, group.isSwept)
      assert.deepEqual(one.class, group.class)
      assert.deepEqual(
        one.cold.map(({ tier }) => tier),
        group.tiers,
      )
      assert.deepEqual(one.holders.flat().sort(), group.holders.flat().sort())
    }
    members.push(...of)
  }
  assert.deepEqual(members.sort(), known.map(({ id }) => id).sort())
}

/** All records, a line each. */
async function dump(view: StateView): Promise<string> {
  const lines: string[] = []
  for (const prefix of 'hskgjt')
    for await (const [key, value] of view.scan(prefix, prefixEnd(prefix)))
      lines.push(`${prefix} ${toHex(Buffer.from(key.slice(1), 'latin1'))} ${toHex(value)}`)
  return lines.join('\n')
}

function headerOf(ids: readonly ChunkId[], cls?: RedundancyClass): Uint8Array {
  return encodeStripeHeader({
    k: 1,
    m: 1,
    shardBytes: 64,
    chunks: ids.map((id) => ({ id, length: 20 })),
    shardRoots: [new Uint8Array(32), new Uint8Array(32)],
    ...(cls === undefined ? {} : { class: cls }),
  })
}

function stripe(n: number, holders: readonly (readonly PeerId[])[], time: number): Said {
  const header = HEADERS[n] ?? assert.fail()
  return { op: { kind: 'stripe', header, holders: holdings(holders) }, stamp: at(time) }
}

/** As if each said it itself. */
function holdings(holders: readonly (readonly PeerId[])[]): Holding[] {
  return holders.flatMap((peers, index) => peers.map((peer) => ({ index, peer })))
}

function held(id: StripeId, holding: Holding): StripeOp {
  return { kind: 'shards', stripe: id, changes: [{ ...holding, isHeld: true }] }
}

function receiptOf(time: number): Receipt {
  return { hlc: hlc(time), signature: new Uint8Array(64), position: 0, count: 1, path: [] }
}

function placesOf(table: Table, chunk: ChunkId): (readonly [StripeId, number])[] {
  return table.locations(chunk).map(({ stripe: id, index }) => [id, index])
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

function hlc(time: number): Hlc {
  return (BigInt(time * TICK_MS) << 16n) as Hlc
}

function at(time: number, index = 0): Stamp {
  return makeStamp(hlc(time), 'ab'.repeat(16) as ActorId, index)
}

async function after(table: Table, id: StripeId | undefined): Promise<StripeId[]> {
  const all = await collect(table.all())
  return all.slice(all.indexOf(id ?? assert.fail()) + 1)
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0)
}

function byId<Item extends { readonly id: string }>(items: readonly Item[]): Item[] {
  return items.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
