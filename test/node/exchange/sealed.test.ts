// Sealed archives: any member of the volume imports them as the same files, at any node of it; a
// stranger neither reads nor imports them; and an import that a crash interrupts is undone.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CarReader } from '@ipld/car'
import { utf8 } from '../../../protocol/bytes.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { Cluster } from '../../../simulations/cluster.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { withMembers } from '../handlers/members.ts'
import {
  assertNothingLeft,
  bytesOf,
  exported,
  imported,
  inParts,
  listing,
  putTree,
  withNode,
} from './archives.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { Tree } from './archives.ts'

const ATTRIBUTES = { mode: 0o640, modifiedNs: 1_600_000_000_987_654_321n }
const TREE: Tree = {
  'folder/large secret': bytesOf(2_000_000),
  'folder/small secret': utf8('the small secret'),
  'folder/empty': utf8(''),
  'folder/below': 'folder',
  'another/ünïcode': utf8('u'),
  link: { target: 'folder/large secret' },
  zeros: new Uint8Array(1_000_000),
}

describe('a sealed archive', () => {
  test('a sealed archive becomes the same files on another node, with modes and times', () =>
    withMembers(3, 1, async ({ nodes: [one, two], clock }) => {
      const { car, root, files } = await one.ask(async (api) => {
        await putTree(api, '/tree', TREE)
        for (const path of ['/tree/folder/large secret', '/tree/folder', '/tree'])
          await api.setAttributes(path, ATTRIBUTES)
        return exported(api, '/tree', { sealed: true })
      })
      assert.equal(files, 5)
      await clock.sleep(MINUTE_MS)
      await two.ask(async (api) => {
        const events = await imported(api, '/again', car)
        assert.deepEqual(events[0], {
          kind: 'verified',
          root,
          sealed: true,
          names: 10,
          bytes: 3_000_017,
        })
        assert.deepEqual(await listing(api, '/again'), await listing(api, '/tree'))
        for (const path of ['/again/folder/large secret', '/again/folder', '/again']) {
          const { mode, modifiedNs } = await api.stat(path)
          assert.deepEqual({ mode, modifiedNs }, ATTRIBUTES, path)
        }
      })
    }))

  test('an archive of one file, an empty folder or a whole volume is imported', () =>
    withNode(async (api) => {
      await api.writeFile('/file', inParts(bytesOf(500_000)))
      await api.makeFolder('/empty')
      const { car: volume } = await exported(api, '/', { sealed: true })
      await imported(api, '/file-again', (await exported(api, '/file', { sealed: true })).car)
      await imported(api, '/empty-again', (await exported(api, '/empty', { sealed: true })).car)
      await imported(api, '/volume', volume)
      const [empty, file] = await listing(api, '/volume')
      const all = await listing(api, '')
      assert(all.includes(String(empty)) && all.includes(String(file)))
      assert(all.includes(String(empty).replace('empty', 'empty-again')))
      assert(all.includes(String(file).replace('file', 'file-again')))
    }))

  test('a sealed archive is the same for the same files, and reveals nothing of them', () =>
    withNode(async (api) => {
      await putTree(api, '/tree', TREE)
      const { car, root } = await exported(api, '/tree', { sealed: true })
      const later = await exported(api, '/tree', { sealed: true, rootLater: true })
      assert.equal(later.root, root)
      const shown = Buffer.from(car).toString('latin1')
      for (const word of [
        'secret',
        'folder',
        'another',
        Buffer.from(bytesOf(32)).toString('latin1'),
      ])
        assert(!shown.includes(word), word)
      const codes = []
      for await (const { cid } of (await CarReader.fromBytes(car)).blocks()) codes.push(cid.code)
      assert.deepEqual(
        codes.slice(0, -1).filter((code) => code !== 0x55),
        [],
      )
      assert.equal(codes.at(-1), 0x71)
    }))

  test('a sealed archive with a flipped byte or a cut end is refused', async () => {
    await withMembers(2, 1, async ({ nodes: [one, two] }) => {
      const tree = { a: bytesOf(400_000), b: utf8('b') }
      await one.ask((api) => putTree(api, '/tree', tree))
      const { car } = await one.ask((api) => exported(api, '/tree', { sealed: true }))
      await one.ask((api) => api.remove('/tree', { recursive: true }))
      const step = Math.floor(car.length / 30)
      for (let at = 60; at < car.length; at += at > car.length - 500 ? 20 : step) {
        const flipped = Uint8Array.from(car)
        flipped[at] = (flipped[at] ?? 0) ^ 1
        const refused = { code: /corrupt|malformed|unsupported/ }
        await assert.rejects(
          one.ask((api) => imported(api, '/x', flipped)),
          refused,
          `byte ${at}`,
        )
        const cut = car.subarray(0, at)
        await assert.rejects(
          one.ask((api) => imported(api, '/x', cut)),
          refused,
          `cut at ${at}`,
        )
      }
      await one.ask((api) => assertNothingLeft(api, one))
      assert(two.running)
    })
  })

  test('an archive of a foreign volume is refused, of another volume here accepted', () =>
    withStrangers(async (owner, stranger) => {
      await putTree(owner, '/tree', TREE)
      const { car } = await exported(owner, '/tree', { sealed: true })
      await stranger.makeFolder('/tree', { parents: true })
      await assert.rejects(imported(stranger, '/x', car), {
        code: 'no-such-volume',
        message: /sealed for members of volume [0-9a-f]{64}/,
      })
      assert.deepEqual(await listing(stranger, ''), ['/tree folder  '])
      await owner.createVolume({ name: 'second' })
      await imported(owner, 'second:/copy', car)
      assert.deepEqual(await listing(owner, 'second:/copy'), await listing(owner, '/tree'))
    }))
})

test('an unfinished import is undone when its caller leaves, and after a kill', () =>
  withMembers(1, 1, async ({ nodes: [node], clock }) => {
    const car = await node.ask(async (api) => {
      await putTree(api, '/tree', { ...TREE, 'folder/second': bytesOf(3_000_000) })
      const { car } = await exported(api, '/tree')
      await api.remove('/tree', { recursive: true })
      return car
    })
    await node.ask(async (api) => {
      for await (const [event] of api.importCar('/x', inParts(car)))
        if (event?.kind === 'verified') break
      await assertNothingLeft(api, node)
    })
    let verified = 0
    const importing = node.ask(async (api) => {
      for await (const [event] of api.importCar('/x', inParts(car))) {
        verified++
        if (event?.kind === 'verified') continue
      }
    })
    const ended = assert.rejects(importing, { code: 'stopped' })
    while (verified === 0) await clock.sleep(1)
    const half = async (): Promise<boolean> =>
      (await node.ask((api) => listing(api, ''))).some((line) => line.includes('.shoal-import-'))
    while (!(await half())) await clock.sleep(1)
    await node.ask((api) => api.settle('local'))
    node.kill('killed')
    await ended
    await node.start()
    await node.ask((api) => assertNothingLeft(api, node))
  }))

/** Two nodes that know nothing of each other. */
async function withStrangers(
  run: (owner: NodeApi, stranger: NodeApi) => Promise<void>,
): Promise<void> {
  const scheduler = new Scheduler(1)
  const cluster = new Cluster(scheduler, { nodeCount: 2 })
  const conduct = async (): Promise<void> => {
    await Promise.all(cluster.nodes.map((node) => node.start()))
    const [owner, stranger] = cluster.nodes
    await owner?.ask((one) => stranger?.ask((other) => run(one, other)) ?? Promise.resolve())
    await cluster.stop()
  }
  await scheduler.finish(conduct(), 100 * MINUTE_MS)
}
