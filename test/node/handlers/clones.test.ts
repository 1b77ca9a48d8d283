// Asks members through their API for clones: what they hold, that nothing of them depends on what
// they were made of, and what is left of one that failed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MINUTE_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { CloneEvent } from '../../../node/control/clones.ts'
import type { FileCallOptions } from '../../../node/control/files.ts'
import type { Moment } from '../../../node/control/versions.ts'
import {
  checkContent,
  collectGarbage,
  contentOf,
  filesIn,
  put as putBytes,
  readFile,
  volumeOf,
} from '../gc/garbage-world.ts'
import { namesIn, put, refused, textOf, withMembers } from './members.ts'

const LARGE = 300_000

type Done = Extract<CloneEvent, { kind: 'done' }>

async function clone(
  api: NodeApi,
  path: string,
  to: string,
  options?: FileCallOptions & Moment,
): Promise<Done> {
  let last: CloneEvent | undefined
  for await (const events of api.clone(path, to, options)) last = events.at(-1)
  assert.equal(last?.kind, 'done')
  return last as Done
}

/** Paths and texts of all files in a folder. */
async function textsIn(api: NodeApi, folder: string): Promise<Record<string, string>> {
  const texts: Record<string, string> = {}
  for (const path of (await filesIn(api, `${folder}/`)).sort())
    texts[path.slice(folder.length)] = await textOf(api, path)
  return texts
}

describe('a clone', () => {
  test('holds what its source did, and neither changes with the other', async () => {
    await withMembers(3, 1, async ({ nodes: [a, b, c], clock }) => {
      await a.ask(async (api) => {
        await api.makeFolder('/d/e/f', { parents: true, mode: 0o700 })
        await api.makeFolder('/d/empty')
        for (const path of ['/d/one', '/d/e/two', '/d/e/f/three']) await put(api, path, path)
        await api.setAttributes('/d/one', { mode: 0o640, modifiedNs: 1_000_000_000n })
      })
      await clock.sleep(2 * MINUTE_MS)
      const before = await a.ask((api) => api.stat('/d/e'))
      const done = await b.ask((api) => clone(api, '/d', '/copy'))
      assert.deepEqual([done.files, done.folders, done.nearest], [3, 4, 0])
      await clock.sleep(MINUTE_MS)
      const whole = { '/e/f/three': '/d/e/f/three', '/e/two': '/d/e/two', '/one': '/d/one' }
      assert.deepEqual(await c.ask((api) => textsIn(api, '/copy')), whole)
      const { mode, modifiedNs } = await c.ask((api) => api.stat('/copy/one'))
      assert.deepEqual([mode, modifiedNs], [0o640, 1_000_000_000n])
      assert.equal((await c.ask((api) => api.stat('/copy/e'))).modifiedNs, before.modifiedNs)
      assert.equal((await c.ask((api) => api.stat('/copy/e/f'))).mode, 0o700)
      await a.ask((api) => put(api, '/copy/one', 'changed'))
      await c.ask((api) => put(api, '/d/e/two', 'changed, too'))
      await clock.sleep(MINUTE_MS)
      for (const node of [a, b, c]) {
        assert.equal(await node.ask((api) => textOf(api, '/d/one')), '/d/one')
        assert.equal(await node.ask((api) => textOf(api, '/copy/e/two')), '/d/e/two')
        assert.deepEqual(await node.ask((api) => namesIn(api, '/')), ['copy', 'd'])
      }
    })
  })

  test('outlives its source through collections and checkpoints', async () => {
    await withMembers(3, 2, async ({ nodes, clock }) => {
      const [a, b] = nodes
      await a.ask((api) =>
        api.setVolume('main', { versions: 'off', checkpoint: '20', trash: '1m' }),
      )
      await a.ask((api) => api.makeFolder('/d'))
      for (let at = 0; at < 6; at++)
        await a.ask((api) => putBytes(api, `/d/${at}`, contentOf(at, LARGE)))
      await a.ask((api) => putBytes(api, '/alone', contentOf(9, LARGE)))
      await clock.sleep(10 * MINUTE_MS)
      await b.ask((api) => clone(api, '/d', '/copy'))
      await b.ask((api) => clone(api, '/alone', '/copy alone'))
      await a.ask((api) => api.remove('/d', { recursive: true }))
      await a.ask((api) => api.remove('/alone'))
      for (let round = 0; round < 4; round++) {
        for (let at = 0; at < 25; at++) await a.ask((api) => put(api, `/n${round}-${at}`, 'x'))
        await clock.sleep(15 * MINUTE_MS)
        await a.ask((api) => collectGarbage(api))
      }
      for (const node of nodes) {
        const paths = await node.ask((api) => filesIn(api, '/copy/'))
        assert.equal(paths.length, 6)
        for (const path of [...paths, '/copy alone'])
          checkContent(path, await node.ask((api) => readFile(api, path)))
      }
    })
  })

  test('takes no space, and asks nobody for what it shares', async () => {
    await withMembers(3, 8, async ({ nodes: [a, b, c], clock }) => {
      await a.ask((api) => api.setVolume('main', { class: 'rs2+1', 'keep-local': 'placed' }))
      await a.ask((api) => api.makeFolder('/d'))
      await a.ask((api) => putBytes(api, '/d/large', contentOf(1, LARGE)))
      for (let at = 0; at < 10; at++)
        await a.ask((api) => putBytes(api, `/d/${at}`, contentOf(at, 60_000)))
      await clock.sleep(30 * MINUTE_MS)
      const sizes = (): Promise<unknown> =>
        Promise.all(
          [a, b, c].map(async (node) => {
            const { space, stripes } = await volumeOf(node)
            return [space.dataBytes, stripes.full]
          }),
        )
      const before = await sizes()
      await b.ask((api) => clone(api, '/d', '/copy'))
      await clock.sleep(10 * MINUTE_MS)
      assert.deepEqual(await sizes(), before)
      await a.stop()
      await c.stop()
      await b.ask((api) => api.remove('/d/large'))
      const { files } = await b.ask((api) => clone(api, '/d', '/offline'))
      assert.equal(files, 10)
      await Promise.all([a.start(), c.start()])
      await clock.sleep(10 * MINUTE_MS)
      for (const path of await c.ask((api) => filesIn(api, '/offline/')))
        checkContent(path, await c.ask((api) => readFile(api, path)))
    })
  })

  test('of what was there at a time, in a snapshot, or in a version', async () => {
    await withMembers(3, 3, async ({ nodes: [a, b], clock }) => {
      await a.ask(async (api) => {
        await api.makeFolder('/d/e', { parents: true })
        for (const path of ['/d/one', '/d/two', '/d/e/three']) await put(api, path, 'first')
        await api.createSnapshot('/', { name: 'good' })
      })
      await clock.sleep(2 * MINUTE_MS)
      const atMs = clock.wall()
      await clock.sleep(2 * MINUTE_MS)
      await a.ask(async (api) => {
        await put(api, '/d/one', 'second')
        await put(api, '/d/four', 'second')
        await api.remove('/d/e', { recursive: true })
      })
      await clock.sleep(2 * MINUTE_MS)
      const first = { '/e/three': 'first', '/one': 'first', '/two': 'first' }
      // Also into what it is of: that is another state of it.
      for (const [to, moment] of [
        ['/d/then', { atMs }],
        ['/snapshot', { version: '@good' }],
      ] as const) {
        await b.ask((api) => clone(api, '/d', to, moment))
        assert.deepEqual(await b.ask((api) => textsIn(api, to)), first)
      }
      const { id } = await b.ask((api) => api.findVersion('/d/one', { atMs }))
      await b.ask((api) => clone(api, '/d/one', '/version', { version: id }))
      assert.equal(await b.ask((api) => textOf(api, '/version')), 'first')
      await refused(b, (api) => clone(api, '/d', '/x', { atMs: 1 as WallTime }), 'ENOENT')
      await refused(b, (api) => clone(api, '/d', '/x', { version: '@bad' }), 'ENOENT')
    })
  })

  test('is refused where something is, for another volume, and into itself', async () => {
    await withMembers(3, 4, async ({ nodes: [a] }) => {
      await a.ask(async (api) => {
        await api.createVolume({ name: 'other' })
        await api.makeFolder('/d/e', { parents: true })
        await put(api, '/f', 'text')
      })
      await refused(a, (api) => clone(api, '/d', '/f'), 'EEXIST')
      await refused(a, (api) => clone(api, '/d', '/d'), 'EEXIST')
      await refused(a, (api) => clone(api, '/d', '/'), 'EBUSY')
      await refused(a, (api) => clone(api, '/d', '/no/g'), 'ENOENT')
      await refused(a, (api) => clone(api, '/d', '/f/g'), 'ENOTDIR')
      await refused(a, (api) => clone(api, '/d', '/d/e/g'), 'EINVAL')
      await refused(a, (api) => clone(api, '/', '/g'), 'EINVAL')
      await refused(a, (api) => clone(api, '/none', '/g'), 'ENOENT')
      await refused(a, (api) => clone(api, '/d', 'other:/g'), 'usage')
      assert.deepEqual(await a.ask((api) => namesIn(api, '/')), ['d', 'f'])
    })
  })

  test('is of one moment, whatever changes while it is made', async () => {
    await withMembers(3, 5, async ({ nodes: [a, b], clock }) => {
      await a.ask(async (api) => {
        for (const folder of ['/d/a', '/d/z']) await api.makeFolder(folder, { parents: true })
        for (let at = 0; at < 200; at++) await put(api, `/d/m${at}`, 'text')
        await put(api, '/d/z/moved', 'text')
      })
      await clock.sleep(2 * MINUTE_MS)
      let isMoved = false
      const made = b.ask(async (api) => {
        for await (const events of api.clone('/d', '/copy')) {
          if (!isMoved && events.some(({ files }) => files > 0)) {
            isMoved = true
            // From where it did not come yet to where it was.
            await api.move('/d/z/moved', '/d/a/moved')
          }
        }
      })
      await made
      assert.ok(isMoved)
      const paths = await b.ask((api) => filesIn(api, '/copy/'))
      assert.equal(paths.filter((path) => path.endsWith('/moved')).length, 1)
      assert.equal(paths.length, 201)
      assert.deepEqual(await b.ask((api) => namesIn(api, '/')), ['copy', 'd'])
    })
  })

  test('that is broken off, or whose node dies, leaves nothing', async () => {
    await withMembers(3, 6, async ({ nodes: [a, b], clock }) => {
      await a.ask(async (api) => {
        await api.makeFolder('/d')
        for (let at = 0; at < 200; at++) await put(api, `/d/m${at}`, 'text')
      })
      await clock.sleep(2 * MINUTE_MS)
      const broken = new AbortController()
      await assert.rejects(
        b.ask(async (api) => {
          for await (const _ of api.clone('/d', '/copy', { signal: broken.signal })) broken.abort()
        }),
      )
      assert.deepEqual(await b.ask((api) => namesIn(api, '/')), ['d'])
      await assert.rejects(
        b.ask(async (api) => {
          for await (const events of api.clone('/d', '/copy'))
            if (events.some(({ files }) => files > 0)) b.kill('killed')
        }),
      )
      await b.start()
      await clock.sleep(2 * MINUTE_MS)
      for (const node of [a, b]) assert.deepEqual(await node.ask((api) => namesIn(api, '/')), ['d'])
      assert.equal((await b.ask((api) => clone(api, '/d', '/copy'))).files, 200)
    })
  })

  test('of a strong volume is made by the voters', async () => {
    await withMembers(3, 7, async ({ nodes: [a, b], clock }) => {
      await a.ask((api) => api.setVolume('main', { consistency: 'strong' }))
      await clock.sleep(2 * MINUTE_MS)
      await a.ask(async (api) => {
        await api.makeFolder('/d')
        for (let at = 0; at < 60; at++) await put(api, `/d/m${at}`, 'x'.repeat(2000))
      })
      await b.ask((api) => clone(api, '/d', '/copy'))
      assert.equal((await a.ask((api) => filesIn(api, '/copy/'))).length, 60)
    })
  })
})

async function cloneVolume(
  api: NodeApi,
  volume: string,
  name: string,
  options?: { readonly snapshot?: string; readonly signal?: AbortSignal },
): Promise<Done> {
  let last: CloneEvent | undefined
  for await (const events of api.cloneVolume(volume, name, options)) last = events.at(-1)
  assert.equal(last?.kind, 'done')
  return last as Done
}

describe('a clone of a volume', () => {
  test('has its files and settings, and keys and members of its own', async () => {
    await withMembers(3, 11, async ({ nodes: [a, b], clock }) => {
      await a.ask(async (api) => {
        await api.setVolume('main', { versions: '2h:all', ack: 'placed', history: 'full' })
        await api.makeFolder('/d/e', { parents: true, mode: 0o700 })
        for (const path of ['/top', '/d/one', '/d/e/two']) await put(api, path, path)
        await putBytes(api, '/d/large', contentOf(3, LARGE))
        await api.createSnapshot('/', { name: 'good' })
        await put(api, '/d/one', 'second')
        await api.setAttributes('/d/one', { mode: 0o640, modifiedNs: 1_000_000_000n })
      })
      await clock.sleep(2 * MINUTE_MS)
      const done = await b.ask((api) => cloneVolume(api, 'main', 'copy'))
      assert.deepEqual([done.files, done.nearest], [4, 0])
      assert.equal(await b.ask((api) => textOf(api, 'copy:/d/one')), 'second')
      const { mode, modifiedNs } = await b.ask((api) => api.stat('copy:/d/one'))
      assert.deepEqual([mode, modifiedNs], [0o640, 1_000_000_000n])
      assert.equal((await b.ask((api) => api.stat('copy:/d/e'))).mode, 0o700)
      checkContent('large', await b.ask((api) => readFile(api, 'copy:/d/large')))
      assert.deepEqual(await b.ask((api) => namesIn(api, 'copy:/')), ['d', 'top'])
      const { settings, members } = await b.ask((api) => api.volumeInfo('copy'))
      assert.deepEqual([settings['versions'], settings['history']], ['2h:all', 'full'])
      assert.deepEqual([settings['ack'], members.length], ['local', 1])
      assert.equal(settings['mass-loss'], '50%')

      await b.ask((api) => cloneVolume(api, 'main', 'before', { snapshot: 'good' }))
      assert.equal(await b.ask((api) => textOf(api, 'before:/d/one')), '/d/one')
      await refused(b, (api) => cloneVolume(api, 'main', 'before'), 'EEXIST')
      await refused(b, (api) => cloneVolume(api, 'main', 'main'), 'EEXIST')
      await refused(b, (api) => cloneVolume(api, 'main', 'x', { snapshot: 'none' }), 'ENOENT')
      await refused(b, (api) => cloneVolume(api, 'none', 'x'), 'no-such-volume')
    })
  })

  test('that is broken off, or whose node dies, is empty, and can be made again', async () => {
    await withMembers(3, 12, async ({ nodes: [a, b], clock }) => {
      await a.ask(async (api) => {
        for (let at = 0; at < 200; at++) await put(api, `/m${at}`, 'text')
      })
      await clock.sleep(2 * MINUTE_MS)
      const broken = new AbortController()
      const { signal } = broken
      await assert.rejects(
        b.ask(async (api) => {
          for await (const _ of api.cloneVolume('main', 'copy', { signal })) broken.abort()
        }),
      )
      assert.deepEqual(await b.ask((api) => namesIn(api, 'copy:/')), [])
      await assert.rejects(
        b.ask(async (api) => {
          for await (const events of api.cloneVolume('main', 'copy'))
            if (events.some(({ files }) => files > 0)) b.kill('killed')
        }),
      )
      await b.start()
      assert.deepEqual(await b.ask((api) => namesIn(api, 'copy:/')), [])
      assert.equal((await b.ask((api) => cloneVolume(api, 'main', 'copy'))).files, 200)
      assert.equal((await b.ask((api) => namesIn(api, 'copy:/'))).length, 200)
    })
  })
})
