// Heads of security logs and /shoal/security/1 (docs/formats/security-log.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toHex } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import {
  checkSecurityQuestion,
  decodeSecurityAnswer,
  encodeSecurityAnswer,
  encodeSecurityQuestion,
  isSecurityHeadOf,
  securityLineHash,
  signSecurityHead,
} from '../../protocol/wire/security.ts'
import { ALICE, BOB, filled } from './fixtures.ts'
import { checkVectors } from './vectors.ts'

const PREV = toHex(filled(0x55, 32))
const LINE =
  '{"n":42,"time":"2027-01-15T08:00:00.000Z","kind":"ticket-made","message":"ticket 0a1b2c3d: ' +
  `1 may join as writer until 2027-01-16T08:00:00.000Z","prev":"${PREV}"}`
const HEAD = signSecurityHead(ALICE, 42, securityLineHash(LINE))
const MALFORMED = { code: 'malformed' }

describe('security heads', () => {
  test('are what docs/formats/security-log.md shows', () => {
    checkVectors('security', {
      line: toHex(Buffer.from(LINE)),
      hash: toHex(HEAD.hash),
      aliceSeed: toHex(ALICE.seed),
      signature: toHex(HEAD.signature),
      question: toHex(encodeSecurityQuestion()),
      answer: toHex(encodeSecurityAnswer(HEAD)),
      nothing: toHex(encodeSecurityAnswer(undefined)),
    })
  })

  test('prove who said them, and what', () => {
    assert.ok(isSecurityHeadOf(ALICE.peer, HEAD))
    assert.ok(!isSecurityHeadOf(BOB.peer, HEAD))
    assert.ok(!isSecurityHeadOf(ALICE.peer, { ...HEAD, number: 43 }))
    assert.ok(!isSecurityHeadOf(ALICE.peer, { ...HEAD, hash: filled(1, 32) }))
  })

  test('come back from an answer, and anything else is malformed', () => {
    const back = decodeSecurityAnswer(encodeSecurityAnswer(HEAD))
    assert.ok(back !== undefined && isSecurityHeadOf(ALICE.peer, back))
    assert.equal(decodeSecurityAnswer(encodeSecurityAnswer(undefined)), undefined)
    checkSecurityQuestion(encodeSecurityQuestion())
    const e = { n: 1, h: filled(1, 32), s: filled(1, 64) }
    const bad = [
      {},
      { t: 'held?' },
      { t: 'held', e: 1 },
      { t: 'held', e: { ...e, n: 0 } },
      { t: 'held', e: { ...e, h: filled(1, 31) } },
      { t: 'held', e: { ...e, s: filled(1, 65) } },
    ]
    for (const value of bad) assert.throws(() => decodeSecurityAnswer(encodeCbor(value)), MALFORMED)
    assert.throws(() => checkSecurityQuestion(encodeCbor({ t: 'held' })), MALFORMED)
  })
})
