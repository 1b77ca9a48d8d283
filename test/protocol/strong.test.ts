// One voter, what a proposer makes of the answers of several, and the messages between them (docs/formats/strong.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { VOTERS_MAX } from '../../protocol/limits.ts'
import { NO_VOTE, vote } from '../../protocol/strong/acceptor.ts'
import { compareBallots } from '../../protocol/strong/ballot.ts'
import { countAccepts, findValue } from '../../protocol/strong/round.ts'
import { formatVoters, isQuorum, makeVoters, parseVoters } from '../../protocol/strong/voters.ts'
import {
  decodeStrongAnswer,
  decodeStrongRequest,
  encodeStrongAnswer,
  encodeStrongRequest,
} from '../../protocol/wire/strong.ts'
import { anyPeer } from './arbitraries.ts'
import { ALICE, BOB, VOLUME, filled } from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type {
  Accepted,
  StrongReply,
  StrongRequest,
  Value,
  Vote,
} from '../../protocol/strong/acceptor.ts'
import type { Ballot } from '../../protocol/strong/ballot.ts'
import type { Groups } from '../../protocol/strong/voters.ts'
import type { StrongAnswer } from '../../protocol/wire/strong.ts'

const MALFORMED = { code: 'malformed' }
const [A, B] = makeVoters([ALICE.peer, BOB.peer]) as [PeerId, PeerId]
const ONE: Value = { groups: [[ALICE.peer]], entry: filled(7, 12) }
const TWO: Value = { groups: [[ALICE.peer], [A, B]], entry: filled(8, 12) }
const ballot = (counter: number, peer = ALICE.peer): Ballot => ({ counter, peer })

const REQUESTS: Readonly<Record<StrongRequest['kind'], StrongRequest>> = {
  query: { kind: 'query' },
  prepare: { kind: 'prepare', ballot: ballot(4) },
  accept: { kind: 'accept', ballot: ballot(4), value: TWO, next: ballot(5) },
}
const ANSWERS: Readonly<Record<string, StrongAnswer>> = {
  empty: { kind: 'state', accepted: undefined },
  state: { kind: 'state', accepted: { ballot: ballot(3, BOB.peer), value: ONE } },
  accepted: { kind: 'accepted' },
  refused: { kind: 'refused', promised: ballot(9, BOB.peer) },
  error: { kind: 'error', code: 'missing-past', message: 'it cannot take the entry yet' },
}

const anyBallot = fc.record({
  counter: fc.integer({ min: 1, max: 4 }),
  peer: fc.constantFrom(ALICE.peer, BOB.peer),
})
const anyRequest: fc.Arbitrary<StrongRequest> = fc.oneof(
  fc.constant({ kind: 'query' } as const),
  anyBallot.map((at) => ({ kind: 'prepare', ballot: at }) as const),
  fc.tuple(anyBallot, fc.integer({ min: 1, max: 2 }), fc.constantFrom(ONE, TWO)).map(
    ([at, by, value]) =>
      ({
        kind: 'accept',
        ballot: at,
        value,
        next: { ...at, counter: at.counter + by },
      }) as const,
  ),
)

describe('a voter', () => {
  test('never goes back on a promise, and accepts one value at a ballot, whatever it is asked', () => {
    fc.assert(
      fc.property(fc.array(anyRequest, { maxLength: 30 }), (requests) => {
        let state: Vote = NO_VOTE
        const promisedTo = new Set<string>()
        const values = new Map<string, Value>()
        for (const request of requests) {
          const [after, reply] = vote(state, request)
          assert.ok(compareBallots(after.promised, state.promised) >= 0)
          assert.ok(compareBallots(after.accepted?.ballot, state.accepted?.ballot) >= 0)
          assert.ok(compareBallots(after.accepted?.ballot, after.promised) <= 0)
          if (reply.kind === 'refused') assert.equal(after, state)
          if (request.kind === 'prepare' && reply.kind === 'state') {
            const name = JSON.stringify(request.ballot)
            assert.ok(!promisedTo.has(name), 'one ballot is promised once')
            promisedTo.add(name)
          }
          if (request.kind === 'accept' && reply.kind === 'accepted') {
            const name = JSON.stringify(request.ballot)
            assert.equal(values.get(name) ?? request.value, request.value)
            values.set(name, request.value)
            if (after !== state) promisedTo.add(JSON.stringify(request.next))
          }
          state = after
        }
      }),
      { seed: 1, numRuns: 2000 },
    )
  })

  test('says again that it accepted what it accepted', () => {
    const [first] = vote(NO_VOTE, REQUESTS.accept)
    assert.deepEqual(vote(first, REQUESTS.accept), [first, { kind: 'accepted' }])
    const other = { ...REQUESTS.accept, value: ONE } as StrongRequest
    assert.equal(vote(first, other)[1].kind, 'refused')
  })
})

describe('what voters say together', () => {
  const [X, Y, Z] = makeVoters([1, 2, 3].map((n) => anyPeerOf(n))) as [PeerId, PeerId, PeerId]
  const groups: Groups = [[X, Y, Z]]
  const first = groups
  const at = (counter: number, to: Groups = groups): Accepted => ({
    ballot: ballot(counter),
    value: { groups: to, entry: utf8(String(counter)) },
  })
  const state = (accepted?: Accepted): StrongReply => ({ kind: 'state', accepted })
  const find = (
    replies: Readonly<Record<PeerId, StrongReply>>,
    { known, failed = [] }: { known?: Accepted; failed?: readonly PeerId[] } = {},
  ): ReturnType<typeof findValue> =>
    findValue({ groups, known }, first, {
      replies: new Map(Object.entries(replies) as [PeerId, StrongReply][]),
      failed: new Set(failed),
    })

  test('one of three tells nothing, two that agree tell what was chosen', () => {
    assert.equal(find({ [X]: state(at(1)) }), undefined)
    const found = find({ [X]: state(at(1)), [Y]: state(at(1)) })
    assert.ok(found?.kind === 'found' && found.isChosen)
    assert.deepEqual(found.accepted, at(1))
    assert.deepEqual([...found.holders].sort(), [X, Y].sort())
  })

  test('of two that differ the newer counts, and may not be chosen', () => {
    const found = find({ [X]: state(at(1)), [Y]: state(at(2)) })
    assert.ok(found?.kind === 'found' && !found.isChosen)
    assert.deepEqual(found.accepted, at(2))
    const older = find({ [X]: state(at(1)), [Y]: state(at(1)) }, { known: at(2) })
    assert.ok(older?.kind === 'found' && !older.isChosen)
    assert.deepEqual(older.accepted, at(2))
  })

  test('a value of other groups sends the search there, also when too few answer here', () => {
    const to: Groups = [[X, Y, Z], [X]]
    const moved = { kind: 'moved', accepted: at(3, to), groups: to }
    assert.deepEqual(find({ [X]: state(at(3, to)), [Y]: state() }), moved)
    assert.deepEqual(find({ [X]: state(at(3, to)) }, { failed: [Y, Z] }), moved)
    assert.deepEqual(find({ [X]: state() }, { failed: [Y, Z] }), { kind: 'no-quorum' })
  })

  test('refusals count once no quorum can do without them', () => {
    const refusal: StrongReply = { kind: 'refused', promised: ballot(9) }
    assert.equal(find({ [X]: refusal, [Y]: state() }), undefined)
    assert.deepEqual(find({ [X]: refusal, [Y]: refusal }), { kind: 'outbid', by: ballot(9) })
    assert.deepEqual(find({ [X]: refusal }, { failed: [Y] }), { kind: 'outbid', by: ballot(9) })
    const both = [...groups, [Z]]
    const replies = new Map<PeerId, StrongReply>([
      [X, { kind: 'accepted' }],
      [Y, { kind: 'accepted' }],
    ])
    assert.equal(countAccepts(both, { replies, failed: new Set() }), undefined)
    assert.deepEqual(countAccepts(both, { replies, failed: new Set([Z]) }), { kind: 'no-quorum' })
    replies.set(Z, { kind: 'accepted' })
    assert.equal(countAccepts(both, { replies, failed: new Set() })?.kind, 'chosen')
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

  test('voters come back from their text, and are 1 to 7', () => {
    assert.deepEqual(parseVoters(formatVoters([A, B])), [A, B])
    assert.throws(() => parseVoters(''), MALFORMED)
    assert.throws(() => makeVoters([]), { code: 'usage' })
    const many = Array.from({ length: VOTERS_MAX + 1 }, (_, n) => anyPeerOf(n))
    assert.throws(() => makeVoters(many), { code: 'usage' })
  })
})

describe('strong messages', () => {
  const decoders = [
    [decodeStrongRequest, Object.values(REQUESTS).map((r) => encodeStrongRequest(VOLUME, r))],
    [decodeStrongAnswer, Object.values(ANSWERS).map(encodeStrongAnswer)],
  ] as const

  test('have the bytes that docs/formats/strong.md shows', () => {
    const hex = (all: Readonly<Record<string, Uint8Array>>): Record<string, string> =>
      Object.fromEntries(Object.entries(all).map(([name, bytes]) => [name, toHex(bytes)]))
    checkVectors('strong', {
      volume: VOLUME,
      ...hex({
        query: encodeStrongRequest(VOLUME, REQUESTS.query),
        prepare: encodeStrongRequest(VOLUME, REQUESTS.prepare),
        accept: encodeStrongRequest(VOLUME, REQUESTS.accept),
      }),
      ...hex(
        Object.fromEntries(
          Object.entries(ANSWERS).map(([name, answer]) => [
            name === 'accepted' ? 'yes' : name,
            encodeStrongAnswer(answer),
          ]),
        ),
      ),
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
    const head = { t: 'prepare', vol: filled(1, 32) }
    const bad: object[] = [
      { ...head, b: { n: 0, p: key } },
      { ...head, b: { n: Number.MAX_SAFE_INTEGER, p: key } },
      { ...head, b: { n: 1, p: filled(1, 31) } },
      { ...head, t: 'x' },
    ]
    for (const message of bad)
      assert.throws(() => decodeStrongRequest(encodeCbor(message)), MALFORMED)
    const accept = (next: Ballot): Uint8Array =>
      encodeStrongRequest(VOLUME, { ...REQUESTS.accept, next } as StrongRequest)
    assert.throws(() => decodeStrongRequest(accept(ballot(4))), MALFORMED)
    assert.throws(() => decodeStrongRequest(accept(ballot(5, BOB.peer))), MALFORMED)
    const groups = (g: unknown): Uint8Array =>
      encodeCbor({ t: 'state', a: { b: { n: 1, p: key }, v: { g, e: key } } })
    const many = Array.from({ length: VOTERS_MAX + 1 }, (_, n) => filled(n, 32))
    for (const g of [[], [[]], [[key, key]], [[key], [key], [key]], [many], [['x']]])
      assert.throws(() => decodeStrongAnswer(groups(g)), MALFORMED)
    assert.equal(decodeStrongAnswer(groups([[key]])).kind, 'state')
  })
})

function anyPeerOf(n: number): PeerId {
  return makeVoters(fc.sample(anyPeer, { seed: n + 1, numRuns: 1 }))[0] as PeerId
}
