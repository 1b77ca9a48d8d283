// Sessions of people at a page: codes that begin one once, secrets that show one together, ends.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { CODE_MS, Sessions } from '../../../node/doors/sessions.ts'
import type { Instant } from '../../../protocol/units.ts'
import type { Visit } from '../../../node/doors/visit.ts'

const HOUR_MS = 3_600_000
const VISIT = { who: 'owner' } as unknown as Visit

interface Held {
  readonly sessions: Sessions
  readonly pass: (ms: number) => void
}

function newSessions(): Held {
  let now = 1_000_000
  const clock = { now: () => now as Instant }
  const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }
  return { sessions: new Sessions({ clock, random }), pass: (ms) => (now += ms) }
}

describe('sessions', () => {
  test('a code begins one session, until ten minutes have passed', () => {
    const { sessions, pass } = newSessions()
    const [used, late] = [sessions.newCode(VISIT), sessions.newCode(VISIT)]
    const secrets = sessions.begin(used)
    assert.ok(secrets !== undefined)
    assert.equal(sessions.visitOf(secrets), VISIT)
    assert.equal(sessions.begin(used), undefined)
    pass(CODE_MS)
    assert.equal(sessions.begin(late), undefined)
    assert.equal(sessions.begin('x'.repeat(43)), undefined)
  })

  test('each has secrets of its own, of which one alone, or one of another, shows nothing', () => {
    const { sessions } = newSessions()
    const [one, other] = [1, 2].map(() => sessions.begin(sessions.newCode(VISIT)))
    assert.ok(one !== undefined && other !== undefined)
    assert.equal(new Set([one.cookie, one.page, other.cookie, other.page]).size, 4)
    assert.equal(sessions.visitOf({ cookie: one.cookie, page: other.page }), undefined)
    assert.equal(sessions.visitOf({ cookie: one.page, page: one.cookie }), undefined)
    assert.equal(sessions.visitOf({ cookie: `${one.cookie} ${one.page}`, page: '' }), undefined)
    sessions.end(one)
    assert.equal(sessions.visitOf(one), undefined)
    assert.equal(sessions.visitOf(other), VISIT)
  })

  test('one that nobody uses for an hour ends; one in use does not', () => {
    const { sessions, pass } = newSessions()
    const secrets = sessions.begin(sessions.newCode(VISIT))
    assert.ok(secrets !== undefined)
    for (let at = 0; at < 5; at++) {
      pass(HOUR_MS - 1)
      assert.equal(sessions.visitOf(secrets), VISIT)
    }
    pass(HOUR_MS + 1)
    assert.equal(sessions.count, 0)
    assert.equal(sessions.visitOf(secrets), undefined)
  })

  test('codes and sessions are bounded: the oldest go', () => {
    const { sessions } = newSessions()
    const codes = Array.from({ length: 100 }, () => sessions.newCode(VISIT))
    assert.equal(codes.filter((code) => sessions.begin(code) !== undefined).length, 8)
    for (let at = 0; at < 100; at++) sessions.begin(sessions.newCode(VISIT))
    assert.equal(sessions.count, 32)
  })
})
