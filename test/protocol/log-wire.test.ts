// Messages of /shoal/log/1 (docs/formats/sync.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { ACTORS_MAX, ENTRY_BODY_MAX, FRAME_MAX } from '../../protocol/limits.ts'
import { FLAG_CLEAR_BODY, encodeEntry, signEntry } from '../../protocol/log/entry.ts'
import { ENTRIES_FRAME_BYTES, decodeLogMessage, encodeLogMessage } from '../../protocol/wire/log.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { LogMessage } from '../../protocol/wire/log.ts'
import { anyVector } from './arbitraries.ts'
import {
  ALICE,
  ALICE_ACTOR,
  ALICE_ORIGIN,
  BOB_ACTOR,
  VOLUME,
  filled,
  hlcAt,
  rawZstd,
  toJson,
} from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const MALFORMED = { code: 'malformed' }
const VECTOR = new Map([
  [ALICE_ACTOR, 12],
  [BOB_ACTOR, 1000],
])
const ENTRY = entryWith(rawZstd(encodeCbor([1, []])))
const MESSAGES: Readonly<Record<LogMessage['kind'], LogMessage>> = {
  hello: { kind: 'hello', volume: VOLUME, vector: VECTOR },
  entries: { kind: 'entries', entries: [ENTRY] },
  done: { kind: 'done' },
  durable: { kind: 'durable', vector: VECTOR },
  error: { kind: 'error', code: 'not-a-member', message: 'you are not a member of this volume' },
}

describe('log messages', () => {
  test('messages have the bytes that docs/formats/sync.md shows', () => {
    const vectors = Object.entries(MESSAGES).map(([kind, message]) => [
      kind,
      toHex(encodeLogMessage(message)),
    ])
    checkVectors('log-message', {
      volume: VOLUME,
      vector: toJson(VECTOR),
      ...Object.fromEntries(vectors),
    })
  })

  test('a message comes back from its bytes', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const back = decodeLogMessage(encodeLogMessage(message))
        assert.deepEqual(encodeLogMessage(back), encodeLogMessage(message))
        assert.equal(back.kind, message.kind)
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('entries come in the order they were sent in, byte for byte', () => {
    const entries = [1, 2, 3].map((n) => entryWith(filled(n, n)))
    const back = decodeLogMessage(encodeLogMessage({ kind: 'entries', entries }))
    assert.ok(back.kind === 'entries')
    assert.deepEqual(
      back.entries.map((entry) => toHex(encodeEntry(entry))),
      entries.map((entry) => toHex(encodeEntry(entry))),
    )
  })

  test('hostile messages are refused and do nothing else', () => {
    assertRefusesOnly(decodeLogMessage, Object.values(MESSAGES).map(encodeLogMessage))
  })

  test('a message this node does not know is malformed', () => {
    assert.throws(() => decodeLogMessage(encodeCbor({ t: 'goodbye' })), MALFORMED)
    assert.throws(() => decodeLogMessage(encodeCbor({})), MALFORMED)
  })

  test('fields this node does not know are ignored', () => {
    assert.deepEqual(decodeLogMessage(encodeCbor({ t: 'done', later: 1 })), { kind: 'done' })
  })

  test('a code that no error has is read as internal', () => {
    for (const code of ['no-such-code', 'ENOENT', 'constructor']) {
      const message = decodeLogMessage(encodeCbor({ t: 'error', code, m: 'x' }))
      assert.deepEqual(message, { kind: 'error', code: 'internal', message: 'x' })
    }
  })

  test('every bound is enforced', () => {
    const bad: object[] = [
      { t: 'hello', vol: filled(1, 31), vv: [] },
      { t: 'hello', vol: filled(1, 33), vv: [] },
      { t: 'error', code: 'x'.repeat(65), m: '' },
      { t: 'error', code: 'internal', m: 'x'.repeat(1025) },
      { t: 'entries', e: Array.from({ length: 4097 }, () => encodeEntry(ENTRY)) },
      { t: 'entries', e: [filled(0, 2 * ENTRY_BODY_MAX + 1)] },
      { t: 'x'.repeat(17) },
    ]
    for (const message of bad) assert.throws(() => decodeLogMessage(encodeCbor(message)), MALFORMED)
    const vector = new Map(
      Array.from({ length: ACTORS_MAX + 1 }, (_, n) => [
        n.toString(16).padStart(32, '0') as ActorId,
        1,
      ]),
    )
    assert.throws(() => decodeLogMessage(encodeLogMessage({ kind: 'durable', vector })), MALFORMED)
    vector.delete('0'.repeat(32) as ActorId)
    assert.equal(decodeLogMessage(encodeLogMessage({ kind: 'durable', vector })).kind, 'durable')
  })

  test('the largest entry fits in a frame, on top of a frame about to be sent', () => {
    const largest = encodeLogMessage({
      kind: 'entries',
      entries: [entryWith(filled(1, ENTRY_BODY_MAX))],
    })
    assert.ok(largest.length + ENTRIES_FRAME_BYTES < FRAME_MAX)
    assert.equal(decodeLogMessage(largest).kind, 'entries')
  })

  test('a long message of an error is cut to what may be sent', () => {
    const message = decodeLogMessage(
      encodeLogMessage({ kind: 'error', code: 'stopped', message: 'x'.repeat(5000) }),
    )
    assert.ok(message.kind === 'error' && message.message.length === 1024)
  })
})

const anyMessage: fc.Arbitrary<LogMessage> = fc.oneof(
  anyVector.map((vector): LogMessage => ({ kind: 'hello', volume: VOLUME, vector })),
  anyVector.map((vector): LogMessage => ({ kind: 'durable', vector })),
  fc
    .array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 })
    .map((bodies): LogMessage => ({ kind: 'entries', entries: bodies.map(entryWith) })),
  fc
    .string({ maxLength: 100 })
    .map((message): LogMessage => ({ kind: 'error', code: 'malformed', message })),
  fc.constant<LogMessage>({ kind: 'done' }),
)

/** An entry as far as a decoder of messages looks: the body need not be a batch. */
function entryWith(body: Uint8Array): Entry {
  const header = {
    volume: VOLUME,
    actor: ALICE_ACTOR,
    seq: 1,
    prev: undefined,
    deps: [],
    hlc: hlcAt(0),
    grant: VOLUME as string as EntryHash,
    epoch: 0,
    flags: FLAG_CLEAR_BODY,
    origin: ALICE_ORIGIN,
  }
  return signEntry(ALICE, header, body)
}
