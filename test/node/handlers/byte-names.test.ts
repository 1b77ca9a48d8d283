// Names and targets that are not UTF-8, by the calls about files: each has a path, and archives
// leave out what they cannot hold.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { collect, exported, imported, inParts, withNode } from '../exchange/archives.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { FileStat } from '../../../node/control/files.ts'

const LATIN1 = '/tree/caf\\xe9'

describe('paths of bytes', () => {
  test('names that are not UTF-8 are listed with their bytes, and reached by what is listed', () =>
    withNode(async (api) => {
      await makeTree(api)
      assert.deepEqual(await namesIn(api), [
        ['a\\b', undefined, undefined],
        ['a\\x5cx41', '615c783431', undefined],
        ['caf\\xe8', '636166e8', undefined],
        ['caf\\xe9', '636166e9', undefined],
        ['link', undefined, 'ff5c783431'],
      ])
      const { content } = await api.readFile(LATIN1)
      assert.equal(Buffer.from(await collect(content)).toString(), 'latin1')
      // The same bytes as text, however they are written.
      assert.equal((await api.stat('/tree/\\x63af\\xe9')).sizeBytes, 6)
      assert.equal((await api.stat('/tree/a\\x5cb')).name, 'a\\b')
      await api.move(LATIN1, '/tree/caf\u00e9')
      assert.equal((await api.stat('/tree/caf\\xc3\\xa9')).sizeBytes, 6)
      for (const bad of ['/tree/a\\x2fb', '/tree/\\x00', '/tree/\\x2e\\x2e'])
        await assert.rejects(api.writeFile(bad, inParts(Buffer.from('x'))), { code: 'EINVAL' })
      for (const target of ['é'.repeat(2048), '\\xff'.repeat(4096)])
        await assert.rejects(api.makeSymlink('/tree/long', target), { code: 'ENAMETOOLONG' })
    }))

  for (const sealed of [false, true])
    test(`${sealed ? 'sealed' : 'IPFS'} archives leave out what is not UTF-8, and name it`, () =>
      withNode(async (api) => {
        await makeTree(api)
        const { car, files, leftOut, leftOutPaths } = await exported(api, '/tree', { sealed })
        assert.deepEqual([files, leftOut], [2, 3])
        assert.deepEqual(leftOutPaths, ['/tree/caf\\xe8', '/tree/caf\\xe9', '/tree/link'])
        await imported(api, '/back', car)
        const back = await listed(api, '/back')
        assert.deepEqual(
          back.map(({ name }) => name),
          ['a\\b', 'a\\x5cx41'],
        )
      }))
})

async function makeTree(api: NodeApi): Promise<void> {
  await api.makeFolder('/tree')
  for (const name of [LATIN1, '/tree/caf\\xe8', '/tree/a\\b', '/tree/a\\x5cx41'])
    await api.writeFile(name, inParts(Buffer.from('latin1')))
  await api.makeSymlink('/tree/link', '\\xff\\x5cx41')
}

async function listed(api: NodeApi, path: string): Promise<readonly FileStat[]> {
  const all: FileStat[] = []
  for await (const page of api.list(path)) all.push(...page)
  return all
}

async function namesIn(api: NodeApi): Promise<readonly unknown[]> {
  const all = await listed(api, '/tree')
  return all.map(({ name, nameBytes, targetBytes }) => [name, nameBytes, targetBytes])
}
