// The memory that moving bytes takes anew, counted as it grows: garbage costs more than the work.
import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { KIB, MIB } from '../../../protocol/units.ts'
import { writeContent } from '../../../node/content/file-writer.ts'
import { ContentReader } from '../../../node/content/read-pipeline.ts'
import { PeerGroup } from '../stripes/peer-group.ts'
import { VolumeState } from '../stripes/volume-state.ts'

const { signal } = new AbortController()
const FILE_BYTES = 24 * MIB
const PIECE_BYTES = 64 * KIB
/** A cipher makes an array of what it makes; little is to be added to that. */
const WRITE_MAX = 1.2
/** The sealed bytes, and the plain ones. */
const READ_MAX = 2.2

describe('allocations', () => {
  test('writing takes little more memory anew than a cipher does, reading twice that', async (t) => {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    // The buffers of the store are made once.
    await write(volume, new Allocated())
    const written = new Allocated()
    const content = await write(volume, written)
    const perByte = written.bytes / FILE_BYTES
    assert.ok(perByte < WRITE_MAX, `${perByte.toFixed(2)} bytes for each that is written`)
    await volume.group.store.commit([])
    const read = new Allocated()
    const reader = new ContentReader(content, volume.editing.reader)
    for await (const _ of reader.stream(0, FILE_BYTES, { signal })) read.look()
    const perByteRead = read.bytes / FILE_BYTES
    assert.ok(perByteRead < READ_MAX, `${perByteRead.toFixed(2)} bytes for each that is read`)
  })
})

/** Sums up what buffers take more than at the last look; what is given back counts for nothing. */
class Allocated {
  bytes = 0
  #last = process.memoryUsage().arrayBuffers

  look(): void {
    const now = process.memoryUsage().arrayBuffers
    this.bytes += Math.max(0, now - this.#last)
    this.#last = now
  }
}

/** From one array that is used again and again. */
async function write(volume: VolumeState, allocated: Allocated): ReturnType<typeof writeContent> {
  const piece = new Uint8Array(PIECE_BYTES)
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < FILE_BYTES; at += PIECE_BYTES) {
      randomFillSync(piece)
      yield piece
      allocated.look()
    }
  }
  const content = await writeContent(source(), volume.editing, { signal })
  allocated.look()
  return content
}
