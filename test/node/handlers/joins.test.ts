// Asks members through their API to join files: what they hold, whatever the parts are, and that
// nothing of it depends on the parts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MINUTE_MS } from '../../../protocol/units.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { collectGarbage, readFile } from '../gc/garbage-world.ts'
import { namesIn, refused, textOf, withMembers } from './members.ts'

/** Bytes of parts: empty, inline, a chunk, many, and with a hole. */
const SIZES = [0, 10, 3000, 5000, 300_000, 2_000_000, 1] as const

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

describe('files that are joined', () => {
  test('are what their parts were, wherever they are read, once those are gone', async () => {
    await withMembers(3, 4, async ({ nodes: [a, b], clock }) => {
      const random = new SeededRandom('parts', 'joins')
      const parts = SIZES.map((size) => Buffer.from(random.bytes(size)))
      parts.push(Buffer.concat([Buffer.alloc(3_000_000), Buffer.from('after a hole')]))
      const names = parts.map((_, at) => `/parts/${at}`)
      const orders = [
        names,
        names.toReversed(),
        [names[5], names[5], names[1]],
        [names[0], names[0]],
        [names[1], names[6], names[1]],
        [names[7], names[7]],
        [names[4]],
      ].map((order) => order.filter((name) => name !== undefined))
      await a.ask(async (api) => {
        await api.makeFolder('/parts')
        for (const [at, name] of names.entries())
          await api.writeFile(name, once(parts[at] ?? Buffer.alloc(0)))
      })
      await clock.sleep(2 * MINUTE_MS)
      const expected = orders.map((order) =>
        Buffer.concat(order.map((name) => parts[names.indexOf(name)] ?? Buffer.alloc(0))),
      )
      await b.ask(async (api) => {
        for (const [at, order] of orders.entries()) {
          const sizeBytes = expected[at]?.length ?? 0
          await api.joinFiles(`/whole${at}`, order, { sizeBytes, mode: 0o600 })
        }
        await api.remove('/parts', { recursive: true })
      })
      await clock.sleep(2 * MINUTE_MS)
      for (const node of [a, b]) await node.ask(collectGarbage)
      for (const node of [a, b])
        for (const [at, whole] of expected.entries()) {
          const found = await node.ask((api) => readFile(api, `/whole${at}`))
          assert.ok(whole.equals(found), `${node.name}: ${at}`)
        }
      const { mode } = await a.ask((api) => api.stat('/whole0'))
      assert.equal(mode, 0o600)
    })
  })

  test('replace what is there whole, on condition, or not at all', async () => {
    await withMembers(3, 5, async ({ nodes: [a] }) => {
      const put = (api: NodeApi, path: string, text: string): Promise<void> =>
        api.writeFile(path, once(Buffer.from(text)))
      await a.ask(async (api) => {
        await put(api, '/a', 'one ')
        await put(api, '/b', 'two')
        await put(api, '/to', 'before ')
        await api.makeFolder('/d')
      })
      const joins =
        (parts: readonly string[], options = {}, attributes = {}) =>
        (api: NodeApi) =>
          api.joinFiles('/to', parts, attributes, options)
      await refused(a, joins(['/a', '/none']), 'ENOENT')
      await refused(a, joins(['/a', '/d']), 'EISDIR')
      await refused(a, joins(['/a', '/b'], { ifTag: '' }), 'precondition')
      await refused(a, joins(['/a', '/b'], {}, { sizeBytes: 1 }), 'malformed')
      assert.equal(await a.ask((api) => textOf(api, '/to')), 'before ')
      await a.ask(joins(['/a', '/to', '/b'], { ifTag: '*' }))
      assert.equal(await a.ask((api) => textOf(api, '/to')), 'one before two')
      assert.deepEqual(await a.ask((api) => namesIn(api, '/')), ['a', 'b', 'd', 'to'])
    })
  })
})
