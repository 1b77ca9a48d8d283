// Topics follow the keys of a volume: a removed member knows none that is in use, and the others
// find each other.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Topics } from '../../../node/sync/topics.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { Replica, exchange, send } from '../log/replicas.ts'

function topicsOf({ volume, clock }: Replica): { topics: Topics; heard: Set<string> } {
  const heard = new Set<string>()
  const subscribe = (topic: string): (() => void) => {
    heard.add(topic)
    return () => heard.delete(topic)
  }
  const topics = new Topics({ volume, clock, subscribe })
  topics.refresh()
  return { topics, heard }
}

test('after a new epoch members use the new topic, and the old one only for a while', async () => {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  const removed = await a.member('c')
  await exchange(a, b, removed)
  const [atA, atB, atC] = [a, b, removed].map(topicsOf) as [
    ReturnType<typeof topicsOf>,
    ReturnType<typeof topicsOf>,
    ReturnType<typeof topicsOf>,
  ]
  const [first = ''] = atA.topics.speaking()
  for (const { topics } of [atA, atB, atC]) assert.deepEqual(topics.speaking(), [first])
  assert.ok(!first.includes(a.volume.id))

  await a.volumes.remove(a.volume, removed.identity.peer)
  assert.ok(atA.topics.refresh(), 'there is a new one')
  const [second = '', ...former] = atA.topics.speaking()
  assert.deepEqual(former, [first], 'who has not heard of it is spoken to')
  assert.ok(atA.heard.has(first), 'and heard')
  await exchange(a, b)
  atB.topics.refresh()
  assert.equal(atB.topics.speaking()[0], second)
  await send(a, removed)
  atC.topics.refresh()
  assert.ok(!atC.heard.has(second) && !atC.topics.speaking().includes(second))

  for (const one of [a, b]) one.clock.advance(11 * MINUTE_MS)
  for (const { topics, heard } of [atA, atB]) {
    topics.refresh()
    assert.deepEqual([...heard], [second])
    assert.deepEqual(topics.speaking(), [second])
  }
})

test('a node that starts also listens where members of the old epoch may be', async () => {
  const a = await Replica.founder('a')
  const [first = ''] = topicsOf(a).topics.speaking()
  const b = await a.member('b')
  await a.volumes.remove(a.volume, b.identity.peer)
  await a.volume.commit()
  const { heard, topics } = topicsOf(await a.reopen())
  assert.equal(heard.size, 2)
  assert.ok(heard.has(first))
  topics.stop()
  assert.equal(heard.size, 0)
})

test('two epochs with one number are both heard, and members agree on one topic', async () => {
  const a = await Replica.founder('a')
  const b = await a.member('b', 'admin')
  const [c, d] = [await a.member('c'), await a.member('d')]
  await exchange(a, b, c, d)
  await a.volumes.remove(a.volume, c.identity.peer)
  await b.volumes.remove(b.volume, d.identity.peer)
  const [atA, atB] = [topicsOf(a), topicsOf(b)]
  await exchange(a, b)
  for (const { topics } of [atA, atB]) topics.refresh()
  assert.equal(atA.topics.speaking()[0], atB.topics.speaking()[0])
  for (const { topics } of [atA, atB])
    for (const topic of topics.speaking()) assert.ok(atA.heard.has(topic) && atB.heard.has(topic))
})
