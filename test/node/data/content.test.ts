// Files as bytes, in and out: what was written is read, whatever its size, and edits are what they would be in memory.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes } from '../../../protocol/bytes.ts'
import { INLINE_FILE_MAX } from '../../../protocol/limits.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { EMPTY_CONTENT, contentSize } from '../../../node/data/content.ts'
import { ContentEditor } from '../../../node/data/editor.ts'
import { ContentReader } from '../../../node/data/read-pipeline.ts'
import { writeContent } from '../../../node/data/write-pipeline.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { PeerGroup } from './peer-group.ts'
import { VolumeState } from './volume-state.ts'
import type { Content } from '../../../node/data/content.ts'

const { signal } = new AbortController()
/** Many chunks in few bytes. */
const SMALL = { minBytes: 64, averageBytes: 256, maxBytes: 1024 }
/** Up to here the files of the property go: past the inline limit, several manifest levels apart. */
const SIZE_MAX = 24 * KIB

describe('content', () => {
  test('of any size is read as it was written', async (t) => {
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

  test('of the same bytes is stored once', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    const bytes = xorshiftBytes(1, MIB)
    const first = await write(volume, bytes)
    const { chunkBytes } = volume.group.store.usage()
    assert.deepEqual(await write(volume, bytes), first)
    assert.equal(volume.group.store.usage().chunkBytes, chunkBytes)
  })

  test('that changes by one byte writes a few chunks again, not the file', async (t) => {
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

  test('that is mostly holes takes no space for them', async (t) => {
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
    assert.ok(volume.group.store.usage().chunkBytes < 4 * KIB)
  })

  test('edited in any way is what a plain array would be', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }), { sizes: SMALL })
    const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      let model: Uint8Array = new Uint8Array(0)
      let editor = new ContentEditor(EMPTY_CONTENT, volume.editing)
      for (const edit of steps) {
        switch (edit.kind) {
          case 'write': {
            const bytes = edit.isConstant
              ? new Uint8Array(edit.length).fill(edit.seed)
              : xorshiftBytes(edit.seed, edit.length)
            const longer = new Uint8Array(Math.max(model.length, edit.position + bytes.length))
            longer.set(model)
            longer.set(bytes, edit.position)
            if (bytes.length > 0) model = longer
            await editor.write(edit.position, bytes, { signal })
            break
          }
          case 'truncate': {
            const cut = new Uint8Array(edit.size)
            cut.set(model.subarray(0, edit.size))
            model = cut
            await editor.truncate(edit.size, { signal })
            break
          }
          case 'read': {
            const parts = await editor.read(edit.position, edit.length, { signal })
            const expected = model.subarray(edit.position, edit.position + edit.length)
            assert.deepEqual(Uint8Array.from(concatBytes(parts)), Uint8Array.from(expected))
            break
          }
          default: {
            const content = await editor.commit({ signal })
            assert.deepEqual(await read(volume, content), model)
            if (edit.reopens) editor = new ContentEditor(content, volume.editing)
          }
        }
        assert.equal(editor.size, model.length)
      }
      assert.deepEqual(await read(volume, await editor.commit({ signal })), model)
    })
    await fc.assert(property, { numRuns: 150, seed: 2 })
  })
})

const position = fc.nat(SIZE_MAX)
const step = fc.oneof(
  fc.record({
    kind: fc.constant('write' as const),
    position,
    length: fc.oneof(fc.nat(40), fc.nat(SIZE_MAX / 4)),
    seed: fc.integer({ min: 1, max: 255 }),
    isConstant: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('truncate' as const), size: position }),
  fc.record({ kind: fc.constant('read' as const), position, length: fc.nat(SIZE_MAX) }),
  fc.record({ kind: fc.constant('commit' as const), reopens: fc.boolean() }),
)

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
