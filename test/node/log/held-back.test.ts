// A member that makes the log grow faster than its role needs: its entries wait, and no others do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Inbox } from '../../../node/log/inbox.ts'
import { InboxBudget } from '../../../node/log/inbox-budget.ts'
import { BATCH_OPS_MAX, PARKED_MAX } from '../../../protocol/limits.ts'
import { FLAG_CLEAR_BODY } from '../../../protocol/log/entry.ts'
import { encodeBatch } from '../../../protocol/log/batch.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { DAY_MS, MIB, MINUTE_MS } from '../../../protocol/units.ts'
import { Replica, firstEntryOf, forge, send } from './replicas.ts'
import type { SecurityEvent } from '../../../node/observe/security.ts'
import type { Role } from '../../../protocol/roles.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Entry } from '../../../protocol/log/entry.ts'

/** Entries of which a reader may write so many at once. */
const OF_A_BURST = 29

/**
 * So many entries of a member, of 140 KiB each, durable there: it says who it is, as anybody may.
 */
async function flood({ volume, identity }: Replica, count: number): Promise<Entry[]> {
  const before = volume.actors.get(volume.actor)?.seq ?? 0
  const text = 'x'.repeat(255)
  const op = { kind: 'member-info', peer: identity.peer, name: text, zone: text } as const
  for (let n = 0; n < count * BATCH_OPS_MAX; n++) volume.submit({ ...op, capacityBytes: n })
  await volume.commit()
  const numbers = Array.from({ length: count }, (_, n) => before + 1 + n)
  return numbers.flatMap((seq) => volume.entries.entry(volume.actor, seq) ?? [])
}

interface Cast {
  readonly anna: Replica
  readonly ben: Replica
  readonly mallory: Replica
  readonly inbox: Inbox
  readonly events: SecurityEvent[]
}

/** An admin with an inbox, a writer, and a member in this role that has said who it is. */
async function cast(role: Role = 'reader'): Promise<Cast> {
  const anna = await Replica.founder('anna')
  const ben = await anna.member('ben')
  const mallory = await anna.member('mallory', role)
  for (const member of [ben, mallory]) {
    await member.volumes.describeSelf(member.volume)
    await send(member, anna)
    await send(anna, ben)
    await send(anna, mallory)
  }
  const events: SecurityEvent[] = []
  anna.volume.events.security.add((event) => events.push(event))
  return { anna, ben, mallory, inbox: inboxOf(anna), events }
}

function inboxOf({ volume, clock }: Replica): Inbox {
  return new Inbox({ volume, clock })
}

/** The entries that `to` lacks, as an exchange brings them. */
function missing(from: Replica, to: Replica): Entry[] {
  const { entries, actors } = from.volume
  return [...entries.between(to.volume.actors.vector(), actors.vector())].map(({ entry }) => entry)
}

function never(error: Error): void {
  throw error
}

/** How many entries of `of` are in the log of `at`. */
function countOf(of: Replica, at: Replica): number {
  return at.volume.actors.get(of.volume.actor)?.seq ?? 0
}

describe('a flood of entries', () => {
  test('a flood from a reader is taken bit by bit, and other entries at once', async () => {
    const { anna, ben, mallory, inbox, events } = await cast()
    const before = countOf(mallory, anna)
    const sent = await flood(mallory, 48)
    inbox.takeAll(sent, never, mallory.identity.peer)
    assert.equal(countOf(mallory, anna) - before, OF_A_BURST)
    assert.ok(inbox.heldBackMs(mallory.identity.peer) > MINUTE_MS)
    assert.ok(inbox.isHeldBack(mallory.volume.actor))
    assert.ok(!inbox.lacks(mallory.volume.actors.vector()))
    ben.write('honest', 'x')
    await ben.volume.commit()
    inbox.takeAll(missing(ben, anna), never)
    assert.deepEqual(await anna.names(), ['honest'])
    // A message for the owner, and one, however often it is offered.
    inbox.takeAll(sent, never, mallory.identity.peer)
    assert.deepEqual(
      events.map(({ kind, peer }) => [kind, peer]),
      [['peer-costly', mallory.identity.peer]],
    )
    for (let days = 1; countOf(mallory, anna) - before < 48; days++) {
      anna.clock.advance(DAY_MS / 24)
      inbox.takeAll(missing(mallory, anna), never, mallory.identity.peer)
      assert.ok(days < 24, 'it is not lost')
    }
    assert.ok(anna.clock.wall() - ben.clock.wall() > (2 * MIB) / 0.512)
    inbox.stop()
  })

  test('a flood from a writer is taken in full', async () => {
    const { anna, mallory, inbox } = await cast('writer')
    inbox.takeAll(await flood(mallory, 60), never)
    assert.equal(countOf(mallory, anna), countOf(mallory, mallory))
    inbox.stop()
  })

  test('a flood that another member has built on is taken, so that the logs converge', async () => {
    const { anna, ben, mallory, inbox } = await cast()
    await flood(mallory, 48)
    await send(mallory, ben)
    ben.write('after the flood', 'x')
    await ben.volume.commit()
    const sent = missing(ben, anna)
    inbox.takeAll(sent, never, ben.identity.peer)
    // It was not all kept: the next exchange brings it.
    anna.clock.advance(1)
    inbox.takeAll(missing(ben, anna), never, ben.identity.peer)
    anna.clock.advance(1)
    assert.deepEqual(await anna.names(), ['after the flood'])
    assert.deepEqual(anna.volume.actors.heads(), ben.volume.actors.heads())
    assert.equal(inbox.parkedCount, 0)
    inbox.stop()
  })

  test('a flood passes by no forged entry, and by a reader only within its share', async () => {
    const { anna, ben, mallory, inbox } = await cast()
    const accomplice = await anna.member('accomplice', 'reader')
    await accomplice.volumes.describeSelf(accomplice.volume)
    await send(accomplice, anna)
    const before = countOf(mallory, anna)
    await flood(mallory, 80)
    await send(mallory, ben)
    await send(anna, ben)
    await send(ben, accomplice)
    const said = forge(ben, { body: encodeBatch([]), fields: { flags: FLAG_CLEAR_BODY } })
    const forged = { ...said, signature: new Uint8Array(64) }
    inbox.takeAll([...missing(ben, anna), forged], never)
    anna.clock.advance(1)
    assert.equal(countOf(mallory, anna) - before, OF_A_BURST)
    const theirs = forge(accomplice, { body: encodeBatch([]), fields: { flags: FLAG_CLEAR_BODY } })
    for (let round = 0; round < 3; round++) {
      inbox.takeAll([...missing(ben, anna), theirs], never)
      anna.clock.advance(1)
    }
    assert.equal(countOf(mallory, anna) - before, 2 * OF_A_BURST, 'of one and of the other')
    inbox.stop()
  })

  test('a flood gets at most one burst more by a restart, and none by a new actor', async () => {
    const { anna, mallory, inbox } = await cast()
    const before = countOf(mallory, anna)
    inbox.takeAll(await flood(mallory, 80), never)
    await anna.volume.commit()
    inbox.stop()
    const again = await anna.reopen()
    again.clock.advance(anna.clock.wall() - again.clock.wall())
    const inboxAgain = inboxOf(again)
    inboxAgain.takeAll(missing(mallory, again), never)
    assert.ok(countOf(mallory, again) - before <= 2 * OF_A_BURST, 'a burst more at most')
    const held = countOf(mallory, again)
    const other = firstEntryOf(mallory, new Uint8Array(16).fill(9), [])
    assert.equal(inboxAgain.take(other), 'held-back')
    inboxAgain.takeAll([other], never)
    assert.ok(inboxAgain.isHeldBack(other.header.actor))
    assert.equal(countOf(mallory, again), held)
    inboxAgain.stop()
  })

  test('entries wait on a full node, except for those of admins', async () => {
    const { anna, ben, mallory } = await cast('writer')
    const inbox = inboxOf(ben)
    ben.store.isFull = true
    mallory.write('of a writer', 'x')
    await mallory.volume.commit()
    inbox.takeAll(missing(mallory, ben), never)
    assert.deepEqual(await ben.names(), [])
    assert.deepEqual(
      ben.volume.growth.paused.map(({ peer, isFull: forFull }) => [peer, forFull]),
      [[mallory.identity.peer, true]],
    )
    anna.write('of an admin', 'x')
    await anna.volume.commit()
    inbox.takeAll(missing(anna, ben), never)
    assert.deepEqual(await ben.names(), ['of an admin'])
    assert.throws(() => ben.write('mine', 'x'), { code: 'ENOSPC' })
    ben.namespace.unlink(ROOT, nameFromText('of an admin'))
    await ben.volume.commit()
    assert.deepEqual(await ben.names(), [])
    ben.store.isFull = false
    ben.clock.advance(2 * MINUTE_MS)
    assert.deepEqual(await ben.names(), ['of a writer'])
    inbox.stop()
  })
})

describe('room for parked entries', () => {
  test('room for parked entries is shared: a peer with too many displaces its own', async () => {
    const { anna, ben, mallory } = await cast()
    const room = new InboxBudget()
    const inbox = new Inbox({ volume: anna.volume, clock: anna.clock, room })
    const [one, other] = ['one', 'other'] as [PeerId, PeerId]
    const early = Array.from({ length: 3 }, (_, n) => {
      ben.write(`early ${n}`, 'x')
      void ben.volume.commit()
      return ben.volume.entries.entry(ben.volume.actor, countOf(ben, ben))
    }).filter((entry) => entry !== undefined)
    const [first, ...others] = early
    assert.ok(first !== undefined)
    for (const entry of others) assert.equal(inbox.take(entry, { from: one }), 'missing-past')
    const deps = [{ actor: '11'.repeat(16), seq: 1, hash: '22'.repeat(32) }] as never
    for (let n = 0; n < PARKED_MAX + 20; n++) {
      const nonce = Buffer.from(String(n).padStart(16, '0'))
      inbox.take(firstEntryOf(mallory, nonce, deps), { from: other })
    }
    assert.equal(inbox.parkedCount, PARKED_MAX)
    inbox.take(first, { from: one })
    assert.deepEqual(await anna.names(), ['early 0', 'early 1', 'early 2'])
    inbox.stop()
  })
})
