// The summary of a log is made once while the log stays the same, and is right afterwards.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heldBy, summaryOf } from '../../../node/log/log-summary.ts'
import { SummaryCache } from '../../../node/sync/summary-cache.ts'
import { decodeLogMessage } from '../../../protocol/wire/log.ts'
import { Replica, exchange } from '../log/replicas.ts'

test('a summary is made once while the log stays the same, and anew after each entry', async () => {
  const a = await Replica.founder('a')
  const summaries = new SummaryCache()
  for (let n = 0; n < 3; n++) {
    a.write(`f${n}`, 'x')
    const before = summaries.of(a.volume)
    await a.volume.commit()
    const said = summaries.of(a.volume)
    assert.notEqual(said, before)
    assert.equal(summaries.of(a.volume), said)
    assert.deepEqual(said.log, summaryOf(a.volume))
  }
})

test('a received summary is decoded as sent, whether or not it equals the local one', async () => {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  const [ofA, ofB] = [new SummaryCache(), new SummaryCache()]
  const readsB = async (): Promise<void> => {
    await a.volume.commit()
    await b.volume.commit()
    ofA.of(a.volume)
    const { hello, durable } = ofB.of(b.volume)
    assert.deepEqual(ofA.decode(hello), decodeLogMessage(hello))
    const message = ofA.decode(durable)
    assert.deepEqual(message, decodeLogMessage(durable))
    assert.ok(message.kind === 'durable')
    assert.deepEqual(heldBy(a.volume, message.log), heldBy(a.volume, summaryOf(b.volume)))
  }
  await exchange(a, b)
  await readsB()
  const said = ofA.of(a.volume)
  assert.equal(heldBy(a.volume, summaryOf(b.volume)).size, said.log.vector.size)
  b.write('f', 'x')
  await readsB()
  await exchange(a, b)
  await readsB()
  assert.notEqual(ofA.of(a.volume), said)
})
