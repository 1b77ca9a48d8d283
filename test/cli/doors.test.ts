// Doors of a real node that are opened, stopped and removed while it runs, and the log of who came.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ALONE, withDoor } from './with-door.ts'
import type { DoorLogEntry, DoorStatus } from '../../node/control/doors.ts'

const STATUS = '/v1/status'

test('a door is opened, stopped and removed while the node runs, as config.yaml says from then on', async () => {
  await withDoor(
    '{ http: "127.0.0.1:0" }\n  # the first\n',
    async ({ shoal, json, home, token }) => {
      const listed = async (): Promise<readonly DoorStatus[]> =>
        (await json('door', 'ls')) as readonly DoorStatus[]
      const davStatus = async (): Promise<number> => {
        const dav = (await listed()).find(({ kind }) => kind === 'webdav')
        const authorization = `Basic ${Buffer.from(`owner:${token}`).toString('base64')}`
        return (
          await fetch(new URL('/', dav?.url), { method: 'OPTIONS', headers: { authorization } })
        ).status
      }
      const settings = (): Promise<string> => readFile(join(home, 'config.yaml'), 'utf8')
      await shoal('mkdir', '/shared')
      const listen = ['--listen', '127.0.0.1:0'] as const
      const added = await shoal('door', 'add', 'webdav', '--path', '/shared', ...listen)
      assert.match(added.stdout, /^Opened webdav at http:\/\/127\.0\.0\.1:\d+\n$/)
      assert.equal(await davStatus(), 200)
      assert.match(
        await settings(),
        /# the first\n +\{ webdav: \{ listen: 127\.0\.0\.1:0, path: \/shared \} \}/,
      )
      const before = await settings()
      const refused: readonly (readonly [RegExp, ...string[]])[] = [
        [/must listen on this machine alone.*or have "tls"/, 's3', '--listen', '0.0.0.0:0'],
        [/has no "path"/, 'http', '--path', '/a', ...listen],
        [/is http, s3 or webdav, and not "ftp"/, 'ftp'],
        [/none\.pem/, 's3', '--cert', 'none.pem', '--key', 'none.key', ...listen],
        [/certificate with its key/, 's3', '--cert', 'none.pem', ...listen],
        [/cannot be served on/, 's3', '--listen', new URL((await listed())[0]?.url ?? '').host],
      ]
      for (const [why, ...argv] of refused) {
        const { code, stderr } = await shoal('door', 'add', ...argv)
        assert.equal(code, 2, stderr)
        assert.match(stderr, why)
      }
      assert.equal(await settings(), before, 'what cannot be opened is not saved')
      assert.equal((await shoal('door', 'stop', 'webdav')).code, 0)
      await assert.rejects(davStatus())
      assert.match(
        (await shoal('door', 'ls')).stdout,
        /webdav +127\.0\.0\.1:0 \(stopped\) +:\/shared/,
      )
      assert.match((await shoal('door', 'start', 'webdav')).stdout, /^webdav +http:/)
      assert.equal(await davStatus(), 200)
      await shoal('down')
      await shoal('up', '--detach', ...ALONE)
      assert.equal(await davStatus(), 200, 'it is there after a restart')
      assert.equal((await shoal('door', 'rm', 'webdav')).code, 0)
      await assert.rejects(davStatus())
      assert.doesNotMatch(await settings(), /webdav: \{ listen/)
      const none = await shoal('door', 'rm', 'webdav')
      assert.match(none.stderr, /there is no door "webdav"; there are: http 127\.0\.0\.1:0/)
      // What is added by hand is opened without a restart.
      await writeFile(join(home, 'config.yaml'), before)
      assert.match((await shoal('door', 'start')).stdout, /^webdav +http:/)
      assert.equal((await shoal('door', 'start')).stdout, 'All doors are open.\n')
      assert.equal(await davStatus(), 200)
    },
  )
})

test('the log of doors has who asked what and how it ended, no secret, and cannot be altered unnoticed', async () => {
  await withDoor('{ http: "127.0.0.1:0" }', async ({ shoal, json, home, url, token }) => {
    const ask = async (path: string, authorization: string): Promise<number> => {
      const sent = await fetch(new URL(path, url), { headers: { authorization } })
      await sent.arrayBuffer()
      return sent.status
    }
    const owner = `Bearer ${token}`
    assert.equal(await ask(`${STATUS}?token=abracadabra&stat=1`, owner), 200)
    assert.equal(await ask('/v1/files/main/none%20here', owner), 404)
    const guess = `Basic ${Buffer.from('anna@main:open sesame').toString('base64')}`
    assert.equal(await ask(STATUS, guess), 401)
    const read = async (...argv: string[]): Promise<readonly DoorLogEntry[]> => {
      const { stdout } = await shoal('--json', 'door', 'log', ...argv)
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    }
    const lines = await read()
    assert.deepEqual(
      lines.map(({ door, address, who, claims, action, status }) =>
        [door, address, who, claims, action, status].join(' '),
      ),
      [
        `http 127.0.0.1 owner  GET ${STATUS}?token&stat 200`,
        'http 127.0.0.1 owner  GET /v1/files/main/none%20here 404',
        `http 127.0.0.1  anna@main GET ${STATUS} 401`,
      ],
    )
    assert.deepEqual(await read('-n', '1', '--who', 'owner'), [lines[1]])
    const text = (await shoal('door', 'log')).stdout
    assert.match(text, /\(anna@main\) {2}GET \/v1\/status {2}401/)
    await shoal('down')
    const file = join(home, 'logs', 'doors.log')
    const kept = await readFile(file, 'utf8')
    for (const secret of [token, 'abracadabra', 'open sesame', guess])
      assert.ok(!kept.includes(secret), secret)
    await shoal('up', '--detach', ...ALONE)
    assert.match((await shoal('door', 'log', '--check')).stdout, /lines 1 to 3, and is intact/)
    await shoal('down')
    await writeFile(file, kept.replace('anna@main', 'bert@main'))
    await shoal('up', '--detach', ...ALONE)
    const altered = await shoal('door', 'log', '--check')
    assert.equal(altered.code, 1)
    assert.match(altered.stdout, /event 3 was altered/)
    const events = (await json('events')) as { readonly kind: string } | undefined
    assert.equal(events?.kind, 'log-altered')
  })
})
