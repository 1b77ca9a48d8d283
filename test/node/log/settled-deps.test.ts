// Entries below a checkpoint that another names are judged alike by nodes that dropped the log
// there and by those that keep it (docs/formats/log.md#validity): one bad entry must not part them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeBatch } from '../../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY } from '../../../protocol/log/entry.ts'
import { Machine, beacons, meetAll } from './machines.ts'
import { Replica, forge } from './replicas.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId, EntryHash } from '../../../protocol/ids.ts'
import type { Entry, EntryHeader } from '../../../protocol/log/entry.ts'

const NONSENSE = '99'.repeat(32) as EntryHash

interface Parted {
  /**
   * One that dropped the log below the checkpoint, a keeper that has it all, and a writer that is
   * bad.
   */
  readonly member: Machine
  readonly keeper: Machine
  readonly bad: Machine
  readonly all: readonly Machine[]
  /** The actor of the member, and how many of its entries the checkpoint covers. */
  readonly actor: ActorId
  readonly settled: number
  /** The entry that `bad` would write next, as if it had not seen the checkpoint. */
  readonly forged: (fields: Partial<EntryHeader>) => Entry
}

async function parted(): Promise<Parted> {
  const a = await Replica.founder('a')
  const b = await a.member('bad')
  const k = await a.member('keeper', 'keeper')
  b.write('of bad', 'x')
  await b.volume.commit()
  const all = [a, b, k].map((replica) => new Machine(replica))
  const [member, bad, keeper] = all
  assert.ok(member !== undefined && bad !== undefined && keeper !== undefined)
  await meetAll(all)
  const before = forge(b, { body: encodeBatch([]) }).header
  for (let n = 0; n < 5; n++) {
    a.clock.advance(1000)
    a.write(`f${n}`, 'x')
    await a.volume.commit()
  }
  const body = encodeBatch([])
  const forged = (fields: Partial<EntryHeader>): Entry =>
    forge(b, { body, fields: { ...before, flags: FLAG_CLEAR_BODY, ...fields } })
  await meetAll(all)
  beacons(all)
  await member.makeCheckpoint()
  await meetAll(all)
  beacons(all)
  for (const machine of all) await machine.settled()
  const { actor } = a.volume
  const settled = a.volume.checkpoint?.vector.get(actor) ?? 0
  assert.ok(a.volume.entries.dropped.get(actor) === settled && settled > 4)
  assert.equal(k.volume.checkpoint?.clear, a.volume.checkpoint?.clear)
  assert.equal(k.volume.entries.dropped.size, 0)
  return { member, keeper, bad, all, actor, settled, forged }
}

async function stop({ all }: Parted): Promise<void> {
  for (const machine of all) await machine.stop()
}

test('an entry below a checkpoint may be named with any hash, and is taken by all', async () => {
  const given = await parted()
  const { member, keeper, actor, forged } = given
  const entry = forged({
    deps: [{ actor, seq: 2, hash: NONSENSE }],
    hlc: (member.volume.actors.hlc + 1n) as Hlc,
  })
  assert.equal(member.inbox.take(entry), 'applied')
  member.replica.write('after', 'x')
  await meetAll([member, keeper])
  assert.deepEqual(keeper.refused, [])
  assert.equal(keeper.volume.actors.get(entry.header.actor)?.hash, entry.hash)
  assert.deepEqual(keeper.volume.actors.vector(), member.volume.actors.vector())
  await stop(given)
})

test('the last entry below a checkpoint must be named with its hash', async () => {
  const given = await parted()
  const { member, keeper, actor, settled, forged } = given
  const hlc = (member.volume.actors.hlc + 1n) as Hlc
  const wrong = forged({ deps: [{ actor, seq: settled, hash: NONSENSE }], hlc })
  const hash = keeper.volume.entries.hash(actor, settled)
  assert.ok(hash !== undefined)
  const right = forged({ deps: [{ actor, seq: settled, hash }], hlc })
  for (const { inbox } of [member, keeper]) {
    assert.equal(inbox.take(wrong), 'missing-past')
    assert.equal(inbox.take(right), 'applied')
  }
  await stop(given)
})

test('clocks of entries below a checkpoint are not checked, except for the last', async () => {
  const given = await parted()
  const { member, keeper, actor, settled, forged } = given
  const dep = (seq: number): EntryHeader['deps'][number] => {
    const hash = keeper.volume.entries.hash(actor, seq)
    assert.ok(hash !== undefined)
    return { actor, seq, hash }
  }
  const early = forged({ deps: [dep(settled)] })
  const below = forged({ deps: [dep(settled - 1)] })
  for (const { volume, inbox } of [member, keeper]) {
    assert.ok(early.header.hlc < (volume.checkpoint?.hlc ?? 0n))
    assert.throws(() => inbox.take(early), { code: 'malformed' })
    assert.equal(inbox.take(below), 'applied')
  }
  await stop(given)
})
