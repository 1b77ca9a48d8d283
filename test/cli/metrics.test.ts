// The metrics of a real node, as Prometheus reads them, and its health.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { asked } from './ask-http.ts'
import { withPlace } from './shoal.ts'
import type { LogLine } from '../../node/control/observe/logs.ts'
import type { Place } from './shoal.ts'

const ALONE = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'] as const
const CONNECTIONS = 64

async function urlOf({ shoal }: Place): Promise<URL> {
  const { stdout } = await shoal('--json', 'logs')
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine)
  const open = lines.findLast(({ event }) => event === 'metrics.open')
  return new URL(String(open?.fields['url']))
}

function valueOf(text: string, name: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `))
  return Number(line?.split(' ')[1])
}

describe('metrics of a node', () => {
  test('tell of its work, to this machine alone, and keep its secrets', async () => {
    await withPlace(async (place) => {
      const { shoal, json, folder, home } = place
      await shoal('up', '--detach', '--metrics', '127.0.0.1:0', ...ALONE)
      const url = await urlOf(place)
      const before = await asked(url, '/metrics')
      assert.equal(before.status, 200)
      await writeFile(join(folder, 'big'), Buffer.alloc(1_000_000, 'x'))
      await shoal('put', 'big', '/')
      const { ticket } = (await json('invite')) as { ticket: string }
      await shoal('get', '/nothing', join(folder, 'nothing'))
      let after = await asked(url, '/metrics')
      // What was computed within a second is given again.
      while (
        !/^shoal_request_failures_total\{door="control",operation="stat"\} [1-9]/m.test(after.text)
      )
        after = await asked(url, '/metrics')
      assert.equal(valueOf(after.text, 'shoal_volume_file_bytes{volume="main"}'), 1_000_000)
      const written = 'shoal_disk_bytes_total{direction="written"}'
      assert.ok(valueOf(after.text, written) > valueOf(before.text, written))
      assert.match(
        after.text,
        /shoal_request_duration_seconds_count\{door="control",operation="writeFile"\} 1/,
      )
      const seed = (await readFile(join(home, 'identity.key'), 'utf8')).trim()
      for (const secret of [ticket, seed, '/big']) assert.ok(!after.text.includes(secret))
      assert.equal((await asked(url, '/healthz')).text, 'ok\n')
      assert.equal((await asked(url, '/readyz')).text, 'ok\n')
      assert.equal(
        (await asked(url, '/metrics', { headers: { host: 'evil.example' } })).status,
        403,
      )
      assert.equal((await asked(url, '/metrics', { method: 'POST' })).status, 405)
      assert.equal((await asked(url, '/../etc/passwd')).status, 404)
      const silent = Array.from({ length: CONNECTIONS }, () => {
        const socket = connect(Number(url.port), url.hostname)
        socket.on('error', () => {})
        return socket
      })
      await Promise.any(
        silent.map((socket) => new Promise((resolve) => socket.once('close', resolve))),
      )
      for (const socket of silent) socket.destroy()
      for (;;) {
        const { status } = await asked(url, '/healthz').catch(() => ({ status: 0 }))
        if (status === 200) break
      }
      // The address is kept; without it nothing is served.
      assert.match(await readFile(join(home, 'config.yaml'), 'utf8'), /^metrics: 127\.0\.0\.1:0$/m)
      await shoal('down')
    })
  })

  test('an address beyond this machine is refused, and says what to do', async () => {
    await withPlace(async ({ shoal }) => {
      const { code, stderr } = await shoal('up', '--metrics', '0.0.0.0:4180', ...ALONE)
      assert.equal(code, 2)
      assert.match(stderr, /--metrics must be an address of this machine alone.*ssh/)
    })
  })
})
