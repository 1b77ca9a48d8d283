// Chunks fetched from peers are kept for the next read, within bounds; and how long reads wait for
// peers that are away.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import type { ChunkReader } from '../../../node/content/chunk-io.ts'
import type { Content } from '../../../node/content/content.ts'
import { patientReader } from '../../../node/content/read-timeouts.ts'
import { ContentReader } from '../../../node/content/read-pipeline.ts'
import { writeContent } from '../../../node/content/file-writer.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { PeerGroup } from '../stripes/peer-group.ts'
import { VolumeState } from '../stripes/volume-state.ts'
import type { TestContext } from 'node:test'

const { signal } = new AbortController()
/** Turns of the event loop that a read through the thread pool ends in, also on a busy machine. */
const TURNS = 200
const BYTES = xorshiftBytes(5, 6 * MIB)

/**
 * A file that six peers hold, and the first reads through its caches, of which that in memory holds
 * 1 MiB.
 */
async function placed(
  t: TestContext,
  fetchedBytesMax?: number,
): Promise<{ volume: VolumeState; content: Content }> {
  const size = fetchedBytesMax === undefined ? {} : { fetchedBytesMax }
  const group = await PeerGroup.open(t, { count: 6, ...size })
  const volume = await VolumeState.open(group, { redundancy: 'rs4+2' })
  const source = (async function* () {
    yield BYTES
  })()
  const content = await writeContent(source, volume.editing, { signal })
  await volume.map.commit()
  await volume.packer.settle({ signal })
  return { volume: await volume.forgetLocal(), content }
}

function readerOf(
  volume: VolumeState,
  content: Content,
  chunks: ChunkReader = volume.chunks.reader([], { keeps: 'cached' }),
): ContentReader {
  return new ContentReader(content, { ...volume.editing.reader, chunks })
}

/**
 * All of it, in order, as a program reads it; each piece is what was written. returns bytes that
 * could not be had.
 */
async function readAll(reader: ContentReader): Promise<number> {
  let absent = 0
  const step = 128 * KIB
  for (let at = 0; at < reader.size; at += step) {
    const parts = await reader.read(at, step, { signal }).catch((error: unknown) => {
      assert.ok(error instanceof ShoalError && error.code === 'chunk-unavailable')
      absent += step
      return undefined
    })
    if (parts !== undefined)
      assert.deepEqual(Uint8Array.from(concatBytes(parts)), BYTES.subarray(at, at + step))
  }
  return absent
}

function allAway({ group }: VolumeState): void {
  for (const peer of group.peers) if (peer !== group.self) group.away.add(peer)
}

describe('fetched data', () => {
  test('fetched data is read without peers the next time', async (t) => {
    const { volume, content } = await placed(t, 8 * MIB)
    assert.equal(await readAll(readerOf(volume, content)), 0)
    await volume.group.store.fetched.close()
    allAway(volume)
    const again = await volume.forgetLocal()
    assert.equal(await readAll(readerOf(again, content)), 0)
    const { foundBytes, fetchedBytes } = volume.group.store.fetched.usage
    assert.ok(fetchedBytes >= 4 * MIB && foundBytes >= 4 * MIB)
  })

  test('fetched data stays within the cache size, and larger files are still read', async (t) => {
    const { volume, content } = await placed(t, 2 * MIB)
    for (let time = 0; time < 3; time++) {
      assert.equal(await readAll(readerOf(volume, content)), 0)
      await volume.group.store.fetched.close()
      const { usedBytes } = volume.group.store.fetched.usage
      assert.ok(usedBytes > MIB && usedBytes <= 2 * MIB, `${usedBytes} bytes`)
    }
    allAway(volume)
    const absent = await readAll(readerOf(volume, content))
    assert.ok(absent > 0 && absent < BYTES.length)
  })

  test('data fetched by background reads is not cached', async (t) => {
    const { volume, content } = await placed(t, 8 * MIB)
    await readAll(readerOf(volume, content, volume.chunks.reader([])))
    await volume.group.store.fetched.close()
    assert.equal(volume.group.store.fetched.usage.usedBytes, 0)
  })
})

describe('a reader waits for peers', () => {
  /** A reader whose peers are away, and what becomes of a read. */
  async function reading(
    t: TestContext,
    waitMs: number | undefined,
  ): Promise<{ volume: VolumeState; outcome: Promise<string>; interrupt: AbortController }> {
    const { volume, content } = await placed(t)
    allAway(volume)
    const { clock } = volume.group
    const chunks = patientReader(volume.chunks.reader([]), { clock, waitMs })
    const interrupt = new AbortController()
    const outcome = readerOf(volume, content, chunks)
      .read(0, KIB, { signal: interrupt.signal })
      .then(
        (parts) => (parts.length > 0 ? 'bytes' : 'none'),
        (error: Error) => (error instanceof ShoalError ? error.code : error.name),
      )
    return { volume, outcome, interrupt }
  }

  /**
   * Let what is under way go on, and time pass, until the read has ended or so much time is over.
   */
  async function until(
    outcome: Promise<string>,
    { group }: VolumeState,
    ms: number,
  ): Promise<string> {
    let ended: string | undefined
    void outcome.then((what) => (ended = what))
    for (let left = ms; left >= 0 && ended === undefined; left -= 50) {
      for (let turn = 0; turn < TURNS; turn++) await new Promise(setImmediate)
      if (left > 0) group.clock.advance(Math.min(left, 50))
    }
    for (let turn = 0; turn < TURNS; turn++) await new Promise(setImmediate)
    return ended ?? 'waits'
  }

  test('a reader waits for peers up to its timeout, and reads once they are back', async (t) => {
    const { volume, outcome } = await reading(t, 60_000)
    assert.equal(await until(outcome, volume, 40_000), 'waits')
    volume.group.away.clear()
    await until(outcome, volume, 5000)
    // Threads that check and open what came take real time, of which the clock knows nothing.
    assert.equal(await outcome, 'bytes')
  })

  test('a reader waits for peers no longer than its timeout', async (t) => {
    const { volume, outcome } = await reading(t, 60_000)
    assert.equal(await until(outcome, volume, 59_000), 'waits')
    assert.equal(await until(outcome, volume, 1000), 'chunk-unavailable')
  })

  test('a reader without a timeout waits for no peers that are known to be away', async (t) => {
    const { volume, outcome } = await reading(t, undefined)
    assert.equal(await until(outcome, volume, 15_000), 'chunk-unavailable')
  })

  test('a reader waits for peers until it is interrupted', async (t) => {
    const { volume, outcome, interrupt } = await reading(t, 60_000)
    assert.equal(await until(outcome, volume, 10_000), 'waits')
    interrupt.abort()
    assert.equal(await outcome, 'AbortError')
  })

  test('a reader waits a bounded time for peers that never answer a request', async (t) => {
    const { volume, content } = await placed(t)
    const { clock } = volume.group
    const silent: ChunkReader = {
      ...volume.chunks.reader([]),
      isNear: () => false,
      readOnce: (_, options) =>
        new Promise((_resolve, reject) => {
          options.signal.addEventListener('abort', () => reject(options.signal.reason))
        }),
    }
    const chunks = patientReader(silent, { clock, waitMs: undefined })
    const outcome = readerOf(volume, content, chunks)
      .read(0, KIB, { signal })
      .then(
        () => 'bytes',
        (error: ShoalError) => error.code,
      )
    assert.equal(await until(outcome, volume, 29_000), 'waits')
    assert.equal(await until(outcome, volume, 1000), 'chunk-unavailable')
  })
})
