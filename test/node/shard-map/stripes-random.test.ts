// The shard map is the same whatever the order of ops, and forgets without a trace.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../../protocol/bytes.ts'
import { hlcMillis } from '../../../protocol/clock/hlc.ts'
import { SWEPT_KEPT_MS } from '../../../protocol/limits.ts'
import { stampHlc, stampMs } from '../../../protocol/clock/dot.ts'
import { garbageBy, purgeAll } from '../../../node/replica/purge-list.ts'
import { prefixEnd } from '../../../node/state/state-view.ts'
import { StripeTable, TRACE } from '../../../node/shard-map/stripe-table.ts'
import {
  TICKS_PER_RECEIPT,
  CHUNKS,
  PEERS,
  PACK,
  HEADERS,
  STRIPES,
  open,
  receiptOf,
  hlc,
  at,
  collect,
  byId,
} from './stripe-cast.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { PeerId, StripeId } from '../../../protocol/ids.ts'
import type { Garbage } from '../../../protocol/tree/purge.ts'
import type { Holding } from '../../../protocol/op/op.ts'
import type { StateView } from '../../../node/state/state-view.ts'
import type { Said, Table } from './stripe-cast.ts'
import { tries } from '../../effort.ts'

/** Nothing is kept. */
const FORGOTTEN = [{ rule: [], untilMs: Infinity }]

describe('the shard map under random ops', () => {
  test('is the same in whatever order they come, also when reopened', async () => {
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
      { seed: 1, numRuns: tries(60) },
    )
  })

  test('forgets without a trace at a cut, whether ops above it come before or after', async () => {
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
      { seed: 2, numRuns: tries(100) },
    )
    assert.ok(forgot > tries(50), `${forgot}`)
  })
})

/** One to thirty ops, one at each clock. */
function anyOps(): fc.Arbitrary<Said[]> {
  const holding = fc.record({
    index: fc.nat(1),
    peer: fc.constantFrom(...PEERS),
    // Of the op's author itself, or of another so long before the op, in ticks.
    age: fc.option(fc.nat(TICKS_PER_RECEIPT - 1), { nil: undefined }),
  })
  const change = fc.record({ holding, isHeld: fc.boolean() })
  const stripes = fc.subarray([...STRIPES], { minLength: 1 })
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
  return sweptAt !== undefined && stampMs(sweptAt) + SWEPT_KEPT_MS <= hlcMillis(upTo)
}

async function garbageIn(table: Table, deadBy: Hlc): Promise<Garbage[]> {
  const garbage: Garbage[] = []
  for await (const record of table.view.scan(TRACE, prefixEnd(TRACE))) {
    const tables = { view: table.view, stripes: table }
    garbage.push(
      ...garbageBy(tables, record, {
        deadBy,
        lostBy: undefined,
        history: { eras: FORGOTTEN, at: deadBy, moments: [], sparedUpTo: undefined },
      }),
    )
  }
  return garbage
}

/** The view of a reader of the map, of other stripes than these. */
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
