// Those who would break the HTTP door by what goes on over several requests, uploads and keys of
// idempotence: numbers that are none, several at one thing at once, accounts that are no more, and
// more than there may be.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { appendFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Verb } from '../../protocol/accounts/verbs.ts'
import { basic } from '../cli/ask-dav.ts'
import { asked } from '../cli/ask-http.ts'
import type { Answer, Ask } from '../cli/ask-http.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import type { ClientRequest, IncomingMessage } from 'node:http'

const PARTIAL = 'application/partial-upload'

let cluster: TestCluster
let anna: TestNode
let url: URL
let owner: string

before(async () => {
  cluster = await TestCluster.create()
  anna = cluster.node('anna')
  await anna.shoal('init')
  await appendFile(join(anna.home, 'config.yaml'), 'doors: [{ http: 127.0.0.1:0 }]\n')
  await anna.start()
  await anna.shoal('mkdir', '/a')
  const [door] = await anna.ask((client) => client.listDoors())
  url = new URL(door?.url ?? '')
  owner = `Bearer ${(await anna.ask((client) => client.doorToken())).token}`
})
after(() => cluster[Symbol.asyncDispose]())

interface Key {
  readonly id: string
  readonly header: string
}

async function keyFor(...verbs: readonly Verb[]): Promise<Key> {
  const { account, secret } = await anna.ask((client) =>
    client.createKey('test', { path: '/a', verbs }),
  )
  return { id: account.name, header: basic(account.name, secret) }
}

function ask(
  authorization: string,
  path: string,
  { headers = {}, ...options }: Ask = {},
): Promise<Answer> {
  return asked(url, path, { ...options, headers: { authorization, ...headers } })
}

/** Begin an upload, and say where it is. */
async function begin(authorization: string, path: string): Promise<string> {
  const { status, headers } = await ask(authorization, `/v1/files/main${path}`, {
    method: 'PUT',
    headers: { 'upload-complete': '?0' },
  })
  assert.equal(status, 201, path)
  return headers.location ?? ''
}

function append(offset: string, isLast = '?0', type: string = PARTIAL): Record<string, string> {
  return { 'upload-offset': offset, 'upload-complete': isLast, 'content-type': type }
}

function patchBy(authorization: string): { method: string; headers: Record<string, string> } {
  return { method: 'PATCH', headers: { authorization, ...append('0', '?1') } }
}

/** A request that says that 1,000 bytes come, and has sent some of them. */
function begun(
  path: string,
  text: string,
  { method, headers }: { method: string; headers: Record<string, string> },
): ClientRequest {
  const { hostname: host, port } = url
  const all = { ...headers, 'content-length': '1000' }
  const sent = httpRequest({ host, port, path, method, headers: all })
  sent.on('error', () => {})
  sent.write(text)
  return sent
}

test('what is no offset, length, type or state is refused, and changes nothing', async () => {
  const at = await begin(owner, '/a/strict')
  const patch = async (headers: Record<string, string>): Promise<number> =>
    (await ask(owner, at, { method: 'PATCH', headers, body: 'x' })).status
  const { 'upload-complete': _, ...stateless } = append('0')
  for (const [status, headers] of [
    [400, append('-1')],
    [400, append('1e3')],
    [400, append('0x0')],
    [400, append('9'.repeat(16))],
    [400, append('')],
    [400, append('0, 0')],
    [400, append('0', 'true')],
    [400, append('0', '?2')],
    [400, stateless],
    [409, append('9'.repeat(15))],
    [409, append('1')],
    [415, append('0', '?0', 'application/octet-stream')],
    [415, append('0', '?0', `${PARTIAL}; x=y`)],
    [400, { ...append('0', '?1'), 'upload-length': '2' }],
    [413, { ...append('0'), 'upload-length': '9'.repeat(15) }],
  ] as const)
    assert.equal(await patch(headers), status, JSON.stringify(headers))
  for (const method of ['GET', 'PUT', 'POST'])
    assert.equal((await ask(owner, at, { method })).status, 405)
  for (const path of [
    `${at}x`,
    `${at}/`,
    `${at}/..`,
    '/v1/uploads/',
    '/v1/uploads/%00',
    '/v1/uploads-x',
  ])
    assert.equal((await ask(owner, path, { method: 'HEAD' })).status, 404, path)
  const end = await ask(owner, at, { method: 'PATCH', headers: append('0', '?1'), body: 'right' })
  assert.equal(end.status, 201)
  assert.equal((await ask(owner, '/v1/files/main/a/strict')).text, 'right')
})

test('of those that write to one upload at once each byte counts once', async () => {
  const at = await begin(owner, '/a/raced')
  const letters = 'abcdefgh'.split('')
  const answers = await Promise.all(
    letters.map(async (letter) => {
      const body = letter.repeat(5000)
      const sent = ask(owner, at, { method: 'PATCH', headers: append('0'), body })
      return sent.then(({ status }) => status).catch(() => 0)
    }),
  )
  assert.equal(answers.filter((status) => status === 204).length <= 1, true, answers.join())
  const { headers } = await ask(owner, at, { method: 'HEAD' })
  const offset = Number(headers['upload-offset'])
  const end = await ask(owner, at, {
    method: 'PATCH',
    headers: append(`${offset}`, '?1'),
    body: '!',
  })
  assert.equal(end.status, 201)
  assert.match((await ask(owner, '/v1/files/main/a/raced')).text, /^([a-h]?)\1*!$/)
  const gone = await begin(owner, '/a/gone')
  const slow = begun(gone, 'some', patchBy(owner))
  assert.equal((await ask(owner, gone, { method: 'DELETE' })).status, 204)
  slow.destroy()
  assert.equal((await ask(owner, gone, { method: 'HEAD' })).status, 404)
})

test('an upload is of the account that began it, with its rights of each moment', async () => {
  const [adding, other, reading] = await Promise.all([
    keyFor('add'),
    keyFor('write'),
    keyFor('read'),
  ])
  const refused = async (key: Key, path: string): Promise<number> => {
    const put = { method: 'PUT', headers: { 'upload-complete': '?0' } }
    return (await ask(key.header, `/v1/files/main${path}`, put)).status
  }
  assert.deepEqual([await refused(reading, '/a/x'), await refused(other, '/b')], [403, 403])
  await ask(owner, '/v1/files/main/a/there', { method: 'PUT', body: 'there' })
  assert.equal(await refused(adding, '/a/there'), 412, 'it replaces nothing')
  const at = await begin(adding.header, '/a/late')
  for (const { header } of [other, reading, { header: owner }]) {
    for (const method of ['HEAD', 'DELETE'])
      assert.equal((await ask(header, at, { method })).status, 404)
    const stolen = { method: 'PATCH', headers: append('0', '?1'), body: 'mine' }
    assert.equal((await ask(header, at, stolen)).status, 404)
    assert.doesNotMatch((await ask(header, '/v1/uploads')).text, new RegExp(at))
  }
  await ask(owner, '/v1/files/main/a/late', { method: 'PUT', body: 'first' })
  const body = { method: 'PATCH', headers: append('0', '?1'), body: 'late' }
  assert.equal((await ask(adding.header, at, body)).status, 412, 'by then it would replace')
  const slow = begun('/v1/files/main/a/under-way', 'begun', {
    method: 'PUT',
    headers: { authorization: other.header, 'upload-complete': '?1' },
  })
  const ended = once(slow, 'response') as Promise<[IncomingMessage]>
  const [{ headers }] = (await once(slow, 'information')) as [{ headers: Record<string, string> }]
  await anna.ask((client) => client.removeAccount(other.id))
  slow.end('x'.repeat(995))
  const [{ statusCode }] = await ended
  assert.equal(statusCode, 401)
  assert.equal((await ask(owner, '/v1/files/main/a/under-way')).status, 404)
  const under = headers['location'] ?? ''
  assert.equal((await ask(other.header, under, { method: 'HEAD' })).status, 401)
})

test('hundreds of uploads that are begun are not more than an account may have', async () => {
  const { header } = await keyFor('write')
  const put = { method: 'PUT', headers: { 'upload-complete': '?0' } }
  const counts = new Map<number, number>()
  for (let at = 0; at < 400; at += 100)
    for (const { status } of await Promise.all(
      Array.from({ length: 100 }, (_, i) => ask(header, `/v1/files/main/a/many${at + i}`, put)),
    ))
      counts.set(status, (counts.get(status) ?? 0) + 1)
  assert.deepEqual(Object.fromEntries(counts), { 201: 64, 429: 336 })
  await begin(owner, '/a/others-may')
})

test('a key is a short string, of one account, for one request', async () => {
  const put = (authorization: string, key: string, body = 'x'): Promise<Answer> =>
    ask(authorization, '/v1/files/main/a/keyed', {
      method: 'PUT',
      headers: { 'idempotency-key': key, 'if-none-match': '*' },
      body,
    })
  for (const key of ['', 'k'.repeat(10_000), '"', '""', '"a"b"', 'a b', '"ü"', '"a", "b"', '?1;x'])
    assert.equal((await put(owner, key)).status, 400, key)
  assert.equal((await ask(owner, '/v1/files/main/a/keyed')).status, 404)
  const [one, other] = await Promise.all([keyFor('write'), keyFor('write')])
  assert.equal((await put(one.header, 'same')).status, 201)
  assert.equal((await put(other.header, 'same')).status, 412, 'nobody hears the answer of another')
  const again = await put(one.header, 'same')
  assert.deepEqual([again.status, again.headers['idempotent-replayed']], [201, 'true'])
  const to = '/v1/files/main/a/slow'
  const headers = { 'idempotency-key': 'slow', 'upload-complete': '?1' }
  const slow = begun(to, 'some', { method: 'PUT', headers: { authorization: owner, ...headers } })
  const same = (length: number): Promise<Answer> =>
    ask(owner, to, { method: 'PUT', headers, body: `some${'x'.repeat(length - 4)}` })
  await once(slow, 'information')
  assert.equal((await same(999)).status, 422)
  const waiting = await same(1000)
  assert.deepEqual([waiting.status, waiting.headers['retry-after']], [409, '1'])
  slow.destroy()
  await eventually('what broke off is made anew', async () => (await same(1000)).status === 201)
  assert.equal((await ask(owner, to)).text.length, 1000)
})
