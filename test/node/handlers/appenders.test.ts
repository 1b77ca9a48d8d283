// A member that may only add, asked through the API: it writes as others do, gives up nothing, and
// what it replaced or removed is read on all members after checkpoints and collections.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { collectGarbage, contentOf, put as putBytes } from '../gc/garbage-world.ts'
import { put, withMembers } from './members.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { VersionInfo } from '../../../node/control/versions.ts'

async function versions(api: NodeApi, path: string): Promise<VersionInfo[]> {
  const all: VersionInfo[] = []
  for await (const page of api.listVersions(path)) all.push(...page)
  return all
}

async function read(api: NodeApi, path: string, version: string): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of (await api.readFile(path, { version })).content) parts.push(part)
  return Buffer.concat(parts)
}

test('an appender writes and removes, and nothing that was there is lost by it', async () => {
  const founded = { members: 2 }
  await withMembers(
    3,
    1,
    async ({ nodes, clock }) => {
      const [admin, writer, appender] = nodes
      const settings = { versions: 'off', checkpoint: '20', trash: '1m' }
      await admin.ask((api) => api.setVolume('main', settings))
      const { ticket } = await admin.ask((api) => api.invite({ role: 'appender' }))
      await appender.ask((api) => api.join(ticket))
      await clock.sleep(MINUTE_MS)
      const first = contentOf(1, 300_000)
      for (const path of ['/f', '/gone', '/given'])
        await admin.ask((api) => putBytes(api, path, first))
      await clock.sleep(10 * MINUTE_MS)
      await appender.ask((api) => putBytes(api, '/f', contentOf(2, 300_000)))
      await appender.ask((api) => putBytes(api, '/f', contentOf(3, 300_000)))
      await appender.ask((api) => api.remove('/gone'))
      await writer.ask((api) => api.remove('/given'))
      for (let round = 0; round < 6; round++) {
        for (let at = 0; at < 25; at++)
          await appender.ask((api) => put(api, `/n${round}-${at}`, 'x'))
        await clock.sleep(15 * MINUTE_MS)
        await admin.ask((api) => collectGarbage(api))
      }
      for (const node of nodes) {
        const [, second, before] = await node.ask((api) => versions(api, '/f'))
        const [gone] = await node.ask((api) => versions(api, '/gone'))
        assert.ok(second !== undefined && before !== undefined && gone !== undefined, node.name)
        const found = await node.ask((api) => read(api, '/f', before.id))
        assert.deepEqual(found, Buffer.from(first))
        const other = await node.ask((api) => read(api, '/f', second.id))
        assert.deepEqual(other, Buffer.from(contentOf(2, 300_000)))
        assert.deepEqual(await node.ask((api) => read(api, '/gone', gone.id)), Buffer.from(first))
        await assert.rejects(
          node.ask((api) => versions(api, '/given')),
          (error) => hasCode(error, 'ENOENT'),
          'what a writer removed is given up',
        )
      }
      const refused: readonly ((api: NodeApi) => Promise<unknown>)[] = [
        (api) => api.setVolume('main', { versions: '1h:all' }),
        (api) => api.createSnapshot('/', { name: 'mine' }),
        (api) => api.purgeVersions('/f'),
        (api) => api.leaveVolume('main'),
        (api) => api.invite({ role: 'reader' }),
      ]
      for (const call of refused) {
        await assert.rejects(appender.ask(call), (error) => {
          assert.ok(hasCode(error, 'EPERM') || hasCode(error, 'EACCES'), String(error))
          assert.match(error.message, /appender|admin/)
          return true
        })
      }
      const { members } = await admin.ask((api) => api.volumeInfo('main'))
      assert.deepEqual(members.map(({ role }) => role).sort(), ['admin', 'appender', 'writer'])
    },
    founded,
  )
})
