// Sessions of accounts over machines of one volume: who takes whose word, for what, and until when.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SignJWT, importJWK } from 'jose'
import { NodeAccounts } from '../../../node/accounts/node-accounts.ts'
import { VERIFIER_BYTES } from '../../../node/accounts/passwords.ts'
import { AccountSessions } from '../../../node/doors/account-sessions.ts'
import type { SessionWish } from '../../../node/doors/account-sessions.ts'
import type { Grant } from '../../../protocol/accounts/grants.ts'
import type { AccountRecord } from '../../../protocol/accounts/record.ts'
import { encodeSession } from '../../../protocol/accounts/session.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Role } from '../../../protocol/roles.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Replica, send } from '../log/replicas.ts'

const ALL: Grant = { path: '/', verbs: ['add', 'write', 'read'] }

/** A machine with its accounts and sessions. */
class Machine {
  readonly replica: Replica
  readonly accounts: NodeAccounts
  readonly sessions: AccountSessions

  constructor(replica: Replica, run: number = 1) {
    const { volumes, clock, store } = (this.replica = replica)
    const random = new SeededRandom(`${replica.seed} ${run}`, 'sessions')
    const heardMs = (): number => clock.wall()
    this.accounts = new NodeAccounts({ volumes, clock, random, heardMs })
    const { kv } = store
    this.sessions = new AccountSessions({ clock, random, kv, accounts: this.accounts, volumes })
  }

  static async founder(name: string = 'attic'): Promise<Machine> {
    return new Machine(await Replica.founder(name))
  }

  get peer(): PeerId {
    return this.replica.identity.peer
  }

  async member(name: string, role: Role): Promise<Machine> {
    return new Machine(await this.replica.member(name, role))
  }

  async addUser(
    name: string,
    { on = [this.peer], grants = [ALL] }: { on?: PeerId[]; grants?: Grant[] } = {},
    record: Partial<AccountRecord> = {},
  ): Promise<void> {
    const bytes = new Uint8Array(VERIFIER_BYTES)
    const whole = { kind: 'user', groups: [], ...record } as const
    await this.#ofVolume.add({ name, record: whole, grants, secret: { bytes, on } })
  }

  get #ofVolume(): ReturnType<NodeAccounts['of']> {
    return this.accounts.of(this.replica.volume)
  }

  async signIn(name: string, wish: SessionWish = {}): ReturnType<AccountSessions['begin']> {
    const entrant = this.accounts.find(`${name}@main`)
    assert.ok(entrant?.secret !== undefined)
    return this.sessions.begin(entrant, wish)
  }

  /** The grants of a token here, as text; 'nothing' where it does not count. */
  async allows(token: string, page?: string): Promise<string> {
    try {
      const grants = this.sessions.grants(await this.sessions.claimsOf(token, page))
      return grants.map(({ path, verbs }) => `${verbs.join('+')} ${path}`).join('; ')
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'EACCES')
      return 'nothing'
    }
  }

  /** Signed by this machine, whatever it says. */
  async forge(claims: object, header: object = {}): Promise<string> {
    const { publicKey, seed } = this.replica.identity
    const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
    const [x, d] = [base64url(publicKey), base64url(seed)]
    const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x, d }, 'EdDSA')
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'shoal-session+jwt', ...header })
      .sign(key)
  }
}

describe('sessions of accounts', () => {
  test('another member takes the word of the machine that serves the account, and its grants now', async () => {
    const attic = await Machine.founder()
    const shelf = await attic.member('shelf', 'writer')
    await attic.addUser('anna', { grants: [{ path: '/anna', verbs: ['read', 'write'] }] })
    await send(attic.replica, shelf.replica)
    const { token } = await attic.signIn('anna')
    for (const one of [attic, shelf]) assert.equal(await one.allows(token), 'read+add+write /anna')
    await attic.accounts.of(attic.replica.volume).grant('anna', '/anna', ['read'])
    assert.equal(await attic.allows(token), 'read /anna')
    assert.equal(await shelf.allows(token), 'read+add+write /anna', 'it has not heard yet')
    await send(attic.replica, shelf.replica)
    assert.equal(await shelf.allows(token), 'read /anna')
    await attic.accounts.of(attic.replica.volume).grant('anna', '/anna', [])
    assert.equal(await attic.allows(token), '')
  })

  test('another password, no account, and no such machine end it everywhere', async () => {
    const attic = await Machine.founder()
    const shelf = await attic.member('shelf', 'writer')
    const { volume } = attic.replica
    const on = [attic.peer, shelf.peer]
    for (const name of ['anna', 'ben', 'carl']) await attic.addUser(name, { on })
    await send(attic.replica, shelf.replica)
    const [anna, ben] = [await attic.signIn('anna'), await attic.signIn('ben')]
    const carl = await shelf.signIn('carl')
    for (const { token } of [anna, ben, carl])
      assert.equal(await attic.allows(token), 'read+add+write /')
    const bytes = new Uint8Array(VERIFIER_BYTES)
    await attic.accounts.of(volume).setSecret('anna', { bytes, on })
    await attic.accounts.of(volume).remove('ben')
    await attic.addUser('ben', { on })
    await send(attic.replica, shelf.replica)
    for (const one of [attic, shelf])
      for (const { token } of [anna, ben]) assert.equal(await one.allows(token), 'nothing')
    assert.equal(await attic.allows(carl.token), 'read+add+write /')
    await attic.replica.volumes.remove(volume, shelf.peer)
    assert.equal(await attic.allows(carl.token), 'nothing')
  })

  test('it lasts a quarter of an hour, is renewed for half a day by its machine, and ends', async () => {
    const attic = await Machine.founder()
    const shelf = await attic.member('shelf', 'writer')
    await attic.addUser('anna', { on: [attic.peer, shelf.peer] })
    await send(attic.replica, shelf.replica)
    const pass = (ms: number): void => {
      for (const { replica } of [attic, shelf]) replica.clock.advance(ms)
    }
    let { token, claims } = await attic.signIn('anna')
    await assert.rejects(shelf.sessions.renew(claims), { code: 'EACCES' })
    const begun = claims.begunMs
    pass(4 * MINUTE_MS)
    while (claims.endsMs < begun + 12 * HOUR_MS) {
      pass(9 * MINUTE_MS)
      const before = token
      ;({ token, claims } = await attic.sessions.renew(await attic.sessions.claimsOf(token)))
      assert.equal(await shelf.allows(token), 'read+add+write /')
      pass(4 * MINUTE_MS)
      assert.equal(await shelf.allows(before), 'nothing')
    }
    assert.equal(claims.endsMs, begun + 12 * HOUR_MS)
    pass(20 * MINUTE_MS)
    for (const one of [attic, shelf]) assert.equal(await one.allows(token), 'nothing')
    await assert.rejects(attic.sessions.renew(claims), { code: 'EACCES' })
  })

  test('one that was ended stays so over a restart, with all its tokens', async () => {
    const attic = await Machine.founder()
    const shelf = await attic.member('shelf', 'writer')
    await attic.addUser('anna')
    await send(attic.replica, shelf.replica)
    const first = await attic.signIn('anna')
    const second = await attic.sessions.renew(first.claims)
    const other = await attic.signIn('anna')
    await attic.sessions.end(first.claims)
    const again = new Machine(attic.replica, 2)
    for (const one of [attic, again]) {
      for (const { token } of [first, second]) assert.equal(await one.allows(token), 'nothing')
      assert.equal(await one.allows(other.token), 'read+add+write /')
      await assert.rejects(one.sessions.renew(second.claims), { code: 'EACCES' })
    }
    assert.equal(await shelf.allows(second.token), 'read+add+write /', 'until it runs out')
    for (let count = 0; count < 20; count++) {
      attic.replica.clock.advance(SECOND_MS)
      await attic.sessions.end((await attic.signIn('anna')).claims)
    }
    assert.equal(await attic.allows(other.token), 'nothing', 'who ends many ends all')
    assert.equal(await attic.allows((await attic.signIn('anna')).token), 'read+add+write /')
  })

  test('a session of a page counts with its secret, at its machine; a bound one no further', async () => {
    const attic = await Machine.founder()
    const shelf = await attic.member('shelf', 'writer')
    await attic.addUser('anna')
    await send(attic.replica, shelf.replica)
    const { token, page } = await attic.signIn('anna', { isOfPage: true })
    assert.equal(await attic.allows(token, page), 'read+add+write /')
    assert.equal(await attic.allows(token), 'nothing')
    assert.equal(await attic.allows(token, 'x'.repeat(43)), 'nothing')
    assert.equal(await shelf.allows(token, page), 'nothing')
    const plain = await attic.signIn('anna')
    assert.equal(await attic.allows(plain.token, page), 'nothing')
    const here = await attic.signIn('anna', { isOfHere: true })
    assert.deepEqual(
      [await attic.allows(here.token), await shelf.allows(here.token)],
      ['read+add+write /', 'nothing'],
    )
    const bound = { path: '/a', verbs: ['read'] } as const
    const less = await attic.signIn('anna', { bound })
    const renewed = await attic.sessions.renew(less.claims)
    for (const one of [less, renewed]) assert.equal(await shelf.allows(one.token), 'read /a')
  })

  test('no member says more than its role, or of an account that it does not serve', async () => {
    const attic = await Machine.founder()
    const [reader, keeper] = [
      await attic.member('reader', 'reader'),
      await attic.member('keeper', 'keeper'),
    ]
    await attic.addUser('anna')
    await attic.addUser('reading', {
      on: [attic.peer, reader.peer],
      grants: [{ path: '/', verbs: ['read'] }],
    })
    await send(attic.replica, reader.replica)
    const { claims } = await attic.signIn('anna')
    const said = encodeSession(claims)
    for (const machine of [reader, keeper]) {
      const own = await machine.forge({ ...said, iss: machine.peer })
      assert.equal(await attic.allows(own), 'nothing')
      assert.equal(await attic.allows(await machine.forge(said)), 'nothing')
    }
    const { claims: of } = await attic.signIn('reading')
    const served = await reader.forge({ ...encodeSession(of), iss: reader.peer })
    assert.equal(await attic.allows(served), 'read /')
  })

  test('tokens that are not just what they should be count nothing', async () => {
    const attic = await Machine.founder()
    const stranger = await Machine.founder('stranger')
    await attic.addUser('anna')
    const { token, claims } = await attic.signIn('anna')
    const said = encodeSession(claims)
    const now = claims.issuedMs / SECOND_MS
    assert.equal(await attic.allows(await attic.forge(said)), 'read+add+write /')
    const wrong: readonly Readonly<Record<string, unknown>>[] = [
      ...Object.keys(said).map((name) => ({ [name]: undefined })),
      { iat: now + 120, exp: now + 300 },
      { exp: now + 16 * 60 },
      { auth_time: now - 12 * 3600, exp: now + 60 },
      { auth_time: now + 1 },
      { exp: now - 61, iat: now - 120, auth_time: now - 120 },
      { exp: String(now + 60) },
      { aud: [claims.volume] },
      { aud: '0'.repeat(64) },
      { vol: '0'.repeat(64), aud: '0'.repeat(64) },
      { iss: 'attic' },
      { sub: 'ben' },
      { sub: '../anna' },
      { gen: '0'.repeat(16) },
      { jti: 'x' },
      { sid: 7 },
      { verbs: ['all'] },
      { path: 'a' },
      { idp: 'https://id.example', groups: ['family'] },
      { more: 1 },
    ]
    for (const change of wrong) {
      const changed = await attic.forge(JSON.parse(JSON.stringify({ ...said, ...change })))
      assert.equal(await attic.allows(changed), 'nothing', JSON.stringify(change))
    }
    for (const typ of ['JWT', 'at+jwt', undefined])
      assert.equal(await attic.allows(await attic.forge(said, { typ })), 'nothing', typ)
    const [head = '', body = '', signature = ''] = token.split('.')
    const none = Buffer.from('{"alg":"none","typ":"shoal-session+jwt"}').toString('base64url')
    const symmetric = Buffer.from('{"alg":"HS256","typ":"shoal-session+jwt"}').toString('base64url')
    for (const text of [
      `${none}.${body}.`,
      `${none}.${body}.${signature}`,
      `${symmetric}.${body}.${signature}`,
      `${head}.${body}.${'A'.repeat(86)}`,
      `${head}.${body}`,
      `${head}.${body}.${signature}.`,
      `${head}.${'A'.repeat(100_000)}.${signature}`,
      '..',
      '',
    ])
      assert.equal(await attic.allows(text), 'nothing', text.slice(0, 200))
    assert.equal(await stranger.allows(token), 'nothing')
  })

  test('a user of a provider is in the groups that it says, at each member, while they say so', async () => {
    const attic = await Machine.founder()
    const shelf = await attic.member('shelf', 'writer')
    const { volume } = attic.replica
    const ofVolume = attic.accounts.of(volume)
    const record = { kind: 'group', groups: [] } as const
    const grants = [{ path: '/photos', verbs: ['read'] }] as const
    for (const name of ['family', 'staff']) await ofVolume.add({ name, record, grants })
    const url = 'https://id.example'
    await ofVolume.setProvider('family', { url, value: 'home', on: [attic.peer] })
    await send(attic.replica, shelf.replica)
    const holder = { kind: 'provided', provider: url, subject: 'u-1', groups: ['family'] } as const
    const named = attic.replica.volumes.find(undefined)
    const { token, claims } = await attic.sessions.beginOf(named, holder, {})
    for (const one of [attic, shelf]) assert.equal(await one.allows(token), 'read /photos')
    const wrong = [
      await shelf.forge(encodeSession({ ...claims, issuer: shelf.peer })),
      await attic.forge(encodeSession({ ...claims, holder: { ...holder, groups: ['staff'] } })),
    ]
    for (const one of wrong) assert.equal(await attic.allows(one), 'nothing')
    await assert.rejects(attic.sessions.renew(claims, ['staff']), { code: 'EACCES' })
    await assert.rejects(attic.sessions.renew(claims), { code: 'EACCES' }, 'nobody was asked')
    await ofVolume.setProvider('family', undefined)
    await send(attic.replica, shelf.replica)
    for (const one of [attic, shelf]) assert.equal(await one.allows(token), 'nothing')
    await assert.rejects(ofVolume.setProvider('nobody', undefined), { code: 'ENOENT' })
    await assert.rejects(ofVolume.setProvider('family', { url: 'x', value: '', on: [] }), {
      code: 'usage',
    })
  })

  test('a machine that hears of nobody takes none', async () => {
    const attic = await Machine.founder()
    const shelf = await attic.member('shelf', 'writer')
    await attic.addUser('anna')
    await send(attic.replica, shelf.replica)
    const { token } = await attic.signIn('anna')
    const { clock, volumes, store } = shelf.replica
    const random = new SeededRandom('cut off', 'sessions')
    const accounts = new NodeAccounts({ volumes, clock, random, heardMs: () => 0 })
    const sessions = new AccountSessions({ clock, random, kv: store.kv, accounts, volumes })
    await assert.rejects(sessions.claimsOf(token), { code: 'EACCES' })
  })
})
