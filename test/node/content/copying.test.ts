// Bytes that are taken over from another file by reference: what that costs, and that their chunks
// are kept as if they had been written again.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../../protocol/bytes.ts'
import { parseClass } from '../../../protocol/placement/redundancy.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { isListed } from '../../../node/shard-map/stripe-map.ts'
import { EMPTY_CONTENT } from '../../../node/content/content.ts'
import { ContentEditor } from '../../../node/content/editor.ts'
import { ManifestTree } from '../../../node/content/manifest-tree.ts'
import { chunksOf } from '../../../node/content/manifest-walk.ts'
import { ContentReader } from '../../../node/content/read-pipeline.ts'
import { writeContent } from '../../../node/content/file-writer.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { PeerGroup } from '../stripes/peer-group.ts'
import { VolumeState } from '../stripes/volume-state.ts'
import type { Content } from '../../../node/content/content.ts'
import type { EditorParts } from '../../../node/content/editor.ts'
import type { ChunkId } from '../../../protocol/ids.ts'

const { signal } = new AbortController()
/** Many chunks in few bytes. */
const SMALL = { minBytes: 64, averageBytes: 256, maxBytes: 1024 }

describe('a copy', () => {
  test('a copy reads and writes only the chunks cut at its ends, however long it is', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }), { sizes: SMALL })
    const bytes = xorshiftBytes(1, MIB)
    const content = await write(volume, bytes)
    const { chunkBytes } = volume.group.store.usage()
    let reads = 0
    const { chunks } = volume.editing.reader
    const counting: typeof chunks = {
      ...chunks,
      read: (ref, options) => {
        reads++
        return chunks.read(ref, options)
      },
    }
    const reader = { ...volume.editing.reader, chunks: counting }
    const editor = new ContentEditor(EMPTY_CONTENT, { ...volume.editing, reader })
    await editor.write(0, bytes.subarray(0, 500), { signal })
    await editor.copyFrom({ content, reader }, 1000, 500, 800 * KIB, { signal })
    const copy = await editor.commit({ signal })
    assert.ok(reads < 20, `${reads} chunks read`)
    assert.ok(volume.group.store.usage().chunkBytes - chunkBytes < 192 * KIB)
    const expected = concatBytes([bytes.subarray(0, 500), bytes.subarray(1000, 1000 + 800 * KIB)])
    assert.deepEqual(await read(volume, copy), Uint8Array.from(expected))
  })

  test('a copy of a whole file has the same content', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }), { sizes: SMALL })
    const content = await write(volume, xorshiftBytes(2, 256 * KIB))
    assert.deepEqual(await copyOf(volume, content, volume.editing), content)
  })

  test('a copy keeps its chunks from being collected before it is logged', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    const content = await write(volume, xorshiftBytes(3, 2 * MIB))
    const { inFlight } = volume
    const lease = inFlight.begin()
    const ids = await idsOf(volume, await copyOf(volume, content, volume.editing))
    assert.ok(ids.length > 10 && ids.every((id) => inFlight.has(id)))
    lease.end()
    assert.ok(!ids.some((id) => inFlight.has(id)))
  })

  test('a copy is also packed for the class of its target, and fetched if needed', async (t) => {
    const group = await PeerGroup.open(t, { count: 3 })
    let volume = await VolumeState.open(group, { redundancy: 'copies2' })
    const content = await write(volume, xorshiftBytes(4, MIB))
    await volume.map.commit()
    await volume.packer.settle({ signal })
    volume = await volume.forgetLocal()
    const ids = await idsOf(volume, content)
    const isHere = (id: ChunkId): boolean => group.store.chunks.has(id)
    await copyOf(volume, content, volume.editing)
    assert.ok(!ids.some(isHere), 'the same class: nothing is fetched')
    const cls = parseClass('copies3')
    const chunks = volume.chunks.writer(cls)
    await copyOf(volume, content, {
      ...volume.editing,
      writer: { ...volume.editing.writer, chunks },
    })
    assert.ok(ids.every(isHere))
    await volume.map.commit()
    await volume.packer.settle({ signal })
    assert.ok(ids.every((id) => isListed(volume.map, id, cls)))
  })
})

async function copyOf(volume: VolumeState, content: Content, parts: EditorParts): Promise<Content> {
  const editor = new ContentEditor(EMPTY_CONTENT, parts)
  const source = { content, reader: volume.editing.reader }
  const { size } = new ContentReader(content, volume.editing.reader)
  await editor.copyFrom(source, 0, 0, size, { signal })
  return editor.commit({ signal })
}

/** All chunks of a content, its manifest's too. */
async function idsOf(volume: VolumeState, content: Content): Promise<ChunkId[]> {
  assert.ok(content.kind === 'chunks')
  const ids: ChunkId[] = []
  const tree = new ManifestTree(content.manifest, volume.editing.reader)
  for await (const id of chunksOf(tree, { signal })) ids.push(id)
  return ids
}

function write(volume: VolumeState, bytes: Uint8Array): Promise<Content> {
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes
  }
  return writeContent(source(), volume.editing, { signal })
}

async function read(volume: VolumeState, content: Content): Promise<Uint8Array> {
  const reader = new ContentReader(content, volume.editing.reader)
  return Uint8Array.from(concatBytes(await reader.read(0, reader.size, { signal })))
}
