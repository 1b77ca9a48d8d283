// Accounts as the policies of a volume tell of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { accountsOf, grantsOf, whyClosed } from '../../protocol/accounts/accounts.ts'
import { isGranted, leadsToGrant } from '../../protocol/accounts/grants.ts'
import type { Grant } from '../../protocol/accounts/grants.ts'
import { accountText } from '../../protocol/accounts/describe.ts'
import {
  accountFact,
  accountPolicy,
  encodeAccount,
  encodeGrant,
  encodeSecret,
  grantPolicy,
  secretPolicy,
} from '../../protocol/accounts/record.ts'
import type { AccountRecord } from '../../protocol/accounts/record.ts'
import { VERBS, includesVerb, mayServe } from '../../protocol/accounts/verbs.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Role } from '../../protocol/roles.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { WallTime } from '../../protocol/units.ts'

const TOKEN = '0123456789abcdef'
const OTHER = 'fedcba9876543210'
const peer = (n: number): PeerId => identityFromSeed(new Uint8Array(32).fill(n)).peer
const anyVerbs = fc.subarray([...VERBS], { minLength: 1 })
const user = (more: Partial<AccountRecord> = {}): AccountRecord => ({
  kind: 'user',
  generation: TOKEN,
  round: TOKEN,
  groups: [],
  ...more,
})

describe('records of accounts', () => {
  test('what is written is read', () => {
    const record = user({
      groups: ['family'],
      label: 'Phone 1',
      door: 's3',
      expiresMs: 5 as WallTime,
    })
    assert.deepEqual(accountFact(accountPolicy('anna'), encodeAccount(record)), {
      kind: 'account',
      name: 'anna',
      record,
    })
    fc.assert(
      fc.property(anyVerbs, fc.string(), (verbs, rest) => {
        const path = `/${rest}`
        assert.deepEqual(accountFact(grantPolicy('anna', path), encodeGrant(TOKEN, verbs)), {
          kind: 'grant',
          name: 'anna',
          path,
          generation: TOKEN,
          verbs,
        })
      }),
    )
    const sealed = Buffer.from([1, 2, 3])
    assert.deepEqual(accountFact(secretPolicy('anna', peer(1)), encodeSecret(TOKEN, sealed)), {
      kind: 'secret',
      name: 'anna',
      peer: peer(1),
      round: TOKEN,
      sealed,
    })
  })

  test('what is no record means nothing, whatever it is, and never throws', () => {
    const keys = ['account:anna', 'account-grant:anna:/a', `account-secret:anna:${peer(1)}`]
    const anything = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ kind: fc.constant('user'), generation: fc.anything() }).map((value) => {
        try {
          return JSON.stringify(value) ?? ''
        } catch {
          return ''
        }
      }),
    )
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...keys), fc.string()), anything, (key, value) => {
        accountFact(key, value)
        accountText({ key, value }, String)
        assert.equal(accountsOf([[key, value]]).size, 0)
      }),
    )
    const good = encodeAccount(user())
    for (const [key, value] of [
      ['account:owner', good],
      ['account:Anna', good],
      ['account:a/b', good],
      ['account:anna', encodeAccount({ ...user(), kind: 'key' })],
      ['account:anna', good.replace('"user"', '"admin"')],
      ['account:anna', good.replace('{', '{"more":1,')],
      ['account:anna', good.replace(TOKEN, 'x')],
      ['account:anna', `[${good}]`],
    ] as const)
      assert.equal(accountFact(key, value), undefined, key + value)
  })

  test('grants and secrets of an account that was made again do not count', () => {
    const sealed = new Uint8Array(4)
    const policies = (generation: string, round: string): [string, string][] => [
      [accountPolicy('anna'), encodeAccount(user({ generation, round }))],
      [grantPolicy('anna', '/a'), encodeGrant(TOKEN, ['read'])],
      [secretPolicy('anna', peer(1)), encodeSecret(TOKEN, sealed)],
      [grantPolicy('nobody', '/a'), encodeGrant(TOKEN, ['read'])],
    ]
    const now = accountsOf(policies(TOKEN, TOKEN)).get('anna')
    assert.deepEqual([now?.grants.length, now?.secrets.size], [1, 1])
    const later = accountsOf(policies(OTHER, OTHER)).get('anna')
    assert.deepEqual([later?.grants.length, later?.secrets.size], [0, 0])
  })

  test('the history tells no secret, sealed as it is', () => {
    const value = encodeSecret(TOKEN, new Uint8Array(64).fill(0xab))
    const text = accountText({ key: secretPolicy('anna', peer(1)), value }, () => 'attic')
    assert.equal(text, 'gave the secret of anna to attic')
    assert.equal(accountText({ key: 'ack', value: 'local' }, String), undefined)
  })
})

describe('what an account may do', () => {
  test('a grant is for its path and below, part by part', () => {
    const grants: readonly Grant[] = [{ path: '/a/b', verbs: ['read'] }]
    const asked = ['/a/b', '/a/b/c', '/a/bc', '/a', '/', '/b', '/a/b/../c', '/A/b']
    assert.deepEqual(
      asked.filter((path) => isGranted(grants, 'read', path)),
      ['/a/b', '/a/b/c', '/a/b/../c'],
      'paths come in one form, without dots',
    )
    assert.deepEqual(
      asked.filter((path) => leadsToGrant(grants, path)),
      ['/a/b', '/a', '/'],
    )
    assert.ok(isGranted([{ path: '/', verbs: ['read'] }], 'read', '/x/y'))
  })

  test('write includes add and nothing else', () => {
    const table = VERBS.map((had) => VERBS.map((wanted) => includesVerb([had], wanted)))
    assert.deepEqual(table, [
      [true, false, false],
      [false, true, false],
      [false, true, true],
    ])
  })

  test('a machine serves who may do no more than it', () => {
    const roles: readonly (Role | undefined)[] = [
      undefined,
      'recovery',
      'keeper',
      'reader',
      'appender',
      'writer',
      'admin',
    ]
    const table = roles.map((role) => VERBS.map((verb) => mayServe(role, [verb])))
    assert.deepEqual(table, [
      [false, false, false],
      [false, false, false],
      [false, false, false],
      [true, false, false],
      [true, true, false],
      [true, true, true],
      [true, true, true],
    ])
  })

  test('a group gives what it has, and makes its members need as much of machines', () => {
    const accounts = accountsOf([
      [accountPolicy('anna'), encodeAccount(user({ groups: ['family', 'ben', 'none'] }))],
      [accountPolicy('ben'), encodeAccount(user())],
      [grantPolicy('ben', '/ben'), encodeGrant(TOKEN, ['write'])],
      [accountPolicy('family'), encodeAccount({ kind: 'group', generation: TOKEN, groups: [] })],
      [grantPolicy('family', '/photos'), encodeGrant(TOKEN, ['read', 'write'])],
      [secretPolicy('anna', peer(1)), encodeSecret(TOKEN, new Uint8Array(4))],
    ])
    const anna = accounts.get('anna')
    assert.ok(anna)
    assert.deepEqual(grantsOf(accounts, anna), [{ path: '/photos', verbs: ['read', 'write'] }])
    const closed = (role: Role | undefined, now = 0): string | undefined =>
      whyClosed(accounts, anna, { now: now as WallTime, roleOf: () => role })
    assert.equal(closed('writer'), undefined)
    assert.match(closed('reader') ?? '', /is a reader, and anna may do more/)
    assert.match(closed(undefined) ?? '', /is no member any more/)
  })

  test('it ends at its time, and one without a secret lets nobody in', () => {
    const accounts = accountsOf([
      [accountPolicy('anna'), encodeAccount(user({ expiresMs: 10 as WallTime }))],
      [secretPolicy('anna', peer(1)), encodeSecret(TOKEN, new Uint8Array(4))],
      [accountPolicy('ben'), encodeAccount(user())],
    ])
    const [anna, ben] = [accounts.get('anna'), accounts.get('ben')]
    assert.ok(anna && ben)
    const roleOf = (): Role => 'admin'
    assert.equal(whyClosed(accounts, anna, { now: 9 as WallTime, roleOf }), undefined)
    assert.match(whyClosed(accounts, anna, { now: 10 as WallTime, roleOf }) ?? '', /expired/)
    assert.match(whyClosed(accounts, ben, { now: 0 as WallTime, roleOf }) ?? '', /no secret/)
  })
})
