// Those who would be more than their account: at each door beyond what was granted, with a secret
// from the disk of a machine that may do less, by entries that grant it, and after all was revoked.
import assert from 'node:assert/strict'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { VolumeAccounts } from '../../node/accounts/volume-accounts.ts'
import {
  accountPolicy,
  encodeAccount,
  encodeGrant,
  grantPolicy,
} from '../../protocol/accounts/record.ts'
import { VERBS } from '../../protocol/accounts/verbs.ts'
import type { Verb } from '../../protocol/accounts/verbs.ts'
import { hasCode } from '../../protocol/errors.ts'
import type { Op } from '../../protocol/op/op.ts'
import { basic } from '../cli/ask-dav.ts'
import { asked } from '../cli/ask-http.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

const DOORS = `doors:
  - http: 127.0.0.1:0
  - webdav: { listen: 127.0.0.1:0, volume: main, path: / }
`
const PASSWORD = 'correct horse battery staple'

let cluster: TestCluster
let anna: TestNode
let doors: ReadonlyMap<string, URL>

before(async () => {
  cluster = await TestCluster.create()
  anna = cluster.node('anna')
  await anna.start()
  await anna.kill('SIGTERM')
  await appendFile(join(anna.home, 'config.yaml'), DOORS)
  await anna.start()
  const open = await anna.ask((client) => client.listDoors())
  doors = new Map(open.map(({ kind, url }) => [kind, new URL(url ?? '')]))
  const file = join(anna.folder, 'file')
  await writeFile(file, 'secret')
  for (const folder of ['/a', '/b']) {
    await anna.shoal('mkdir', folder)
    for (const name of ['x', 'gone']) await anna.shoal('put', file, `${folder}/${name}`)
  }
})
after(() => cluster[Symbol.asyncDispose]())

/** The status of a request at a door, by an account. */
async function statusAt(
  door: 'http' | 'webdav',
  authorization: string,
  [method, path, headers = {}]: readonly [string, string, Record<string, string>?],
): Promise<number> {
  const url = doors.get(door)
  assert.ok(url)
  const at = door === 'http' ? `/v1/files/main${path}` : path
  const body = method === 'PUT' ? 'new' : undefined
  const all = { authorization, ...headers, ...(body && { 'content-length': `${body.length}` }) }
  return (await asked(url, at, { method, headers: all, ...(body && { body }) })).status
}

async function keyFor(verbs: readonly Verb[]): Promise<string> {
  const { account, secret } = await anna.ask((client) =>
    client.createKey('test', { path: '/a', verbs }),
  )
  return basic(account.name, secret)
}

test('each verb opens what it says at each door, below its path alone', async () => {
  const keys = await Promise.all(VERBS.map((verb) => keyFor([verb])))
  const DENIED = 403
  for (const door of ['http', 'webdav'] as const) {
    const status = async (
      key: string | undefined,
      ...asks: readonly (readonly [string, string, Record<string, string>?])[]
    ): Promise<readonly number[]> => {
      const all: number[] = []
      for (const ask of asks) all.push(await statusAt(door, key ?? '', ask))
      return all
    }
    const [read, add, write] = keys
    const depth = { depth: '0' }
    const look =
      door === 'http' ? (['GET', '/a?stat'] as const) : (['PROPFIND', '/a', depth] as const)
    const seen = door === 'http' ? 200 : 207
    assert.deepEqual(
      await status(read, ['GET', '/a/x'], look, ['PUT', '/a/y'], ['DELETE', '/a/x']),
      [200, seen, DENIED, DENIED],
      door,
    )
    assert.deepEqual(
      await status(add, ['GET', '/a/x'], look, ['PUT', `/a/${door}`], ['DELETE', '/a/x']),
      [DENIED, seen, 201, DENIED],
      door,
    )
    assert.equal(await statusAt(door, add ?? '', ['PUT', '/a/x']), 412, 'it replaces nothing')
    assert.deepEqual(
      await status(write, ['GET', '/a/x'], look, ['PUT', '/a/x'], ['DELETE', `/a/${door}`]),
      [DENIED, seen, 204, 204],
      door,
    )
    for (const key of keys)
      for (const path of ['/b/x', '/%61/../b/x', '/b', '/a%2f..%2fb/x', '/ab'])
        for (const method of ['GET', 'PUT', 'DELETE']) {
          const found = await statusAt(door, key, [method, path])
          assert.ok(found >= 400 && found < 500, `${door} ${method} ${path}: ${found}`)
        }
  }
  const [read, , write] = keys
  const dav = doors.get('webdav')
  assert.ok(dav && read !== undefined && write !== undefined)
  const to = (path: string): Record<string, string> => ({ destination: new URL(path, dav).href })
  for (const key of [read, write])
    for (const ask of [
      ['MOVE', '/a/x', to('/b/y')],
      ['MOVE', '/b/x', to('/a/z')],
      ['COPY', '/b/x', to('/a/z')],
      ['COPY', '/a/x', to('/b/y')],
    ] as const)
      assert.equal(await statusAt('webdav', key, ask), 403, JSON.stringify(ask))
  const http = doors.get('http')
  assert.ok(http)
  for (const call of ['invite', 'createKey', 'listAccounts', 'doorToken', 'setVolume', 'mount']) {
    const headers = { authorization: write, 'content-type': 'application/json' }
    const { status } = await asked(http, `/v1/calls/${call}`, {
      method: 'POST',
      headers,
      body: call === 'createKey' ? '{"label":"x"}' : '{}',
    })
    assert.ok(status === 403 || status === 400, `${call}: ${status}`)
  }
  assert.equal(await anna.shoal('cat', '/b/x'), 'secret')
})

test('a key that is removed opens nothing any more, and one for a door no other', async () => {
  const key = await keyFor(['read'])
  assert.equal(await statusAt('http', key, ['GET', '/a/gone']), 200)
  const [id = ''] = Buffer.from(key.slice('Basic '.length), 'base64').toString().split(':')
  await anna.ask((client) => client.removeAccount(id))
  assert.equal(await statusAt('http', key, ['GET', '/a/gone']), 401)
  const { account, secret } = await anna.ask((client) =>
    client.createKey('dav', { path: '/a', door: 'webdav' }),
  )
  const own = basic(account.name, secret)
  assert.equal(await statusAt('http', own, ['GET', '/a/gone']), 401)
  assert.equal(await statusAt('webdav', own, ['GET', '/a/gone']), 200)
})

test("a reader's disk has no secret that opens more than its owner may do", async () => {
  await using mallory = await HostileMember.join(anna, { role: 'reader' })
  const { peer } = mallory.identity
  const writes = anna.ask((client) => client.addUser('eve', PASSWORD, { path: '/a', on: [peer] }))
  await assert.rejects(writes, { code: 'EPERM' })
  await anna.ask((client) =>
    client.addUser('reading', PASSWORD, { path: '/a', verbs: ['read'], on: [peer] }),
  )
  await assert.rejects(
    anna.ask((client) => client.setGrant('reading', '/a', ['read', 'write'])),
    { code: 'EPERM' },
  )
  await anna.ask((client) => client.addUser('writing', PASSWORD, { path: '/a' }))
  await anna.ask((client) => client.createKey('full'))
  await mallory.fetch(anna)
  const stolen = new VolumeAccounts(mallory.volume, mallory.random)
  const opened = [...stolen.all().values()].filter((one) => stolen.secretOf(one) !== undefined)
  assert.ok(stolen.all().size >= 3)
  assert.deepEqual(
    opened.map(({ name }) => name),
    ['reading'],
  )
  assert.equal(await statusAt('webdav', basic('writing@main', PASSWORD), ['GET', '/a/gone']), 200)
  assert.equal(
    await statusAt('webdav', basic('reading@main', PASSWORD), ['GET', '/a/gone']),
    401,
    'another machine serves it',
  )
})

test('who is no admin grants nothing, and secrets of a removed machine open nothing', async () => {
  await using mallory = await HostileMember.join(anna, { role: 'writer', name: 'writer' })
  const { peer } = mallory.identity
  const here = (await anna.status()).node.id
  await anna.ask((client) => client.addUser('both', PASSWORD, { path: '/a', on: [peer, here] }))
  const login = basic('both@main', PASSWORD)
  assert.equal(await statusAt('webdav', login, ['GET', '/a/gone']), 200)
  await mallory.fetch(anna)
  const generation = '0'.repeat(16)
  const policies: readonly Op[] = [
    {
      kind: 'policy',
      key: accountPolicy('admin'),
      value: encodeAccount({ kind: 'user', generation, groups: [] }),
    },
    { kind: 'policy', key: grantPolicy('both', '/'), value: encodeGrant(generation, VERBS) },
  ]
  const before = JSON.stringify(await anna.ask((client) => client.listAccounts()))
  for (const governs of [true, false])
    await mallory.give(anna, [mallory.entry(policies, { governs })]).catch(() => [])
  assert.equal(JSON.stringify(await anna.ask((client) => client.listAccounts())), before)
  await anna.ask((client) => client.removePeer(peer, { now: true }))
  await eventually('the account is closed', async () =>
    (await anna.ask((client) => client.listAccounts())).some(
      ({ name, closed }) => name === 'both' && closed?.includes('no member any more') === true,
    ),
  )
  assert.equal(await statusAt('webdav', login, ['GET', '/a/gone']), 401)
  await anna.ask((client) => client.setPassword('both', PASSWORD))
  assert.equal(await statusAt('webdav', login, ['GET', '/a/gone']), 200)
})

test('an account without the right name or password says nothing of what is there', async () => {
  const wrong = [basic('both@main', 'wrong'), basic('none@main', PASSWORD), basic('both', PASSWORD)]
  const answers = await Promise.all(wrong.map((one) => statusAt('http', one, ['GET', '/a/x'])))
  assert.deepEqual(answers, [401, 401, 401])
  await assert.rejects(
    anna.ask((client) => client.addUser('short', '1234567')),
    (error) => hasCode(error, 'usage'),
  )
})
