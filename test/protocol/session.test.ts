// Session tokens (docs/formats/sync.md): golden text, bounds, and two are merged to what both have
// seen.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import {
  formatSession,
  isSessionOf,
  mergeSessions,
  parseSession,
} from '../../protocol/clock/session.ts'
import { dominates, mergeVectors } from '../../protocol/clock/vector-clock.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { fromBase32, toBase32 } from '../../protocol/ids.ts'
import { SESSION_TEXT_MAX } from '../../protocol/limits.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { bytes } from './arbitraries.ts'
import { ALICE_ACTOR, BOB_ACTOR, OTHER_VOLUME, VOLUME } from './fixtures.ts'
import { assertRefusal, assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const PREFIX = 'shoals1'
const SEEN: VersionVector = new Map([
  [ALICE_ACTOR, 7],
  [BOB_ACTOR, 300],
])
const TEXT = formatSession(VOLUME, SEEN)
const USAGE = { code: 'usage' }

describe('session token', () => {
  test('a token has the text that docs/formats/sync.md shows', () => {
    checkVectors('session', {
      volume: VOLUME,
      seen: [...SEEN].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      cbor: toHex(fromBase32(TEXT.slice(PREFIX.length))),
      text: TEXT,
    })
  })

  test('a token gives back its vector, with space around it too, for its volume only', () => {
    fc.assert(
      fc.property(anyVector, (seen) => {
        const text = formatSession(VOLUME, seen)
        assert.match(text, /^shoals1[a-z2-7]+$/)
        const session = parseSession(` ${text}\n`)
        assert.deepEqual(session.seen, seen)
        assert.ok(isSessionOf(session, VOLUME))
        assert.ok(!isSessionOf(session, OTHER_VOLUME))
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('two tokens are merged to the least that has all of both', () => {
    fc.assert(
      fc.property(anyVector, anyVector, (a, b) => {
        const [one, other] = [formatSession(VOLUME, a), formatSession(VOLUME, b)]
        const merged = mergeSessions(one, other)
        assert.equal(merged, mergeSessions(other, one))
        assert.equal(merged, mergeSessions(merged, one))
        const { seen } = parseSession(merged)
        assert.ok(dominates(seen, a) && dominates(seen, b))
        assert.ok(dominates(mergeVectors(a, b), seen))
      }),
      { seed: 2, numRuns: 200 },
    )
    assert.throws(() => mergeSessions(TEXT, formatSession(OTHER_VOLUME, SEEN)), USAGE)
  })

  test('a token of one head is short, and one of a thousand fits', () => {
    assert.ok(formatSession(VOLUME, new Map([[ALICE_ACTOR, 2 ** 32]])).length < 100)
    assert.equal(parseSession(formatSession(VOLUME, heads(1000))).seen.size, 1000)
    assert.throws(() => formatSession(VOLUME, heads(3000)), { code: 'EFBIG' })
  })

  test('hostile tokens are refused and do nothing else', () => {
    const parse = (cbor: Uint8Array): unknown => parseSession(PREFIX + toBase32(cbor))
    const honest = fromBase32(TEXT.slice(PREFIX.length))
    assertRefusesOnly(parse, [honest], { codes: ['usage', 'unsupported'] })
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        assert.throws(() => parseSession(text), USAGE)
        assertRefusal(() => parseSession(PREFIX + text), ['usage', 'unsupported'])
      }),
      { seed: 3, numRuns: 300 },
    )
    assert.throws(() => parseSession(TEXT.padEnd(SESSION_TEXT_MAX + 1, 'a')), USAGE)
  })

  test('a newer token is called newer, and a field that this node does not know is ignored', () => {
    assert.throws(() => parseSession(withField('v', 2)), { code: 'unsupported' })
    assert.deepEqual(parseSession(withField('later', 1)), parseSession(TEXT))
  })
})

const anyVector: fc.Arbitrary<VersionVector> = fc
  .array(fc.tuple(bytes(16), fc.integer({ min: 1, max: 2 ** 48 - 1 })), { maxLength: 6 })
  .map((pairs) => new Map(pairs.map(([actor, seq]) => [toHex(actor) as ActorId, seq])))

function heads(count: number): VersionVector {
  return new Map(
    Array.from({ length: count }, (_, n) => [n.toString(16).padStart(32, '0') as ActorId, n + 1]),
  )
}

function withField(name: string, value: unknown): string {
  const fields = decodeCbor(fromBase32(TEXT.slice(PREFIX.length)), 'session') as object
  return PREFIX + toBase32(encodeCbor({ ...fields, [name]: value }))
}
