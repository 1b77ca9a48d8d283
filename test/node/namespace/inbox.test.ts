// What cannot be applied yet waits, within bounds; what can never be does no harm.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Inbox } from '../../../node/namespace/inbox.ts'
import { CLOCK_AHEAD_MS, PARKED_MAX } from '../../../protocol/limits.ts'
import { FLAG_CLEAR_BODY } from '../../../protocol/log/entry.ts'
import { encodeBatch } from '../../../protocol/log/batch.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { Replica, firstEntryOf, forge } from './replicas.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { ShoalError } from '../../../protocol/errors.ts'

/** A member with an inbox, and another that wrote so many entries it has not heard of. */
async function waiting(
  count: number,
): Promise<{ a: Replica; b: Replica; inbox: Inbox; news: Entry[] }> {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  const known = b.volume.actors.vector()
  for (let n = 0; n < count; n++) {
    a.write(`f${n}`, 'x')
    await a.volume.commit()
  }
  const { entries, actors } = a.volume
  const news = [...entries.between(known, actors.vector())].map(({ entry }) => entry)
  const inbox = new Inbox({ volume: b.volume, clock: b.clock })
  return { a, b, inbox, news }
}

function never(error: ShoalError): void {
  throw error
}

describe('the inbox', () => {
  test('keeps what lacks its past until that comes', async () => {
    const { a, b, inbox, news } = await waiting(6)
    const [first, ...others] = news
    assert.ok(first !== undefined)
    for (const entry of others.toReversed()) assert.equal(inbox.take(entry), 'missing-past')
    assert.equal(inbox.parkedCount, others.length)
    assert.deepEqual(await b.names(), [])
    assert.equal(inbox.take(first), 'applied')
    assert.equal(inbox.parkedCount, 0)
    await b.volume.commit()
    assert.equal(await b.dump(), await a.dump())
    inbox.stop()
  })

  test('keeps what is from the future until its time has come', async () => {
    const { a, b, inbox } = await waiting(0)
    a.clock.advance(CLOCK_AHEAD_MS + MINUTE_MS)
    a.write('tomorrow', 'x')
    await a.volume.commit()
    const entry = a.volume.entry(a.volume.actor, a.volume.actors.get(a.volume.actor)?.seq ?? 0)
    assert.ok(entry !== undefined)
    assert.equal(inbox.take(entry), 'future-clock')
    b.clock.advance(MINUTE_MS - 1000)
    assert.deepEqual(await b.names(), [])
    b.clock.advance(2000)
    assert.deepEqual(await b.names(), ['tomorrow'])
    assert.equal(inbox.parkedCount, 0)
    inbox.stop()
  })

  test('forgets the oldest of more than it holds', async () => {
    const { a, inbox } = await waiting(0)
    const [actor, hash] = ['11'.repeat(16), '22'.repeat(32)] as [
      Entry['header']['actor'],
      Entry['hash'],
    ]
    for (let n = 0; n < PARKED_MAX + 20; n++) {
      const nonce = Buffer.from(String(n).padStart(16, '0'))
      inbox.take(firstEntryOf(a, nonce, [{ actor, seq: 1, hash }]))
    }
    assert.equal(inbox.parkedCount, PARKED_MAX)
    inbox.stop()
  })

  test('takes a run by its last signature, and refuses all from where one does not fit', async () => {
    const { a, b, inbox, news } = await waiting(4)
    const unsigned = news.map((entry, index) =>
      index === news.length - 1 ? entry : { ...entry, signature: new Uint8Array(64) },
    )
    inbox.takeAll(unsigned, never)
    assert.equal(await b.dump('dli'), await a.dump('dli'), 'the last signature covers the others')

    const forged = forge(a, { body: encodeBatch([]), fields: { flags: FLAG_CLEAR_BODY } })
    a.write('real', 'x')
    await a.volume.commit()
    const { actor } = a.volume
    const real = a.volume.entry(actor, forged.header.seq)
    assert.ok(real !== undefined)
    const refused: string[] = []
    const bad = { ...real, signature: new Uint8Array(64) }
    inbox.takeAll([bad], ({ code }) => refused.push(code))
    assert.deepEqual(refused, ['bad-signature'])
    assert.ok(!(await b.names()).includes('real'))
    inbox.takeAll([real], never)
    assert.ok((await b.names()).includes('real'))
    inbox.stop()
  })

  test('does not take the word of one writer for the entries of another', async () => {
    const { a, b, inbox, news } = await waiting(1)
    const [real] = news
    assert.ok(real !== undefined)
    const unsigned = { ...real, signature: new Uint8Array(64) }
    // An entry of b itself names the unsigned one as that before it.
    b.write('of b', 'x')
    await b.volume.commit()
    const { seq = 0 } = b.volume.actors.get(b.volume.actor) ?? {}
    const naming = forge(b, {
      body: encodeBatch([]),
      fields: { flags: FLAG_CLEAR_BODY, seq: seq + 1, prev: real.hash },
    })
    const refused: string[] = []
    inbox.takeAll([unsigned, naming], ({ code }) => refused.push(code))
    assert.deepEqual(refused, ['bad-signature'])
    assert.ok(!(await b.names()).includes('f0') && (await a.names()).includes('f0'))
    inbox.stop()
  })
})
