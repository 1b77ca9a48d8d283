// The names that members of a volume say they have, and are shown by, on every replica.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS } from '../../../protocol/units.ts'
import { findMember } from '../../../node/handlers/find-peer.ts'
import { Replica, exchange, forgeOps, send } from './replicas.ts'

/** Names by machine, as each of these replicas shows them: all the same. */
function shownBy(...replicas: readonly Replica[]): Readonly<Record<string, string>> {
  const [first, ...others] = replicas.map(({ volume: { membership } }) =>
    Object.fromEntries(
      replicas.map(({ name, identity }) => [name, membership.member(identity.peer)?.name ?? '']),
    ),
  )
  for (const other of others) assert.deepEqual(other, first)
  return first ?? {}
}

function saidOf({ volume, identity }: Replica): string | undefined {
  return volume.membership.member(identity.peer)?.said
}

test('a joiner whose name is taken says the next one that is free', async () => {
  const a = await Replica.founder('a', 'vm')
  const b = await a.member('b', 'writer', 'vm')
  await b.volumes.describeSelf(b.volume)
  await exchange(a, b)
  const c = await a.member('c', 'keeper', 'vm')
  await c.volumes.describeSelf(c.volume)
  await exchange(a, b, c)
  assert.deepEqual(shownBy(a, b, c), { a: 'vm', b: 'vm-2', c: 'vm-3' })
  assert.deepEqual([a, b, c].map(saidOf), ['vm', 'vm-2', 'vm-3'])
  const again = await c.reopen('vm')
  assert.deepEqual(shownBy(a, b, again), { a: 'vm', b: 'vm-2', c: 'vm-3' })
})

test('of those that join at once each gets a name of its own, the same on all, and says it', async () => {
  const a = await Replica.founder('a', 'vm')
  const others = [
    await a.member('b', 'writer', 'vm'),
    await a.member('c', 'writer', 'vm'),
    await a.member('d', 'writer', 'vm'),
  ] as const
  // Each says what it knows to be free, before it knows of the others.
  for (const one of others) await one.volumes.describeSelf(one.volume)
  assert.deepEqual(others.map(saidOf), ['vm-2', 'vm-2', 'vm-2'])
  await exchange(a, ...others)
  assert.equal(new Set(Object.values(shownBy(a, ...others))).size, 4)
  for (const one of others) await one.volumes.describeSelf(one.volume)
  await exchange(a, ...others)
  for (const one of others) await one.volumes.describeSelf(one.volume)
  await exchange(a, ...others)
  const shown = shownBy(a, ...others)
  assert.deepEqual([shown['a'], shown['b']], ['vm', 'vm-2'])
  assert.equal(new Set(Object.values(shown)).size, 4)
  assert.deepEqual(
    others.map(saidOf),
    others.map(({ name }) => shown[name]),
  )
})

test('the name of one that was removed is free again', async () => {
  const a = await Replica.founder('a')
  const b = await a.member('b', 'writer', 'vm')
  await b.volumes.describeSelf(b.volume)
  await exchange(a, b)
  await a.volumes.remove(a.volume, b.identity.peer)
  const c = await a.member('c', 'writer', 'vm')
  await c.volumes.describeSelf(c.volume)
  await exchange(a, c)
  assert.deepEqual(shownBy(a, c), { a: 'a', c: 'vm' })
  assert.equal(a.volume.membership.nameOf(b.identity.peer), 'vm')
})

test('who says the name of another later does not get it, and means nobody by it', async () => {
  const a = await Replica.founder('a')
  const thief = await a.member('thief')
  await thief.volumes.describeSelf(thief.volume)
  const db = await a.member('db')
  await db.volumes.describeSelf(db.volume)
  await exchange(a, thief, db)
  const all = [a, thief, db]
  for (const one of all) one.clock.advance(2 * HOUR_MS)
  const { peer } = thief.identity
  const info = { kind: 'member-info', peer, name: 'DB', zone: '', capacityBytes: 1 } as const
  const forged = forgeOps(thief, [info], true)
  for (const to of [a, db]) to.volume.receive(forged)
  for (const one of [a, db]) await one.volumes.describeSelf(one.volume)
  assert.deepEqual(shownBy(a, db), { a: 'a', db: 'db' })
  for (const { volume } of [a, db]) {
    const { name, said } = volume.membership.member(peer) ?? {}
    assert.deepEqual([name, said], ['DB-2', 'DB'])
    const meant = (text: string): string[] => [findMember(text, { name: 'main', volume }).peer]
    assert.throws(() => meant('db'), /may be .*db \(|may be DB-2/)
    assert.deepEqual(meant('DB-2'), [peer])
  }
})

test('nobody but an admin says what another is called', async () => {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  const mallory = await a.member('mallory')
  for (const one of [b, mallory]) await one.volumes.describeSelf(one.volume)
  await exchange(a, b, mallory)
  const { peer } = b.identity
  const info = { kind: 'member-info', peer, name: 'evil', zone: '', capacityBytes: 1 } as const
  a.volume.receive(forgeOps(mallory, [info], true))
  assert.equal(a.volume.membership.nameOf(peer), 'b')
  await send(a, b)
  assert.equal(b.volume.membership.nameOf(peer), 'b')
})
