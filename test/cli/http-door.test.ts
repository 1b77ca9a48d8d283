// The HTTP door of a real node, as programs use it, and as others try to get in.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { asked } from './ask-http.ts'
import { withPlace } from './shoal.ts'
import { ALONE, answerTo, withDoor as withOpenDoor } from './with-door.ts'
import type { Answer, Ask } from './ask-http.ts'
import type { FileStat, FolderPage } from '../../node/control/files.ts'
import type { OpenDoor } from './with-door.ts'

const NAME = '<img onerror=x> \\ü🐟'
const CONNECTIONS = 300

interface Door extends OpenDoor {
  /** A request with the token, whose path is sent as it is. */
  readonly ask: (path: string, options?: Ask) => Promise<Answer>
}

async function withDoor(use: (door: Door) => Promise<void>): Promise<void> {
  await withOpenDoor('{ http: "127.0.0.1:0" }', async (door) => {
    const { url, token } = door
    const ask: Door['ask'] = (path, { headers = {}, ...options } = {}) =>
      asked(url, path, { ...options, headers: { authorization: `Bearer ${token}`, ...headers } })
    await use({ ...door, ask })
  })
}

describe('the HTTP door', { concurrency: 2 }, () => {
  test('files: made, read whole and in parts, replaced on condition, listed, removed', async () => {
    await withDoor(async ({ ask, shoal, folder }) => {
      const at = `/v1/files/main/d/${encodeURIComponent(NAME)}`
      const made = await ask(`${at}?parents=true&mode=600`, { method: 'PUT', body: 'hello world' })
      assert.equal(made.status, 201)
      const whole = await ask(at)
      assert.deepEqual(
        [whole.status, whole.text, whole.headers.etag],
        [200, 'hello world', made.headers.etag],
      )
      assert.equal(whole.headers['x-content-type-options'], 'nosniff')
      assert.match(String(whole.headers['content-security-policy']), /sandbox/)
      assert.equal(whole.headers['shoal-mode'], '600')
      for (const [range, status, text] of [
        ['bytes=0-4', 206, 'hello'],
        ['bytes=6-', 206, 'world'],
        ['bytes=-3', 206, 'rld'],
        ['bytes=6-99', 206, 'world'],
        ['bytes=0-0,2-3', 200, 'hello world'],
        ['lines=1-2', 200, 'hello world'],
      ] as const) {
        const part = await ask(at, { headers: { range } })
        assert.deepEqual([part.status, part.text], [status, text], range)
      }
      for (const range of ['bytes=11-', 'bytes=-0']) {
        const none = await ask(at, { headers: { range } })
        assert.deepEqual([none.status, none.headers['content-range']], [416, 'bytes */11'], range)
      }
      const etag = whole.headers.etag ?? ''
      assert.equal((await ask(at, { headers: { 'if-none-match': etag } })).status, 304)
      assert.equal((await ask(at, { headers: { 'if-match': '"other"' } })).status, 412)
      assert.equal(
        (await ask(at, { headers: { range: 'bytes=0-1', 'if-range': '"other"' } })).text,
        'hello world',
      )
      const head = await ask(at, { method: 'HEAD' })
      assert.deepEqual([head.headers['content-length'], head.text], ['11', ''])
      const put = (headers: Record<string, string>, body: string): Promise<Answer> =>
        ask(at, { method: 'PUT', headers, body })
      assert.equal((await put({ 'if-none-match': '*' }, 'no')).status, 412)
      const rivals = await Promise.all(
        ['a', 'b', 'c', 'd'].map((body) => put({ 'if-match': etag }, body)),
      )
      assert.deepEqual(
        rivals.map(({ status }) => status).toSorted((a, b) => a - b),
        [204, 412, 412, 412],
      )
      assert.match((await ask(at)).text, /^[abcd]$/)
      assert.equal((await put({ 'content-range': 'bytes 0-1/2' }, 'xx')).status, 400)
      const { entries } = JSON.parse((await ask('/v1/files/main/d/')).text) as FolderPage
      assert.deepEqual(
        entries.map(({ name }) => name),
        [NAME],
      )
      await shoal('get', `/d`, join(folder, 'got'))
      assert.match(await readFile(join(folder, 'got', NAME), 'utf8'), /^[abcd]$/)
      assert.equal((await ask(at, { method: 'DELETE', headers: { 'if-match': etag } })).status, 412)
      assert.equal((await ask(at, { method: 'DELETE' })).status, 204)
      assert.equal((await ask(at)).status, 404)
      assert.equal((await ask('/v1/files/main/d?recursive=true', { method: 'DELETE' })).status, 204)
    })
  })

  test('a folder is listed in pages, each entry once; an upload broken off changes nothing', async () => {
    await withDoor(async ({ ask, url, token }) => {
      const names = Array.from({ length: 25 }, (_, i) => `f${i}`)
      for (const name of names)
        await ask(`/v1/files/main/many/${name}?parents=true`, { method: 'PUT', body: name })
      const seen: string[] = []
      for (let after = ''; ;) {
        const { text } = await ask(`/v1/files/main/many?limit=10${after}`)
        const { entries, next } = JSON.parse(text) as FolderPage
        assert.ok(entries.length <= 10)
        seen.push(...entries.map(({ name }) => name))
        if (next === undefined) break
        after = `&after=${next}`
      }
      assert.deepEqual(seen.toSorted(), names.toSorted())
      assert.equal((await ask('/v1/files/main/many?after=xyz')).status, 400)
      const socket = connect(Number(url.port), url.hostname)
      await once(socket, 'connect')
      const head = `PUT /v1/files/main/many/f1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n`
      socket.end(`${head}Content-Length: 1000\r\n\r\nhalf`)
      socket.resume()
      await once(socket, 'close')
      assert.equal((await ask('/v1/files/main/many/f1')).text, 'f1')
      const stat = JSON.parse((await ask('/v1/files/main/many/f1?stat')).text) as FileStat
      assert.deepEqual([stat.kind, stat.sizeBytes], ['file', 2])
    })
  })

  test('calls, the description of all of them, and changes as they come', async () => {
    await withDoor(async ({ ask, url, token }) => {
      const post = (name: string, fields: object): Promise<Answer> =>
        ask(`/v1/calls/${name}`, { method: 'POST', body: JSON.stringify(fields) })
      assert.equal((await post('makeFolder', { path: 'main:/a' })).status, 200)
      const color = { 'user.color': Buffer.from('blue').toString('base64') }
      const paint = (extended: object): Promise<Answer> =>
        post('setAttributes', { path: 'main:/a', extended })
      assert.equal((await paint({ ...color, 'user.size': 'AA==' })).status, 200)
      assert.equal((await paint({ 'user.size': null })).status, 200)
      assert.equal((await paint({ 'security.selinux': 'AA==' })).status, 400)
      assert.equal((await paint({ 'user.shoal.state': 'AA==' })).status, 400)
      const painted = (await post('listPage', { path: 'main:/', extended: true })).text
      const { entries } = JSON.parse(painted) as FolderPage
      assert.deepEqual(
        entries.map(({ extended }) => extended),
        [color],
      )
      const lines = (await post('list', { path: 'main:/' })).text.trimEnd().split('\n')
      assert.deepEqual(
        lines.map((line) => (JSON.parse(line) as FileStat).name),
        ['a'],
      )
      await post('makeFolder', { path: 'main:/b' })
      const first = await post('list?limit=1', { path: 'main:/' })
      assert.equal(first.text.trimEnd().split('\n').length, 1)
      const wrong = await post('stat', { path: 5 })
      assert.deepEqual(
        [wrong.status, wrong.headers['content-type']],
        [400, 'application/problem+json'],
      )
      assert.equal((await post('stop', {})).status, 404)
      assert.equal((await post('__proto__', {})).status, 404)
      assert.equal((await ask('/v1/calls/list')).status, 405)
      const { paths } = JSON.parse((await ask('/v1/openapi.json')).text) as { paths: object }
      assert.ok('/v1/calls/createSnapshot' in paths && !('/v1/calls/stop' in paths))
      const headers = { authorization: `Bearer ${token}` }
      const events = await fetch(`${url.origin}/v1/changes/main/`, { headers })
      assert.equal(events.headers.get('content-type'), 'text/event-stream')
      await ask('/v1/files/main/new', { method: 'PUT', body: 'x' })
      let text = ''
      for await (const part of events.body ?? []) {
        text += Buffer.from(part as Uint8Array).toString()
        if (/^event: entry\ndata: .*"path":"\/new"/m.test(text)) break
      }
    })
  })

  test('nobody comes in without the token, from another page, or under another name', async () => {
    await withDoor(async ({ ask, url, token, json }) => {
      const path = '/v1/status'
      const refused = await asked(url, path, {})
      assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, 'Bearer'])
      for (const authorization of ['Bearer x', `Basic ${token}`, `Bearer ${token}x`, token])
        assert.equal((await ask(path, { headers: { authorization } })).status, 401)
      for (const host of [
        'evil.example',
        `localhost.evil.example:${url.port}`,
        '127.0.0.1@evil.example',
      ])
        assert.equal((await ask(path, { headers: { host } })).status, 403, host)
      for (const origin of ['null', 'http://evil.example', `https://127.0.0.1:${url.port}`])
        assert.equal((await ask(path, { headers: { origin } })).status, 403, origin)
      const own = { origin: `http://localhost:${url.port}`, host: `localhost:${url.port}` }
      assert.equal((await ask(path, { headers: own })).status, 200)
      const { token: other } = (await json('door', 'token', '--renew')) as { token: string }
      assert.equal((await ask(path)).status, 401)
      assert.equal((await ask(path, { headers: { authorization: `Bearer ${other}` } })).status, 200)
    })
  })

  test('paths lead nowhere else, and requests are what they say', async () => {
    await withDoor(async ({ ask, url, token }) => {
      await ask('/v1/files/main/a', { method: 'PUT', body: 'a' })
      for (const path of [
        'main/../main/a',
        'main/./a',
        'main//a',
        'main/%2e%2e/a',
        'main/x%2fa',
        'main/a%00',
        'main/%u002e',
        'main/%ff',
        'main:/a',
        '%2e%2e/a',
        '',
      ])
        assert.equal((await ask(`/v1/files/${path}`)).status, 400, path)
      const raw = (head: string, body = ''): Promise<string> =>
        answerTo(url, `${head}\r\n\r\n${body}`)
      const first = `POST /v1/calls/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}`
      const both = `${first}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked`
      assert.match(await raw(both, '0\r\n\r\nGET / HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /)
      const twice = `${first}\r\nContent-Length: 4\r\nContent-Length: 5`
      assert.match(await raw(twice, 'abcde'), /^HTTP\/1\.1 400 /)
      assert.match(await raw(`${first}\r\nX: ${'x'.repeat(20_000)}`), /^HTTP\/1\.1 431 /)
      const long = Buffer.alloc(2_000_000, ' ')
      assert.equal((await ask('/v1/calls/stat', { method: 'POST', body: long })).status, 413)
      assert.equal((await ask('/v1/files/main/a', { method: 'PATCH' })).status, 405)
      assert.equal((await ask('/v1/files/main/a')).text, 'a')
    })
  })

  test('many who say nothing keep nobody out for good', async () => {
    await withDoor(async ({ ask, url }) => {
      const sockets = Array.from({ length: CONNECTIONS }, () => {
        const socket = connect(Number(url.port), url.hostname)
        socket.on('error', () => {})
        return socket
      })
      // Beyond the most that there may be, each is closed at once.
      await Promise.any(sockets.map((socket) => once(socket, 'close')))
      for (const socket of sockets) socket.destroy()
      for (;;) {
        const { status } = await ask('/v1/status').catch(() => ({ status: 0 }))
        if (status === 200) break
      }
    })
  })

  test('a door beyond this machine is refused when the node starts', async () => {
    for (const address of ['0.0.0.0:4190', '192.168.1.2:80', '127.0.0.1:99999', 'example.org:80']) {
      await withPlace(async ({ shoal, home }) => {
        await shoal('init')
        const file = join(home, 'config.yaml')
        await writeFile(file, `${await readFile(file, 'utf8')}doors: [{ http: "${address}" }]\n`)
        const { code, stderr } = await shoal('up', ...ALONE)
        assert.equal(code, 1)
        assert.match(
          stderr,
          /doors\.0\.http must listen on this machine alone, such as .*, or have "tls"/,
        )
      })
    }
  })
})
