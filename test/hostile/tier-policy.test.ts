// A policy of a volume says where a cold tier is, and every writer puts things there. What it can
// make a machine do whose owner has agreed to nothing: the admin who writes it is in the hands of
// the test.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { tierPolicy } from '../../protocol/cold/definition.ts'
import type { TierStatus } from '../../node/control/cold.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

/** Longer than a writer takes to do something about a tier that it hears of. */
const WRITER_ACTS_MS = 6000

test('a policy of an admin makes nobody run a program, write to a folder or sign requests to a host', async (t) => {
  process.env['AWS_ACCESS_KEY_ID'] = 'VICTIMS-KEY'
  process.env['AWS_SECRET_ACCESS_KEY'] = 'victims-secret'
  // Whatever is run by this name says so.
  const programs = await mkdtemp(join(tmpdir(), 'shoal-programs-'))
  t.after(() => rm(programs, { recursive: true }))
  const ran = join(programs, 'ran')
  await writeFile(join(programs, 'rclone'), `#!/bin/sh\ntouch '${ran}'\n`, { mode: 0o755 })
  process.env['PATH'] = `${programs}${delimiter}${process.env['PATH']}`
  await using cluster = await TestCluster.start(1)
  const [victim] = cluster.nodes as [TestNode]
  await victim.shoal('mkdir', '/something')
  await using mallory = await HostileMember.join(victim, { role: 'admin' })

  const say = async (name: string, value: unknown): Promise<void> => {
    const policy = { key: tierPolicy(name), value: JSON.stringify(value) }
    const entry = mallory.entry([{ kind: 'policy', ...policy }], { sealed: true, governs: true })
    await mallory.give(victim, [entry])
    mallory.volume.receive(entry)
  }
  /** All that a person, too, may ask of tiers. */
  const useTiers = async (): Promise<void> => {
    await victim.run('--json', 'cold', 'ls')
    await victim.run('cold', 'push', '/')
    await sleep(WRITER_ACTS_MS)
  }

  await t.test('rclone is not run, no folder written to, no host asked', async () => {
    const asked: string[] = []
    const server = createServer(({ headers }, response) => {
      asked.push(String(headers.authorization))
      response.writeHead(403).end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const folder = join(cluster.folder, 'cron.d')
    await mkdir(folder)
    const remote = `:webdav,url='http://127.0.0.1:1',bearer_token_command='touch ${ran}'`
    try {
      await say('spread', { url: 's3://bucket/x', kind: 'rclone', remote, path: 'x' })
      await say('connection', { url: `rclone:${remote}:x` })
      await say('onthefly', { url: 'rclone::local:/tmp' })
      await say('option', { url: 'rclone:--config=/dev/stdin:x' })
      await say('folder', { url: `dir:${folder}` })
      await say('host', { url: 's3://bucket/x', endpoint: `http://127.0.0.1:${port}` })
      await useTiers()
      assert.equal(existsSync(ran), false, 'a program was run')
      assert.deepEqual(await readdir(folder), [])
      assert.deepEqual(asked, [], 'no host is sent a signature')
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })

  await t.test('what it says is refused by name, and an admin can take it away', async () => {
    const tiers = await victim.json<TierStatus[]>('cold', 'ls')
    const failureOf = (name: string): string => {
      const { code, message } = tiers.find((each) => each.name === name)?.failure ?? {}
      return `${code}: ${message}`
    }
    assert.match(failureOf('spread'), /^malformed: .*"kind"/)
    for (const name of ['connection', 'onthefly', 'option'])
      assert.match(failureOf(name), /^malformed: .*name of a remote/)
    assert.match(failureOf('folder'), /^cold-untrusted: .*cold trust folder/)
    assert.match(await victim.shoal('status'), /cold trust folder/)
    await victim.shoal('cold', 'rm', 'spread')
    assert(!(await victim.shoal('cold', 'ls')).includes('spread'))
  })

  await t.test('what was agreed to is that place alone', async () => {
    const [one, other] = [join(cluster.folder, 'one'), join(cluster.folder, 'other')]
    await mkdir(one)
    await mkdir(other)
    await say('own', { url: `dir:${one}` })
    const unasked = await victim.run('cold', 'trust', 'own')
    assert.equal(unasked.code, 2)
    assert.match(unasked.stderr, /a folder of this machine/)
    assert(unasked.stderr.includes(one))
    assert.deepEqual(await readdir(one), [])
    // The node has looked at its tiers by now, and found nothing to do.
    await sleep(WRITER_ACTS_MS)
    await victim.shoal('cold', 'trust', 'own', '--yes')
    await eventually('a backup is there', async () => (await readdir(one)).length > 1)
    const isAgreed = async (): Promise<boolean | undefined> =>
      (await victim.json<TierStatus[]>('cold', 'ls')).find(({ name }) => name === 'own')?.isAgreed
    assert.equal(await isAgreed(), true)
    await victim.kill('SIGTERM')
    await victim.start()
    assert.equal(await isAgreed(), true, 'also after a restart')
    await say('own', { url: `dir:${other}` })
    await eventually('it is another', async () => (await isAgreed()) === false)
    await useTiers()
    assert.deepEqual(await readdir(other), [])
    await say('own', { url: `dir:${one}` })
    await eventually('it is what it was', async () => (await isAgreed()) === true)
    await victim.shoal('cold', 'trust', 'own', '--withdraw')
    assert.equal(await isAgreed(), false)
  })
})
