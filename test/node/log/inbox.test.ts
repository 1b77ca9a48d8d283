// Entries that cannot be applied yet wait, within bounds; those that never can be do no harm.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Inbox } from '../../../node/log/inbox.ts'
import { HLC_ZERO, nextHlc } from '../../../protocol/clock/hlc.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { BRANCHES_MAX, CLOCK_AHEAD_MS, PARKED_MAX } from '../../../protocol/limits.ts'
import { FLAG_CLEAR_BODY } from '../../../protocol/log/entry.ts'
import { encodeBatch } from '../../../protocol/log/batch.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { Replica, firstEntryOf, forge } from './replicas.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'

/** 15 minutes, in units of the clock. */
const AHEAD = BigInt(15 * MINUTE_MS) << 16n

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
  test('parks an entry whose past is missing until that arrives', async () => {
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

  test('parks an entry from the future until its time has come', async () => {
    const { a, b, inbox } = await waiting(0)
    a.clock.advance(CLOCK_AHEAD_MS + MINUTE_MS)
    a.write('tomorrow', 'x')
    await a.volume.commit()
    const entry = a.volume.entries.entry(
      a.volume.actor,
      a.volume.actors.get(a.volume.actor)?.seq ?? 0,
    )
    assert.ok(entry !== undefined)
    assert.equal(inbox.take(entry), 'future-clock')
    b.clock.advance(MINUTE_MS - 1000)
    assert.deepEqual(await b.names(), [])
    b.clock.advance(2000)
    assert.deepEqual(await b.names(), ['tomorrow'])
    assert.equal(inbox.parkedCount, 0)
    inbox.stop()
  })

  test('parks no future entry that is unsigned, or whose writer may not write', async () => {
    const { a, b, inbox } = await waiting(0)
    a.clock.advance(CLOCK_AHEAD_MS + MINUTE_MS)
    const body = encodeBatch([])
    const forged = forge(a, { body, fields: { flags: FLAG_CLEAR_BODY } })
    const unsigned = { ...forged, signature: new Uint8Array(64) }
    assert.throws(() => inbox.take(unsigned), { code: 'bad-signature' })
    const grant = '77'.repeat(32) as Entry['hash']
    const granted = forge(a, { body, fields: { flags: FLAG_CLEAR_BODY, grant } })
    assert.throws(() => inbox.take(granted), { code: 'not-a-member' })
    assert.equal(inbox.parkedCount, 0)
    b.clock.advance(2 * MINUTE_MS)
    inbox.stop()
  })

  test('survives a volume that failed meanwhile, and parked entries without a place', async () => {
    const { a, b, inbox } = await waiting(0)
    a.clock.advance(CLOCK_AHEAD_MS + MINUTE_MS)
    for (let n = 0; n < BRANCHES_MAX + 2; n++) {
      const body = encodeBatch([])
      const hlc = (nextHlc(a.volume.actors.hlc, a.clock.wall()) + BigInt(n)) as Hlc
      const fork = forge(a, { body, fields: { flags: FLAG_CLEAR_BODY, hlc } })
      assert.equal(inbox.take(fork), 'future-clock')
    }
    b.clock.advance(2 * MINUTE_MS)
    assert.equal(b.volume.branches.labels(a.volume.actor).length, BRANCHES_MAX)
    const later = forge(a, {
      body: encodeBatch([]),
      fields: { flags: FLAG_CLEAR_BODY, hlc: (nextHlc(HLC_ZERO, b.clock.wall()) + AHEAD) as Hlc },
    })
    const first = b.volume.entries.entry(a.volume.actor, later.header.seq)
    assert.ok(first !== undefined)
    const next = forge(a, {
      body: encodeBatch([]),
      fields: { ...later.header, seq: later.header.seq + 1, prev: first.hash },
    })
    assert.equal(inbox.take(next), 'future-clock')
    b.store.before = () => Promise.reject(new ShoalError('EIO', 'the disk is gone'))
    b.write('never durable', 'x')
    await assert.rejects(b.volume.commit(), { code: 'EIO' })
    b.clock.advance(20 * MINUTE_MS)
    assert.equal(inbox.parkedCount, 0)
    inbox.stop()
  })

  test('drops the oldest entries above its limit', async () => {
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

  test('accepts a run by its last signature, and rejects all from an invalid one on', async () => {
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
    const real = a.volume.entries.entry(actor, forged.header.seq)
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

  test('accepts a key only from an origin that the actor is derived from', async () => {
    const a = await Replica.founder('a')
    const bad = await a.member('bad')
    bad.write('of bad', 'x')
    a.write('of a', 'x')
    await a.volume.commit()
    const b = await Replica.open('b')
    await a.admit(b)
    await a.volume.commit()
    const { actor } = a.volume
    const genuine = [...a.volume.entries.between(new Map(), a.volume.actors.vector())]
    const last = genuine.map(({ entry }) => entry).findLast(({ header }) => header.actor === actor)
    assert.ok(last !== undefined)
    await bad.volume.commit()
    const body = encodeBatch([])
    const { seq, grant } = last.header
    const hlc = (last.header.hlc + 1n) as Hlc
    const fields = { flags: FLAG_CLEAR_BODY, actor, hlc, grant, deps: [] }
    const forged = forge(bad, { body, fields: { ...fields, seq: seq + 1, prev: last.hash } })
    const origin = { publicKey: bad.identity.publicKey, nonce: new Uint8Array(16) }
    const bait = forge(bad, { body, fields: { ...fields, seq: 1, prev: undefined, origin } })
    const inbox = new Inbox({ volume: b.volume, clock: b.clock })
    const refused: string[] = []
    const sent = [...genuine.map(({ entry }) => entry), forged, bait]
    inbox.takeAll(sent, ({ code }) => refused.push(code))
    assert.equal(b.volume.actors.get(actor)?.seq, seq)
    assert.deepEqual(refused, ['bad-signature', 'malformed'])
    inbox.stop()
  })

  test('does not accept the word of one writer for the entries of another', async () => {
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
