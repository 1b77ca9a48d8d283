// Messages about locks: their bytes, and what is refused of a peer that lies.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toHex } from '../../../protocol/bytes.ts'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { LOCKS_MAX } from '../../../protocol/limits.ts'
import { LOCK_END } from '../../../protocol/locks/held-locks.ts'
import { formatVoters } from '../../../protocol/strong/voters.ts'
import {
  decodeLockAnswer,
  decodeLockRequest,
  encodeLockAnswer,
  encodeLockRequest,
} from '../../../protocol/wire/lock.ts'
import { ALICE, VOLUME, filled } from '../fixtures.ts'
import { assertRefusesOnly } from '../hostile.ts'
import { checkVectors } from '../vectors.ts'
import type { ActorId, NodeId } from '../../../protocol/ids.ts'
import type { FileLocks } from '../../../protocol/locks/claim.ts'
import type { LockReply, LockRequest } from '../../../protocol/wire/lock.ts'
import type { VoterError } from '../../../protocol/wire/voter-error.ts'

const MALFORMED = { code: 'malformed' }
const SESSION = '05'.repeat(16)
const LOCKS: FileLocks = {
  file: '0a'.repeat(16) as NodeId,
  family: 'fcntl',
  held: [
    { start: 0, end: 10, kind: 'exclusive' },
    { start: 100, end: LOCK_END, kind: 'shared' },
  ],
}

const REQUESTS: Readonly<Record<LockRequest['kind'], LockRequest>> = {
  claim: {
    kind: 'claim',
    claim: {
      session: SESSION,
      number: 7,
      voters: formatVoters([ALICE.peer]),
      locks: [LOCKS],
      wanted: 0,
      isFirst: true,
      isPatient: true,
    },
  },
  test: { kind: 'test', session: SESSION, wanted: { ...LOCKS, family: 'flock' } },
}
const ANSWERS: Readonly<Record<string, LockReply | VoterError>> = {
  granted: { kind: 'granted', log: new Map([['0b'.repeat(16) as ActorId, 12]]) },
  busy: { kind: 'busy' },
  starting: { kind: 'starting' },
  stale: { kind: 'stale' },
  free: { kind: 'free' },
  held: { kind: 'held', lock: { start: 0, end: 10, kind: 'exclusive' } },
}
const ERROR: VoterError = { kind: 'error', code: 'stopped', message: 'the node is stopping' }

describe('messages about locks', () => {
  test('have the bytes that docs/formats/locks.md shows', () => {
    const hex = (entries: readonly (readonly [string, Uint8Array])[]): Record<string, string> =>
      Object.fromEntries(entries.map(([name, bytes]) => [name, toHex(bytes)]))
    checkVectors('locks', {
      volume: VOLUME,
      ...hex(Object.entries(REQUESTS).map(([k, one]) => [k, encodeLockRequest(VOLUME, one)])),
      ...hex(Object.entries(ANSWERS).map(([k, one]) => [k, encodeLockAnswer(one)])),
    })
  })

  test('come back from their bytes', () => {
    for (const request of Object.values(REQUESTS)) {
      const back = decodeLockRequest(encodeLockRequest(VOLUME, request))
      assert.deepEqual(back, { volume: VOLUME, request })
    }
    for (const answer of [...Object.values(ANSWERS), ERROR])
      assert.deepEqual(decodeLockAnswer(encodeLockAnswer(answer)), answer)
  })

  test('of a peer that lies are refused and do nothing else', () => {
    const requests = Object.values(REQUESTS).map((one) => encodeLockRequest(VOLUME, one))
    assertRefusesOnly(decodeLockRequest, requests)
    assertRefusesOnly(decodeLockAnswer, Object.values(ANSWERS).map(encodeLockAnswer))
  })

  test('are within their bounds, and ranges in any order have one form', () => {
    const head = { t: 'test', vol: filled(1, 32), s: filled(5, 16) }
    const file = { f: filled(10, 16), flock: false }
    const decode = (r: unknown): LockRequest =>
      decodeLockRequest(encodeCbor({ ...head, l: { ...file, r } })).request
    const bad = [
      [[1, 1, true]],
      [[2, 1, true]],
      [[0, 1]],
      [[-1, 1, true]],
      [[0, 1, true, 1]],
      [7],
      7,
    ]
    for (const r of bad) assert.throws(() => decode(r), MALFORMED)
    const many = Array.from({ length: LOCKS_MAX + 1 }, (_, at) => [2 * at, 2 * at + 1, true])
    assert.throws(() => decode(many), MALFORMED)
    const request = decode([
      [5, 10, false],
      [0, 7, true],
    ])
    assert.deepEqual(request.kind === 'test' && request.wanted.held, [
      { start: 0, end: 7, kind: 'exclusive' },
      { start: 7, end: 10, kind: 'shared' },
    ])
    const half = { ...file, r: many.slice(0, LOCKS_MAX / 2 + 1) }
    const claim = { ...head, t: 'claim', n: 1, by: 'x', first: true, wait: true }
    assert.throws(() => decodeLockRequest(encodeCbor({ ...claim, l: [half, half] })), MALFORMED)
    assert.throws(() => decodeLockRequest(encodeCbor({ ...claim, l: [half], w: 1 })), MALFORMED)
  })
})
