// Asks members through their API for snapshots: made, read, compared, held, removed, rolled back.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { collectGarbage, contentOf, put as putBytes, volumeOf } from '../gc/garbage-world.ts'
import { namesIn, put, refused, textOf, withMembers } from './members.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { DiffOptions, SnapshotChange } from '../../../node/control/snapshots.ts'
import type { Members } from './members.ts'

const LARGE = 300_000

async function changes(
  api: NodeApi,
  options: DiffOptions,
  path = '/',
): Promise<[kind: string, path: string, from?: string][]> {
  const all: SnapshotChange[] = []
  for await (const page of api.diffSnapshots(path, options)) all.push(...page)
  return all.map(({ kind, path: at, from }) => (from === undefined ? [kind, at] : [kind, at, from]))
}

async function bytesAt(api: NodeApi, path: string, snapshot: string): Promise<Buffer> {
  const parts: Uint8Array[] = []
  const { content } = await api.readFile(path, { version: `@${snapshot}` })
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts)
}

async function textAt(api: NodeApi, path: string, snapshot: string): Promise<string> {
  return (await bytesAt(api, path, snapshot)).toString('utf8')
}

describe('a snapshot', () => {
  test('is the same on every member, and what was there can be read on each', async () => {
    await withMembers(3, 1, async ({ nodes: [a, b, c], clock }) => {
      await a.ask((api) => api.makeFolder('/d/e', { parents: true, mode: 0o700 }))
      for (const path of ['/f', '/d/g', '/d/e/h']) await a.ask((api) => put(api, path, 'first'))
      // Not yet in any entry of the log.
      const made = await a.ask((api) => api.createSnapshot('/', { name: 'one' }))
      assert.deepEqual([made.name, made.path, made.state], ['one', '/', 'same'])
      await a.ask((api) => put(api, '/f', 'second'))
      await a.ask((api) => api.remove('/d', { recursive: true }))
      await clock.sleep(2 * MINUTE_MS)
      for (const node of [a, b, c]) {
        const [listed] = await node.ask((api) => api.listSnapshots())
        assert.deepEqual(listed, made)
        assert.equal(await node.ask((api) => textAt(api, '/f', 'one')), 'first')
        assert.equal(await node.ask((api) => textAt(api, '/d/e/h', 'one')), 'first')
        assert.equal(await node.ask((api) => textOf(api, '/f')), 'second')
        assert.deepEqual(await node.ask((api) => changes(api, { from: 'one' })), [
          ['removed', '/d'],
          ['removed', '/d/e'],
          ['removed', '/d/e/h'],
          ['removed', '/d/g'],
          ['changed', '/f'],
        ])
        await refused(node, (api) => textAt(api, '/nothing', 'one'), 'ENOENT')
        await refused(node, (api) => textAt(api, '/d', 'one'), 'EISDIR')
        await refused(node, (api) => textAt(api, '/f', 'none'), 'ENOENT')
      }
      const done = await b.ask((api) => api.restore('/d', { version: '@one', to: '/d then' }))
      assert.deepEqual([done.files, done.folders], [2, 2])
      await clock.sleep(MINUTE_MS)
      const then = await c.ask((api) => api.stat('/d/e', { version: '@one' }))
      const { mode, modifiedNs } = await c.ask((api) => api.stat('/d then/e'))
      assert.deepEqual([mode, modifiedNs], [0o700, then.modifiedNs])
      assert.equal(await c.ask((api) => textOf(api, '/d then/e/h')), 'first')
    })
  })

  test('of a folder has just that', async () => {
    await withMembers(3, 2, async ({ nodes: [a, b], clock }) => {
      await a.ask((api) => api.makeFolder('/d/e', { parents: true }))
      for (const path of ['/f', '/d/e/h']) await a.ask((api) => put(api, path, 'first'))
      const made = await a.ask((api) => api.createSnapshot('/d', { name: 'of d' }))
      assert.equal(made.path, '/d')
      await clock.sleep(2 * MINUTE_MS)
      assert.equal(await b.ask((api) => textAt(api, '/d/e/h', 'of d')), 'first')
      await refused(b, (api) => textAt(api, '/f', 'of d'), 'ENOENT')
      await refused(b, (api) => api.createSnapshot('/f', { name: 'of f' }), 'ENOTDIR')
    })
  })

  test('has names that are checked, and told apart where two took one', async () => {
    await withMembers(3, 3, async ({ nodes: [a, b, c], clock }) => {
      for (const name of ['2h', 'beef', '2026-11-20', 'now', 'a/b', '.a', 'a ', '@a'])
        await refused(a, (api) => api.createSnapshot('/', { name }), 'usage')
      await Promise.all(
        [a, b].map((node) => node.ask((api) => api.createSnapshot('/', { name: 'twice' }))),
      )
      await refused(a, (api) => api.createSnapshot('/', { name: 'twice' }), 'EEXIST')
      await clock.sleep(2 * MINUTE_MS)
      const names = await c.ask(async (api) =>
        (await api.listSnapshots()).map(({ name }) => name).sort(),
      )
      assert.equal(names[0], 'twice')
      assert.match(names[1] ?? '', /^twice\+[0-9a-f]{8}$/)
      const { name } = await a.ask((api) => api.createSnapshot('/'))
      assert.match(name, /^snap-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    })
  })

  test('keeps what it names through checkpoints and collections, then no more', async () => {
    await withMembers(3, 4, async ({ nodes, clock }) => {
      const [a, b] = nodes
      await a.ask((api) =>
        api.setVolume('main', { versions: 'off', checkpoint: '20', trash: '1m' }),
      )
      const live = async (name: string, rounds: number): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          for (let at = 0; at < 25; at++)
            await a.ask((api) => put(api, `/${name}${round}-${at}`, 'x'))
          await clock.sleep(15 * MINUTE_MS)
          await a.ask((api) => collectGarbage(api))
        }
      }
      await a.ask((api) => putBytes(api, '/f', contentOf(1, LARGE)))
      await live('k', 3)
      await a.ask((api) => putBytes(api, '/gone', contentOf(2, LARGE)))
      await clock.sleep(MINUTE_MS)
      await b.ask((api) => api.createSnapshot('/', { name: 'kept' }))
      await b.ask((api) => putBytes(api, '/f', contentOf(3, LARGE)))
      await b.ask((api) => api.remove('/gone'))
      await live('m', 6)
      for (const node of nodes) {
        const [kept] = await node.ask((api) => api.listSnapshots())
        assert.equal(kept?.state, 'same')
        for (const [path, seed] of [['/f', 1] as const, ['/gone', 2] as const])
          assert.deepEqual(
            await node.ask((api) => bytesAt(api, path, 'kept')),
            Buffer.from(contentOf(seed, LARGE)),
          )
      }
      const before = (await volumeOf(a)).space.dataBytes
      await b.ask((api) => api.removeSnapshot('kept'))
      await live('n', 4)
      assert.ok((await volumeOf(a)).space.dataBytes < before - LARGE, `${before} bytes before`)
      await refused(a, (api) => bytesAt(api, '/gone', 'kept'), 'ENOENT')
    })
  })

  test('comes to a member that joined later, also without the log', async () => {
    const run = async ({ nodes, clock }: Members): Promise<void> => {
      const [a, , c, late] = nodes
      assert.ok(late !== undefined)
      await a.ask((api) => api.setVolume('main', { versions: 'off', checkpoint: '20' }))
      await a.ask((api) => putBytes(api, '/gone', contentOf(2, LARGE)))
      await a.ask((api) => api.createSnapshot('/', { name: 'early' }))
      await a.ask((api) => api.remove('/gone'))
      await clock.sleep(2 * MINUTE_MS)
      for (let round = 0; round < 3; round++) {
        for (let at = 0; at < 25; at++) await a.ask((api) => put(api, `/${round}-${at}`, 'x'))
        await clock.sleep(15 * MINUTE_MS)
      }
      const { ticket } = await a.ask((api) => api.invite({ uses: 1 }))
      await late.ask((api) => api.join(ticket))
      await clock.sleep(5 * MINUTE_MS)
      const content = Buffer.from(contentOf(2, LARGE))
      for (const [node, state] of [[c, 'same'] as const, [late, 'taken'] as const]) {
        assert.equal((await node.ask((api) => api.listSnapshots()))[0]?.state, state)
        assert.deepEqual(await node.ask((api) => bytesAt(api, '/gone', 'early')), content)
      }
    }
    await withMembers(4, 5, run, { members: 3 })
  })

  test('that is held stays, and is for its maker and admins to remove', async () => {
    await withMembers(3, 6, async ({ nodes: [a, b, c], clock }) => {
      await b.ask((api) => api.createSnapshot('/', { name: 'of b' }))
      await clock.sleep(MINUTE_MS)
      await refused(c, (api) => api.removeSnapshot('of b'), 'EACCES')
      await refused(b, (api) => api.holdSnapshot('of b'), 'EACCES')
      await a.ask((api) => api.holdSnapshot('of b'))
      await clock.sleep(MINUTE_MS)
      await refused(b, (api) => api.removeSnapshot('of b'), 'EPERM')
      await refused(b, (api) => api.removeSnapshot('of b', { force: true }), 'EACCES')
      assert.equal((await c.ask((api) => api.listSnapshots()))[0]?.isHeld, true)
      await a.ask((api) => api.holdSnapshot('of b', { release: true }))
      await clock.sleep(MINUTE_MS)
      await b.ask((api) => api.removeSnapshot('of b'))
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await c.ask((api) => api.listSnapshots()), [])
    })
  })
})

describe('the space of snapshots', () => {
  test('is what nothing else keeps', async () => {
    await withMembers(3, 4, async ({ nodes: [a], clock }) => {
      const spaces = async (): Promise<Record<string, number | undefined>> => {
        const all = await a.ask((api) => api.listSnapshots({ space: true }))
        return Object.fromEntries(all.map(({ name, ownBytes }) => [name, ownBytes]))
      }
      await a.ask((api) => api.setVolume('main', { versions: 'off', checkpoint: '20' }))
      await a.ask((api) => api.makeFolder('/d'))
      await a.ask((api) => put(api, '/d/f', 'x'.repeat(1000)))
      await a.ask((api) => put(api, '/kept', 'y'.repeat(500)))
      for (const name of ['one', 'two']) await a.ask((api) => api.createSnapshot('/', { name }))
      await a.ask((api) => api.createSnapshot('/d', { name: 'part' }))
      assert.deepEqual(await spaces(), { part: 0, two: 0, one: 0 })
      await a.ask((api) => put(api, '/d/f', 'second'))
      await a.ask((api) => put(api, '/d/g', 'z'.repeat(70)))
      await a.ask((api) => api.createSnapshot('/', { name: 'three' }))
      await a.ask((api) => api.remove('/d/g'))
      for (let round = 0; round < 4; round++) {
        for (let at = 0; at < 25; at++) await a.ask((api) => put(api, `/${round}-${at}`, ''))
        await clock.sleep(30 * MINUTE_MS)
      }
      assert.deepEqual(await spaces(), { three: 70, part: 0, two: 0, one: 0 })
      await a.ask((api) => api.removeSnapshot('one'))
      await a.ask((api) => api.removeSnapshot('part'))
      assert.deepEqual(await spaces(), { three: 70, two: 1000 })
    })
  })
})

describe('a rollback', () => {
  test('brings a folder to what it was, and says before what it will do', async () => {
    await withMembers(3, 7, async ({ nodes: [a, b, c], clock }) => {
      await a.ask((api) => api.makeFolder('/d/e', { parents: true }))
      for (const path of ['/d/same', '/d/other', '/d/gone', '/d/e/moved', '/d/mode'])
        await a.ask((api) => put(api, path, `text of ${path}`))
      await a.ask((api) => api.createSnapshot('/d', { name: 'good' }))
      await clock.sleep(2 * MINUTE_MS)
      await b.ask((api) => put(api, '/d/other', 'something else'))
      await b.ask((api) => api.remove('/d/gone'))
      await b.ask((api) => api.move('/d/e', '/d/f'))
      await b.ask((api) => api.move('/d/f/moved', '/d/f/renamed'))
      await b.ask((api) => put(api, '/d/f/new', 'new'))
      await b.ask((api) => api.makeFolder('/d/new/newer', { parents: true }))
      await b.ask((api) => api.setAttributes('/d/mode', { mode: 0o600 }))
      await b.ask((api) => put(api, '/outside', 'stays'))
      await clock.sleep(MINUTE_MS)
      const differing = [
        ['renamed', '/d/f', '/d/e'],
        ['added', '/d/f/new'],
        ['renamed', '/d/f/renamed', '/d/e/moved'],
        ['removed', '/d/gone'],
        ['changed', '/d/mode'],
        ['added', '/d/new'],
        ['added', '/d/new/newer'],
        ['changed', '/d/other'],
      ]
      assert.deepEqual(await c.ask((api) => changes(api, { from: 'good' }, '/d')), differing)
      assert.deepEqual(await c.ask((api) => changes(api, { from: 'now', to: 'good' }, '/d')), [
        ['renamed', '/d/e', '/d/f'],
        ['renamed', '/d/e/moved', '/d/f/renamed'],
        ['removed', '/d/f/new'],
        ['added', '/d/gone'],
        ['changed', '/d/mode'],
        ['removed', '/d/new'],
        ['removed', '/d/new/newer'],
        ['changed', '/d/other'],
      ])
      const plan = await c.ask((api) => api.rollBack('/d', { snapshot: 'good', dryRun: true }))
      const counts = [plan.removed, plan.broughtBack, plan.changed, plan.renamed]
      assert.deepEqual(counts, [3, 1, 2, 2])
      assert.deepEqual(await c.ask((api) => changes(api, { from: 'good' }, '/d')), differing)
      await c.ask((api) => api.rollBack('/d', { snapshot: 'good' }))
      await clock.sleep(MINUTE_MS)
      for (const node of [a, b, c]) {
        assert.deepEqual(await node.ask((api) => changes(api, { from: 'good' }, '/d')), [])
        const names = await node.ask((api) => namesIn(api, '/d'))
        assert.deepEqual(names, ['e', 'gone', 'mode', 'other', 'same'])
        assert.deepEqual(await node.ask((api) => namesIn(api, '/d/e')), ['moved'])
        assert.equal(await node.ask((api) => textOf(api, '/d/other')), 'text of /d/other')
        assert.equal(await node.ask((api) => textOf(api, '/outside')), 'stays')
      }
      const again = await c.ask((api) => api.rollBack('/d', { snapshot: 'good' }))
      assert.equal(again.removed + again.broughtBack + again.changed + again.renamed, 0)
    })
  })
})
