// A server of a door keeps room for those who ask something, however many connect and say nothing.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { openWebServer } from '../../../node/doors/web-server.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

test('silent connections give way to new ones, and those that asked something do not', async () => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const server = await openWebServer(
    { host: '127.0.0.1', port: 0, tls: undefined, clock: new ManualClock() },
    'a test',
    {
      answer: async ({ request, response }) => {
        if (request.url === '/slow') {
          asked.resolve()
          await answer.promise
        }
        response.end(request.url)
      },
      onAnswered: () => undefined,
    },
  )
  const open: Socket[] = []
  const port = Number(new URL(server.url).port)
  try {
    const slow = fetch(`${server.url}/slow`)
    await asked.promise
    let closed = 0
    for (let count = 0; count < 400; count++) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined)
      socket.once('close', () => closed++)
      open.push(socket)
      await once(socket, 'connect')
    }
    for (let count = 0; count < 3; count++)
      assert.equal(await (await fetch(`${server.url}/${count}`)).text(), `/${count}`)
    assert.ok(closed >= 400 - 256, `${closed} were closed`)
    assert.ok(closed < 400, 'there is room for the newest')
    answer.resolve()
    assert.equal(await (await slow).text(), '/slow')
  } finally {
    for (const socket of open) socket.destroy()
    await server.close()
  }
})
