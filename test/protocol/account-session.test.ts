// Tokens of sessions: written and read alike, no field more, and no right beyond the
// grants, the machine that says so and the bound.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { accountsOf } from '../../protocol/accounts/accounts.ts'
import { boundGrants, isGranted } from '../../protocol/accounts/grants.ts'
import type { Grant } from '../../protocol/accounts/grants.ts'
import {
  accountPolicy,
  encodeAccount,
  encodeGrant,
  encodeProvider,
  grantPolicy,
  isProvider,
  providerPolicy,
} from '../../protocol/accounts/record.ts'
import {
  decodeSession,
  encodeSession,
  providedGroups,
  sessionGrants,
} from '../../protocol/accounts/session.ts'
import type { SessionClaims } from '../../protocol/accounts/session.ts'
import { VERBS } from '../../protocol/accounts/verbs.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Role } from '../../protocol/roles.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { WallTime } from '../../protocol/units.ts'

const TOKEN = '0123456789abcdef'
const URL = 'https://id.example/realm'
const peer = (n: number): PeerId => identityFromSeed(new Uint8Array(32).fill(n)).peer
const anyVerbs = fc.subarray([...VERBS], { minLength: 1 })
const anyPath = fc
  .array(fc.constantFrom('a', 'b', 'ab'), { maxLength: 3 })
  .map((parts) => `/${parts.join('/')}`)
const anyGrant: fc.Arbitrary<Grant> = fc.record({ path: anyPath, verbs: anyVerbs })

function claims(more: Partial<SessionClaims> = {}): SessionClaims {
  return {
    issuer: peer(1),
    volume: 'ab'.repeat(32) as VolumeId,
    holder: { kind: 'provided', provider: URL, subject: 'u-1', groups: ['family', 'guests'] },
    bound: { path: '/', verbs: VERBS },
    token: '0'.repeat(32),
    session: '1'.repeat(32),
    begunMs: 1000 as WallTime,
    issuedMs: 2000 as WallTime,
    endsMs: 9000 as WallTime,
    ...more,
  }
}

describe('what a token of a session says', () => {
  test('what is written is read, and anything else says nothing', () => {
    const account = { kind: 'account', name: 'anna', generation: TOKEN, round: TOKEN } as const
    for (const one of [
      claims(),
      claims({
        holder: account,
        at: peer(2),
        page: 'x'.repeat(43),
        bound: { path: '/a', verbs: [] },
      }),
    ]) {
      const json: unknown = JSON.parse(JSON.stringify(encodeSession(one)))
      assert.deepEqual(decodeSession(json), one)
    }
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, name) => {
        assert.equal(decodeSession(value), undefined)
        const changed = { ...encodeSession(claims()), [name]: value }
        const found = decodeSession(changed)
        assert.ok(found === undefined || Object.hasOwn(encodeSession(claims()), name))
      }),
    )
  })

  test('a bound allows what both allow, and no more', () => {
    fc.assert(
      fc.property(fc.array(anyGrant), anyGrant, anyPath, (grants, bound, path) => {
        for (const verb of VERBS) {
          const both = isGranted(grants, verb, path) && isGranted([bound], verb, path)
          assert.equal(isGranted(boundGrants(grants, bound), verb, path), both)
        }
      }),
    )
  })

  test('a provider puts somebody in the groups that say so, as their machines may do it', () => {
    const provider = { url: URL, value: 'staff', on: [peer(1)] }
    const group = (name: string): [string, string][] => [
      [accountPolicy(name), encodeAccount({ kind: 'group', generation: TOKEN, groups: [] })],
      [grantPolicy(name, `/${name}`), encodeGrant(TOKEN, ['read', 'write'])],
    ]
    const policies = new Map([
      ...group('family'),
      ...group('guests'),
      [providerPolicy('family'), encodeProvider(TOKEN, provider)],
      [providerPolicy('guests'), encodeProvider('f'.repeat(16), provider)],
    ])
    const allowed = (
      role: Role | undefined,
      one: SessionClaims = claims(),
    ): readonly Grant[] | undefined => sessionGrants(accountsOf(policies), one, () => role)
    assert.deepEqual(providedGroups(accountsOf(policies), URL, peer(1)), [
      { name: 'family', value: 'staff' },
    ])
    assert.deepEqual(allowed('writer'), [{ path: '/family', verbs: VERBS }])
    assert.deepEqual(allowed('reader'), [{ path: '/family', verbs: ['read'] }])
    assert.deepEqual(allowed('keeper'), [])
    assert.equal(allowed(undefined), undefined)
    assert.equal(allowed('admin', claims({ issuer: peer(2) })), undefined)
    const holder = { kind: 'provided', subject: 'u-1', groups: ['family'] } as const
    assert.equal(
      allowed('admin', claims({ holder: { ...holder, provider: 'https://other.example' } })),
      undefined,
    )
    policies.set(providerPolicy('family'), encodeProvider(TOKEN, undefined))
    assert.equal(allowed('admin'), undefined)
  })

  test('a provider is named by a URL, with a value and machines, within bounds', () => {
    const good = { url: URL, value: 'staff', on: [peer(1)] }
    assert.ok(isProvider(good))
    for (const wrong of [
      { ...good, url: 'ftp://id.example' },
      { ...good, url: 'https://id.example/ x' },
      { ...good, url: `https://${'x'.repeat(600)}` },
      { ...good, value: '' },
      { ...good, value: 'x'.repeat(300) },
      { ...good, on: [] },
      { ...good, on: Array.from({ length: 40 }, () => peer(1)) },
    ])
      assert.ok(!isProvider(wrong), JSON.stringify(wrong).slice(0, 100))
  })
})
