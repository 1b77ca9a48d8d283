// The HTTP door of a real node that is killed: uploads over several requests that are broken off
// and gone on with, and calls with a key that are made once.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { appendFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { asked } from '../cli/ask-http.ts'
import type { Answer, Ask } from '../cli/ask-http.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'

const KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
const PARTIAL = { 'content-type': 'application/partial-upload' }

let cluster: TestCluster
let anna: TestNode
let url: URL
let authorization: string
/** The answer to a call with that key before the node died. */
let made: Answer | undefined

before(async () => {
  cluster = await TestCluster.create()
  anna = cluster.node('anna')
  await anna.shoal('init')
  await appendFile(join(anna.home, 'config.yaml'), 'doors: [{ http: 127.0.0.1:0 }]\n')
  await begin()
  await anna.shoal('volume', 'create', 'main')
})
after(() => cluster[Symbol.asyncDispose]())

async function begin(): Promise<void> {
  await anna.start()
  const [door] = await anna.ask((client) => client.listDoors())
  const { token } = await anna.ask((client) => client.doorToken())
  url = new URL(door?.url ?? '')
  authorization = `Bearer ${token}`
}

function ask(path: string, { headers = {}, ...options }: Ask = {}): Promise<Answer> {
  return asked(url, path, { ...options, headers: { authorization, ...headers } })
}

function patch(path: string, offset: number, body: Buffer, isLast: boolean): Promise<Answer> {
  const headers = {
    ...PARTIAL,
    'upload-offset': `${offset}`,
    'upload-complete': isLast ? '?1' : '?0',
  }
  return ask(path, { method: 'PATCH', headers, body })
}

/** Bytes of an upload that are there, by HEAD. */
async function offsetOf(path: string): Promise<number> {
  const { status, headers } = await ask(path, { method: 'HEAD' })
  assert.equal(status, 204)
  assert.equal(headers['cache-control'], 'no-store')
  return Number(headers['upload-offset'])
}

/** Send the first bytes of so many, and hang up. returns where to go on. */
async function sendAndBreak(
  path: string,
  { method, headers }: { method: string; headers: Record<string, string> },
  { body, length }: { body: Buffer; length: number },
): Promise<string> {
  const sent = httpRequest({
    host: url.hostname,
    port: url.port,
    path,
    method,
    headers: { authorization, 'content-length': `${length}`, ...headers },
  })
  sent.on('error', () => {})
  const told = once(sent, 'information') as Promise<[{ headers: Record<string, string> }]>
  await new Promise((resolve) => sent.write(body, resolve))
  const [{ headers: begun }] = await told
  sent.destroy()
  return begun['location'] ?? ''
}

function keyed(key: string, fields: object, name = 'createSnapshot'): Promise<Answer> {
  return ask(`/v1/calls/${name}`, {
    method: 'POST',
    headers: { 'idempotency-key': key },
    body: JSON.stringify(fields),
  })
}

test('an upload goes on after it broke off and after a kill -9, and is seen once it is whole', async () => {
  const bytes = Buffer.from(new SeededRandom('uploads', 'content').bytes(24 * MIB))
  const file = '/v1/files/main/deep/er/big?mode=600&parents=true'
  const put = { method: 'PUT', headers: { 'upload-complete': '?1', 'if-none-match': '*' } }
  const upload = await sendAndBreak(file, put, {
    body: bytes.subarray(0, 20 * MIB),
    length: bytes.length,
  })
  let offset = 0
  await eventually('what came is kept', async () => {
    offset = await offsetOf(upload)
    return offset > 0
  })
  assert.ok(offset <= 20 * MIB)
  const calls = [1, 2].map(() => keyed(KEY, { path: 'main:/', name: 'one' }))
  const answers = await Promise.all(calls)
  for (const { status } of answers) assert.ok(status === 200 || status === 409)
  made = answers.find(({ status }) => status === 200)
  await anna.kill('SIGKILL')
  await begin()
  assert.equal(await offsetOf(upload), offset, 'no byte that was acknowledged is lost')
  assert.equal((await ask('/v1/files/main/deep/er/big')).status, 404)
  const middle = await patch(upload, offset, bytes.subarray(offset, 22 * MIB), false)
  assert.deepEqual([middle.status, middle.headers['upload-offset']], [204, `${22 * MIB}`])
  assert.equal((await ask('/v1/files/main/deep')).status, 404, 'nothing is seen yet')
  const wrong = await patch(upload, 5, bytes.subarray(5, 10), false)
  assert.deepEqual([wrong.status, wrong.headers['upload-offset']], [409, `${22 * MIB}`])
  assert.match(wrong.text, /mismatching-upload-offset.*"expected-offset":23068672/)
  const { uploads } = JSON.parse((await ask('/v1/uploads')).text) as {
    uploads: readonly { location: string; path: string }[]
  }
  assert.deepEqual(
    uploads.map(({ location, path }) => [location, path]),
    [[upload, 'main:/deep/er/big']],
  )
  const end = await patch(upload, 22 * MIB, bytes.subarray(22 * MIB), true)
  assert.deepEqual([end.status, end.headers['upload-complete']], [201, '?1'])
  const head = await ask(upload, { method: 'HEAD' })
  assert.deepEqual([head.headers['upload-complete'], head.headers.etag], ['?1', end.headers.etag])
  const whole = await ask('/v1/files/main/deep/er/big', { method: 'HEAD' })
  assert.deepEqual(
    [whole.headers.etag, whole.headers['shoal-mode'], whole.headers['content-length']],
    [end.headers.etag, '600', `${bytes.length}`],
  )
  const found: Buffer[] = []
  const response = await fetch(`${url.origin}/v1/files/main/deep/er/big`, {
    headers: { authorization },
  })
  for await (const part of response.body ?? []) found.push(Buffer.from(part as Uint8Array))
  assert.ok(bytes.equals(Buffer.concat(found)))
  const { entries } = JSON.parse((await ask('/v1/files/main/')).text) as {
    entries: readonly { name: string }[]
  }
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['deep'],
    'nothing is left of the upload',
  )
})

test('programs may begin with nothing, without a length, and by POST; conditions hold at the end', async () => {
  const begun = await ask('/v1/files/main/notes', {
    method: 'POST',
    headers: { 'upload-complete': '?0', 'if-none-match': '*' },
  })
  const { location = '' } = begun.headers
  assert.deepEqual([begun.status, begun.headers['upload-offset']], [201, '0'])
  assert.match(String(begun.headers['upload-limit']), /^max-size=\d+, max-age=604\d{3}$/)
  assert.equal((await patch(location, 0, Buffer.from('hello '), false)).status, 204)
  await ask('/v1/files/main/notes', { method: 'PUT', body: 'somebody else' })
  const refused = await patch(location, 6, Buffer.from('world'), true)
  assert.deepEqual([refused.status, refused.headers['upload-complete']], [412, '?1'])
  await ask('/v1/files/main/notes', { method: 'DELETE' })
  const again = await patch(location, 11, Buffer.alloc(0), true)
  assert.equal(again.status, 201)
  assert.equal((await ask('/v1/files/main/notes')).text, 'hello world')
  for (const [body, type] of [
    ['', 'completed-upload'],
    ['x', 'inconsistent-upload-length'],
  ] as const) {
    const late = await patch(location, 11, Buffer.from(body), true)
    assert.deepEqual([late.status, late.text.includes(type)], [400, true], late.text)
  }
  const empty = await ask('/v1/files/main/empty', {
    method: 'PUT',
    headers: { 'upload-complete': '?1' },
  })
  assert.equal(empty.status, 201)
  assert.equal((await ask('/v1/files/main/empty')).text, '')
  const other = await ask('/v1/files/main/other', {
    method: 'PUT',
    headers: { 'upload-complete': '?0' },
    body: 'x',
  })
  const at = other.headers.location ?? ''
  assert.equal((await ask(at, { method: 'DELETE' })).status, 204)
  for (const method of ['HEAD', 'DELETE']) assert.equal((await ask(at, { method })).status, 404)
  const options = await ask('/v1/files/main/other', { method: 'OPTIONS' })
  assert.equal(options.headers['accept-patch'], PARTIAL['content-type'])
})

test('a call with a key is made once, and answered so again, also after a kill -9', async () => {
  const again = await keyed(KEY, { path: 'main:/', name: 'one' })
  assert.deepEqual([again.status, again.text], [200, made?.text])
  assert.equal(again.headers['idempotent-replayed'], 'true')
  assert.equal((await keyed(KEY, { path: 'main:/', name: 'two' })).status, 422)
  assert.equal((await keyed(KEY, { path: 'main:/', name: 'one' }, 'makeFolder')).status, 422)
  assert.equal((await keyed('other', { path: 'main:/', name: 'one' })).status, 409, 'it is there')
  const put = (body: string): Promise<Answer> =>
    ask('/v1/files/main/keyed', {
      method: 'PUT',
      headers: { 'idempotency-key': 'put', 'if-none-match': '*' },
      body,
    })
  const written = await put('one')
  assert.equal(written.status, 201)
  const rewritten = await put('one')
  assert.deepEqual([rewritten.status, rewritten.headers.etag], [201, written.headers.etag])
  assert.equal((await put('two')).status, 422, 'of the same length')
  const snapshots = await anna.ask((client) => client.listSnapshots())
  assert.equal(snapshots.length, 1)
})
