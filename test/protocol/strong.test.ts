// One voter, what a proposer makes of the answers of several, and the messages between them
// (docs/formats/strong.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { BALLOT_MAX, GROUNDS_MAX, VOTERS_MAX } from '../../protocol/limits.ts'
import { NO_VOTE, vote } from '../../protocol/strong/acceptor.ts'
import { ballotAbove, compareBallots } from '../../protocol/strong/ballot.ts'
import { countAccepts, findValue } from '../../protocol/strong/round.ts'
import { excludeEachOther, isProof, isSigned } from '../../protocol/strong/statement.ts'
import { digestOf } from '../../protocol/strong/value.ts'
import { isQuorum, makeVoters } from '../../protocol/strong/voters.ts'
import {
  decodeStrongAnswer,
  decodeStrongRequest,
  encodeStrongAnswer,
  encodeStrongRequest,
} from '../../protocol/wire/strong.ts'
import { anyPeer } from './arbitraries.ts'
import { ALICE, BOB, OTHER_VOLUME, VOLUME, filled } from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { ballot, claimAt, markOf, say, valueOf } from './strong-fixtures.ts'
import { checkVectors } from './vectors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type {
  Ask,
  Report,
  StrongReply,
  StrongRequest,
  Vote,
} from '../../protocol/strong/acceptor.ts'
import type { Grounds } from '../../protocol/strong/grounds.ts'
import type { Tally } from '../../protocol/strong/round.ts'
import type { Statement } from '../../protocol/strong/statement.ts'
import type { Value } from '../../protocol/strong/value.ts'
import type { Groups } from '../../protocol/strong/voters.ts'
import type { StrongAnswer } from '../../protocol/wire/strong.ts'

const MALFORMED = { code: 'malformed' }
const [A, B] = makeVoters([ALICE.peer, BOB.peer]) as [PeerId, PeerId]
const ONE: Value = valueOf(7, [[ALICE.peer]])
const TWO: Value = valueOf(8, [[ALICE.peer], [A, B]])
/** Alice alone had promised ballot 3 of Bob, when nothing was there. */
const GROUNDS: Grounds = [
  { promises: [say(ALICE, 0, ballot(3, BOB.peer), undefined)], base: undefined },
]
/** Then she had promised her own ballot 4, after she had accepted the first value. */
const NEXT: Grounds = [
  {
    promises: [say(ALICE, 0, ballot(4), markOf(ONE, ballot(3, BOB.peer)))],
    base: claimAt(ONE, ballot(3, BOB.peer)),
  },
]
const ACCEPTED: Statement = say(ALICE, 0, ballot(5), markOf(TWO, ballot(4)))
const REPORT: Report = {
  ...claimAt(ONE, ballot(3, BOB.peer)),
  entry: ONE.entry,
  grounds: GROUNDS,
}
const [PROMISE] = NEXT[0]?.promises ?? []
assert.ok(PROMISE !== undefined)

const REQUESTS: Readonly<Record<string, StrongRequest>> = {
  query: { kind: 'query', grounds: false },
  prepare: { kind: 'prepare', counter: 4, term: 0 },
  accept: { kind: 'accept', counter: 4, value: TWO, grounds: NEXT },
  // That she would have forgotten the first value.
  proofs: { kind: 'proofs', proofs: [[say(ALICE, 0, ballot(6), undefined), ACCEPTED]] },
}
const ANSWERS: Readonly<Record<string, StrongAnswer>> = {
  empty: { kind: 'state', accepted: undefined, statement: undefined },
  state: { kind: 'state', accepted: { ...REPORT, grounds: undefined }, statement: undefined },
  promise: { kind: 'state', accepted: REPORT, statement: PROMISE },
  yes: { kind: 'accepted', statement: ACCEPTED },
  refused: { kind: 'refused', promised: ballot(9, BOB.peer) },
  known: { kind: 'proofs', proofs: [] },
  error: { kind: 'error', code: 'missing-past', message: 'it cannot take the entry yet' },
}

const anyRequest = fc.record({
  from: fc.constantFrom(ALICE.peer, BOB.peer),
  counter: fc.integer({ min: 1, max: 5 }),
  value: fc.option(fc.constantFrom(ONE, TWO), { nil: undefined }),
})

describe('a voter', () => {
  test('never goes back on a promise, and accepts one value at a ballot, whatever it is asked', () => {
    fc.assert(
      fc.property(fc.array(anyRequest, { maxLength: 30 }), (requests) => {
        let state: Vote = NO_VOTE
        const promisedTo = new Set<string>()
        const values = new Map<string, Value>()
        const said: Statement[] = []
        for (const { from, counter, value } of requests) {
          const request: Exclude<Ask, { kind: 'query' }> =
            value === undefined
              ? { kind: 'prepare', counter, term: 0 }
              : { kind: 'accept', counter, value, grounds: [] }
          const after = vote(state, request, from)
          if (after === undefined) continue
          const name = `${counter} ${from}`
          assert.ok(compareBallots(after.promised, state.promised) >= 0)
          assert.ok(compareBallots(after.accepted?.ballot, state.accepted?.ballot) >= 0)
          assert.ok(compareBallots(after.accepted?.ballot, after.promised) < 0)
          if (value === undefined) {
            assert.ok(!promisedTo.has(name), 'one ballot is promised once')
            promisedTo.add(name)
          } else {
            assert.equal(values.get(name) ?? value, value)
            values.set(name, value)
            if (after !== state) promisedTo.add(`${counter + 1} ${from}`)
          }
          state = after
          const { promised, accepted } = after
          assert.ok(promised !== undefined)
          said.push(say(ALICE, 0, promised, accepted && markOf(accepted.value, accepted.ballot)))
        }
        for (const a of said) for (const b of said) assert.ok(!excludeEachOther(a, b))
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('says again that it accepted what it accepted', () => {
    const request = { kind: 'accept', counter: 4, value: TWO, grounds: [] } as const
    const first = vote(NO_VOTE, request, ALICE.peer)
    assert.ok(first !== undefined)
    assert.equal(vote(first, request, ALICE.peer), first)
    assert.equal(vote(first, { ...request, value: ONE }, ALICE.peer), undefined)
    // The same number is another ballot where another asks.
    const others = vote(first, request, BOB.peer)
    assert.equal(others === undefined, compareBallots(ballot(4, BOB.peer), ballot(5)) < 0)
  })

  test('has ballots up to the last, and none beyond', () => {
    assert.equal(ballotAbove(undefined, A).counter, 1)
    assert.equal(ballotAbove(ballot(BALLOT_MAX - 1), A).counter, BALLOT_MAX)
    assert.throws(() => ballotAbove(ballot(BALLOT_MAX), A), { code: 'unsupported' })
  })
})

describe('two statements of a voter', () => {
  const [v, w] = [markOf(ONE, ballot(3)), markOf(TWO, ballot(3))]
  const at = (promised: number, accepted?: typeof v, term = 0): Statement =>
    say(ALICE, term, ballot(promised), accepted)

  const contradictions = {
    'two values at one ballot': [at(4, v), at(4, w)],
    'what was accepted is forgotten': [at(4, v), at(6, undefined)],
    'something is accepted below a promise': [at(9, undefined), at(10, markOf(ONE, ballot(5)))],
    'one promise, before and after': [at(4, undefined), at(4, v)],
  } as const
  for (const [name, [a, b]] of Object.entries(contradictions)) {
    test(`are proof where ${name}, in whatever order`, () => {
      assert.ok(isProof(VOLUME, [a, b]) && isProof(VOLUME, [b, a]))
      assert.ok(!isProof(OTHER_VOLUME, [a, b]))
      const forged = { ...b, signature: filled(1, 64) }
      assert.ok(excludeEachOther(a, forged) && !isProof(VOLUME, [a, forged]))
    })
  }

  test('are none where one can follow the other, or they are of two times in office', () => {
    assert.ok(!excludeEachOther(at(4, v), at(4, v)))
    assert.ok(!excludeEachOther(at(4, v), at(9, v)))
    assert.ok(!excludeEachOther(at(3, undefined), at(4, v)))
    assert.ok(!excludeEachOther(at(4, v), at(6, undefined, 1)))
    assert.ok(!excludeEachOther(at(4, v), say(BOB, 0, ballot(6), undefined)))
  })

  test('are signed for this volume by that voter', () => {
    const one = at(4, v)
    assert.ok(isSigned(VOLUME, one))
    assert.ok(!isSigned(OTHER_VOLUME, one))
    for (const other of [
      { ...one, voter: BOB.peer },
      { ...one, term: 1 },
      { ...one, promised: ballot(5) },
      { ...one, accepted: w },
      { ...one, accepted: undefined },
    ])
      assert.ok(!isSigned(VOLUME, other))
  })
})

describe('the answers of voters together', () => {
  const [X, Y, Z] = makeVoters([1, 2, 3].map((n) => anyPeerOf(n))) as [PeerId, PeerId, PeerId]
  const groups: Groups = [[X, Y, Z]]
  const at = (counter: number, to: Groups = groups, byte = counter): Report => ({
    ...claimAt(valueOf(byte, to), ballot(counter)),
    entry: utf8(String(byte)),
    grounds: undefined,
  })
  const state = (accepted?: Report): StrongReply => ({
    kind: 'state',
    accepted,
    statement: undefined,
  })
  const tally = (
    replies: Readonly<Record<PeerId, StrongReply>>,
    failed: readonly PeerId[] = [],
  ): Tally => ({
    groups,
    replies: new Map(Object.entries(replies) as [PeerId, StrongReply][]),
    failed: new Set(failed),
  })
  const find = (...args: Parameters<typeof tally>): ReturnType<typeof findValue> =>
    findValue(groups, tally(...args))

  test('one of three tells nothing, two that agree tell what was chosen', () => {
    assert.equal(find({ [X]: state(at(1)) }), undefined)
    const found = find({ [X]: state(at(1)), [Y]: state(at(1)) })
    assert.ok(found?.kind === 'found' && found.isChosen)
    assert.equal(found.newest?.digest, digestOf(at(1)))
    assert.deepEqual([...(found.newest?.holders ?? [])].sort(), [X, Y].sort())
  })

  test('of two that differ the newer counts, and may not be chosen', () => {
    const found = find({ [X]: state(at(1)), [Y]: state(at(2)) })
    assert.ok(found?.kind === 'found' && !found.isChosen)
    assert.deepEqual(found.newest?.holders, [Y])
    // Not if what was said does not count.
    assert.equal(find({ [X]: state(at(1)), [Y]: state(at(2)) }, [Y]), undefined)
  })

  test('of two at one ballot, as a proposer that lies makes them, the one that may be chosen counts', () => {
    const [v, w] = [at(2, groups, 7), at(2, groups, 8)]
    assert.equal(find({ [X]: state(v), [Y]: state(w) }), undefined)
    assert.deepEqual(find({ [X]: state(v), [Y]: state(w) }, [Z]), { kind: 'no-quorum' })
    const most = find({ [X]: state(v), [Y]: state(w), [Z]: state(v) })
    assert.ok(most?.kind === 'found' && most.newest?.digest === digestOf(v))
    const none = find({ [X]: state(v), [Y]: state(w), [Z]: state() })
    const greater = [digestOf(v), digestOf(w)].sort()[1]
    assert.ok(none?.kind === 'found' && none.newest?.digest === greater)
  })

  test('a value of other groups sends the search there, also when too few answer here', () => {
    const W = anyPeerOf(4)
    const to: Groups = [[X, Y, Z], [W]]
    const moved = find({ [X]: state(at(3, to)), [Y]: state() })
    assert.ok(moved?.kind === 'moved')
    assert.deepEqual(moved.groups, to)
    assert.equal(find({ [X]: state(at(3, to)) }, [Y, Z])?.kind, 'moved')
    assert.deepEqual(find({ [X]: state() }, [Y, Z]), { kind: 'no-quorum' })
    // Who was asked has nothing: then those who decided at first do.
    const first = findValue([[W]], tally({ [X]: state(), [Y]: state() }))
    assert.ok(first?.kind === 'moved' && first.newest === undefined)
    assert.deepEqual(first.groups, [[W]])
  })

  test('refusals count once no quorum can do without them; the least that is enough is outbid', () => {
    const refusal = (counter: number): StrongReply => ({
      kind: 'refused',
      promised: ballot(counter),
    })
    assert.equal(find({ [X]: refusal(9), [Y]: state() }), undefined)
    const outbid = { kind: 'outbid', by: ballot(9) }
    assert.deepEqual(find({ [X]: refusal(9), [Y]: refusal(2 ** 40) }), outbid)
    assert.deepEqual(find({ [X]: refusal(9) }, [Y]), outbid)
    const both = [...groups, [Z]]
    const yes: StrongReply = { kind: 'accepted', statement: ACCEPTED }
    const two = { [X]: yes, [Y]: yes }
    assert.equal(countAccepts(both, tally(two)), undefined)
    assert.deepEqual(countAccepts(both, tally(two, [Z])), { kind: 'no-quorum' })
    assert.equal(countAccepts(both, tally({ ...two, [Z]: yes }))?.kind, 'chosen')
  })

  test('two majorities of one group always meet', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(anyPeer, { minLength: 1, maxLength: VOTERS_MAX }),
        fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 7, maxLength: 7 }),
        (peers, sides) => {
          const voters = makeVoters(peers)
          const pick = (side: 0 | 1): Set<PeerId> =>
            new Set(voters.filter((_, n) => sides[n]?.[side]))
          const [one, two] = [pick(0), pick(1)]
          if (!isQuorum([voters], one) || !isQuorum([voters], two)) return
          assert.ok([...one].some((peer) => two.has(peer)))
        },
      ),
      { seed: 2, numRuns: 300 },
    )
  })
})

describe('strong messages', () => {
  const decoders = [
    [decodeStrongRequest, Object.values(REQUESTS).map((r) => encodeStrongRequest(VOLUME, r))],
    [decodeStrongAnswer, Object.values(ANSWERS).map(encodeStrongAnswer)],
  ] as const

  test('have the bytes that docs/formats/strong.md shows', () => {
    const hex = <Of>(all: Readonly<Record<string, Of>>, encode: (one: Of) => Uint8Array): object =>
      Object.fromEntries(Object.entries(all).map(([name, one]) => [name, toHex(encode(one))]))
    checkVectors('strong', {
      volume: VOLUME,
      ...hex(REQUESTS, (request) => encodeStrongRequest(VOLUME, request)),
      ...hex(ANSWERS, encodeStrongAnswer),
    })
  })

  test('come back from their bytes', () => {
    for (const request of Object.values(REQUESTS)) {
      const back = decodeStrongRequest(encodeStrongRequest(VOLUME, request))
      assert.deepEqual(back, { volume: VOLUME, request })
    }
    for (const answer of Object.values(ANSWERS))
      assert.deepEqual(decodeStrongAnswer(encodeStrongAnswer(answer)), answer)
  })

  test('of a peer that lies are refused and do nothing else', () => {
    for (const [decode, honest] of decoders) assertRefusesOnly(decode, honest)
  })

  test('are within their bounds', () => {
    const key = filled(1, 32)
    const head = { t: 'prepare', vol: filled(1, 32), k: 0 }
    assert.equal(
      decodeStrongRequest(encodeCbor({ ...head, n: BALLOT_MAX })).request.kind,
      'prepare',
    )
    const bad: object[] = [
      { ...head, n: 0 },
      { ...head, n: BALLOT_MAX + 1 },
      { ...head, n: Number.MAX_SAFE_INTEGER },
      { ...head, n: 1, k: -1 },
      { ...head, t: 'x' },
    ]
    for (const message of bad)
      assert.throws(() => decodeStrongRequest(encodeCbor(message)), MALFORMED)
    const accept = (request: object): Uint8Array =>
      encodeStrongRequest(VOLUME, { ...REQUESTS['accept'], ...request } as StrongRequest)
    // Who accepts promises the next one.
    assert.throws(() => decodeStrongRequest(accept({ counter: BALLOT_MAX })), MALFORMED)
    const deep = Array.from({ length: GROUNDS_MAX + 1 }, () => NEXT[0])
    assert.throws(() => decodeStrongRequest(accept({ grounds: deep })), MALFORMED)
    const groups = (g: unknown): Uint8Array =>
      encodeCbor({
        t: 'state',
        a: { b: { n: 1, p: key }, g, a: filled(1, 16), s: 1, h: key, e: key },
      })
    const many = Array.from({ length: VOTERS_MAX + 1 }, (_, n) => filled(n, 32))
    for (const g of [[], [[]], [[key, key]], [[key], [key], [key]], [many], [['x']]])
      assert.throws(() => decodeStrongAnswer(groups(g)), MALFORMED)
    assert.equal(decodeStrongAnswer(groups([[key]])).kind, 'state')
  })
})

function anyPeerOf(n: number): PeerId {
  return makeVoters(fc.sample(anyPeer, { seed: n + 1, numRuns: 1 }))[0] as PeerId
}
