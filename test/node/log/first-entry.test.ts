// The first entry of a new member: others take it only if the one that admits it is in its past.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Replica, send } from './replicas.ts'

test('a node writes nothing before it holds the entry that admits it', async () => {
  const anna = await Replica.founder('anna')
  const ben = await Replica.open('ben')
  await anna.volume.commit()
  const begun = anna.volume.durableVector()
  anna.write('file', 'in the past of what admits ben')
  await anna.volume.commit()
  await anna.admit(ben)
  await anna.volume.commit()
  const later = [...anna.volume.entries.between(begun, anna.volume.durableVector())]
  assert.equal(later.length, 2)
  for (const { entry } of anna.volume.entries.between(new Map(), begun)) ben.volume.receive(entry)

  const grant = later.at(-1)?.entry
  assert.ok(grant)
  assert.equal(ben.volume.receive(grant), 'missing-past')
  // As from one who gave a checkpoint from before it, and was cut off then.
  ben.volume.membership.take(grant)
  const { peer } = ben.identity
  assert.equal(ben.volume.membership.member(peer)?.role, 'writer')
  assert.throws(() => ben.write('too early', 'x'), { code: 'ESTALE', message: /try again later/ })
  assert.equal(await ben.volumes.describeSelf(ben.volume), false)

  await send(anna, ben)
  assert.equal(await ben.volumes.describeSelf(ben.volume), true)
  ben.write('in time', 'x')
  await send(ben, anna)
  assert.deepEqual(await anna.names(), ['file', 'in time'])
  assert.equal(anna.volume.membership.nameOf(peer), 'ben')
})
