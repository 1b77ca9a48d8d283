// Many small files written in one call: each as one written alone, each with its own fault.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeNewFiles } from '../../../node/control/small-files.ts'
import { collect, inParts, withNode } from '../exchange/archives.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { NewSmallFile } from '../../../node/control/files.ts'
import type { WriteFailure } from '../../../node/control/small-files.ts'

const SIZES = [0, 1, 2048, 2049, 5000, 16_383, 16_384, 65_536]

describe('writeSmallFiles', () => {
  test('writes what writeFile writes, with mode and time, below the folder named', () =>
    withNode(async (api) => {
      await api.makeFolder('/tree/a', { parents: true })
      const files = SIZES.map((size) => ({
        path: `a/${size}`,
        bytes: pattern(size),
        mode: 0o640,
        modifiedNs: 1_700_000_000_123_456_789n,
      }))
      assert.deepEqual(await written(api, '/tree', files), [])
      for (const { path, bytes, mode, modifiedNs } of files) {
        const { stat, content } = await api.readFile(`/tree/${path}`)
        assert.deepEqual(Buffer.from(await collect(content)), Buffer.from(bytes), path)
        const expected = { mode, modifiedNs, sizeBytes: bytes.length }
        assert.deepEqual({ ...stat, ...expected }, stat)
      }
    }))

  test('a zero run that is a hole for writeFile is one here, and reads as zeros', () =>
    withNode(async (api) => {
      const bytes = new Uint8Array(65_536)
      bytes[0] = 1
      assert.deepEqual(await written(api, '/', [{ path: 'zeros', bytes }]), [])
      assert.deepEqual(await bytesAt(api, '/zeros'), Buffer.from(bytes))
    }))

  test('one that cannot be written keeps none of the others back, and is named', () =>
    withNode(async (api) => {
      await api.makeFolder('/folder')
      await api.writeFile('/file', inParts(Buffer.from('before')))
      const names = ['first', 'folder', 'none/x', 'file/x', '../up', `${'n'.repeat(300)}`, 'file']
      const files = names.map((path) => ({ path, bytes: pattern(3000) }))
      const failures = await written(api, '/', files)
      assert.deepEqual(
        failures.map(({ at, error }) => [at, error.code]),
        [
          [1, 'EISDIR'],
          [2, 'ENOENT'],
          [3, 'ENOTDIR'],
          [4, 'usage'],
          [5, 'ENAMETOOLONG'],
        ],
      )
      for (const path of ['/first', '/file'])
        assert.deepEqual(await bytesAt(api, path), Buffer.from(pattern(3000)))
    }))

  test('the last of one name in a call is the file', () =>
    withNode(async (api) => {
      const files = ['one', 'two'].map((text) => ({ path: 'x', bytes: Buffer.from(text) }))
      assert.deepEqual(await written(api, '/', files), [])
      assert.equal(Buffer.from(await collect((await api.readFile('/x')).content)).toString(), 'two')
    }))

  test('a request that is not whole, too large or not what it says writes nothing', () =>
    withNode(async (api) => {
      const whole = Buffer.from(encodeNewFiles([{ path: 'x', bytes: pattern(100) }]))
      const head = (text: string): Buffer => {
        const prefix = Buffer.alloc(4)
        prefix.writeUInt32BE(text.length)
        return Buffer.concat([prefix, Buffer.from(text)])
      }
      const bad: readonly (readonly [string, Uint8Array])[] = [
        ['malformed', new Uint8Array(0)],
        ['malformed', whole.subarray(0, 10)],
        ['malformed', whole.subarray(0, -1)],
        ['malformed', Buffer.concat([whole, whole])],
        ['malformed', Buffer.from([255, 255, 255, 255])],
        ['malformed', head('[{')],
        ['malformed', Buffer.alloc(5 * 1_048_576)],
        ['usage', head('[]')],
        ['usage', head('[{"path":"","length":0}]')],
        ['usage', head('[{"path":"x","length":-1}]')],
        ['usage', head('[{"path":"x","length":65537}]')],
        ['usage', head('[{"path":"x","length":0,"mode":65536}]')],
        ['usage', head(`[{"path":"x","length":0,"modifiedNs":"${'9'.repeat(19)}"}]`)],
        ['usage', head('[{"path":"x","length":0,"owner":0}]')],
        ['usage', head(`[${Array(257).fill('{"path":"x","length":0}').join()}]`)],
      ]
      for (const [code, bytes] of bad)
        await assert.rejects(api.writeSmallFiles('/', inParts(bytes)), { code }, `${bytes.length}`)
      await assert.rejects(api.stat('/x'), { code: 'ENOENT' })
    }))
})

async function bytesAt(api: NodeApi, path: string): Promise<Buffer> {
  return Buffer.from(await collect((await api.readFile(path)).content))
}

function written(
  api: NodeApi,
  folder: string,
  files: readonly NewSmallFile[],
): Promise<readonly WriteFailure[]> {
  return api.writeSmallFiles(folder, inParts(encodeNewFiles(files)))
}

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => (at * at) % 251)
}
