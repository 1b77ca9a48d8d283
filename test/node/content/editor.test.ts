// Editing a file gives the same as editing it in memory, holes and copies included.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes } from '../../../protocol/bytes.ts'
import { KIB } from '../../../protocol/units.ts'
import { nodeCache } from '../../../node/content/decoded-cache.ts'
import { EMPTY_CONTENT } from '../../../node/content/content.ts'
import { ContentEditor } from '../../../node/content/editor.ts'
import { ManifestTree } from '../../../node/content/manifest-tree.ts'
import { ContentReader } from '../../../node/content/read-pipeline.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { PeerGroup } from '../stripes/peer-group.ts'
import { VolumeState } from '../stripes/volume-state.ts'
import type { Content } from '../../../node/content/content.ts'

const { signal } = new AbortController()
/** Many chunks in few bytes. */
const SMALL = { minBytes: 64, averageBytes: 256, maxBytes: 1024 }
/** Up to here the files go: past the inline limit, several manifest levels apart. */
const SIZE_MAX = 24 * KIB

/** Often the same, so that what changes begins and ends where something else does. */
const BLOCK = 512
const position = fc.oneof(
  fc.nat(SIZE_MAX),
  fc.nat(SIZE_MAX / BLOCK).map((n) => n * BLOCK),
)
const length = fc.oneof(
  fc.nat(40),
  fc.nat(SIZE_MAX / 4),
  fc.nat(SIZE_MAX / BLOCK / 4).map((n) => n * BLOCK),
)
const write = fc.record({
  kind: fc.constant('write' as const),
  position,
  length,
  seed: fc.integer({ min: 1, max: 255 }),
  isConstant: fc.boolean(),
})
const step = fc.oneof(
  { weight: 2, arbitrary: write },
  fc.record({ kind: fc.constant('truncate' as const), size: position }),
  fc.record({ kind: fc.constant('punch' as const), position, length }),
  fc.record({
    kind: fc.constant('copy' as const),
    isWithin: fc.boolean(),
    from: position,
    position,
    length: fc.nat(SIZE_MAX),
  }),
  fc.record({ kind: fc.constant('swap' as const) }),
  fc.record({ kind: fc.constant('read' as const), position, length: fc.nat(SIZE_MAX) }),
  fc.record({
    kind: fc.constant('seek' as const),
    what: fc.constantFrom('data' as const, 'hole' as const),
    position,
  }),
  fc.record({ kind: fc.constant('commit' as const), reopens: fc.boolean() }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type Edit = Exclude<Step, { kind: 'swap' }>

/** A file, and beside it its bytes and which of them are in no hole. */
class Modelled {
  bytes: Uint8Array = new Uint8Array(0)
  isData: Uint8Array = new Uint8Array(0)
  editor: ContentEditor
  readonly #volume: VolumeState

  constructor(volume: VolumeState) {
    this.#volume = volume
    this.editor = new ContentEditor(EMPTY_CONTENT, volume.editing)
  }

  resize(size: number): void {
    for (const field of ['bytes', 'isData'] as const) {
      const old = this[field].subarray(0, size)
      this[field] = new Uint8Array(size)
      this[field].set(old)
    }
  }

  put(position: number, bytes: Uint8Array, isData: Uint8Array): void {
    if (bytes.length === 0) return
    this.resize(Math.max(this.bytes.length, position + bytes.length))
    this.bytes.set(bytes, position)
    this.isData.set(isData, position)
  }

  seek(what: 'data' | 'hole', position: number): number | undefined {
    const found = this.isData.indexOf(what === 'data' ? 1 : 0, position)
    return found < 0 ? undefined : found
  }

  async commit(): Promise<Content> {
    const content = await this.editor.commit({ signal })
    if (content.kind === 'inline') this.isData.fill(1)
    assert.deepEqual(await readAll(this.#volume, content), this.bytes)
    if (content.kind === 'chunks') {
      assert.equal(content.manifest.allocated ?? this.bytes.length, this.#allocated())
      assert.notEqual(content.manifest.allocated, this.bytes.length)
      const tree = new ManifestTree(content.manifest, this.#volume.editing.reader)
      let last: string | undefined
      for await (const { extent } of tree.extents(0, tree.size, { signal })) {
        assert.ok(extent.kind === 'chunk' || last !== 'hole', 'two holes next to each other')
        last = extent.kind
      }
    }
    return content
  }

  check(): void {
    assert.equal(this.editor.size, this.bytes.length)
    assert.equal(this.editor.allocated, this.#allocated())
  }

  #allocated(): number {
    return this.isData.reduce((sum, one) => sum + one, 0)
  }
}

test('a file edited in any way equals a plain array', async (t) => {
  const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }), { sizes: SMALL })
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 30, size: 'max' }),
    async (steps) => {
      let file = new Modelled(volume)
      let other = new Modelled(volume)
      for (const edit of steps) {
        if (edit.kind === 'swap') [file, other] = [other, file]
        else await apply(volume, edit, file, other)
        file.check()
        other.check()
      }
      await file.commit()
      await other.commit()
    },
  )
  await fc.assert(property, { numRuns: 80, seed: 2 })
})

test('a hole punched over a fresh write leaves the rest of the chunk unchanged', async (t) => {
  const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }), { sizes: SMALL })
  const file = new Modelled(volume)
  const edit = (step: Edit): Promise<void> => apply(volume, step, file, file)
  await edit({ kind: 'write', position: 0, length: SIZE_MAX, seed: 7, isConstant: false })
  await edit({ kind: 'commit', reopens: true })
  await edit({ kind: 'write', position: 5000, length: 10, seed: 8, isConstant: true })
  await edit({ kind: 'punch', position: 5000, length: 10 })
  file.check()
  await file.commit()
})

test('a hole is found without reading what precedes it', async (t) => {
  const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }), { sizes: SMALL })
  const size = 256 * KIB
  const first = new ContentEditor(EMPTY_CONTENT, volume.editing)
  await first.write(0, xorshiftBytes(1, size), { signal })
  await first.truncate(2 * size, { signal })
  const content = await first.commit({ signal })
  assert.ok(content.kind === 'chunks' && content.manifest.depth > 0)
  let reads = 0
  const { chunks } = volume.editing.reader
  const counting: typeof chunks = {
    ...chunks,
    readOnce: (ref, options) => {
      reads++
      return chunks.readOnce(ref, options)
    },
  }
  const nodes = nodeCache(10_000)
  const reader = { ...volume.editing.reader, chunks: counting, nodes }
  const editor = new ContentEditor(content, { ...volume.editing, reader })
  assert.equal(await editor.seek('hole', 0, { signal }), size)
  assert.equal(reads, content.manifest.depth + 1)
  assert.equal(await editor.missingIn(0, 3 * size, { signal }), 2 * size)
  assert.equal(reads, content.manifest.depth + 1)
})

async function apply(
  volume: VolumeState,
  edit: Edit,
  file: Modelled,
  other: Modelled,
): Promise<void> {
  const { editor } = file
  switch (edit.kind) {
    case 'write': {
      const bytes = edit.isConstant
        ? new Uint8Array(edit.length).fill(edit.seed)
        : xorshiftBytes(edit.seed, edit.length)
      await editor.write(edit.position, bytes, { signal })
      return file.put(edit.position, bytes, new Uint8Array(bytes.length).fill(1))
    }
    case 'truncate':
      await editor.truncate(edit.size, { signal })
      return file.resize(edit.size)
    case 'punch': {
      const end = edit.position + edit.length
      await editor.punch(edit.position, end, { signal })
      file.bytes.fill(0, edit.position, end)
      return void file.isData.fill(0, edit.position, end)
    }
    case 'copy': {
      const source = edit.isWithin ? file : other
      const content = await source.commit()
      const to = Math.min(edit.from + edit.length, source.bytes.length)
      if (to <= edit.from) return
      const from = { content, reader: volume.editing.reader }
      await editor.copyFrom(from, edit.from, edit.position, to - edit.from, { signal })
      const bytes = source.bytes.slice(edit.from, to)
      return file.put(edit.position, bytes, source.isData.slice(edit.from, to))
    }
    case 'read': {
      const parts = await editor.read(edit.position, edit.length, { signal })
      const expected = file.bytes.subarray(edit.position, edit.position + edit.length)
      return assert.deepEqual(Uint8Array.from(concatBytes(parts)), Uint8Array.from(expected))
    }
    case 'seek': {
      const expected = file.seek(edit.what, edit.position)
      assert.equal(await editor.seek(edit.what, edit.position, { signal }), expected)
      const content = await file.commit()
      const reader = new ContentReader(content, volume.editing.reader)
      const found = await reader.seek(edit.what, edit.position, { signal })
      return assert.equal(found, file.seek(edit.what, edit.position))
    }
    default: {
      const content = await file.commit()
      if (edit.reopens) file.editor = new ContentEditor(content, volume.editing)
    }
  }
}

async function readAll(volume: VolumeState, content: Content): Promise<Uint8Array> {
  const reader = new ContentReader(content, volume.editing.reader)
  return Uint8Array.from(concatBytes(await reader.read(0, reader.size, { signal })))
}
