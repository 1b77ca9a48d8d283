// Asks members through their API for what was replaced or removed, and brings it back.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import {
  collectGarbage,
  contentOf,
  put as putBytes,
  readFile,
  volumeOf,
} from '../gc/garbage-world.ts'
import { namesIn, put, textOf, withMembers } from './members.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { RemovedItem, VersionInfo } from '../../../node/control/versions.ts'
import type { WallTime } from '../../../protocol/units.ts'

async function versions(api: NodeApi, path: string): Promise<VersionInfo[]> {
  const all: VersionInfo[] = []
  for await (const page of api.listVersions(path)) all.push(...page)
  return all
}

async function removed(api: NodeApi, path: string): Promise<RemovedItem[]> {
  const all: RemovedItem[] = []
  for await (const page of api.listRemoved(path)) all.push(...page)
  return all.sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function textAt(api: NodeApi, path: string, version: string): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of (await api.readFile(path, { version })).content) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

describe('versions', () => {
  test('of a file are told alike by every member, and read by id or time', async () => {
    await withMembers(3, 1, async ({ nodes: [a, b, c], clock }) => {
      const times: WallTime[] = []
      for (const [at, node] of [a, b, a].entries()) {
        await node.ask((api) => put(api, '/f', `text ${at}`))
        times.push(clock.wall())
        await clock.sleep(10 * MINUTE_MS)
      }
      await b.ask((api) => api.remove('/f'))
      await clock.sleep(MINUTE_MS)
      const told = await Promise.all(
        [a, b, c].map((node) => node.ask((api) => versions(api, '/f'))),
      )
      assert.deepEqual(told[1], told[0])
      assert.deepEqual(told[2], told[0])
      const [all = []] = told
      assert.deepEqual(
        all.map(({ end, sizeBytes }) => [end, sizeBytes]),
        [
          ['removed', 6],
          ['overwritten', 6],
          ['overwritten', 6],
        ],
      )
      assert.notEqual(all[0]?.author, all[1]?.author)
      assert.equal(all[0]?.endedBy, all[1]?.author)
      for (const [at, atMs] of times.entries()) {
        const found = await c.ask((api) => api.findVersion('/f', { atMs }))
        assert.equal(found.isExact, true)
        assert.equal(await c.ask((api) => textAt(api, '/f', found.id)), `text ${at}`)
      }
      const early = await c.ask((api) => api.findVersion('/f', { atMs: 1 as WallTime }))
      assert.deepEqual([early.isExact, early.id], [false, all[2]?.id])
      await assert.rejects(
        c.ask((api) => api.findVersion('/f', { version: 'ffffffffffff' })),
        (error) => hasCode(error, 'ENOENT'),
      )
      await assert.rejects(
        c.ask((api) => versions(api, '/never')),
        (error) => hasCode(error, 'ENOENT'),
      )
      await assert.rejects(
        c.ask((api) => versions(api, '/')),
        (error) => hasCode(error, 'EISDIR'),
      )
    })
  })

  test('go with the name: a file saved by a rename has those of the one before', async () => {
    await withMembers(3, 1, async ({ nodes: [a], clock }) => {
      for (let at = 0; at < 3; at++) {
        await a.ask((api) => put(api, '/f.tmp', `text ${at}`))
        await a.ask((api) => api.move('/f.tmp', '/f'))
        await clock.sleep(MINUTE_MS)
      }
      const all = await a.ask((api) => versions(api, '/f'))
      assert.deepEqual(
        all.map(({ end }) => end),
        ['current', 'replaced', 'replaced'],
      )
      assert.deepEqual(await a.ask((api) => removed(api, '/')), [])
    })
  })

  test('that are kept can be read on every member after collections and checkpoints', async () => {
    await withMembers(3, 1, async ({ nodes, clock }) => {
      const [a, b] = nodes
      await a.ask((api) =>
        api.setVolume('main', { versions: '2h:all', checkpoint: '20', trash: '1m' }),
      )
      const content = (seed: number): Uint8Array => contentOf(seed, 300_000)
      await a.ask((api) => putBytes(api, '/f', content(1)))
      await a.ask((api) => putBytes(api, '/gone', content(2)))
      await clock.sleep(10 * MINUTE_MS)
      await b.ask((api) => putBytes(api, '/f', content(3)))
      await b.ask((api) => api.remove('/gone'))
      // Two checkpoints at least, and what they leave is collected.
      const live = async (name: string, rounds: number): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          for (let at = 0; at < 25; at++)
            await a.ask((api) => put(api, `/${name}${round}-${at}`, 'x'))
          await clock.sleep(15 * MINUTE_MS)
          await a.ask((api) => collectGarbage(api))
        }
      }
      await live('n', 4)
      for (const node of nodes) {
        const [, former] = await node.ask((api) => versions(api, '/f'))
        assert.equal(former?.end, 'overwritten')
        const read = async (path: string, version: string): Promise<Uint8Array> =>
          node.ask(async (api) => {
            const parts: Uint8Array[] = []
            for await (const part of (await api.readFile(path, { version })).content)
              parts.push(part)
            return Buffer.concat(parts)
          })
        assert.deepEqual(await read('/f', former.id), Buffer.from(content(1)))
        const [gone] = await node.ask((api) => versions(api, '/gone'))
        assert.equal(gone?.end, 'removed')
        assert.deepEqual(await read('/gone', gone.id), Buffer.from(content(2)))
      }
      // Then they expire: at a checkpoint, on all alike, and are collected.
      const before = (await volumeOf(a)).space.dataBytes
      await live('m', 8)
      for (const node of nodes) {
        assert.equal((await node.ask((api) => versions(api, '/f'))).length, 1)
        await assert.rejects(
          node.ask((api) => versions(api, '/gone')),
          (error) => hasCode(error, 'ENOENT'),
        )
      }
      assert.ok((await volumeOf(a)).space.dataBytes < before, `${before} bytes before`)
    })
  })
})

describe('purged versions', () => {
  test('are gone on all members, of a file that is there and of one that is not', async () => {
    await withMembers(3, 1, async ({ nodes, clock }) => {
      const [a, b, c] = nodes
      for (const text of ['first', 'secret', 'third']) await b.ask((api) => put(api, '/f', text))
      await b.ask((api) => put(api, '/gone', 'secret'))
      await b.ask((api) => api.remove('/gone'))
      await clock.sleep(MINUTE_MS)
      await assert.rejects(
        b.ask((api) => api.purgeVersions('/f')),
        (error) => hasCode(error, 'EPERM'),
      )
      const [current, secret] = await a.ask((api) => versions(api, '/f'))
      assert.ok(current !== undefined && secret !== undefined)
      await assert.rejects(
        a.ask((api) => api.purgeVersions('/f', { version: current.id })),
        (error) => hasCode(error, 'usage'),
      )
      const purged = await a.ask((api) => api.purgeVersions('/f', { version: secret.id }))
      assert.deepEqual(purged, { versions: 1, sizeBytes: 6 })
      assert.equal((await a.ask((api) => api.purgeVersions('/gone'))).versions, 1)
      await clock.sleep(MINUTE_MS)
      for (const node of [a, b, c]) {
        const left = await node.ask((api) => versions(api, '/f'))
        assert.deepEqual(
          left.map(({ sizeBytes }) => sizeBytes),
          [5, 5],
        )
        const gone = await node.ask((api) => versions(api, '/gone'))
        assert.ok(gone.every(({ sizeBytes }) => sizeBytes === 0))
      }
      assert.equal((await a.ask((api) => api.purgeVersions('/f'))).versions, 1)
      assert.equal(await c.ask((api) => textOf(api, '/f')), 'third')
    })
  })
})

describe('undelete', () => {
  test('brings a tree back as it was before it went in one go, and a file alone', async () => {
    await withMembers(3, 1, async ({ nodes: [a, b, c], clock }) => {
      await a.ask((api) => api.makeFolder('/d/e', { parents: true, mode: 0o700 }))
      for (const path of ['/d/f', '/d/e/g', '/d/long ago'])
        await a.ask((api) => put(api, path, `text of ${path}`))
      await a.ask((api) => api.makeSymlink('/d/link', 'f'))
      await clock.sleep(10 * MINUTE_MS)
      await b.ask((api) => api.remove('/d/long ago'))
      await clock.sleep(10 * MINUTE_MS)
      await b.ask((api) => api.remove('/d', { recursive: true }))
      await clock.sleep(MINUTE_MS)
      for (const node of [a, b, c]) {
        const all = await node.ask((api) => removed(api, '/'))
        assert.deepEqual(
          all.map(({ path, kind }) => [path, kind]),
          [['/d', 'folder']],
        )
        assert.equal(all[0]?.removedBy, b.name)
      }
      const done = await c.ask((api) => api.undelete('/d'))
      assert.deepEqual([done.files, done.folders, done.path], [3, 2, '/d'])
      await clock.sleep(MINUTE_MS)
      for (const node of [a, b, c]) {
        assert.deepEqual(await node.ask((api) => namesIn(api, '/d')), ['e', 'f', 'link'])
        assert.equal(await node.ask((api) => textOf(api, '/d/e/g')), 'text of /d/e/g')
        assert.equal((await node.ask((api) => api.stat('/d/e'))).mode, 0o700)
        assert.equal((await node.ask((api) => api.stat('/d/link'))).target, 'f')
      }
      const alone = await a.ask((api) => api.undelete('/d/long ago', { to: '/x/y' }))
      assert.deepEqual([alone.files, alone.folders, alone.path], [1, 1, '/x/y'])
      assert.equal(await a.ask((api) => textOf(api, '/x/y')), 'text of /d/long ago')
      await assert.rejects(
        a.ask((api) => api.undelete('/d')),
        (error) => hasCode(error, 'EEXIST'),
      )
      await assert.rejects(
        a.ask((api) => api.undelete('/nothing')),
        (error) => hasCode(error, 'ENOENT'),
      )
    })
  })

  test('keeps names of one file names of one file', async () => {
    await withMembers(3, 1, async ({ nodes: [a] }) => {
      await a.ask((api) => api.makeFolder('/d'))
      await a.ask((api) => put(api, '/d/f', 'text'))
      await a.ask((api) => put(api, '/d/h', 'text'))
      await a.ask((api) => api.remove('/d', { recursive: true }))
      const done = await a.ask((api) => api.undelete('/d'))
      assert.deepEqual([done.files, done.unchanged], [2, 0])
    })
  })
})

describe('restore', () => {
  test('brings a file or a folder to a moment, in place or beside', async () => {
    await withMembers(3, 1, async ({ nodes: [a, b], clock }) => {
      await a.ask((api) => api.makeFolder('/d'))
      for (const name of ['changed', 'gone', 'same'])
        await a.ask((api) => put(api, `/d/${name}`, `first ${name}`))
      await a.ask((api) => putBytes(api, '/d/big', contentOf(1, 200_000)))
      await clock.sleep(10 * MINUTE_MS)
      const atMs = clock.wall()
      await clock.sleep(10 * MINUTE_MS)
      await b.ask((api) => put(api, '/d/changed', 'second'))
      await b.ask((api) => putBytes(api, '/d/big', contentOf(2, 200_000)))
      await b.ask((api) => api.remove('/d/gone'))
      await b.ask((api) => put(api, '/d/new', 'new'))
      await clock.sleep(MINUTE_MS)
      const beside = await a.ask((api) => api.restore('/d', { atMs, to: '/was' }))
      assert.deepEqual([beside.files, beside.folders, beside.nearest], [4, 1, 0])
      assert.deepEqual(await a.ask((api) => namesIn(api, '/was')), [
        'big',
        'changed',
        'gone',
        'same',
      ])
      assert.equal(await a.ask((api) => textOf(api, '/was/changed')), 'first changed')
      assert.equal(await a.ask((api) => textOf(api, '/d/changed')), 'second')
      // Beside is apart: what is written there is not in the other.
      await a.ask((api) => put(api, '/was/same', 'other'))
      assert.equal(await a.ask((api) => textOf(api, '/d/same')), 'first same')
      const placed = await b.ask((api) => api.restore('/d', { atMs }))
      assert.deepEqual([placed.files, placed.unchanged], [3, 1])
      assert.deepEqual(await b.ask((api) => namesIn(api, '/d')), [
        'big',
        'changed',
        'gone',
        'new',
        'same',
      ])
      for (const name of ['changed', 'gone', 'same'])
        assert.equal(await b.ask((api) => textOf(api, `/d/${name}`)), `first ${name}`)
      const big = await b.ask((api) => readFile(api, '/d/big'))
      assert.equal(Buffer.compare(big, contentOf(1, 200_000)), 0)
      // And that can be undone: nothing was lost by it.
      const [, second] = await b.ask((api) => versions(api, '/d/changed'))
      await b.ask((api) => api.restore('/d/changed', { version: second?.id }))
      assert.equal(await b.ask((api) => textOf(api, '/d/changed')), 'second')
      await assert.rejects(
        a.ask((api) => api.restore('/d/same', { atMs, to: '/d/new' })),
        (error) => hasCode(error, 'EEXIST'),
      )
    })
  })
})
