// One voter on locks: what it grants never excludes each other, what it forgets and when, and who comes first.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { LEASE_MS } from '../../../protocol/locks/claim.ts'
import { inTheWay } from '../../../protocol/locks/held-locks.ts'
import { LockVoter } from '../../../protocol/locks/lock-voter.ts'
import type { NodeId } from '../../../protocol/ids.ts'
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
    return this.voter.answer(claim, how.voters ?? VOTERS, this.now as Instant).kind
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

  test('tells who is in the way', () => {
    const asked = new Asked()
    asked.claim('x', [lock([2, 4, 'shared'])])
    const ask = (session: string, kind: LockKind): FileLocks | undefined =>
      asked.voter.inTheWay(session, lock([0, 9, kind]), asked.now as Instant)
    assert.equal(ask('y', 'shared'), undefined)
    assert.deepEqual(ask('y', 'exclusive'), lock([2, 4, 'shared']))
    assert.equal(ask('x', 'exclusive'), undefined)
  })
})

function lock([start, end, kind]: readonly [number, number, LockKind]): FileLocks {
  return { file: FILE, family: 'fcntl', held: [{ start, end, kind }] }
}
