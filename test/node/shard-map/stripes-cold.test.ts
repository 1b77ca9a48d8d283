// The shard map (docs/formats/membership.md, "Shard map"): cold copies of stripes, and when stripes
// were read.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import { peerIdFromPublicKey } from '../../../protocol/ids.ts'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import { encodeStripeHeader, stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { StateView } from '../../../node/state/state-view.ts'
import { StripeTable } from '../../../node/shard-map/stripe-table.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { chunkIdOf } from '../store/fixtures.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId, PackId, PeerId } from '../../../protocol/ids.ts'
import type { Stamp } from '../../../protocol/clock/dot.ts'
import type { StripeOp } from '../../../node/shard-map/stripe-table.ts'

const PACK = 'ca'.repeat(16) as PackId
const [P, Q, R] = [1, 2, 3].map((n) => peerIdFromPublicKey(new Uint8Array(32).fill(n))) as [
  PeerId,
  PeerId,
  PeerId,
]
const HEADER = encodeStripeHeader({
  k: 1,
  m: 1,
  shardBytes: 64,
  chunks: [{ id: chunkIdOf(utf8('a')), length: 50 }],
  shardRoots: [new Uint8Array(32), new Uint8Array(32)],
})
const S = stripeIdOf(HEADER)

describe('cold copies in the shard map', () => {
  const put = (pack: PackId | undefined, offset = 0): StripeOp => {
    return { kind: 'cold', tier: 'attic', pack, stripes: [{ stripe: S, offset }] }
  }
  const kept = (clock: number, offset = 0): object => {
    return { tier: 'attic', pack: PACK, offset, since: hlc(clock) }
  }

  test('the newest record of each tier counts, and stripes are grouped by tiers', async () => {
    const table = await open([
      [recorded([[P], [Q]]), 1],
      [put(PACK, 5), 4],
    ])
    table.apply(put(undefined), at(3))
    table.apply({ ...put(PACK), tier: 'glacier' } as StripeOp, at(2))
    assert.deepEqual(table.get(S)?.cold, [kept(4, 5), { ...kept(2), tier: 'glacier' }])
    assert.deepEqual(
      table.groups.all().map(({ tiers }) => tiers),
      [['attic', 'glacier']],
    )
    table.apply(put(undefined), at(5))
    assert.deepEqual(table.groups.all()[0]?.tiers, ['glacier'])
  })

  test('records of a tier from before a sweep are void when the stripe comes back', async () => {
    const table = await open([
      [recorded([[P], [Q]]), 1],
      [put(PACK), 2],
    ])
    table.apply({ kind: 'condemn', stripes: [S] }, at(3))
    table.apply({ kind: 'sweep', condemned: hlc(3), stripes: [S] }, at(4))
    table.apply(recorded([[R]]), at(5))
    assert.deepEqual(table.get(S)?.cold, [kept(2)], 'its pack is kept as long as it is known')
    assert.equal(table.isUnsaid(S, 'attic'), false)
    table.apply(put(PACK), at(6))
    assert.deepEqual(table.get(S)?.cold, [kept(6)])
  })

  test('a stripe was last used when it was recorded, or read after that', async () => {
    const table = await open([[recorded([[P], [Q]]), 2]])
    table.apply({ kind: 'read', stripes: [S] }, at(1))
    assert.equal(table.get(S)?.usedAt, hlc(2))
    table.apply({ kind: 'read', stripes: [S] }, at(4))
    table.apply({ kind: 'read', stripes: [S] }, at(3))
    assert.equal(table.get(S)?.usedAt, hlc(4))
  })
})

function recorded(holders: readonly (readonly PeerId[])[]): StripeOp {
  const said = holders.flatMap((peers, index) => peers.map((peer) => ({ index, peer })))
  return { kind: 'stripe', header: HEADER, holders: said }
}

/** A table to which these ops came at these clocks. */
async function open(said: readonly (readonly [StripeOp, clock: number])[]): Promise<StripeTable> {
  const table = await StripeTable.open(new StateView(MemoryKv.open(), '\0\0'))
  for (const [op, clock] of said) table.apply(op, at(clock))
  return table
}

function hlc(clock: number): Hlc {
  return BigInt(clock) as Hlc
}

function at(clock: number): Stamp {
  return makeStamp(hlc(clock), 'a'.repeat(32) as ActorId, 0)
}
