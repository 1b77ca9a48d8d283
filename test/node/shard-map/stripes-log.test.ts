// The shard map and pins in the log of a volume: which members may record what, what checkpoints
// keep and forget, and what a late writer repeats.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compareBytes, utf8 } from '../../../protocol/bytes.ts'
import { publicKeyOf } from '../../../protocol/ids.ts'
import { HLC_ZERO, nextHlc } from '../../../protocol/clock/hlc.ts'
import { SWEPT_KEPT_MS } from '../../../protocol/limits.ts'
import { signReceipts } from '../../../protocol/stripe/receipt.ts'
import { encodeStripeHeader, stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { nameFromText as name } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import { pinOf, pins, pinsOfFile } from '../../../node/state/pins.ts'
import { applySettings } from '../../../node/log/settings.ts'
import { chunkIdOf } from '../store/fixtures.ts'
import { Machine, checkpoint } from '../log/machines.ts'
import { Replica, exchange, send } from '../log/replicas.ts'
import type { NodeId, PeerId, StripeId } from '../../../protocol/ids.ts'
import type { ShardName } from '../../../protocol/stripe/receipt.ts'
import type { Holding, ShardChange } from '../../../protocol/op/op.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { MapEvent } from '../../../node/shard-map/stripe-map.ts'

/** A stripe of one chunk in two shards. */
function headerOf(text: string): Uint8Array {
  const chunks = [{ id: chunkIdOf(utf8(text)), length: 20 }]
  const shardRoots = [new Uint8Array(32), new Uint8Array(32)]
  return encodeStripeHeader({ k: 1, m: 1, shardBytes: 64, chunks, shardRoots })
}

/**
 * Log a stripe, of which each of these holds a shard: others than the writer have given receipts.
 */
async function record(
  by: Replica,
  text: string,
  ...holding: readonly Replica[]
): Promise<StripeId> {
  const header = headerOf(text)
  const stripe = stripeIdOf(header)
  const holders = holding.map((each, index) => holdingOf(by, each, { stripe, index }))
  by.volume.submit({ kind: 'stripe', header, holders })
  await by.volume.commit()
  return stripe
}

/** A shard that one holds, as another may tell it. */
function holdingOf(by: Replica, { identity, volume }: Replica, shard: ShardName): Holding {
  const { index } = shard
  const { peer } = identity
  if (by.identity.peer === peer) return { index, peer }
  const hlc = nextHlc(volume.actors.hlc, volume.time.now())
  const [receipt] = signReceipts(identity, { volume: volume.id, hlc }, [shard])
  return { index, peer, receipt }
}

async function giveUp(by: Replica, stripe: StripeId): Promise<void> {
  by.volume.submit({ kind: 'condemn', stripes: [stripe] })
  await by.volume.commit()
  const condemned = by.volume.stripes.condemnedAt(stripe) ?? assert.fail()
  by.volume.submit({ kind: 'sweep', condemned, stripes: [stripe] })
  await by.volume.commit()
}

function byKey(a: PeerId, b: PeerId): number {
  return compareBytes(publicKeyOf(a), publicKeyOf(b))
}

function holders({ volume }: Replica, stripe: StripeId): unknown {
  return volume.stripes.get(stripe)?.holders
}

describe('the shard map in the log', () => {
  test('keepers record what they hold; only writers place stripes and give them up', async () => {
    const a = await Replica.founder('a')
    const keeper = await a.member('keeper', 'keeper')
    const reader = await a.member('reader', 'reader')
    const [p, q] = [a.identity.peer, keeper.identity.peer]
    const stripe = await record(a, 'one', a, a)
    await send(a, keeper)
    const changes = [{ index: 1, peer: q, isHeld: true }]
    keeper.volume.submit({ kind: 'shards', stripe, changes })
    await exchange(a, keeper, reader)
    for (const replica of [a, keeper, reader])
      assert.deepEqual(holders(replica, stripe), [[p], [p, q].sort(byKey)], replica.name)
    const header = headerOf('two')
    for (const { volume } of [keeper, reader]) {
      const refused = [
        { kind: 'stripe', header, holders: [] },
        { kind: 'doubt', stripe, shards: [{ index: 0, peer: p }] },
        { kind: 'condemn', stripes: [stripe] },
        { kind: 'sweep', condemned: volume.actors.hlc, stripes: [stripe] },
      ] as const
      for (const op of refused) assert.throws(() => volume.submit(op), { code: 'EACCES' }, op.kind)
    }
    assert.throws(() => reader.volume.submit({ kind: 'shards', stripe, changes }), {
      code: 'EACCES',
    })
  })

  test('holdings of others are recorded with receipts, and losses by the holders', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const liar = await a.member('liar', 'keeper')
    const stripe = await record(a, 'one', a, b)
    await exchange(a, b, liar)
    const before = holders(a, stripe)
    const good = holdingOf(liar, b, { stripe, index: 0 })
    const { receipt = assert.fail() } = good
    const other = holdingOf(liar, b, { stripe: stripeIdOf(headerOf('two')), index: 0 })
    const forged = {
      ...receipt,
      signature: receipt.signature.with(0, 1 ^ (receipt.signature[0] ?? 0)),
    }
    const hourAhead = signReceipts(
      b.identity,
      { volume: b.volume.id, hlc: nextHlc(HLC_ZERO, (b.volume.time.now() + HOUR_MS) as WallTime) },
      [{ stripe, index: 0 }],
    )
    const lies: readonly (readonly [why: string, change: ShardChange])[] = [
      ['it holds it no more', { index: 1, peer: b.identity.peer, isHeld: false }],
      ['it holds it, with no receipt', { ...good, receipt: undefined, isHeld: true }],
      ['the receipt is of another stripe', { ...good, receipt: other.receipt, isHeld: true }],
      ['the receipt is of another shard', { ...good, index: 1, isHeld: true }],
      ['the receipt is of another peer', { ...good, peer: a.identity.peer, isHeld: true }],
      ['the receipt is forged', { ...good, receipt: forged, isHeld: true }],
      ['the receipt is of the future', { ...good, receipt: hourAhead[0], isHeld: true }],
    ]
    for (const [why, change] of lies) {
      liar.volume.submit({ kind: 'shards', stripe, changes: [change] })
      await exchange(a, b, liar)
      assert.deepEqual([holders(a, stripe), holders(b, stripe)], [before, before], why)
    }
    liar.volume.submit({ kind: 'shards', stripe, changes: [{ ...good, isHeld: true }] })
    await exchange(a, b, liar)
    const [p, q] = [a.identity.peer, b.identity.peer]
    assert.deepEqual(holders(a, stripe), [[p, q].sort(byKey), [q]])
  })

  test('every member is notified of changes after they were applied', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const told: [string, MapEvent, boolean][] = []
    for (const { name: who, volume } of [a, b])
      volume.events.stripes.add((event) => {
        const [id] = 'stripe' in event ? [event.stripe] : event.stripes
        told.push([who, event, id !== undefined && volume.stripes.get(id)?.isSwept === true])
      })
    const stripe = await record(a, 'one', a, b)
    const shards = [{ index: 1, peer: b.identity.peer }]
    a.volume.submit({ kind: 'doubt', stripe, shards })
    await giveUp(a, stripe)
    await send(a, b)
    const expected = (who: string): [string, MapEvent, boolean][] => [
      [who, { kind: 'shards', stripe }, false],
      [who, { kind: 'doubted', stripe, shards, by: a.identity.peer }, false],
      [who, { kind: 'condemned', stripes: [stripe] }, false],
      [who, { kind: 'swept', stripes: [stripe] }, true],
    ]
    assert.deepEqual(told, [...expected('a'), ...expected('b')])
  })

  test('a checkpoint forgets swept stripes, and a new node has the rest from it', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    const kept = await record(a.replica, 'kept', a.replica, b.replica)
    const swept = await record(a.replica, 'swept', a.replica, b.replica)
    await giveUp(a.replica, swept)
    await checkpoint(a, b)
    const lines = async (prefix: string): Promise<number> =>
      (await a.replica.dump(prefix)).split('\n').filter((line) => line !== '').length
    assert.deepEqual(await Promise.all(['h', 's', 'k', 't', 'g'].map(lines)), [2, 2, 2, 1, 2])
    a.replica.write('later', 'x')
    await checkpoint(a, b)
    assert.deepEqual(await Promise.all(['h', 's'].map(lines)), [2, 2], 'somebody may need it yet')
    for (let n = 0; n < 2; n++) {
      for (const { replica } of [a, b]) replica.clock.advance(SWEPT_KEPT_MS)
      a.replica.write(`later ${n}`, 'x')
      await checkpoint(a, b)
    }
    assert.deepEqual(await Promise.all(['h', 's', 'k', 't', 'g'].map(lines)), [1, 1, 1, 0, 1])
    const late = await Replica.open('late')
    late.clock.advance(a.replica.clock.wall() - late.clock.wall())
    await a.replica.admit(late)
    const joiner = new Machine(late)
    await joiner.startFrom(a)
    await send(a.replica, late)
    assert.equal(await late.state(), await a.replica.state())
    assert.deepEqual(holders(late, kept), holders(a.replica, kept))
    const [group = assert.fail(), ...others] = late.volume.stripes.groups.all()
    assert.deepEqual([group.count, others], [1, []])
    for (const { notes } of [a, b, joiner]) assert.deepEqual(notes, [])
  })

  test('a late writer repeats which stripes there are, and gives none up', async () => {
    const a = new Machine(await Replica.founder('a'))
    await applySettings(a.volume, { away: '1h' })
    const b = new Machine(await a.replica.member('b'))
    const away = new Machine(await a.replica.member('away'))
    const [p, q, r] = [a, b, away].map(({ replica }) => replica.identity.peer)
    if (p === undefined || q === undefined || r === undefined) assert.fail()
    const stripe = await record(a.replica, 'one', a.replica, b.replica)
    const gone = await record(a.replica, 'two', a.replica, b.replica)
    await checkpoint(a, b, away)
    for (const { replica } of [a, b, away]) replica.clock.advance(2 * HOUR_MS)
    const hold = (id: StripeId, index: number, by: Replica): void => {
      const holding = holdingOf(away.replica, by, { stripe: id, index })
      const changes = [{ ...holding, isHeld: true }]
      away.volume.submit({ kind: 'shards', stripe: id, changes })
    }
    hold(stripe, 1, away.replica)
    hold(stripe, 1, b.replica)
    hold(gone, 1, away.replica)
    const own = await record(away.replica, 'of away', away.replica, away.replica)
    away.volume.submit({ kind: 'condemn', stripes: [stripe] })
    // The others do what it does not see, and forget the log.
    b.volume.submit({ kind: 'shards', stripe, changes: [{ index: 1, peer: q, isHeld: false }] })
    await giveUp(a.replica, gone)
    a.replica.write('new', 'of a')
    await checkpoint(a, b)
    await away.volume.commit()
    await away.startFrom(a)
    await exchange(a.replica, b.replica, away.replica)
    for (const { replica, notes } of [a, b, away]) {
      assert.deepEqual(holders(replica, stripe), [[p], [r]], replica.name)
      assert.equal(replica.volume.stripes.get(stripe)?.isCondemned, false)
      assert.equal(replica.volume.stripes.get(gone)?.isSwept, true)
      assert.deepEqual(holders(replica, own), [[r], [r]])
      assert.equal(await replica.state(), await a.replica.state())
      assert.deepEqual(notes, [])
    }
  })
})

describe('pins', () => {
  test('the newest pin of a kind counts on every member; removed ones are forgotten', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    const folder = a.replica.namespace.makeDir(ROOT, name('folder'), {})
    const file = a.replica.write('file', 'x').id
    a.volume.submit({ kind: 'pin', id: folder, class: 'rs6+3' })
    a.volume.submit({ kind: 'pin', id: file, class: 'copies3' })
    a.volume.submit({ kind: 'pin-cold', id: folder, tier: 'attic' })
    a.volume.submit({ kind: 'pin-cold', id: file, tier: 'attic' })
    await exchange(a.replica, b.replica)
    b.volume.submit({ kind: 'pin', id: folder, class: 'rs4+2' })
    b.volume.submit({ kind: 'pin', id: file, class: '' })
    b.volume.submit({ kind: 'pin-cold', id: file, tier: '' })
    await exchange(a.replica, b.replica)
    const left = [
      [folder, 'pin', 'rs4+2'],
      [folder, 'pin-cold', 'attic'],
    ]
    for (const { volume } of [a, b]) {
      assert.equal(pinOf(volume.view, folder, 'pin')?.to, 'rs4+2')
      assert.equal(pinOf(volume.view, folder, 'pin-cold')?.to, 'attic')
      assert.equal(pinOf(volume.view, file, 'pin'), undefined)
      assert.equal(pinOf(volume.view, ROOT, 'pin'), undefined)
      const all = []
      for await (const { id, kind, to } of pins(volume.view)) all.push([id, kind, to])
      assert.deepEqual(all, left)
    }
    await checkpoint(a, b)
    a.replica.write('later', 'x')
    await checkpoint(a, b)
    for (const { replica, notes } of [a, b]) {
      assert.equal((await replica.dump('p')).split('\n').length, left.length)
      assert.equal(pinOf(replica.volume.view, folder, 'pin')?.to, 'rs4+2')
      assert.deepEqual(notes, [])
    }
  })

  test('only members who may write can pin', async () => {
    const a = await Replica.founder('a')
    const reader = await a.member('reader', 'reader')
    for (const op of [
      { kind: 'pin', id: ROOT, class: 'rs6+3' },
      { kind: 'pin-cold', id: ROOT, tier: 'attic' },
    ] as const)
      assert.throws(() => reader.volume.submit(op), { code: 'EACCES' })
  })

  test('the nearest pins of a file count: its own, or those of all folders it is in', async () => {
    const { volume, namespace } = await Replica.founder('a')
    const [outer, other] = ['outer', 'other'].map((each) =>
      namespace.makeDir(ROOT, name(each), {}),
    ) as [NodeId, NodeId]
    const inner = namespace.makeDir(outer, name('inner'), {})
    const file = namespace.create(inner, name('file'), {})
    const tiers = (): Set<string | undefined> =>
      new Set(pinsOfFile(volume.view, file.id, 'pin-cold').map((pin) => pin?.to))
    assert.deepEqual(tiers(), new Set([undefined]))
    volume.submit({ kind: 'pin-cold', id: outer, tier: 'attic' })
    volume.submit({ kind: 'pin', id: inner, class: 'rs6+3' })
    assert.deepEqual(tiers(), new Set(['attic']))
    namespace.link(file, other, name('too'))
    assert.deepEqual(tiers(), new Set(['attic', undefined]))
    volume.submit({ kind: 'pin-cold', id: other, tier: 'shed' })
    assert.deepEqual(tiers(), new Set(['attic', 'shed']))
    volume.submit({ kind: 'pin-cold', id: file.id, tier: 'cellar' })
    assert.deepEqual(tiers(), new Set(['cellar']))
  })
})
