// Unsaved writes are bounded for all editors together, and none waits for another's.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { KIB } from '../../../protocol/units.ts'
import { EMPTY_CONTENT } from '../../../node/content/content.ts'
import { DirtyBudget } from '../../../node/content/dirty-budget.ts'
import { ContentEditor } from '../../../node/content/editor.ts'
import { ContentReader } from '../../../node/content/read-pipeline.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { PeerGroup } from '../stripes/peer-group.ts'
import { VolumeState } from '../stripes/volume-state.ts'
import type { ChunkReader } from '../../../node/content/chunk-io.ts'
import type { EditorParts } from '../../../node/content/editor.ts'
import type { TestContext } from 'node:test'

const { signal } = new AbortController()
/** Many chunks in few bytes. */
const SMALL = { minBytes: 64, averageBytes: 256, maxBytes: 1024 }
const BUDGET = 32 * KIB
const FILES = 32
const FILE_BYTES: number = 16 * KIB

class Editing {
  readonly volume: VolumeState
  readonly budget: DirtyBudget = new DirtyBudget(BUDGET)
  readonly parts: EditorParts
  /** Is what is stored to be had? */
  isAway = false

  static async open(t: TestContext): Promise<Editing> {
    const group = await PeerGroup.open(t, { count: 1 })
    return new Editing(await VolumeState.open(group, { sizes: SMALL }))
  }

  constructor(volume: VolumeState) {
    this.volume = volume
    const { editing } = volume
    const { chunks } = editing.reader
    const read: ChunkReader['read'] = async (ref, options) => {
      if (this.isAway) throw new ShoalError('chunk-unavailable', 'nobody is there')
      return chunks.read(ref, options)
    }
    const reader = { ...editing.reader, chunks: { ...chunks, read } }
    this.parts = { ...editing, reader, dirty: this.budget }
  }

  edit(): ContentEditor {
    return new ContentEditor(EMPTY_CONTENT, this.parts)
  }

  /** A change in the middle of a stored chunk. */
  async editWithin(bytes: Uint8Array): Promise<ContentEditor> {
    const first = new ContentEditor(EMPTY_CONTENT, this.volume.editing)
    await first.write(0, bytes, { signal })
    const editor = new ContentEditor(await first.commit({ signal }), this.parts)
    first.end()
    bytes.set([1, 2, 3], FILE_BYTES / 2)
    await editor.write(FILE_BYTES / 2, Uint8Array.of(1, 2, 3), { signal })
    return editor
  }

  async check(editor: ContentEditor, expected: Uint8Array): Promise<void> {
    const content = await editor.commit({ signal })
    const reader = new ContentReader(content, this.volume.editing.reader)
    const read = concatBytes(await reader.read(0, expected.length + 1, { signal }))
    assert.equal(Buffer.compare(read, expected), 0)
  }
}

describe('a budget of dirty bytes', () => {
  test('bounds the memory of many files, and each keeps its data', async (t) => {
    const editing = await Editing.open(t)
    const random = new SeededRandom(1, 'dirty')
    const files = Array.from({ length: FILES }, () => ({
      editor: editing.edit(),
      expected: new Uint8Array(FILE_BYTES),
    }))
    for (const { editor } of files) await editor.truncate(FILE_BYTES, { signal })
    let most = 0
    const writing = files.map(async ({ editor, expected }) => {
      for (let step = 0; step < 40; step++) {
        const bytes = random.bytes(1 + random.below(1500))
        const at = random.below(FILE_BYTES - bytes.length)
        await editor.write(at, bytes, { signal })
        expected.set(bytes, at)
        most = Math.max(most, editing.budget.bytes)
      }
    })
    await Promise.all(writing)
    // A write of each may be on its way beside, in a buffer that was doubled.
    assert.ok(most > BUDGET && most < BUDGET + FILES * 4 * KIB, `${most} bytes`)
    for (const { editor, expected } of files) await editing.check(editor, expected)
    for (const { editor } of files) editor.end()
    assert.equal(editing.budget.bytes, 0)
  })

  test('stores idle data, and leaves the current writer alone', async (t) => {
    const editing = await Editing.open(t)
    const idle = editing.edit()
    const bytes = xorshiftBytes(1, BUDGET / 2)
    await idle.write(0, bytes, { signal })
    const busy = editing.edit()
    await busy.write(0, xorshiftBytes(2, BUDGET), { signal })
    await idle.store()
    assert.ok(editing.budget.bytes <= BUDGET + 4 * KIB, `${editing.budget.bytes} bytes`)
    await editing.check(idle, bytes)
  })

  test('data that cannot be stored waits for its commit, and delays no other file', async (t) => {
    const editing = await Editing.open(t)
    const bytes = xorshiftBytes(3, FILE_BYTES)
    const stuck = await editing.editWithin(bytes)
    editing.isAway = true
    const others = Array.from({ length: FILES }, () => editing.edit())
    const written = xorshiftBytes(4, FILE_BYTES)
    for (const other of others) await other.write(0, written, { signal })
    await assert.rejects(stuck.commit({ signal }), { code: 'chunk-unavailable' })
    editing.isAway = false
    await editing.check(stuck, bytes)
    for (const other of others) await editing.check(other, written)
  })

  test('an ended edit no longer counts, whatever is under way', async (t) => {
    const editing = await Editing.open(t)
    const editor = editing.edit()
    const writing = editor.write(0, xorshiftBytes(5, FILE_BYTES), { signal })
    editor.end()
    await writing
    assert.equal(editing.budget.bytes, 0)
  })
})
