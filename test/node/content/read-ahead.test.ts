// Read-ahead: how far, for which readers, and when it ends. Chunks are remote, and delivered when
// the test says so.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ChunkReader } from '../../../node/content/chunk-io.ts'
import { chunkCache } from '../../../node/content/decoded-cache.ts'
import type { Content } from '../../../node/content/content.ts'
import { ContentReader } from '../../../node/content/read-pipeline.ts'
import { ReadAheadBudget } from '../../../node/content/read-ahead.ts'
import { writeContent } from '../../../node/content/file-writer.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { PeerGroup } from '../stripes/peer-group.ts'
import { VolumeState } from '../stripes/volume-state.ts'
import type { TestContext } from 'node:test'

const { signal } = new AbortController()
const FILE_BYTES: number = 24 * MIB
const WINDOW_MAX: number = 8 * MIB

/** A content, and readers of it whose chunks are all on other nodes. */
class Remote {
  readonly content: Content
  readonly budget: ReadAheadBudget
  /** Bytes that were fetched, or are being. */
  asked = 0
  underWay = 0
  underWayMost = 0
  gate: Promise<void> = Promise.resolve()
  readonly #volume: VolumeState

  private constructor(volume: VolumeState, content: Content, budgetBytes: number) {
    this.#volume = volume
    this.content = content
    this.budget = new ReadAheadBudget(budgetBytes)
  }

  static async open(t: TestContext, budgetBytes: number = 2 * WINDOW_MAX): Promise<Remote> {
    const volume = await VolumeState.open(await PeerGroup.open(t, { count: 1 }))
    const source = (async function* () {
      yield xorshiftBytes(1, FILE_BYTES)
    })()
    const content = await writeContent(source, volume.editing, { signal })
    return new Remote(volume, content, budgetBytes)
  }

  reader(): ContentReader {
    const { chunks, nodes } = this.#volume.editing.reader
    const cache = chunkCache(64 * MIB)
    const fetched = new Set<ChunkId>()
    const far: ChunkReader = {
      ...chunks,
      isNear: () => false,
      read: (ref, options) =>
        cache.get(
          ref.id,
          async (abandoned) => {
            if (!fetched.has(ref.id)) this.asked += ref.length
            fetched.add(ref.id)
            this.underWayMost = Math.max(this.underWayMost, ++this.underWay)
            const { promise: aborted, reject } = Promise.withResolvers<never>()
            abandoned.addEventListener('abort', () => reject(abandoned.reason))
            try {
              await Promise.race([this.gate, aborted])
              return await chunks.readOnce(ref, { signal: abandoned })
            } finally {
              this.underWay--
            }
          },
          options,
        ),
    }
    return new ContentReader(this.content, { chunks: far, nodes, ahead: this.budget })
  }
}

/** Until nothing is fetched any more. */
async function idle(remote: Remote): Promise<void> {
  for (let quiet = 0; quiet < 50; quiet++) {
    await new Promise(setImmediate)
    if (remote.underWay > 0) quiet = 0
  }
}

async function readInOrder(
  reader: ContentReader,
  from: number,
  to: number,
  step: number,
): Promise<void> {
  for (let at = from; at < to; at += step) await reader.read(at, step, { signal })
}

describe('read-ahead', () => {
  test('a first read fetches only what it asks for', async (t) => {
    const remote = await Remote.open(t)
    await remote.reader().read(0, 128 * KIB, { signal })
    await idle(remote)
    assert.ok(remote.asked <= 512 * KIB, `${remote.asked} bytes`)
  })

  test('sequential reads are read ahead for, further each time, up to a bound', async (t) => {
    const remote = await Remote.open(t)
    const reader = remote.reader()
    let before = 0
    for (const [reads, least, most] of [
      [2, 256 * KIB, MIB],
      [4, MIB, 4 * MIB],
      [20, WINDOW_MAX, WINDOW_MAX + MIB],
    ] as const) {
      await readInOrder(reader, before, reads * 128 * KIB, 128 * KIB)
      before = reads * 128 * KIB
      await idle(remote)
      const ahead = remote.asked - before
      assert.ok(ahead >= least && ahead <= most, `${ahead} bytes ahead after ${reads} reads`)
    }
  })

  test('overlapping requests count as one stream', async (t) => {
    const remote = await Remote.open(t)
    const reader = remote.reader()
    const gate = Promise.withResolvers<void>()
    remote.gate = gate.promise
    const reads = [0, 1, 2, 3].map((at) => reader.read(at * MIB, MIB, { signal }))
    gate.resolve()
    await Promise.all(reads)
    await idle(remote)
    assert.ok(remote.asked >= 4 * MIB + WINDOW_MAX, `${remote.asked} bytes`)
  })

  test('random access is not read ahead for', async (t) => {
    const remote = await Remote.open(t)
    const reader = remote.reader()
    for (let read = 0; read < 60; read++)
      await reader.read(((read * 7919) % 360) * 64 * KIB, 4 * KIB, { signal })
    await idle(remote)
    assert.ok(remote.asked <= 60 * 256 * KIB, `${remote.asked} bytes`)
    assert.ok(remote.underWayMost <= 2)
  })

  test('two programs can each read through a file in order', async (t) => {
    const remote = await Remote.open(t)
    const reader = remote.reader()
    for (let at = 0; at < 4 * MIB; at += 128 * KIB) {
      await reader.read(at, 128 * KIB, { signal })
      await reader.read(12 * MIB + at, 128 * KIB, { signal })
    }
    await idle(remote)
    assert.ok(remote.asked >= 8 * MIB + 1.5 * WINDOW_MAX, `${remote.asked} bytes`)
  })

  test('read-ahead is bounded in total, and stopped readers give up their share', async (t) => {
    const remote = await Remote.open(t, 2 * MIB)
    const readers = [0, 1, 2].map(() => remote.reader())
    for (const reader of readers) await readInOrder(reader, 0, 2 * MIB, 128 * KIB)
    await idle(remote)
    assert.ok(remote.asked <= 3 * 2 * MIB + 2 * MIB + 3 * 256 * KIB, `${remote.asked} bytes`)
    const [first, second] = readers as [ContentReader, ContentReader]
    first.stop()
    const before = remote.asked
    await readInOrder(second, 2 * MIB, 2.5 * MIB, 128 * KIB)
    await idle(remote)
    assert.ok(remote.asked - before >= 2 * MIB, `${remote.asked - before} bytes`)
  })

  test('an abandoned stream gives its room to active ones', async (t) => {
    const remote = await Remote.open(t, 2 * MIB)
    await readInOrder(remote.reader(), 0, 2 * MIB, 128 * KIB)
    const other = remote.reader()
    await readInOrder(other, 0, 4 * MIB, 8 * KIB)
    await idle(remote)
    assert.ok(remote.asked >= 4 * MIB + 4 * MIB + MIB, `${remote.asked} bytes`)
  })

  test('an interrupted read aborts its read-ahead', async (t) => {
    const remote = await Remote.open(t)
    const reader = remote.reader()
    await readInOrder(reader, 0, 512 * KIB, 128 * KIB)
    await idle(remote)
    remote.gate = new Promise(() => undefined)
    const interrupt = new AbortController()
    const reading = reader.read(512 * KIB, 8 * MIB, { signal: interrupt.signal })
    await new Promise(setImmediate)
    interrupt.abort()
    await assert.rejects(reading, { name: 'AbortError' })
    await idle(remote)
    assert.equal(remote.underWay, 0)
  })

  test('a stopped reader fetches nothing more', async (t) => {
    const remote = await Remote.open(t)
    const reader = remote.reader()
    await readInOrder(reader, 0, 512 * KIB, 128 * KIB)
    await idle(remote)
    const gate = Promise.withResolvers<void>()
    remote.gate = gate.promise
    const late = reader.read(512 * KIB, 128 * KIB, { signal })
    await new Promise(setImmediate)
    const before = remote.asked
    assert.ok(remote.underWay > 0)
    reader.stop()
    gate.resolve()
    await late
    await idle(remote)
    assert.equal(remote.asked, before)
  })
})
