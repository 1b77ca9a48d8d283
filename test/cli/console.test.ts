// How a person comes to the console: a link that the command prints, and a node on a terminal.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { spawn } from 'node:child_process'
import { describe, test } from 'node:test'
import { asked } from './ask-http.ts'
import { SHOAL, withPlace } from './shoal.ts'
import { ALONE } from './with-door.ts'
import type { DoorStatus } from '../../node/control/doors.ts'

const CONSOLE_PORT = 4190

describe('the console', { concurrency: 2 }, () => {
  test('no door opens without a terminal; the command opens one, and its link is good once', async () => {
    await withPlace(async ({ shoal, json }) => {
      const { stdout, stderr } = await shoal('up', '--detach', ...ALONE)
      assert.doesNotMatch(stdout + stderr, /login=/)
      assert.deepEqual(await json('door', 'ls'), [])
      const link = new URL((await shoal('console')).stdout.trim())
      assert.match(link.href, /^http:\/\/127\.0\.0\.1:\d+\/#login=[\w-]{43}$/)
      const page = await asked(link, '/')
      assert.equal(page.status, 200)
      assert.match(
        String(page.headers['content-security-policy']),
        /^default-src 'none'; script-src 'self'/,
      )
      assert.equal(page.headers['x-frame-options'], 'DENY')
      assert.equal((await asked(link, '/console.js')).status, 200)
      const code = link.hash.slice('#login='.length)
      const begin = { method: 'POST', body: JSON.stringify({ code }) }
      const begun = await asked(link, '/v1/session', begin)
      const [cookie = ''] = begun.headers['set-cookie'] ?? []
      assert.match(cookie, /; Path=\/v1\/; HttpOnly; SameSite=Strict$/)
      assert.equal((await asked(link, '/v1/session', begin)).status, 401)
      const { page: key } = JSON.parse(begun.text) as { readonly page: string }
      const headers = { cookie: cookie.split(';')[0] ?? '', 'shoal-page': key }
      assert.equal((await asked(link, '/v1/status', { headers })).status, 200)
      const again = new URL((await shoal('console')).stdout.trim())
      assert.deepEqual([again.origin, again.hash === link.hash], [link.origin, false])
      const [door, ...more] = (await json('door', 'ls')) as readonly DoorStatus[]
      assert.deepEqual([door?.kind, door?.sessions, more], ['http', 1, []])
      await shoal('down')
    })
  })

  test('where something else has its port, it is at another', async () => {
    const taken = createServer()
    taken.listen(CONSOLE_PORT, '127.0.0.1')
    // Somebody of this machine has it already: all the better.
    await Promise.race([once(taken, 'listening'), once(taken, 'error')]).catch(() => undefined)
    try {
      await withPlace(async ({ shoal }) => {
        await shoal('up', '--detach', ...ALONE)
        const link = new URL((await shoal('console')).stdout.trim())
        assert.notEqual(link.port, String(CONSOLE_PORT))
        assert.equal((await asked(link, '/')).status, 200)
        await shoal('down')
      })
    } finally {
      taken.close()
    }
  })

  test('on a terminal a node prints the link when it is up', async () => {
    await withPlace(async ({ shoal, home, folder }) => {
      const line = [process.execPath, SHOAL, '--home', home, 'up', ...ALONE].join(' ')
      const terminal = spawn('script', ['-qec', line, '/dev/null'], { cwd: folder })
      let text = ''
      for await (const part of terminal.stdout) {
        text += String(part)
        if (/login=[\w-]{43}/.test(text)) break
      }
      assert.match(text, /Open it in a browser of this machine \(once, within 10 minutes\)/)
      await shoal('down')
    })
  })
})
