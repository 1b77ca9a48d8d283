// `shoal doctor` on real machines: what it finds of a home, a node and its peer; and its bundle,
// which is searched for secrets.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { checkAddress } from '../../cli/doctor/peer-checks.ts'
import { withPlace } from './shoal.ts'
import type { AddressInfo } from 'node:net'
import type { Finding } from '../../cli/doctor/finding.ts'
import type { Place } from './shoal.ts'

const run = promisify(execFile)
const ALONE = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'] as const
const ALERTS = `alerts:
  to:
    - webhook: http://127.0.0.1:9/canary-topic
      headers: { authorization: Bearer canary-header }
    - { mail: anna@example.org, smtp: "smtp://anna:canary-password@127.0.0.1:9" }
    - command: [/nowhere/tell, canary-argument]
backups:
  nightly: { before: echo canary-hook }
`

describe('doctor', () => {
  test('without a home or a node it says what to do', async () => {
    await withPlace(async (place) => {
      const none = await findingsOf(place)
      assert.equal(stateOf(none, 'home'), 'failure')
      await place.shoal('init')
      const { code, stdout } = await place.shoal('doctor')
      assert.equal(code, 1)
      assert.match(stdout, /^ok {6}home +.*for its owner alone$/m)
      assert.match(stdout, /^ok {6}disk speed +.* for a sync$/m)
      assert.match(
        stdout,
        /^FAILED {2}node +no node runs on this home\n +-> start it with "shoal up"/m,
      )
      await chmod(join(place.home, 'identity.key'), 0o644)
      assert.equal(stateOf(await findingsOf(place), 'home'), 'failure')
      await addConfig(place, 'colour: red\n')
      const config = (await findingsOf(place)).find(({ about }) => about === 'config.yaml')
      assert.match(config?.message ?? '', /there is no key "colour"/)
    })
  })

  test('of a peer it says where each address fails', async () => {
    await withPlace(async (a) => {
      await withPlace(async (b) => {
        await a.shoal('up', '--detach', '--name', 'desk', ...ALONE)
        const { ticket } = (await a.json('invite')) as { ticket: string }
        const up = b.start('up', '--detach', '--name', 'shelf', ...ALONE, '--join', '-')
        up.stdin.end(`${ticket}\n`)
        await new Promise((resolve) => up.once('close', resolve))
        const well = await findingsOf(a, 'shelf')
        assert.deepEqual(
          ['member', 'connection'].map((about) => stateOf(well, about)),
          ['ok', 'ok'],
        )
        await b.shoal('down')
        const { code, stdout } = await a.shoal('doctor', 'shelf')
        assert.equal(code, 1)
        assert.match(stdout, /^FAILED {2}connection /m)
        assert.match(
          stdout,
          /^FAILED {2}\/ip4\/127\.0\.0\.1\/tcp\/\d+\S* +the machine is on, and nothing listens/m,
        )
        assert.match((await a.shoal('doctor', 'nobody')).stderr, /there is no peer "nobody"/)
        await a.shoal('down')
      })
    })
  })

  test('an address is tried as far as it goes', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const up = await checkAddress(`/ip4/127.0.0.1/tcp/${port}`)
    await new Promise((resolve) => server.close(resolve))
    const down = await checkAddress(`/ip4/127.0.0.1/tcp/${port}`)
    assert.deepEqual([up.state, down.state], ['ok', 'failure'])
    const unknown = await checkAddress('/dns4/no-such-host.invalid/tcp/4100')
    assert.match(unknown.message, /the name no-such-host\.invalid is not known/)
    assert.equal((await checkAddress('/ip4/127.0.0.1/udp/4100/quic-v1')).state, 'unknown')
  })

  test('a bundle has logs and state, and no secret in any form', async () => {
    await withPlace(async (place) => {
      const { shoal, json, folder, home } = place
      await shoal('init')
      await addConfig(place, ALERTS)
      await shoal('up', '--detach', ...ALONE)
      await shoal('logs', 'level', 'all', 'debug')
      const { ticket } = (await json('invite')) as { ticket: string }
      await shoal('volume', 'key', 'export', join(folder, 'recovery.key'))
      await shoal('alerts', 'test')
      const target = join(folder, 'help me.tar.gz')
      const { stdout } = await shoal('doctor', '--bundle', target)
      assert.match(stdout, /Packed in .*help me\.tar\.gz/)
      assert.match((await shoal('doctor', '--bundle', target)).stderr, /is there already/)
      const unpacked = await mkdtemp(join(tmpdir(), 'shoal-bundle-'))
      try {
        await run('tar', ['-xzf', target, '-C', unpacked, '--strip-components=1'])
        const { stdout: names } = await run('ls', [unpacked])
        const all = (
          await run(
            'cat',
            names
              .trim()
              .split('\n')
              .map((name) => join(unpacked, name)),
          )
        ).stdout
        assert.match(
          names,
          /events\.json\nfiles\.json\nfindings\.json\nmachine\.json\nnode\.log\nsettings\.json\nstatus\.json/,
        )
        assert.match(all, /"label":"webhook 127\.0\.0\.1:9"/)
        const seed = (await readFile(join(home, 'identity.key'), 'utf8')).trim()
        const key = (await readFile(join(folder, 'recovery.key'), 'utf8')).split('\n')
        const words = ['topic', 'header', 'password', 'argument', 'hook'].map(
          (word) => `canary-${word}`,
        )
        const longest = key.toSorted((a, b) => b.length - a.length)[0] ?? ''
        assert.ok(longest.length > 20 && ticket.length > 20)
        for (const secret of [seed, ticket, longest, ...words]) {
          for (const form of formsOf(secret)) assert.ok(!all.includes(form), `${form} is in it`)
        }
      } finally {
        await rm(unpacked, { recursive: true })
      }
      await shoal('down')
    })
  })
})

async function findingsOf({ json }: Place, ...words: string[]): Promise<readonly Finding[]> {
  const { findings } = (await json('doctor', ...words)) as { findings: readonly Finding[] }
  return findings
}

function stateOf(findings: readonly Finding[], about: string): Finding['state'] | undefined {
  return findings.find((finding) => finding.about === about)?.state
}

async function addConfig({ home }: Place, text: string): Promise<void> {
  const file = join(home, 'config.yaml')
  await writeFile(file, (await readFile(file, 'utf8')) + text)
}

/** A secret as it may be written: as it is, and the bytes that it may stand for. */
function formsOf(secret: string): string[] {
  const plain = Buffer.from(secret)
  const bytes = /^[0-9a-f]{64}$/.test(secret) ? [plain, Buffer.from(secret, 'hex')] : [plain]
  return bytes.flatMap((one) => [
    one.toString('latin1'),
    one.toString('hex'),
    one.toString('base64').replace(/=+$/, ''),
    one.toString('base64url'),
    encodeURIComponent(one.toString('latin1')),
  ])
}
