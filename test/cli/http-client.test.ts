// The client of the HTTP API against a real node, by nothing else; whether its types are those of
// the API; how failures look; and the examples of docs/http.md as a shell runs them.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { format, resolveConfig } from 'prettier'
import { ShoalClient, ShoalProblem } from '../../client/client.ts'
import type { Asking } from '../../client/client.ts'
import { upload } from '../../client/upload.ts'
import { SCHEMAS } from '../../node/doors/http/schemas.ts'
import { CLIENT_TYPES, clientTypes } from '../../scripts/client-types.ts'
import { asked } from './ask-http.ts'
import { withDoor } from './with-door.ts'
import type { Answer, Ask } from './ask-http.ts'
import type { OpenDoor } from './with-door.ts'
import type { SchemaName } from '../../node/doors/http/schemas.ts'

const SHOAL = join(import.meta.dirname, '..', '..', 'cli', 'shoal.mjs')
const DOC = new URL('../../docs/http.md', import.meta.url)

let door: OpenDoor
let client: ShoalClient
const ended = Promise.withResolvers<undefined>()
let running: Promise<void>

before(async () => {
  const open = Promise.withResolvers<OpenDoor>()
  running = withDoor('{ http: "127.0.0.1:0" }', async (place) => {
    open.resolve(place)
    await ended.promise
  })
  door = await Promise.race([open.promise, running.then(() => assert.fail('it ended'))])
  const headers = (): Record<string, string> => ({ authorization: `Bearer ${door.token}` })
  client = new ShoalClient({ url: door.url.origin, headers })
})
after(async () => {
  ended.resolve(undefined)
  await running
})

/** The answer is as the description of the API says, with no member more. */
function isDescribed(name: SchemaName, answer: unknown): void {
  assert.deepEqual(SCHEMAS[name].parse(answer), answer)
}

/** Breaks connections off: the first bytes of a piece arrive, the answers do not. */
class BadNetwork extends ShoalClient {
  broken = 0

  override async request(path: string, asked: Asking = {}): Promise<Response> {
    if (asked.method !== 'PATCH' || this.broken > 3) return super.request(path, asked)
    this.broken++
    if (this.broken === 2) {
      await super.request(path, asked)
      throw new TypeError('the answer was lost')
    }
    if (this.broken === 1) throw new TypeError('nothing arrived')
    throw new ShoalProblem({ ...(await this.#problem()), status: 503, permanent: false })
  }

  async #problem(): Promise<ShoalProblem['problem']> {
    try {
      await super.request('/v1/none')
      return assert.fail('there is one')
    } catch (error) {
      assert.ok(error instanceof ShoalProblem)
      return error.problem
    }
  }
}

describe('the client of the HTTP API', () => {
  test('its types are those of the description: else run node scripts/client-types.ts', async () => {
    const options = await resolveConfig(CLIENT_TYPES)
    const made = await format(clientTypes(), { ...options, parser: 'typescript' })
    assert.equal(readFileSync(CLIENT_TYPES, 'utf8'), made)
  })

  test('lists, puts, gets in part, hears events, and says what failed', async () => {
    await client.call('makeFolder', { path: 'main:/docs' })
    const stop = new AbortController()
    const events = await client.changes('main:/', stop.signal)
    const tag = await client.put('main:/docs/a b?.txt', 'hello world', { ifTag: '' })
    const names: string[] = []
    for await (const entry of client.list('main:/docs')) {
      isDescribed('FileStat', entry)
      assert.equal(entry.tag, tag)
      names.push(entry.name)
    }
    assert.deepEqual(names, ['a b?.txt'])
    const part = await client.get('main:/docs/a b?.txt', { from: 6, to: 9 })
    assert.deepEqual([part.status, await part.text()], [206, 'wor'])
    const { value } = await events.next()
    isDescribed('LogItem', value)
    assert.ok(value?.kind === 'entry' && value.changes[0]?.path === '/docs/a b?.txt')
    stop.abort()
    const made = await client.call('createSnapshot', { path: 'main:/', name: 'one' }, { key: 'k' })
    isDescribed('SnapshotInfo', made)
    assert.deepEqual(
      await client.call('createSnapshot', { path: 'main:/', name: 'one' }, { key: 'k' }),
      made,
    )
    for await (const item of client.items('readLog', { path: 'main:/' }, { limit: 2 }))
      isDescribed('LogItem', item)
    for await (const item of client.items('listVersions', { path: 'main:/docs/a b?.txt' }))
      isDescribed('VersionInfo', item)
    await client.remove('main:/docs', { recursive: true })
    for await (const item of client.items('listRemoved', { path: 'main:/' }))
      isDescribed('RemovedItem', item)
    await assert.rejects(client.put('main:/none/a', 'x'), (error) => {
      assert.ok(error instanceof ShoalProblem)
      isDescribed('Problem', error.problem)
      return error.code === 'ENOENT' && error.problem.status === 404
    })
    await assert.rejects(
      client.changes('main:/none', new AbortController().signal),
      (error) => error instanceof ShoalProblem && error.code === 'ENOENT',
    )
  })

  test('goes on with an upload whatever breaks, and with one that another run began', async () => {
    const bytes = Buffer.alloc(17 * 1024 * 1024, 'some bytes ')
    const options = {
      url: door.url.origin,
      headers: () => ({ authorization: `Bearer ${door.token}` }),
    }
    const bad = new BadNetwork(options)
    const pausesMs = [0, 0, 0, 0]
    let begun: string | undefined
    const stop = new AbortController()
    const first = upload(bad, 'main:/big', new Blob([bytes]), {
      pausesMs,
      signal: stop.signal,
      onBegun: (location) => (begun = location),
      onSent: (sent) => sent > 0 && stop.abort(),
    })
    await assert.rejects(first)
    isDescribed('Uploads', await (await client.request('/v1/uploads')).json())
    const sent: number[] = []
    const onSent = (count: number): unknown => sent.push(count)
    const tag = await upload(bad, 'main:/big', new Blob([bytes]), { pausesMs, begun, onSent })
    assert.equal(bad.broken, 4)
    assert.ok(sent[0] === 16 * 1024 * 1024 && sent.at(-1) === bytes.length, sent.join())
    const got = await client.get('main:/big')
    assert.equal(got.headers.get('etag'), `"${tag}"`)
    assert.ok(bytes.equals(Buffer.from(await got.arrayBuffer())))
  })

  test('every failure is a problem with type, title, status, detail and code', async () => {
    const ask = (path: string, { headers = {}, ...options }: Ask = {}): Promise<Answer> =>
      asked(door.url, path, {
        ...options,
        headers: { authorization: `Bearer ${door.token}`, ...headers },
      })
    await ask('/v1/files/main/f/a?parents=true', { method: 'PUT', body: 'abc' })
    const { headers } = await ask('/v1/files/main/f/open', {
      method: 'PUT',
      headers: { 'upload-complete': '?0' },
    })
    const upload = headers.location ?? ''
    const partial = { 'content-type': 'application/partial-upload', 'upload-complete': '?0' }
    const wrong = { authorization: 'Bearer x' }
    const rows: readonly (readonly [string, string, number, string, Ask?])[] = [
      ['GET', '/v1/status', 401, 'EACCES', { headers: wrong }],
      ['GET', '/v1/status', 403, 'EPERM', { headers: { host: 'evil.example' } }],
      ['GET', '/v1/none', 404, 'unsupported'],
      ['GET', '/nothing', 404, 'unsupported'],
      ['POST', '/v1/status', 405, 'unsupported'],
      ['PATCH', '/v1/session', 405, 'unsupported'],
      ['POST', '/v1/session', 400, 'malformed', { body: '{}' }],
      ['GET', '/v1/calls/stat', 405, 'unsupported'],
      ['POST', '/v1/calls/none', 404, 'unsupported'],
      ['POST', '/v1/calls/stat', 400, 'malformed', { body: '{' }],
      ['POST', '/v1/calls/stat', 400, 'usage', { body: '{}' }],
      ['POST', '/v1/calls/stat', 404, 'ENOENT', { body: '{"path": "main:/none"}' }],
      ['POST', '/v1/calls/list', 404, 'ENOENT', { body: '{"path": "main:/none"}' }],
      ['POST', '/v1/calls/stat', 413, 'EFBIG', { body: ' '.repeat(1_100_000) }],
      ['GET', '/v1/files/none/a', 404, 'no-such-volume'],
      ['GET', '/v1/files/main/none', 404, 'ENOENT'],
      ['GET', '/v1/files/main/f/a/', 400, 'ENOTDIR'],
      ['GET', '/v1/files/main/../a', 400, 'usage'],
      ['GET', '/v1/files/main/f?limit=x', 400, 'usage'],
      ['GET', '/v1/files/main/f/a', 412, 'precondition', { headers: { 'if-match': '"x"' } }],
      ['GET', '/v1/files/main/f/a', 416, 'EINVAL', { headers: { range: 'bytes=3-' } }],
      ['PATCH', '/v1/files/main/f/a', 405, 'unsupported'],
      ['PUT', '/v1/files/main/f', 400, 'EISDIR', { body: 'x' }],
      ['PUT', '/v1/files/main/no/a', 404, 'ENOENT', { body: 'x' }],
      ['PUT', '/v1/files/main/f/a?mode=9', 400, 'usage', { body: 'x' }],
      ['DELETE', '/v1/files/main/f', 409, 'ENOTEMPTY'],
      ['GET', '/v1/changes/none/', 404, 'no-such-volume'],
      ['GET', '/v1/changes/main/none', 404, 'ENOENT'],
      ['PUT', '/v1/watch', 405, 'unsupported'],
      ['GET', '/v1/uploads/none', 405, 'unsupported'],
      ['DELETE', '/v1/uploads/none', 404, 'ENOENT'],
      ['PATCH', upload, 415, 'usage'],
      ['PATCH', upload, 400, 'usage', { headers: partial }],
      ['PATCH', upload, 409, 'precondition', { headers: { ...partial, 'upload-offset': '7' } }],
      ['PUT', '/v1/files/main/f/a', 400, 'usage', { headers: { 'idempotency-key': '' } }],
    ]
    for (const [method, path, status, code, options = {}] of rows) {
      const row = `${method} ${path} ${status} ${code}`
      const answer = await ask(path, { method, ...options })
      assert.equal(answer.status, status, `${row}: ${answer.text}`)
      assert.equal(answer.headers['content-type'], 'application/problem+json', row)
      const problem = JSON.parse(answer.text) as Record<string, unknown>
      assert.deepEqual([problem['status'], problem['code']], [status, code], row)
      for (const member of ['type', 'title', 'detail'])
        assert.ok(typeof problem[member] === 'string' && problem[member] !== '', row)
      assert.equal(answer.headers.allow !== undefined, status === 405, row)
    }
    const head = await ask('/v1/files/main/none', { method: 'HEAD' })
    assert.deepEqual([head.status, head.text], [404, ''])
  })

  test('the examples of docs/http.md do what they say', async () => {
    const { folder, home, url } = door
    const text = await readFile(DOC, 'utf8')
    const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block)
    assert.ok(blocks.length >= 4)
    for (const [name, content] of [
      ['report.pdf', 'r'.repeat(200)],
      ['disk.img.1', 'first '],
      ['disk.img.2', 'second'],
    ] as const)
      await writeFile(join(folder, name), content)
    const before = [
      'set -eu',
      `shoal() { '${process.execPath}' '${SHOAL}' --home '${home}' "$@"; }`,
      'curl() { command curl --silent --show-error --fail "$@"; }',
    ].join('\n')
    const script = `${before}\n${blocks.join('\n')}`.replaceAll('localhost:4190', url.host)
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: folder })
    assert.ok(stdout.includes('r'.repeat(100)) && !stdout.includes('r'.repeat(101)))
    assert.equal(await (await client.get('main:/disk.img')).text(), 'first second')
    const snapshots = await client.call('listSnapshots', {})
    assert.ok(snapshots.some(({ name }) => name === 'before'))
  })
})
