// Those who try to come in at the WebDAV door without a right to, to get out of its folder, or to
// keep others from it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { basic, lockInfo, prop, statuses, textAt, oneDavDoor } from '../cli/ask-dav.ts'
import { asked } from '../cli/ask-http.ts'
import { answerTo } from '../cli/with-door.ts'

const LOCKS = 1100

describe('the WebDAV door', () => {
  const inDoor = oneDavDoor()

  test('nobody comes in without the password, from another page, or under another name', async () => {
    await inDoor(async ({ url, token, dav }) => {
      const open = await asked(url, '/', { method: 'OPTIONS' })
      assert.deepEqual(
        [open.status, open.headers['www-authenticate']],
        [401, 'Basic realm="Shoal", charset="UTF-8"'],
      )
      const offers = (await dav('OPTIONS', '*')).headers
      assert.deepEqual(
        [offers['dav'], offers['ms-author-via']],
        ['1, 2, 3, <http://apache.org/dav/propset/fs/1>', 'DAV'],
      )
      const began = performance.now()
      const wrong = [basic('owner', `${token}x`), basic('other', token), basic('', ''), 'Basic %%']
      const answers = await Promise.all(
        wrong.map((authorization) => asked(url, '/', { headers: { authorization } })),
      )
      assert.deepEqual(
        answers.map(({ status }) => status),
        wrong.map(() => 401),
      )
      assert.ok(performance.now() - began > 900, 'who guesses waits')
      for (const headers of [
        { host: 'evil.example' },
        { origin: 'http://evil.example' },
        { origin: 'null' },
      ])
        assert.equal((await dav('PROPFIND', '/', { depth: '0', headers })).status, 403)
    })
  })

  test('requests are what they say, lead nowhere else, and are not too much', async () => {
    await inDoor(async (door) => {
      const { dav, url, token } = door
      await dav('PUT', '/a', { body: 'a' })
      for (const path of [
        '/../a',
        '/x/../a',
        '/%2e%2e/a',
        '/x%2fa',
        '/a%00',
        '/a%zz',
        '//a',
        '/a#b',
      ])
        for (const method of ['GET', 'PUT', 'DELETE', 'PROPFIND', 'LOCK'])
          assert.equal((await dav(method, path, { depth: '0' })).status, 400, `${method} ${path}`)
      const bomb = '<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>'
      const bodies = [`${bomb}${prop('getetag')}`, '<D:propfind', '<a/>', '<D:propfind/>', '\u0001']
      for (const body of bodies)
        assert.equal((await dav('PROPFIND', '/', { depth: '0', body })).status, 400, body)
      const big = Buffer.alloc(300_000, ' ')
      assert.equal((await dav('PROPFIND', '/', { depth: '0', body: big })).status, 413)
      const first = `PROPFIND / HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${basic('owner', token)}\r\nDepth: 0`
      const raw = (head: string, body = ''): Promise<string> =>
        answerTo(url, `${head}\r\n\r\n${body}`)
      assert.match(await raw(`${first}\r\nIf: ${'('.repeat(20_000)}`), /^HTTP\/1\.1 431 /)
      const both = `${first}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked`
      assert.match(await raw(both, '0\r\n\r\nGET / HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /)
      assert.deepEqual(
        await statuses(door, [
          ['PATCH', '/a'],
          ['POST', '/a'],
          ['SEARCH', '/a'],
        ]),
        [405, 405, 405],
      )
      for (const header of ['', '(', '(a)', '(Not)', '<a> <b>'])
        assert.equal((await dav('PUT', '/a', { body: 'b', headers: { if: header } })).status, 400)
      // An upload that is broken off changes nothing.
      const socket = connect(Number(url.port), url.hostname)
      await once(socket, 'connect')
      socket.end(
        `${first.replace('PROPFIND /', 'PUT /a')}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
      )
      socket.resume()
      await once(socket, 'close')
      assert.equal(await textAt(door, '/a'), 'a')
    })
  })

  test('who takes locks without end, or is slow, keeps nobody out', async () => {
    await inDoor(async (door) => {
      const { dav, url, token } = door
      const taken = new Map<number, number>()
      for (let i = 0; i < LOCKS; i++) {
        const { status } = await dav('LOCK', '/', { depth: '0', body: lockInfo('shared') })
        taken.set(status, (taken.get(status) ?? 0) + 1)
      }
      assert.deepEqual(
        [...taken],
        [
          [200, 1024],
          [503, LOCKS - 1024],
        ],
      )
      // They say that they will send something, and do not.
      const head = `Host: localhost\r\nAuthorization: ${basic('owner', token)}\r\nContent-Length: 100`
      const sockets = Array.from({ length: 200 }, (_, i) => {
        const socket = connect(Number(url.port), url.hostname)
        socket.on('error', () => {})
        socket.write(`${i % 2 === 0 ? 'PROPFIND' : 'PUT'} /slow${i} HTTP/1.1\r\n${head}\r\n\r\n<`)
        return socket
      })
      assert.equal((await dav('PROPFIND', '/', { depth: '0' })).status, 207)
      for (const socket of sockets) socket.destroy()
      const found = await dav('PROPFIND', '/', { depth: '1', body: prop('resourcetype') })
      assert.doesNotMatch(found.text, /slow/)
    })
  })
})
