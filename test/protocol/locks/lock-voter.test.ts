// One voter on locks: what it grants never excludes each other, what it forgets and when, and who
// comes first.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { LEASE_MS } from '../../../protocol/locks/claim.ts'
import { inTheWay } from '../../../protocol/locks/held-locks.ts'
import { LOCKS_MAX } from '../../../protocol/limits.ts'
import { LockVoter, READERS_MS, REST_MS } from '../../../protocol/locks/lock-voter.ts'
import type { NodeId, PeerId } from '../../../protocol/ids.ts'
import type { Claim, FileLocks, Verdict } from '../../../protocol/locks/claim.ts'
import type { LockKind } from '../../../protocol/locks/held-locks.ts'
import type { Instant } from '../../../protocol/units.ts'

const VOTERS = 'a,b,c'
const FILE = '0f'.repeat(16) as NodeId
/** When a voter that started at 0 speaks. */
const UP = LEASE_MS

/** A voter and its time, asked by sessions that number their claims. */
class Asked {
  readonly voter = new LockVoter(VOTERS, 0 as Instant)
  now: number = UP
  #number = 0

  claim(session: string, locks: readonly FileLocks[], how: Partial<Claim> = {}): Verdict['kind'] {
    const wanted = locks.length === 0 ? undefined : locks.length - 1
    const claim: Claim = {
      session,
      number: ++this.#number,
      voters: VOTERS,
      locks,
      wanted,
      isFirst: true,
      isPatient: false,
      ...how,
    }
    const asker = { peer: peerOf(session), isReader: session.startsWith('reader') }
    return this.voter.answer(claim, asker, how.voters ?? VOTERS, this.now as Instant).kind
  }
}

describe('a voter on locks', () => {
  test('never grants what excludes what it has granted and not forgotten', () => {
    const anyStep = fc.record({
      session: fc.constantFrom('x', 'y', 'z'),
      start: fc.nat(9),
      length: fc.integer({ min: 1, max: 5 }),
      kind: fc.constantFrom<LockKind>('shared', 'exclusive'),
      afterMs: fc.constantFrom(0, 100, LEASE_MS - 1, LEASE_MS),
      isFirst: fc.boolean(),
      isPatient: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 30 }), (steps) => {
        const asked = new Asked()
        const held = new Map<string, { readonly locks: FileLocks; readonly until: number }>()
        for (const { session, start, length, kind, afterMs, ...how } of steps) {
          asked.now += afterMs
          const locks = lock([start, start + length, kind])
          if (asked.claim(session, [locks], how) !== 'granted') continue
          held.set(session, { locks, until: asked.now + LEASE_MS })
          for (const [other, { locks: theirs, until }] of held) {
            if (other === session || until <= asked.now) continue
            assert.equal(inTheWay(theirs.held, locks.held), undefined)
          }
        }
      }),
      { numRuns: 500, seed: 3 },
    )
  })

  test('keeps what it granted for the time of a lease, and no longer', () => {
    const asked = new Asked()
    assert.equal(asked.claim('x', [lock([0, 9, 'exclusive'])]), 'granted')
    asked.now += LEASE_MS - 1
    assert.equal(asked.claim('y', [lock([0, 1, 'shared'])]), 'busy')
    assert.equal(asked.claim('x', [lock([0, 9, 'exclusive'])]), 'granted')
    asked.now += LEASE_MS - 1
    assert.equal(asked.claim('y', [lock([0, 1, 'shared'])]), 'busy')
    asked.now += 1
    assert.equal(asked.claim('y', [lock([0, 1, 'shared'])]), 'granted')
    assert.equal(asked.claim('x', [lock([0, 9, 'exclusive'])]), 'busy')
  })

  test('is silent for the time of a lease when it starts, and when others are the voters', () => {
    const asked = new Asked()
    asked.now = UP - 1
    assert.equal(asked.claim('x', [lock([0, 9, 'exclusive'])]), 'starting')
    asked.now = UP
    assert.equal(asked.claim('x', [lock([0, 9, 'exclusive'])]), 'granted')
    assert.equal(asked.claim('y', [], { voters: 'a,b' }), 'starting')
    assert.equal(asked.claim('x', [lock([0, 9, 'exclusive'])]), 'starting')
    asked.now += LEASE_MS
    assert.equal(asked.claim('y', [lock([0, 9, 'exclusive'])]), 'granted')
  })

  test('takes no claim by other voters, nor an older one that comes late', () => {
    const { voter, now } = new Asked()
    const claim = { session: 'x', voters: VOTERS, wanted: 0, isFirst: true, isPatient: false }
    const ask = (number: number, voters: string): Verdict['kind'] =>
      voter.answer(
        { ...claim, number, voters, locks: [lock([0, 1, 'exclusive'])] },
        { peer: peerOf('x'), isReader: false },
        VOTERS,
        now as Instant,
      ).kind
    assert.equal(ask(2, 'a,b'), 'stale')
    assert.equal(ask(2, VOTERS), 'granted')
    assert.equal(ask(1, VOTERS), 'stale')
    assert.equal(ask(2, VOTERS), 'stale')
  })

  test('serves who waits in their order, and who comes later waits behind them', () => {
    const asked = new Asked()
    const all = [lock([0, 9, 'exclusive'])]
    const wait = { isPatient: true }
    assert.equal(asked.claim('x', all), 'granted')
    assert.equal(asked.claim('y', all, wait), 'busy')
    assert.equal(asked.claim('z', all, wait), 'busy')
    assert.equal(asked.claim('x', []), 'granted')
    assert.equal(asked.claim('x', all, wait), 'busy')
    assert.equal(asked.claim('z', all, wait), 'busy')
    assert.equal(asked.claim('y', all, wait), 'granted')
    asked.claim('y', [])
    assert.equal(asked.claim('z', all, wait), 'granted')
  })

  test('lets pass who has a part of the file already, and who does not come again', () => {
    const asked = new Asked()
    const [low, high] = [lock([0, 5, 'exclusive']), lock([0, 9, 'exclusive'])]
    assert.equal(asked.claim('x', [low]), 'granted')
    assert.equal(asked.claim('y', [lock([3, 9, 'exclusive'])], { isPatient: true }), 'busy')
    assert.equal(asked.claim('z', [lock([7, 8, 'exclusive'])]), 'busy')
    assert.equal(asked.claim('x', [high]), 'granted')
    asked.claim('x', [])
    asked.now += LEASE_MS / 5
    assert.equal(asked.claim('z', [lock([7, 8, 'exclusive'])]), 'granted')
  })

  test('keeps the session of a member from all others, whoever knows its id', () => {
    const { voter, now } = new Asked()
    const ask = (peer: string, number: number, locks: readonly FileLocks[]): Verdict['kind'] => {
      const claim = { session: 's', number, voters: VOTERS, wanted: undefined, locks }
      const how = { isFirst: false, isPatient: false }
      const asker = { peer: peer as PeerId, isReader: false }
      return voter.answer({ ...claim, ...how }, asker, VOTERS, now as Instant).kind
    }
    const all = [lock([0, 9, 'exclusive'])]
    assert.equal(ask('x', 1, all), 'granted')
    assert.equal(ask('mallory', 99, []), 'granted')
    assert.equal(ask('mallory', 100, all), 'busy')
    assert.equal(ask('y', 1, all), 'busy')
    assert.equal(ask('x', 2, all), 'granted', 'its own number counts alone')
    assert.deepEqual(
      voter.holders(now as Instant).map(({ peer }) => peer),
      ['x'],
    )
  })

  test('grants a member no more than its share, over all of its sessions', () => {
    const asked = new Asked()
    const many = (of: number): FileLocks => ({
      file: of.toString(16).padStart(32, '0') as NodeId,
      family: 'fcntl',
      held: Array.from({ length: LOCKS_MAX / 2 }, (_, n) => ({
        start: 2 * n,
        end: 2 * n + 1,
        kind: 'shared' as const,
      })),
    })
    for (const n of [0, 1]) assert.equal(asked.claim(`x/${n}`, [many(n)]), 'granted')
    assert.equal(asked.claim('x/2', [many(2)]), 'busy')
    assert.equal(asked.claim('y', [many(2)]), 'granted')
    for (const n of [2, 3]) assert.equal(asked.claim(`x/${n}`, []), 'granted')
    assert.equal(asked.claim('x/4', []), 'busy')
  })

  test('has readers hold shared locks alone, and make way for who waits', () => {
    const asked = new Asked()
    const [all, shared] = [[lock([0, 9, 'exclusive'])], [lock([0, 9, 'shared'])]]
    assert.equal(asked.claim('reader', all), 'busy')
    assert.equal(asked.claim('reader', shared), 'granted')
    const renew = { wanted: undefined, isFirst: false }
    // As long as nobody wants it.
    for (const end = asked.now + 3 * READERS_MS; asked.now < end; asked.now += 1000)
      assert.equal(asked.claim('reader', shared, renew), 'granted')
    const startedMs = asked.now
    const wait = { isPatient: true }
    for (let isGranted = false; !isGranted; asked.now += 50) {
      // Two take turns, each with an id that is new.
      for (const name of ['reader', 'reader2']) asked.claim(name, shared, renew)
      isGranted = asked.claim('y', all, wait) === 'granted'
      assert.ok(asked.now - startedMs <= READERS_MS + LEASE_MS)
    }
    assert.ok(asked.now - startedMs >= READERS_MS, 'they have their time')
    asked.claim('y', [])
    assert.equal(asked.claim('reader', shared), 'busy')
    assert.equal(asked.claim('z', shared), 'granted')
    asked.now = startedMs + READERS_MS + REST_MS
    assert.equal(asked.claim('reader', shared), 'granted')
  })

  test('tells who is in the way', () => {
    const asked = new Asked()
    asked.claim('x', [lock([2, 4, 'shared'])])
    const ask = (session: string, kind: LockKind): FileLocks | undefined =>
      asked.voter.inTheWay(session, peerOf(session), lock([0, 9, kind]), asked.now as Instant)
    assert.equal(ask('y', 'shared'), undefined)
    assert.deepEqual(ask('y', 'exclusive'), lock([2, 4, 'shared']))
    assert.equal(ask('x', 'exclusive'), undefined)
  })
})

/** Each member has one session, unless it is named `member/session`. */
function peerOf(session: string): PeerId {
  return session.split('/')[0] as PeerId
}

function lock([start, end, kind]: readonly [number, number, LockKind]): FileLocks {
  return { file: FILE, family: 'fcntl', held: [{ start, end, kind }] }
}
