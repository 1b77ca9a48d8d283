// People who come in by a provider of OpenID Connect, at a real node and by a real provider; and
// those who would come in by what belongs to others, was used, or is not what the provider said.
import assert from 'node:assert/strict'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { decodeJwt } from 'jose'
import { TestCluster } from '../cluster/cluster.ts'
import type { Answer, Ask } from '../cli/ask-http.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { Browser, CLIENT, CLIENT_SECRET, TestProvider } from './openid-provider.ts'

let cluster: TestCluster
let provider: TestProvider
/** Gives no tokens for renewal, nor groups in ID tokens. */
let plain: TestProvider
let anna: TestNode
let door: URL

before(async () => {
  cluster = await TestCluster.create()
  provider = await TestProvider.open()
  plain = await TestProvider.open({ refreshes: false })
  anna = await nodeWith([provider, plain])
  door = await doorOf(0)
})
after(async () => {
  for (const one of [provider, plain]) await one[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

/** A node with a door for each provider, and a group of those who are "home" at the first. */
async function nodeWith(providers: readonly TestProvider[]): Promise<TestNode> {
  const node = cluster.node('anna')
  await node.shoal('init')
  const secretFile = join(node.folder, 'client-secret')
  await writeFile(secretFile, `${CLIENT_SECRET}\n`, { mode: 0o600 })
  const list = providers.map(({ issuer }) => {
    const oidc = `{ issuer: "${issuer}", client: ${CLIENT}, secretFile: ${secretFile} }`
    return `{ http: { listen: "127.0.0.1:0", oidc: ${oidc} } }`
  })
  await appendFile(join(node.home, 'config.yaml'), `doors: [${list.join()}]\n`)
  await node.start()
  await writeFile(join(node.folder, 'x'), 'photo')
  for (const folder of ['/photos', '/private']) {
    await node.shoal('mkdir', folder)
    await node.shoal('put', join(node.folder, 'x'), `${folder}/x`)
  }
  await node.shoal('group', 'add', 'family')
  await node.shoal('grant', 'family', '/photos', 'read')
  const issuer = providers[0]?.issuer ?? ''
  await node.shoal('group', 'provider', 'family', '--issuer', issuer, '--value', 'home')
  return node
}

async function doorOf(at: number): Promise<URL> {
  return new URL((await anna.ask((one) => one.listDoors()))[at]?.url ?? '')
}

function at(browser: Browser, path: string, ask: Ask = {}): Promise<Answer> {
  return browser.ask(new URL(path, door), ask)
}

/** Begin at our page. returns where the browser is to go. */
async function begin(browser: Browser): Promise<string> {
  const { status, text } = await at(browser, '/v1/session/provider', { method: 'POST' })
  assert.equal(status, 200, text)
  return (JSON.parse(text) as { readonly url: string }).url
}

/** The page that the browser is sent to after what the provider sends it back with. */
async function cameBack(browser: Browser, back: URL): Promise<string> {
  const answer = await browser.ask(back, { headers: { 'sec-fetch-site': 'cross-site' } })
  assert.equal(answer.status, 303, answer.text)
  return answer.headers.location ?? ''
}

function codeIn(location: string): string {
  const [, code] = /^\/#login=([\w-]{43})$/.exec(location) ?? []
  assert.ok(code !== undefined, location)
  return code
}

function redeem(browser: Browser, code: string, more: object = {}): Promise<Answer> {
  return at(browser, '/v1/session', { method: 'POST', body: JSON.stringify({ code, ...more }) })
}

/** Sign in, up to the token of a session. */
async function tokenOf(name: string, browser: Browser = new Browser()): Promise<string> {
  const back = await browser.signIn(await begin(browser), name)
  const { status, text } = await redeem(browser, codeIn(await cameBack(browser, back)), {
    page: false,
  })
  assert.equal(status, 200, text)
  return (JSON.parse(text) as { readonly token: string }).token
}

async function statusWith(token: string, path: string, method = 'GET'): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  return (await at(new Browser(), path, { method, headers })).status
}

const PHOTO = '/v1/files/main/photos/x'

test('whoever the provider puts into a group comes in, for what the group is granted', async () => {
  provider.groups.set('mum', ['staff', 'home'])
  const browser = new Browser()
  const url = new URL(await begin(browser))
  assert.deepEqual(
    ['response_type', 'code_challenge_method', 'redirect_uri'].map((name) =>
      url.searchParams.get(name),
    ),
    ['code', 'S256', `${door.origin}/v1/session/provider`],
  )
  const back = await browser.signIn(url.href, 'mum')
  const begun = await redeem(browser, codeIn(await cameBack(browser, back)))
  assert.equal(begun.status, 200, begun.text)
  const cookies = begun.headers['set-cookie'] ?? []
  assert.match(cookies[0] ?? '', /^shoal-\d+=[\w.-]+; Path=\/v1\/; HttpOnly; SameSite=Strict$/)
  assert.match(cookies[1] ?? '', /^shoal-provider-\d+=; .*Max-Age=0$/)
  const page = { 'shoal-page': (JSON.parse(begun.text) as { page: string }).page }
  const who = JSON.parse((await at(browser, '/v1/session', { headers: page })).text)
  assert.deepEqual(
    [who.who, who.isOwner, who.volume, who.grants],
    ['provider:mum@main', false, 'main', [{ path: '/photos', verbs: ['read'] }]],
  )
  const status = async (path: string, method = 'GET'): Promise<number> =>
    (await at(browser, path, { method, headers: page })).status
  assert.equal(await status(PHOTO), 200)
  assert.equal(await status(PHOTO, 'DELETE'), 403)
  assert.equal(await status('/v1/files/main/private/x'), 403)
  assert.equal(await status('/v1/status'), 403)
  assert.equal(await status('/v1/session', 'PUT'), 200)
  assert.equal(await status(PHOTO), 200)
  assert.equal(await status('/v1/session', 'DELETE'), 204)
  assert.equal(await status(PHOTO), 401)
})

test('who is in no group does not come in, and who is taken from it is out by the renewal', async () => {
  provider.groups.set('guest', ['staff', 'homework'])
  const browser = new Browser()
  const back = await browser.signIn(await begin(browser), 'guest')
  const refused = await redeem(browser, codeIn(await cameBack(browser, back)))
  assert.equal(refused.status, 401)
  assert.match(refused.text, /puts you in no group/)
  provider.groups.set('dad', ['home'])
  const token = await tokenOf('dad')
  const renew = async (shown: string): Promise<Answer> =>
    at(new Browser(), '/v1/session', {
      method: 'PUT',
      headers: { authorization: `Bearer ${shown}` },
    })
  const { token: next } = JSON.parse((await renew(token)).text) as { readonly token: string }
  assert.equal(await statusWith(next, PHOTO), 200)
  const [here, other] = [door, await doorOf(1)]
  door = other
  assert.equal((await renew(next)).status, 401, 'a door that cannot ask the provider')
  door = here
  assert.equal(await statusWith(next, PHOTO), 200)
  provider.groups.set('dad', [])
  assert.equal((await renew(next)).status, 401)
  for (const one of [token, next]) assert.equal(await statusWith(one, PHOTO), 401)
  provider.groups.set('dad', ['home'])
  assert.equal((await renew(next)).status, 401, 'it has ended')
})

test('what an admin changes of the group holds at once', async () => {
  provider.groups.set('aunt', ['home'])
  const [token, other] = [await tokenOf('aunt'), await tokenOf('aunt')]
  await anna.shoal('grant', 'family', '/private', 'read')
  assert.equal(await statusWith(token, '/v1/files/main/private/x'), 200)
  await anna.shoal('revoke', 'family', '/private')
  assert.equal(await statusWith(token, '/v1/files/main/private/x'), 403)
  await anna.shoal('group', 'provider', 'family', '--none')
  for (const one of [token, other]) assert.equal(await statusWith(one, PHOTO), 401)
  const { issuer } = provider
  await anna.shoal('group', 'provider', 'family', '--issuer', `${issuer}/`, '--value', 'home')
  assert.equal(await statusWith(token, PHOTO), 401, 'it is of another provider')
  await anna.shoal('group', 'provider', 'family', '--issuer', issuer, '--value', 'home')
  assert.equal(await statusWith(token, PHOTO), 200)
})

test('a sign-in is of the browser that began it, and goes there and back once', async () => {
  provider.groups.set('mum', ['home'])
  const [browser, other] = [new Browser(), new Browser()]
  const back = await browser.signIn(await begin(browser), 'mum')
  // Another browser, one that has begun one of its own, and one with another state.
  assert.equal(await cameBack(other, back), '/#not-signed-in')
  await begin(other)
  assert.equal(await cameBack(other, back), '/#not-signed-in')
  const code = codeIn(await cameBack(browser, back))
  assert.equal(await cameBack(browser, back), '/#not-signed-in', 'a code that was used')
  assert.equal((await redeem(browser, code)).status, 401, 'so that all of it has ended')
  const again = await browser.signIn(await begin(browser), 'mum')
  const wrong = new URL(again)
  wrong.searchParams.set('state', 'x'.repeat(43))
  assert.equal(await cameBack(browser, wrong), '/#not-signed-in')
  assert.equal(await cameBack(browser, again), '/#not-signed-in')
  const third = await browser.signIn(await begin(browser), 'mum')
  const fresh = codeIn(await cameBack(browser, third))
  assert.equal((await redeem(other, fresh)).status, 401, 'a code without its cookie')
  assert.equal((await redeem(browser, 'x'.repeat(43))).status, 401)
  assert.equal((await redeem(browser, fresh)).status, 200)
  assert.equal((await redeem(browser, fresh)).status, 401)
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'http://evil.example' },
    { host: 'evil.example' },
  ] as Record<string, string>[]) {
    const begun = await at(new Browser(), '/v1/session/provider', { method: 'POST', headers })
    assert.equal(begun.status, 403, 'no other page begins one')
  }
})

test('a code of another sign-in, and an ID token that is not for this one, let nobody in', async () => {
  provider.groups.set('mum', ['home'])
  const [browser, other] = [new Browser(), new Browser()]
  const stolen = await other.signIn(await begin(other), 'mum')
  const own = await browser.signIn(await begin(browser), 'mum')
  const mixed = new URL(own)
  mixed.searchParams.set('code', stolen.searchParams.get('code') ?? '')
  assert.equal(await cameBack(browser, mixed), '/#not-signed-in', 'PKCE: it is not its verifier')
  const nowS = (): number => Math.floor(Date.now() / 1000)
  const wrong: readonly [string, NonNullable<TestProvider['tamper']>][] = [
    ['nonce', (claims) => ({ ...claims, nonce: 'x' })],
    ['no nonce', (claims) => ({ ...claims, nonce: undefined })],
    ['audience', (claims) => ({ ...claims, aud: 'another' })],
    ['audiences', (claims) => ({ ...claims, aud: ['another', 'more'] })],
    ['issuer', (claims) => ({ ...claims, iss: 'https://evil.example' })],
    ['expired', (claims) => ({ ...claims, iat: nowS() - 900, exp: nowS() - 600 })],
    ['no subject', (claims) => ({ ...claims, sub: '' })],
  ]
  provider.tamper = (claims) => claims
  assert.equal(await statusWith(await tokenOf('mum'), PHOTO), 200, 'as it was')
  for (const [what, tamper] of wrong) {
    const victim = new Browser()
    const back = await victim.signIn(await begin(victim), 'mum')
    provider.tamper = tamper
    assert.equal(await cameBack(victim, back), '/#not-signed-in', what)
    provider.tamper = undefined
  }
  const victim = new Browser()
  const back = await victim.signIn(await begin(victim), 'mum')
  provider.isForged = true
  assert.equal(await cameBack(victim, back), '/#not-signed-in', 'another key')
  provider.isForged = false
  // Somebody else's groups do not become those of a session when it is renewed.
  const token = await tokenOf('mum')
  provider.tamper = (claims) => ({ ...claims, sub: 'dad' })
  const headers = { authorization: `Bearer ${token}` }
  const renewed = await at(new Browser(), '/v1/session', { method: 'PUT', headers })
  provider.tamper = undefined
  assert.equal(renewed.status, 401)
  assert.equal(decodeJwt(token)['idp'], provider.issuer)
})

test('a provider without tokens for renewal is asked by its userinfo', async () => {
  await anna.shoal('group', 'add', 'plain')
  await anna.shoal('grant', 'plain', '/photos', 'read')
  await anna.shoal('group', 'provider', 'plain', '--issuer', plain.issuer, '--value', 'home')
  door = await doorOf(1)
  plain.groups.set('mum', ['home'])
  const token = await tokenOf('mum')
  const headers = { authorization: `Bearer ${token}` }
  const renew = (): Promise<Answer> => at(new Browser(), '/v1/session', { method: 'PUT', headers })
  assert.equal((await renew()).status, 200)
  plain.groups.set('mum', [])
  assert.equal((await renew()).status, 401)
  assert.equal(await statusWith(token, PHOTO), 401)
})
