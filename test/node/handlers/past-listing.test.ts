// Listings with what was removed, and files that take the place of others: told alike by every
// member, page by page.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { put, withMembers } from './members.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { VersionInfo } from '../../../node/control/versions.ts'
import { utf8 } from '../../../protocol/bytes.ts'

/** Each entry as `kind name`, with a minus where it was removed, in pages of so many. */
async function listed(api: NodeApi, path: string, limit: number): Promise<string[]> {
  const all: string[] = []
  let after: string | undefined
  do {
    const page = await api.listPage(path, { removed: true, after, limit })
    for (const { kind, name, isRemoved } of page.entries)
      all.push(`${kind} ${name}${isRemoved === true ? ' -' : ''}`)
    after = page.next
  } while (after !== undefined)
  return all
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield utf8(text)
}

describe('listings of the past', () => {
  test('have each name in order, of all folders that had the path', async () => {
    await withMembers(2, 1, async ({ nodes: [a, b], clock }) => {
      await a.ask(async (api) => {
        await api.makeFolder('/d/sub', { parents: true })
        for (const name of ['b', 'a', 'ab', 'abc', 'ü', 'a-']) await put(api, `/d/${name}`, name)
        await put(api, '/d/sub/x', 'x')
        for (const name of ['a', 'abc', 'sub/x']) await api.remove(`/d/${name}`)
        await api.remove('/d/sub')
        // A file where a folder was, and a name that is there again.
        await put(api, '/d/sub', 'a file')
        await put(api, '/d/abc', 'again')
      })
      const before = ['file a -', 'file a-', 'file ab', 'file abc', 'file b']
      const expected = [...before, 'file sub', 'folder sub -', 'file ü']
      await clock.sleep(10_000)
      for (const node of [a, b])
        for (const limit of [1, 2, 100]) {
          const found = await node.ask((api) => listed(api, '/d', limit))
          assert.deepEqual(found.toSorted(), expected.toSorted(), `${limit}`)
          const names = found.map((one) => Buffer.from(one.split(' ')[1] ?? '').toString('latin1'))
          assert.deepEqual(names, names.toSorted(), 'in order of the bytes')
          assert.deepEqual(await node.ask((api) => listed(api, '/d/sub', limit)), ['file x -'])
        }
      // Another folder of that path, after the first has gone.
      await a.ask(async (api) => {
        await api.remove('/d', { recursive: true })
        await api.makeFolder('/d')
        await put(api, '/d/a', 'anew')
      })
      const gone = await a.ask((api) => listed(api, '/d', 3))
      assert.equal(gone.length, expected.length)
      assert.deepEqual(
        gone.filter((one) => !one.endsWith('-')),
        ['file a'],
      )
      await assert.rejects(
        a.ask((api) => listed(api, '/never', 1)),
        (error) => hasCode(error, 'ENOENT'),
      )
    })
  })

  test('come in order where names go on as others end', async () => {
    await withMembers(1, 3, async ({ nodes: [a] }) => {
      const parts = ['a', 'd', 'l', 'm']
      const two = parts.flatMap((one) => parts.map((other) => one + other))
      const names = [...parts, ...two, ...two.map((one) => `${one}l`)]
      const wanted: string[] = []
      await a.ask(async (api) => {
        await api.makeFolder('/d')
        for (const [at, name] of names.entries()) {
          await put(api, `/d/${name}`, name)
          if (at % 3 !== 0) await api.remove(`/d/${name}`)
          wanted.push(`file ${name}${at % 3 === 0 ? '' : ' -'}`)
        }
      })
      const inOrder = wanted.toSorted((one, other) =>
        (one.split(' ')[1] ?? '') < (other.split(' ')[1] ?? '') ? -1 : 1,
      )
      for (const limit of [1, 2, 3, 5, 7, 100])
        assert.deepEqual(await a.ask((api) => listed(api, '/d', limit)), inOrder, `${limit}`)
    })
  })

  test('tell of each state its own attributes, where it took the place of another file', async () => {
    await withMembers(2, 2, async ({ nodes: [a, b], clock }) => {
      const tags: (string | undefined)[] = []
      for (const text of ['one', 'two', 'three'])
        await a.ask(async (api) => {
          const extended = { 'user.about': Buffer.from(text).toString('base64') }
          await api.writeFile('/f', bytesOf(text), { extended, isNew: true })
          tags.push((await api.stat('/f')).tag)
        })
      await clock.sleep(10_000)
      const all: VersionInfo[] = []
      await b.ask(async (api) => {
        for await (const page of api.listVersions('/f', { extended: true })) all.push(...page)
      })
      assert.deepEqual(
        all.map(({ end, file }) => [
          end,
          Buffer.from(file?.extended['user.about'] ?? '', 'base64').toString(),
          file?.hasContent,
        ]),
        [
          ['current', 'three', true],
          ['replaced', 'two', true],
          ['replaced', 'one', true],
        ],
      )
      assert.deepEqual(all.map(({ file }) => file?.tag).toReversed(), tags)
    })
  })
})
