// The values that a voter may accept, the peers that it lets propose, and the voters in office:
// claims of others do not change that.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../protocol/errors.ts'
import { BALLOT_MAX } from '../../protocol/limits.ts'
import { NO_VOTE, vote } from '../../protocol/strong/acceptor.ts'
import { checkGrounds, groupsAfter, isBaseChosen } from '../../protocol/strong/grounds.ts'
import {
  firstOffice,
  formatOffice,
  nextOffice,
  officeNamedBy,
  parseOffice,
  parseVoters,
} from '../../protocol/strong/office.ts'
import { isSigned } from '../../protocol/strong/statement.ts'
import { LEAP_MAX, Turns } from '../../protocol/strong/turns.ts'
import { makeVoters } from '../../protocol/strong/voters.ts'
import { plantWeakness } from '../../protocol/trust.ts'
import { anyPeer } from './arbitraries.ts'
import { ALICE, BOB, CAROL, VOLUME, filled } from './fixtures.ts'
import { ballot, claimAt, markOf, say, valueOf } from './strong-fixtures.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Ground, Grounds, GroundsContext } from '../../protocol/strong/grounds.ts'
import type { Mark, Statement } from '../../protocol/strong/statement.ts'
import type { Claim, Value } from '../../protocol/strong/value.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Instant } from '../../protocol/units.ts'

const THREE = makeVoters([ALICE.peer, BOB.peer, CAROL.peer])
const FIRST = firstOffice(ALICE.peer)
/** Alice was alone, and named the others beside her. */
const OFFICE = nextOffice(FIRST, FIRST.voters, THREE)
const [OLD, NEW, OTHER] = [1, 2, 3].map((byte) => valueOf(byte, [THREE])) as [Value, Value, Value]
const AT = ballot(10, BOB.peer)

/** A promise of AT by a voter in office. */
function promise(voter: Identity, accepted?: Mark, at = AT): Statement {
  return say(voter, OFFICE.terms.get(voter.peer) ?? 0, at, accepted)
}

function context(change: Partial<GroundsContext> = {}): GroundsContext {
  return {
    first: FIRST.voters,
    office: OFFICE,
    accepted: undefined,
    mayVote: () => true,
    isSigned: (statement) => isSigned(VOLUME, statement),
    follows: ({ name }) => name.hash === OLD.name.hash,
    ...change,
  }
}

function refusal(claim: Claim, grounds: Grounds, change?: Partial<GroundsContext>): string {
  try {
    checkGrounds(claim, grounds, context(change))
    return 'none'
  } catch (error) {
    for (const code of ['malformed', 'bad-signature', 'missing-past'] as const)
      if (hasCode(error, code)) return code
    throw error
  }
}

describe('a value is accepted', () => {
  const old = markOf(OLD, ballot(5))
  const base = claimAt(OLD, ballot(5))
  const claim = claimAt(NEW, AT)
  const chosen: Ground = { promises: [promise(ALICE, old), promise(BOB, old)], base }

  test('after one that those who promised its ballot agree on', () => {
    assert.equal(refusal(claim, [chosen]), 'none')
    assert.ok(isBaseChosen(chosen, context()))
  })

  test('once more, if it is the newest of theirs, and one tells where it had it from', () => {
    const one = { promises: [promise(ALICE, old), promise(BOB)], base }
    const before = { promises: [say(ALICE, 0, ballot(5), undefined)], base: undefined }
    const again = claimAt(OLD, AT)
    assert.ok(!isBaseChosen(one, context()))
    assert.equal(refusal(again, [one]), 'malformed')
    const office = { ...OFFICE, voters: FIRST.voters, before: FIRST.voters }
    const first = valueOf(1, [FIRST.voters])
    const mark = markOf(first, ballot(5))
    const alone = { promises: [promise(ALICE, mark)], base: claimAt(first, ballot(5)) }
    assert.equal(refusal(claimAt(first, AT), [alone, before], { office }), 'none')
    // It cannot be built upon.
    assert.equal(refusal(claim, [one, before]), 'malformed')
  })

  const lies: Readonly<Record<string, readonly [Claim, Grounds, Partial<GroundsContext>?]>> = {
    'nobody has promised it': [claim, []],
    'too few have': [claim, [{ promises: [promise(ALICE, old)], base }]],
    'one promise is there twice': [
      claim,
      [{ promises: [promise(ALICE, old), promise(ALICE, old)], base }],
    ],
    'they promised another ballot': [
      claim,
      [{ promises: [promise(ALICE, old), promise(BOB, old, ballot(11, BOB.peer))], base }],
    ],
    'they promised it to another': [claimAt(NEW, ballot(10, CAROL.peer)), [chosen]],
    'one had accepted something newer': [
      claim,
      [{ promises: [promise(ALICE, old), promise(BOB, markOf(OTHER, ballot(6)))], base }],
    ],
    'one had accepted another at that ballot': [
      claim,
      [{ promises: [promise(ALICE, old), promise(BOB, markOf(OTHER, ballot(5)))], base }],
    ],
    'they had something, and it says nothing': [claim, [{ ...chosen, base: undefined }]],
    'they had nothing, and it says something': [
      claim,
      [{ promises: [promise(ALICE), promise(BOB)], base }],
    ],
    'it does not follow that': [claim, [chosen], { follows: () => false }],
    'it makes itself the only voter': [claimAt(valueOf(2, [[CAROL.peer]]), AT), [chosen]],
    'it would have the voters after it beside one that nobody named': [
      claimAt(valueOf(2, [[CAROL.peer], THREE]), AT),
      [chosen],
    ],
    'it comes of a group of its own making': [
      claim,
      [
        {
          promises: [promise(CAROL, markOf(valueOf(1, [[CAROL.peer]]), ballot(9)))],
          base: claimAt(valueOf(1, [[CAROL.peer]]), ballot(9)),
        },
      ],
    ],
  }
  for (const [name, [what, grounds, change]] of Object.entries(lies))
    test(`not where ${name}`, () => {
      assert.notEqual(refusal(what, grounds, change), 'none')
    })

  test('not with the promise of who is not in office, lied, or did not sign it', () => {
    const forged = { ...promise(BOB, old), signature: filled(1, 64) }
    assert.equal(
      refusal(claim, [{ promises: [promise(ALICE, old), forged], base }]),
      'bad-signature',
    )
    const past = say(BOB, 0, AT, old)
    assert.equal(refusal(claim, [{ promises: [promise(ALICE, old), past], base }]), 'missing-past')
    assert.equal(refusal(claim, [chosen], { mayVote: (peer) => peer !== BOB.peer }), 'missing-past')
  })

  test('not from voters that others have taken the place of since', () => {
    const office = nextOffice(OFFICE, THREE, makeVoters([ALICE.peer]))
    assert.equal(refusal(claim, [chosen], { office }), 'missing-past')
    const joint = claimAt(valueOf(2, groupsAfter(OLD, FIRST.voters, office)), AT)
    assert.deepEqual(joint.groups, [THREE, [ALICE.peer]])
    assert.equal(refusal(joint, [chosen], { office }), 'none')
    // Who decided before is whom the naming says, or what the voter accepted itself.
    const anew = { ...office, before: FIRST.voters }
    assert.equal(refusal(joint, [chosen], { office: anew }), 'malformed')
    assert.equal(refusal(joint, [chosen], { office: anew, accepted: [THREE] }), 'none')
  })

  test('from whomever, where the check is off', () => {
    const restore = plantWeakness('voters-are-named')
    try {
      assert.equal(refusal(claimAt(valueOf(2, [[CAROL.peer]]), AT), [chosen]), 'none')
    } finally {
      restore()
    }
  })
})

describe('the voters in office', () => {
  const anyVoters = fc.uniqueArray(anyPeer, { minLength: 1, maxLength: 7 }).map(makeVoters)

  test('comes back from its text, of which the first part names them', () => {
    fc.assert(
      fc.property(fc.array(anyVoters, { minLength: 1, maxLength: 4 }), (all) => {
        const office = all.reduce((now, voters) => nextOffice(now, now.voters, voters), FIRST)
        const text = formatOffice(office)
        assert.ok(text.length <= 1024)
        assert.deepEqual(parseOffice(text), office)
        assert.deepEqual(parseVoters(text), office.voters)
        const op = { kind: 'policy', key: 'voters', value: text } as const
        assert.deepEqual(officeNamedBy([{ ...op, value: 'x' }, op, undefined]), office)
      }),
      { seed: 1, numRuns: 50 },
    )
  })

  test('begins a new time with each that is taken in, and with no other', () => {
    const [a, b, c] = [ALICE.peer, BOB.peer, CAROL.peer]
    const without = nextOffice(OFFICE, THREE, makeVoters([a, c]))
    assert.equal(without.terms.size, 3)
    assert.deepEqual(
      [a, b, c].map((peer) => without.terms.get(peer)),
      [0, 1, 1],
    )
    const again = nextOffice(without, without.voters, THREE)
    assert.deepEqual(
      [a, b, c].map((peer) => again.terms.get(peer)),
      [0, 3, 1],
    )
  })

  test('is not what nobody can read', () => {
    for (const text of [
      '',
      'x',
      ALICE.peer,
      `${ALICE.peer};1;0;${ALICE.peer}`,
      formatOffice(OFFICE) + ';',
    ])
      assert.throws(() => parseOffice(text), { code: 'malformed' })
    assert.throws(() => parseOffice(formatOffice(OFFICE).replace(';1;', ';-1;')), {
      code: 'malformed',
    })
  })
})

describe('turns', () => {
  const [one, two] = [ALICE.peer, BOB.peer]
  const at = (ms: number): Instant => ms as Instant

  /**
   * How often, in a minute, a voter keeps a promise to `one` for `neededMs` without another
   * between, while `two` asks for promises every `everyMs`.
   */
  function servedBeside(everyMs: number, neededMs: number): number {
    const turns = new Turns(at(0))
    let since: number | undefined
    let served = 0
    for (let ms = 0; ms < 60_000; ms++) {
      const take = (peer: PeerId): boolean => {
        if (!turns.mayTake(peer, at(ms))) return false
        turns.took(peer, 1, at(ms))
        return true
      }
      if (ms % everyMs === 0 && take(two)) since = undefined
      if (ms % 97 === 0 && since === undefined && take(one)) since = ms
      if (since === undefined || ms - since < neededMs) continue
      turns.used(one, at(ms))
      since = undefined
      served++
    }
    return served
  }

  test('come to who needs time, whatever another does', () => {
    for (const everyMs of [1, 5, 50, 200, 500])
      for (const neededMs of [20, 100, 500, 1500])
        assert.ok(servedBeside(everyMs, neededMs) > 5, `every ${everyMs}, ${neededMs} ms needed`)
    const restore = plantWeakness('turns-to-propose')
    try {
      assert.equal(servedBeside(5, 100), 0)
    } finally {
      restore()
    }
  })

  /**
   * How often, in a minute, `one` has the same ballot promised by two voters for 100 ms. It asks
   * both every half a second, above what they had promised 200 ms before; `two` outbids whenever it
   * may.
   */
  function servedByBoth(): number {
    const voters = [0, 1].map(() => ({ turns: new Turns(at(0)), state: NO_VOTE }))
    type Voter = (typeof voters)[number]
    const ask = (voter: Voter, peer: PeerId, counter: number, ms: number): boolean => {
      if (!voter.turns.mayTake(peer, at(ms))) return false
      const after = vote(voter.state, { kind: 'prepare', counter, term: 0 }, peer)
      if (after === undefined) voter.turns.missed(peer, at(ms))
      else voter.turns.took(peer, 1, at(ms))
      voter.state = after ?? voter.state
      return after !== undefined
    }
    const promisedBy = (voter: Voter): number => voter.state.promised?.counter ?? 0
    let [counter, served] = [0, 0]
    for (let ms = 0; ms < 60_000; ms++) {
      for (const voter of voters) ask(voter, two, promisedBy(voter) + 1, ms)
      if (ms % 500 === 0) {
        counter++
        for (const voter of voters) ask(voter, one, counter, ms)
      }
      const isMine = voters.every(({ state: { promised } }) => promised?.peer === one)
      if (ms % 500 === 100 && isMine && voters.every((voter) => promisedBy(voter) === counter)) {
        for (const { turns } of voters) turns.used(one, at(ms))
        served++
      }
      if (ms % 500 === 300) counter = Math.max(counter, ...voters.map(promisedBy))
    }
    return served
  }

  test('come at all voters at once, to who learns of a ballot too late to ask above it', () => {
    const served = servedByBoth()
    assert.ok(served > 20, `${served} in a minute`)
  })

  test('of who makes nothing of them become rare', () => {
    const turns = new Turns(at(0))
    let count = 0
    for (let ms = 0; ms < 60_000; ms++) {
      if (!turns.mayTake(two, at(ms))) continue
      turns.took(two, 1, at(ms))
      count++
    }
    assert.ok(count < 600, `${count} in a minute`)
    assert.ok(turns.mayTake(one, at(60_000)))
  })

  test('leap once, and never to the last ballot', () => {
    const turns = new Turns(at(0))
    assert.ok(turns.isLeap(BALLOT_MAX, at(0)))
    assert.ok(!turns.isLeap(LEAP_MAX, at(0)))
    turns.took(two, LEAP_MAX, at(0))
    assert.ok(turns.isLeap(2, at(0)))
    assert.ok(!turns.isLeap(1000, at(1000)))
    const dayMs = 86_400_000
    assert.ok(turns.isLeap(LEAP_MAX, at(dayMs)))
    const restore = plantWeakness('ballots-in-steps')
    try {
      assert.ok(!turns.isLeap(BALLOT_MAX, at(0)))
    } finally {
      restore()
    }
  })
})
