// Messages of /shoal/log/1 (docs/formats/sync.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import { ACTORS_MAX, ENTRY_BODY_MAX, FRAME_MAX } from '../../protocol/limits.ts'
import { attest } from '../../protocol/log/attestation.ts'
import { FLAG_CLEAR_BODY, encodeEntry, signEntry } from '../../protocol/log/entry.ts'
import { ENTRIES_FRAME_BYTES, decodeLogMessage, encodeLogMessage } from '../../protocol/wire/log.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Fork } from '../../protocol/log/fork.ts'
import type { LogMessage, LogSummary } from '../../protocol/wire/log.ts'
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
/** The summary of an empty log. */
const EMPTY = { vv: [], h: [], fk: [], c: 0, ad: filled(0, 32) }
const VECTOR = new Map([
  [ALICE_ACTOR, 12],
  [BOB_ACTOR, 1000],
])
const ENTRY = entryWith(rawZstd(encodeCbor([1, []])))
const FORKED: Fork = {
  actor: BOB_ACTOR,
  branches: [
    { seq: 7, hash: hashOf(0x70), hlc: hlcAt(1), parent: undefined },
    { seq: 7, hash: hashOf(0x71), hlc: hlcAt(2), parent: undefined },
  ],
}
const LOG: LogSummary = {
  vector: VECTOR,
  tips: new Map([
    [ALICE_ACTOR, hashOf(0xaa)],
    [BOB_ACTOR, hashOf(0xbb)],
  ]),
  forks: [FORKED],
  cut: hlcAt(0),
  root: undefined,
  attested: filled(0xad, 32),
}
const ATTESTED = { cut: hashOf(0xc1), clear: undefined, sealed: undefined }
const MESSAGES: Readonly<Record<LogMessage['kind'], LogMessage>> = {
  hello: { kind: 'hello', volume: VOLUME, log: LOG, timeMs: 1_800_000_000_000 as WallTime },
  entries: { kind: 'entries', entries: [ENTRY] },
  attestations: { kind: 'attestations', attestations: [attest(ALICE, VOLUME, ATTESTED).bytes] },
  truncated: { kind: 'truncated' },
  done: { kind: 'done' },
  busy: { kind: 'busy', waitMs: 8192 },
  durable: { kind: 'durable', log: { ...LOG, forks: [], cut: HLC_ZERO, root: undefined } },
  error: { kind: 'error', code: 'not-a-member', message: 'you are not a member of this volume' },
}

describe('log messages', () => {
  test('messages have the bytes that docs/formats/sync.md shows', () => {
    const vectors = Object.entries(MESSAGES).map(([kind, message]) => [
      kind,
      toHex(encodeLogMessage(message)),
    ])
    const trace = { traceId: filled(1, 16), spanId: filled(2, 8), isSampled: true }
    const traced = encodeLogMessage({ kind: 'done', trace })
    assert.deepEqual(decodeLogMessage(traced), { kind: 'done', trace })
    checkVectors('log-message', {
      'done-traced': toHex(traced),
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
    for (const trace of [1, new Uint8Array(25), filled(1, 24), filled(1, 26)])
      assert.deepEqual(decodeLogMessage(encodeCbor({ t: 'done', trace })), { kind: 'done' })
  })

  test('a code that no error has is read as internal', () => {
    for (const code of ['no-such-code', 'ENOENT', 'constructor']) {
      const message = decodeLogMessage(encodeCbor({ t: 'error', code, m: 'x' }))
      assert.deepEqual(message, { kind: 'error', code: 'internal', message: 'x' })
    }
  })

  test('every bound is enforced', () => {
    const bad: object[] = [
      { t: 'hello', vol: filled(1, 31), ...EMPTY },
      { t: 'hello', vol: filled(1, 33), ...EMPTY },
      { t: 'durable', ...EMPTY, h: [filled(1, 32)] },
      { t: 'durable', ...EMPTY, fk: [filled(1, 32)] },
      { t: 'durable', ...EMPTY, c: -1 },
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
    const durable = (): Uint8Array => encodeLogMessage({ kind: 'durable', log: { ...LOG, vector } })
    assert.throws(() => decodeLogMessage(durable()), MALFORMED)
    vector.delete('0'.repeat(32) as ActorId)
    assert.equal(decodeLogMessage(durable()).kind, 'durable')
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

const anyLog: fc.Arbitrary<LogSummary> = anyVector.map((vector) => ({
  ...LOG,
  vector,
  tips: new Map([...vector].map(([actor, seq]) => [actor, hashOf(seq % 256)])),
}))

const anyMessage: fc.Arbitrary<LogMessage> = fc.oneof(
  anyLog.map((log): LogMessage => ({ kind: 'hello', volume: VOLUME, log })),
  anyLog.map((log): LogMessage => ({ kind: 'durable', log })),
  fc.constant<LogMessage>({ kind: 'truncated' }),
  fc
    .array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 })
    .map((bodies): LogMessage => ({ kind: 'entries', entries: bodies.map(entryWith) })),
  fc
    .string({ maxLength: 100 })
    .map((message): LogMessage => ({ kind: 'error', code: 'malformed', message })),
  fc.constant<LogMessage>({ kind: 'done' }),
)

function hashOf(byte: number): EntryHash {
  return toHex(filled(byte, 32)) as EntryHash
}

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
