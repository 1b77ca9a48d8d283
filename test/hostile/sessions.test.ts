// Those who would go on with a session that has ended, make one themselves, or use that of another:
// at the HTTP doors of two real nodes of one volume, of which one is a reader, and lies in the end.
import assert from 'node:assert/strict'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { signToken } from '../../node/doors/session-token.ts'
import { IDENTITY_FILE } from '../../node/world/home-files.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import { decodeSession } from '../../protocol/accounts/session.ts'
import type { SessionClaims } from '../../protocol/accounts/session.ts'
import { asked } from '../cli/ask-http.ts'
import type { Answer, Ask } from '../cli/ask-http.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'

const PASSWORD = 'correct horse battery staple'
const DOORS = 'doors: [{ http: 127.0.0.1:0 }, { webdav: { listen: 127.0.0.1:0, volume: main } }]\n'
const FILE = '/v1/files/main/a/x'

let cluster: TestCluster
let anna: TestNode
let ben: TestNode
const doors = new Map<TestNode, URL>()

before(async () => {
  cluster = await TestCluster.create()
  anna = await withDoor('anna')
  await anna.shoal('mkdir', '/a')
  await writeFile(join(anna.folder, 'x'), 'secret')
  await anna.shoal('put', join(anna.folder, 'x'), '/a/x')
  ben = await withDoor(
    'ben',
    await anna.ask(async (one) => (await one.invite({ role: 'reader' })).ticket),
  )
  await eventually('ben has the file', async () => (await ben.run('stat', '/a/x')).code === 0)
})
after(() => cluster[Symbol.asyncDispose]())

async function withDoor(name: string, ticket?: string): Promise<TestNode> {
  const node = cluster.node(name)
  await node.shoal('init')
  await appendFile(join(node.home, 'config.yaml'), DOORS)
  await node.start({ ticket })
  for (const { kind, url } of await node.ask((one) => one.listDoors()))
    if (kind === 'http' && url !== undefined) doors.set(node, new URL(url))
  return node
}

function at(node: TestNode, path: string, ask: Ask = {}): Promise<Answer> {
  const url = doors.get(node)
  assert.ok(url !== undefined)
  return asked(url, path, ask)
}

async function signIn(name: string, more: object = {}, on: TestNode = anna): Promise<Answer> {
  const body = JSON.stringify({ login: `${name}@main`, password: PASSWORD, ...more })
  return at(on, '/v1/session', { method: 'POST', body })
}

async function tokenOf(name: string, more: object = {}): Promise<string> {
  const { status, text } = await signIn(name, more)
  assert.equal(status, 200, text)
  return (JSON.parse(text) as { readonly token: string }).token
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

async function statusWith(node: TestNode, token: string, ask: Ask = {}): Promise<number> {
  return (await at(node, FILE, { ...ask, headers: { ...bearer(token), ...ask.headers } })).status
}

function claimsIn(token: string): SessionClaims {
  const [, payload = ''] = token.split('.')
  const claims = decodeSession(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  assert.ok(claims)
  return claims
}

test('a session counts at each member, for what its account may do, and ends with it', async () => {
  await anna.ask((one) => one.addUser('eve', PASSWORD, { path: '/a', verbs: ['read'] }))
  const token = await tokenOf('eve')
  await eventually('ben knows eve', async () => (await statusWith(ben, token)) === 200)
  for (const node of [anna, ben]) {
    assert.equal((await at(node, FILE, { headers: bearer(token) })).text, 'secret')
    for (const ask of [{ method: 'PUT', body: 'x' }, { method: 'DELETE' }])
      assert.equal(await statusWith(node, token, ask), 403)
    const call = { method: 'POST', headers: bearer(token), body: '{}' }
    for (const name of ['status', 'doorToken', 'listAccounts', 'invite'])
      assert.notEqual((await at(node, `/v1/calls/${name}`, call)).status, 200, name)
  }
  const renewal = await at(ben, '/v1/session', { method: 'PUT', headers: bearer(token) })
  assert.equal(renewal.status, 401, 'another machine renews none')
  const less = await tokenOf('eve', { path: '/b', verbs: ['read'] })
  assert.equal(await statusWith(anna, less), 403)
  const here = await tokenOf('eve', { here: true })
  assert.deepEqual([await statusWith(anna, here), await statusWith(ben, here)], [200, 401])
  await anna.ask((one) => one.setPassword('eve', PASSWORD))
  for (const one of [token, here]) assert.equal(await statusWith(anna, one), 401)
  await eventually('it ends at ben', async () => (await statusWith(ben, token)) === 401)
  const next = await tokenOf('eve')
  await eventually('ben has heard', async () => (await statusWith(ben, next)) === 200)
  await anna.ask((one) => one.setGrant('eve', '/a', []))
  assert.equal(await statusWith(anna, next), 403)
  await eventually('nor anything at ben', async () => (await statusWith(ben, next)) === 403)
  await anna.ask((one) => one.removeAccount('eve'))
  assert.equal(await statusWith(anna, next), 401)
})

test('signed out it is over at its machine with all its tokens, and is renewed no more', async () => {
  await anna.ask((one) => one.addUser('carl', PASSWORD, { path: '/a' }))
  const token = await tokenOf('carl')
  const renewed = await at(anna, '/v1/session', { method: 'PUT', headers: bearer(token) })
  const { token: next } = JSON.parse(renewed.text) as { readonly token: string }
  assert.notEqual(next, token)
  assert.equal(await statusWith(anna, next), 200)
  const out = await at(anna, '/v1/session', { method: 'DELETE', headers: bearer(token) })
  assert.equal(out.status, 204)
  for (const one of [token, next]) {
    assert.equal(await statusWith(anna, one), 401)
    const again = await at(anna, '/v1/session', { method: 'PUT', headers: bearer(one) })
    assert.equal(again.status, 401)
  }
})

test('whoever does not know the password has none, and guesses as slowly', async () => {
  const body = JSON.stringify({ login: 'carl@main', password: 'wrong' })
  const before = Date.now()
  assert.equal((await at(anna, '/v1/session', { method: 'POST', body })).status, 401)
  assert.ok(Date.now() - before >= 900)
  const owner = {
    login: 'owner',
    password: await anna.ask(async (one) => (await one.doorToken()).token),
  }
  const none = await at(anna, '/v1/session', { method: 'POST', body: JSON.stringify(owner) })
  assert.equal(none.status, 400, 'the token of the owner goes no further')
  for (const [text, status] of [
    ['{}', 400],
    ['{"login":"carl@main"}', 400],
    [JSON.stringify({ login: 'carl@main', password: PASSWORD, verbs: ['all'] }), 400],
    [JSON.stringify({ login: 'carl@main', password: PASSWORD, path: 'other:/a' }), 400],
    ['x'.repeat(20_000), 413],
  ] as const)
    assert.equal(
      (await at(anna, '/v1/session', { method: 'POST', body: text })).status,
      status,
      text,
    )
})

test('a cookie opens nothing without its page, is of no other page, and never set beforehand', async () => {
  const begun = await signIn('carl', { page: true })
  const [header = ''] = begun.headers['set-cookie'] ?? []
  assert.match(header, /^shoal-\d+=[\w.-]+; Path=\/v1\/; HttpOnly; SameSite=Strict$/)
  const [cookie = ''] = header.split(';')
  const [, token = ''] = cookie.split('=')
  const { page, token: shown } = JSON.parse(begun.text) as { page: string; token?: string }
  assert.equal(shown, undefined)
  const status = async (headers: Record<string, string>, node = anna): Promise<number> =>
    (await at(node, FILE, { headers })).status
  const both = { cookie, 'shoal-page': page }
  assert.equal(await status(both), 200)
  assert.equal(await status({ cookie }), 401)
  assert.equal(await status({ 'shoal-page': page }), 401)
  assert.equal(await status({ ...both, 'shoal-page': 'x'.repeat(43) }), 401)
  assert.equal(await status({ ...both, 'sec-fetch-site': 'same-site' }), 403)
  assert.equal(await status({ ...both, origin: 'http://127.0.0.1:1' }), 403)
  assert.equal(await statusWith(anna, token), 401, 'whoever sees the cookie has no token')
  const name = `shoal-${doors.get(ben)?.port}`
  assert.equal(await status({ ...both, cookie: `${name}=${token}` }, ben), 401)
  // Nobody signs another in: a page that is not ours asks for no session.
  const body = JSON.stringify({ login: 'carl@main', password: PASSWORD, page: true })
  for (const headers of [
    { origin: 'http://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { host: 'evil.example' },
  ] as Record<string, string>[]) {
    const answer = await at(anna, '/v1/session', { method: 'POST', body, headers })
    assert.deepEqual([answer.status, answer.headers['set-cookie']], [403, undefined])
  }
  // Whoever signs in where a session was has one of its own, and that before is over.
  const next = await at(anna, '/v1/session', { method: 'POST', body, headers: both })
  assert.notEqual(JSON.parse(next.text).page, page)
  assert.equal(await status(both), 401)
  const [own = ''] = (next.headers['set-cookie'] ?? [''])[0]?.split(';') ?? []
  const now = { cookie: own, 'shoal-page': (JSON.parse(next.text) as { page: string }).page }
  const renewed = await at(anna, '/v1/session', { method: 'PUT', headers: now })
  assert.match(String(renewed.headers['set-cookie']), /HttpOnly; SameSite=Strict/)
  assert.equal((await at(anna, '/v1/session', { method: 'DELETE', headers: now })).status, 204)
  assert.equal(await status(now), 401)
})

test('a key has sessions too, for the kind of door that it opens, and each door takes them', async () => {
  const [any, dav] = await Promise.all(
    [undefined, 'webdav'].map((door) =>
      anna.ask((one) => one.createKey('test', { path: '/a', verbs: ['read'], door })),
    ),
  )
  assert.ok(any !== undefined && dav !== undefined)
  const begin = ({ account, secret }: typeof any): Promise<Answer> =>
    at(anna, '/v1/session', {
      method: 'POST',
      body: JSON.stringify({ login: account.name, password: secret }),
    })
  assert.equal((await begin(dav)).status, 401)
  const { token } = JSON.parse((await begin(any)).text) as { readonly token: string }
  assert.equal(await statusWith(anna, token), 200)
  const all = await anna.ask((one) => one.listDoors())
  const url = new URL(all.find(({ kind }) => kind === 'webdav')?.url ?? '')
  const status = async (method: string): Promise<number> =>
    (await asked(url, '/a/x', { method, headers: bearer(token) })).status
  assert.deepEqual([await status('GET'), await status('DELETE')], [200, 403])
  await anna.ask((one) => one.removeAccount(any.account.name))
  assert.deepEqual([await status('GET'), await statusWith(anna, token)], [401, 401])
})

test('a member that lies begins none but those that it could, and no more than its role', async () => {
  const seed = await readFile(join(ben.home, IDENTITY_FILE), 'utf8')
  const identity = identityFromSeed(fromHex(seed.trim()))
  const { peer } = identity
  const here = (await anna.status()).node.id
  await anna.ask((one) =>
    one.addUser('dora', PASSWORD, { path: '/a', verbs: ['read'], on: [peer, here] }),
  )
  const carl = claimsIn(await tokenOf('carl'))
  const dora = claimsIn(await tokenOf('dora'))
  const forged = async (claims: SessionClaims): Promise<number> =>
    statusWith(anna, await signToken(identity, claims))
  assert.equal(await forged({ ...carl, issuer: peer }), 401, 'it does not serve carl')
  assert.equal(await forged(carl), 401, 'it is not anna')
  const own = { ...dora, issuer: peer }
  assert.equal(await forged(own), 200, 'what it reads itself')
  for (const ask of [{ method: 'PUT', body: 'x' }, { method: 'DELETE' }])
    assert.equal(await statusWith(anna, await signToken(identity, own), ask), 403)
  const DAY_MS = 86_400_000
  for (const wrong of [
    { endsMs: dora.endsMs + DAY_MS },
    { endsMs: dora.endsMs + DAY_MS, issuedMs: dora.issuedMs + DAY_MS },
    { begunMs: dora.begunMs - DAY_MS },
    { at: peer },
  ])
    assert.equal(await forged({ ...own, ...wrong } as SessionClaims), 401, JSON.stringify(wrong))
  await anna.ask((one) => one.removePeer(peer, { now: true }))
  assert.equal(await forged(own), 401, 'it is no member any more')
})
