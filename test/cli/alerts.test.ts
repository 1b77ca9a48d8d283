// Alerts of a real node, as its owner and monitoring see them, and as a program is told of them.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { withPlace } from './shoal.ts'
import type { AlertEvent, CheckedAlerts } from '../../node/control/observe/alerts.ts'
import type { Place } from './shoal.ts'

const ALONE = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'] as const
const ALERTS = `alerts:
  to:
    - command: [./tell, --loud]
  after: { disk-low: 1s }
`

describe('alerts', () => {
  test('a full disk is raised once, told, and over once there is room', async () => {
    await withPlace(async (place) => {
      const { shoal, json, folder, home } = place
      await shoal('init', '--name', 'attic', '--capacity', '3MB')
      const tell = join(folder, 'tell')
      await writeFile(
        tell,
        `#!/bin/sh\nprintf '%s\\n' "$@" >> '${tell}.told'\ncat >> '${tell}.told'\n`,
      )
      await chmod(tell, 0o700)
      await addConfig(home, ALERTS.replace('./tell', tell))
      await shoal('up', '--detach', ...ALONE)
      assert.deepEqual(await checked(place), [0, 'OK: nothing is wrong\n'])
      await writeFile(join(folder, 'big'), randomBytes(2_900_000))
      await shoal('put', 'big', '/')
      const [code, line] = await checked(place)
      assert.equal(code, 2)
      assert.match(line, /^CRITICAL: .* of the 3\.00 MB that this machine may store are free\n$/)
      const { raised } = (await json('alerts')) as CheckedAlerts
      assert.deepEqual(
        raised.map(({ name, severity }) => `${severity} ${name}`),
        ['critical disk-full'],
      )
      assert.match(
        (await shoal('alerts')).stdout,
        /^CRITICAL disk-full, for \d+ s\n.*\n {2}To do: /,
      )
      const told = await textOf(`${tell}.told`)
      assert.match(
        told,
        /^--loud\nShoal attic: .* are free\n\{"node":"attic","number":1,"state":"raised"/,
      )
      await shoal('down')
      await shoal('up', '--detach', ...ALONE)
      await checked(place)
      const events = (await json('alerts', '--history')) as readonly AlertEvent[]
      assert.deepEqual(
        events.map(({ name, state }) => `${name} ${state}`),
        ['disk-full raised'],
      )
      await shoal('down')
      assert.deepEqual((await shoal('status', '--check')).code, 3)
    })
  })

  test('a test alert says who was not told, and why', async () => {
    await withPlace(async ({ shoal, home }) => {
      await shoal('init')
      await addConfig(home, 'alerts:\n  to: [{ command: [/nowhere/tell] }]\n')
      await shoal('up', '--detach', ...ALONE)
      const { code, stdout } = await shoal('alerts', 'test')
      assert.equal(code, 1)
      assert.match(stdout, /^Not told: command \/nowhere\/tell: .*ENOENT/)
      await shoal('down')
    })
  })

  test('settings that do not fit are named before a node starts', async () => {
    const refused = {
      'alerts: { off: [peer-tired] }': /there is no condition "peer-tired"\. They are stripes-lost/,
      'alerts: { to: [{ webhook: "file:///etc" }] }':
        /config\.yaml: alerts\.to\.0 must have "command:/,
      'alerts: { to: [{ mail: anna }] }': /config\.yaml: alerts\.to\.0 must have "command:/,
      'alerts: { after: { conflicts: soon } }':
        /config\.yaml: alerts\.after\.conflicts must be a time/,
    }
    for (const [text, words] of Object.entries(refused)) {
      await withPlace(async ({ shoal, home }) => {
        await shoal('init')
        await addConfig(home, `${text}\n`)
        const { code, stderr } = await shoal('up', ...ALONE)
        assert.notEqual(code, 0)
        assert.match(stderr, words)
      })
    }
  })
})

async function addConfig(home: string, text: string): Promise<void> {
  const file = join(home, 'config.yaml')
  await writeFile(file, (await readFile(file, 'utf8')) + text)
}

async function checked({ shoal }: Place): Promise<[code: number | null, line: string]> {
  const { code, stdout } = await shoal('status', '--check')
  return [code, stdout]
}

/** Once it is there, whole. */
async function textOf(path: string): Promise<string> {
  for (;;) {
    const text = await readFile(path, 'utf8').catch(() => '')
    if (text.endsWith('}\n')) return text
    await setImmediate()
  }
}
