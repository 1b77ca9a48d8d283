// Files as bytes: data is read as it was written, whatever its size, and existing data is not
// stored again.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../../protocol/bytes.ts'
import { INLINE_FILE_MAX } from '../../../protocol/limits.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { EMPTY_CONTENT, contentSize } from '../../../node/content/content.ts'
import { ContentEditor } from '../../../node/content/editor.ts'
import { ContentReader } from '../../../node/content/read-pipeline.ts'
import { writeContent } from '../../../node/content/file-writer.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { PeerGroup } from '../stripes/peer-group.ts'
import { VolumeState } from '../stripes/volume-state.ts'
import type { Content } from '../../../node/content/content.ts'

const { signal } = new AbortController()
const GIB = 2 ** 30

describe('content', () => {
  test('content of any size is read as it was written', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    const sizes = [0, 1, INLINE_FILE_MAX, INLINE_FILE_MAX + 1, 64 * KIB, 300_001, 5 * MIB + 3]
    for (const size of sizes) {
      const bytes = xorshiftBytes(size + 1, size)
      const content = await write(volume, bytes)
      assert.equal(content.kind, size <= INLINE_FILE_MAX ? 'inline' : 'chunks', `${size} bytes`)
      assert.equal(contentSize(content), size)
      assert.deepEqual(await read(volume, content), bytes, `${size} bytes`)
    }
  })

  test('content of equal bytes is stored once', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    const bytes = xorshiftBytes(1, MIB)
    const first = await write(volume, bytes)
    const { chunkBytes } = volume.group.store.usage()
    assert.deepEqual(await write(volume, bytes), first)
    assert.equal(volume.group.store.usage().chunkBytes, chunkBytes)
  })

  test('a run of zeros as long as a chunk is a hole, wherever it begins', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    const bytes = new Uint8Array(3 * MIB)
    bytes.set(xorshiftBytes(1, 100_000), 500_000)
    bytes.set(xorshiftBytes(2, 100_000), 2_000_000)
    const content = await write(volume, bytes)
    assert.deepEqual(await read(volume, content), bytes)
    assert.ok(content.kind === 'chunks')
    const { allocated = Infinity } = content.manifest
    assert.ok(allocated >= 200_000 && allocated < 300_000, `${allocated} bytes`)
    const short = new Uint8Array(64 * KIB).fill(1).fill(0, 10_000, 20_000)
    const whole = await write(volume, short)
    assert.ok(whole.kind === 'chunks' && whole.manifest.allocated === undefined)
    assert.deepEqual(await read(volume, whole), short)
  })

  test('a change of one byte stores a few chunks again, not the file', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    const bytes = xorshiftBytes(2, 8 * MIB)
    const content = await write(volume, bytes)
    const { chunkBytes } = volume.group.store.usage()
    const editor = new ContentEditor(content, volume.editing)
    await editor.write(4 * MIB, Uint8Array.of(1, 2, 3), { signal })
    bytes.set([1, 2, 3], 4 * MIB)
    assert.deepEqual(await read(volume, await editor.commit({ signal })), bytes)
    assert.ok(volume.group.store.usage().chunkBytes - chunkBytes < MIB)
  })

  test('content that is mostly holes takes no space for them', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    const editor = new ContentEditor(EMPTY_CONTENT, volume.editing)
    const size = 2 ** 40
    await editor.truncate(size, { signal })
    await editor.write(2 ** 39, Uint8Array.of(5), { signal })
    const content = await editor.commit({ signal })
    assert.equal(contentSize(content), size)
    const reader = new ContentReader(content, volume.editing.reader)
    const around = concatBytes(await reader.read(2 ** 39 - 1, 3, { signal }))
    assert.deepEqual([...around], [0, 5, 0])
    for (const read of [reader, editor]) {
      const parts = await read.read(5, GIB, { signal })
      assert.equal(
        parts.reduce((sum, part) => sum + part.length, 0),
        GIB,
      )
      assert.equal(new Set(parts.map(({ buffer }) => buffer)).size, 1, 'all are the same zeros')
    }
    assert.ok(volume.group.store.usage().chunkBytes < 4 * KIB)
  })
})

/** In pieces of odd lengths, as a socket gives them. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const length = 200_003
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length)
}

function write(volume: VolumeState, bytes: Uint8Array): Promise<Content> {
  return writeContent(pieces(bytes), volume.editing, { signal })
}

async function read(volume: VolumeState, content: Content): Promise<Uint8Array> {
  const reader = new ContentReader(content, volume.editing.reader)
  return Uint8Array.from(concatBytes(await reader.read(0, reader.size, { signal })))
}
