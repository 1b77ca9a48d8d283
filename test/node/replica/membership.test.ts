// Members, roles and keys, as replicas come to agree on them (docs/formats/membership.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toHex } from '../../../protocol/bytes.ts'
import { encodeBatch } from '../../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY } from '../../../protocol/log/entry.ts'
import { Replica, exchange, forge, forgeOps, send } from '../log/replicas.ts'
import type { Op } from '../../../protocol/op/op.ts'

/** Two admins and a writer, who all hold the same. */
async function twoAdmins(): Promise<{ a: Replica; b: Replica; writer: Replica }> {
  const a = await Replica.founder('a')
  const b = await a.member('b', 'admin')
  const writer = await a.member('writer')
  for (const replica of [b, writer]) await replica.volumes.describeSelf(replica.volume)
  await exchange(a, b, writer)
  return { a, b, writer }
}

describe('key epochs', () => {
  test('of two concurrent epochs all keys are kept, and all come to use the same', async () => {
    const { a, b, writer } = await twoAdmins()
    const one = await a.member('one')
    const two = await a.member('two')
    await exchange(a, b, writer, one, two)
    await a.volumes.remove(a.volume, one.identity.peer)
    await b.volumes.remove(b.volume, two.identity.peer)
    assert.equal(a.volume.membership.epoch, 2)
    assert.notDeepEqual(a.volume.membership.secret(2), b.volume.membership.secret(2))
    // Each writes while it knows of its own key only.
    a.write('from a', '1')
    b.write('from b', '2')
    await exchange(a, b, writer)
    writer.write('from writer', '3')
    await exchange(a, b, writer)
    for (const replica of [a, b, writer]) {
      assert.deepEqual(await replica.names(), ['from a', 'from b', 'from writer'])
      assert.equal(replica.volume.membership.secrets(2).length, 2)
      assert.deepEqual(replica.volume.membership.secret(2), a.volume.membership.secret(2))
      assert.equal(await replica.dump(), await a.dump())
    }
    const later = await b.member('later')
    const keeper = await b.member('keeper', 'keeper')
    assert.deepEqual(await later.names(), await a.names())
    assert.deepEqual(keeper.volume.membership.swarmKeys(2), a.volume.membership.swarmKeys(2))
    const again = await later.reopen()
    const hex = ({ volume }: Replica): string[] => volume.membership.secrets(2).map(toHex)
    assert.deepEqual(hex(again), hex(later))
  })

  test('a member without a key waits for it, and loses nothing', async () => {
    const { a, b, writer } = await twoAdmins()
    const one = await a.member('one')
    await exchange(a, b, writer, one)
    const late = await Replica.open('late')
    // At once: b admits someone of whom a, who begins an epoch, has not heard.
    await b.admit(late)
    await a.volumes.remove(a.volume, one.identity.peer)
    a.write('sealed', 'x')
    await exchange(a, b)
    const verdicts = await send(a, late)
    assert.ok(verdicts.includes('missing-key'))
    assert.deepEqual(await late.names(), [])
    assert.equal(late.notes.length, 1)
    // Shown another ticket, it gets all keys.
    await a.admit(late)
    assert.ok(!(await send(a, late)).includes('missing-key'))
    assert.deepEqual(await late.names(), ['sealed'])
    assert.equal(await late.dump(), await a.dump())
  })

  test('a keeper that joins takes entries sealed before, and reads none of them', async () => {
    const { a } = await twoAdmins()
    a.write('sealed', 'x')
    const keeper = await Replica.open('keeper')
    await a.admit(keeper, 'keeper')
    assert.ok((await send(a, keeper)).every((verdict) => verdict === 'applied'))
    assert.deepEqual(await keeper.names(), [])
    assert.deepEqual(keeper.notes, [])
    assert.equal(keeper.volume.membership.secret(1), undefined)
    assert.deepEqual(keeper.volume.membership.swarmKeys(1), a.volume.membership.swarmKeys(1))
  })
})

describe('removal of a member', () => {
  test('two concurrent removals both count, in whatever order they come', async () => {
    const { a, b, writer } = await twoAdmins()
    const remove: Op = { kind: 'remove-member', peer: writer.identity.peer }
    a.volume.submit(remove)
    b.volume.submit(remove)
    // The writer hears of one of them, and writes on all the same.
    await send(a, writer)
    const seesA = forgeOps(writer, [], true)
    const first = await Replica.open('first')
    const second = await Replica.open('second')
    await a.admit(first)
    await a.admit(second)
    await a.volume.commit()
    await b.volume.commit()
    for (const from of [a, b]) await send(from, first)
    for (const from of [b, a]) await send(from, second)
    for (const replica of [first, second]) {
      const verdict = replica.volume.receive(seesA)
      assert.equal(verdict, 'applied')
      assert.equal(replica.volume.membership.member(writer.identity.peer), undefined)
    }
    await exchange(first, second)
    assert.equal(await first.dump(), await second.dump())
  })

  test('a writer who was made a reader cannot write on under its old role', async () => {
    const { a, b, writer } = await twoAdmins()
    const offline = forgeOps(writer, [])
    await a.admit(writer, 'reader')
    await send(a, writer)
    assert.throws(() => writer.write('now', 'x'), { code: 'EACCES' })
    const grant = writer.volume.entries.entry(writer.volume.actor, 1)?.header.grant
    assert.ok(grant !== undefined)
    const body = encodeBatch([
      { kind: 'member-info', peer: writer.identity.peer, name: 'new', zone: '', capacityBytes: 0 },
    ])
    const after = forge(writer, { body, fields: { grant, flags: FLAG_CLEAR_BODY } })
    await exchange(a, b)
    // It has a place in the log, and says nothing.
    assert.equal(b.volume.receive(after), 'applied')
    assert.equal(b.volume.membership.nameOf(writer.identity.peer), 'writer')
    assert.equal(a.volume.receive(offline), 'applied')
  })

  test('a readmitted member writes under its new grant', async () => {
    const { a, b, writer } = await twoAdmins()
    await a.volumes.remove(a.volume, writer.identity.peer)
    await a.admit(writer)
    await exchange(a, b, writer)
    writer.write('again', 'x')
    await exchange(a, b, writer)
    for (const replica of [a, b, writer]) assert.deepEqual(await replica.names(), ['again'])
  })
})
