// Messages of /shoal/join/1 (docs/formats/membership.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { openFrom } from '../../protocol/cipher.ts'
import { GENESIS_BYTES_MAX, volumeIdOf } from '../../protocol/membership/genesis.ts'
import { sealEpochKey } from '../../protocol/membership/members.ts'
import {
  decodeJoinReply,
  decodeJoinRequest,
  encodeJoinReply,
  encodeJoinRequest,
} from '../../protocol/wire/join.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { JoinReply, JoinRequest } from '../../protocol/wire/join.ts'
import { bytes } from './arbitraries.ts'
import {
  BOB,
  EPHEMERAL_SEED,
  EPOCH_SECRET,
  GENESIS_BYTES,
  VOLUME,
  filled,
  toJson,
} from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const MALFORMED = { code: 'malformed' }
const REQUEST: JoinRequest = { kind: 'join', volume: VOLUME, secret: filled(0x99, 16) }
const ASK_REMOVED: JoinRequest = { kind: 'removed', volume: VOLUME }
const REMOVED: JoinReply = { kind: 'removed', isSo: true }
const ADMITTED: JoinReply = {
  kind: 'admitted',
  genesis: GENESIS_BYTES,
  keys: [{ epoch: 1, sealed: sealEpochKey(BOB.peer, 'writer', EPOCH_SECRET, EPHEMERAL_SEED) }],
}
const REFUSED: JoinReply = { kind: 'refused', code: 'ticket-used', message: 'this ticket was used' }

describe('join messages', () => {
  test('messages have the bytes that docs/formats/membership.md shows', () => {
    checkVectors('join', {
      joinerSeed: toHex(BOB.seed),
      request: toHex(encodeJoinRequest(REQUEST)),
      admitted: toHex(encodeJoinReply(ADMITTED)),
      refused: toHex(encodeJoinReply(REFUSED)),
      askRemoved: toHex(encodeJoinRequest(ASK_REMOVED)),
      removed: toHex(encodeJoinReply(REMOVED)),
    })
  })

  test('a request and a reply come back from their bytes', () => {
    fc.assert(
      fc.property(anyReply, bytes(16), (reply, secret) => {
        assert.deepEqual(toJson(decodeJoinReply(encodeJoinReply(reply))), toJson(reply))
        for (const request of [{ kind: 'join', volume: VOLUME, secret } as const, ASK_REMOVED])
          assert.deepEqual(toJson(decodeJoinRequest(encodeJoinRequest(request))), toJson(request))
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('the joiner, and only the joiner, gets the volume and its key from the reply', () => {
    const reply = decodeJoinReply(encodeJoinReply(ADMITTED))
    assert.ok(reply.kind === 'admitted')
    assert.equal(volumeIdOf(reply.genesis), VOLUME)
    assert.equal(
      toHex(openFrom(BOB.seed, reply.keys[0]?.sealed ?? new Uint8Array())),
      toHex(EPOCH_SECRET),
    )
  })

  test('hostile messages are refused and do nothing else', () => {
    const requests = [encodeJoinRequest(REQUEST), encodeJoinRequest(ASK_REMOVED)]
    assertRefusesOnly(decodeJoinRequest, requests, { codes: ['malformed'] })
    const replies = [ADMITTED, REFUSED, REMOVED].map(encodeJoinReply)
    assertRefusesOnly(decodeJoinReply, replies, { codes: ['malformed'] })
  })

  test('a code that no refusal has is read as internal: a peer cannot make up codes of ours', () => {
    for (const code of ['', 'no-such-code', 'toString', 'bad-signature', 'not-running']) {
      const reply = decodeJoinReply(encodeCbor({ t: 'refused', code, m: 'x' }))
      assert.deepEqual(reply, { kind: 'refused', code: 'internal', message: 'x' })
    }
  })

  test('a message of another kind is malformed', () => {
    assert.throws(() => decodeJoinReply(change(ADMITTED, { t: 'maybe' })), MALFORMED)
    assert.throws(() => decodeJoinReply(change(REMOVED, { r: 1 })), MALFORMED)
    assert.throws(() => decodeJoinRequest(encodeJoinReply(REFUSED)), MALFORMED)
    const other = { ...(decodeCbor(encodeJoinRequest(REQUEST), 'request') as object), t: 'leave' }
    assert.throws(() => decodeJoinRequest(encodeCbor(other)), MALFORMED)
  })

  test('every bound is enforced', () => {
    const keys = (count: number): unknown => Array.from({ length: count }, () => [1, filled(1, 80)])
    const bounds: [fields: object, fits: boolean][] = [
      [{ g: filled(1, GENESIS_BYTES_MAX) }, true],
      [{ g: filled(1, GENESIS_BYTES_MAX + 1) }, false],
      [{ k: keys(1024) }, true],
      [{ k: keys(1025) }, false],
      [{ k: [[1, filled(1, 256)]] }, true],
      [{ k: [[1, filled(1, 257)]] }, false],
      [{ k: [[2 ** 32, filled(1, 80)]] }, true],
      [{ k: [[2 ** 32 + 1, filled(1, 80)]] }, false],
      [{ k: [[0, filled(1, 80)]] }, true],
      [{ k: [[-1, filled(1, 80)]] }, false],
      [{ k: [[1.5, filled(1, 80)]] }, false],
    ]
    for (const [fields, fits] of bounds) {
      const decode = (): JoinReply => decodeJoinReply(change(ADMITTED, fields))
      if (fits) decode()
      else assert.throws(decode, MALFORMED)
    }
    assert.throws(() => decodeJoinReply(change(REFUSED, { m: 'x'.repeat(1025) })), MALFORMED)
    assert.throws(() => decodeJoinReply(change(REFUSED, { code: 'x'.repeat(65) })), MALFORMED)
  })

  test('a long message of a refusal is cut to what may be sent', () => {
    const reply = decodeJoinReply(encodeJoinReply({ ...REFUSED, message: 'x'.repeat(5000) }))
    assert.ok(reply.kind === 'refused' && reply.message.length === 1024)
  })
})

const codes: readonly ErrorCode[] = [
  'ticket-unknown',
  'ticket-expired',
  'ticket-used',
  'EPERM',
  'no-such-volume',
  'stopped',
]
const anyReply: fc.Arbitrary<JoinReply> = fc.oneof(
  fc.record({
    kind: fc.constant('refused' as const),
    code: fc.constantFrom(...codes),
    message: fc.string({ maxLength: 200 }),
  }),
  fc.record({
    kind: fc.constant('admitted' as const),
    genesis: fc.uint8Array({ maxLength: 300 }),
    keys: fc.array(
      fc.record({
        epoch: fc.integer({ min: 1, max: 2 ** 32 }),
        sealed: fc.uint8Array({ maxLength: 256 }),
      }),
      { maxLength: 5 },
    ),
  }),
  fc.record({ kind: fc.constant('removed' as const), isSo: fc.boolean() }),
)

function change(reply: JoinReply, fields: object): Uint8Array {
  return encodeCbor({ ...(decodeCbor(encodeJoinReply(reply), 'reply') as object), ...fields })
}
