// Range reads of an object: right in any order, few requests for sequential readers, and few
// needless bytes for others.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { KIB, MIB } from '../../../protocol/units.ts'
import { PackReader } from '../../../node/stripes/pack-reader.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import type { ByteRange } from '../../../protocol/cold/pack.ts'
import type { PackRange } from '../../../node/stripes/pack-reader.ts'
import { MemoryTier } from '../cold/memory-tier.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'

const { signal } = new AbortController()
const PLACE = { tier: 'attic', key: 'object' }

function readerOf(size: number): { reader: PackReader; tier: MemoryTier; content: Buffer } {
  const tier = new MemoryTier()
  const content = Buffer.from(xorshiftBytes(3, size))
  tier.objects.set(PLACE.key, content)
  return { reader: new PackReader({ clock: new SystemClock(), open: () => tier }), tier, content }
}

/** A part of an object whose parts all have the same length. */
function partOf(at: number, length: number, count: number): PackRange {
  const own = { from: at * length, to: (at + 1) * length }
  const around = (low: number, high: number): ByteRange => ({
    from: Math.min(own.from, Math.max(0, Math.ceil(low / length) * length)),
    to: Math.max(own.to, Math.min(count * length, Math.floor(high / length) * length)),
  })
  return { ...own, around }
}

function fetchedBytes(tier: MemoryTier): number {
  return tier.asked.reduce((sum, line) => {
    const [, from, to] = / (\d+)-(\d+)$/.exec(line) ?? []
    return sum + Number(to) - Number(from)
  }, 0)
}

describe('a reader of packs', () => {
  test('gets more and more with one request for a sequential reader', async () => {
    const [length, count] = [8 * KIB, 512]
    const { reader, tier, content } = readerOf(length * count)
    for (let at = 0; at < count; at++) {
      const range = partOf(at, length, count)
      const got = Buffer.from(await reader.read(PLACE, range, signal))
      assert(got.equals(content.subarray(range.from, range.to)), `part ${at}`)
    }
    assert.equal(fetchedBytes(tier), content.length, 'nothing twice')
    assert(tier.asked.length <= 10, `${tier.asked.length} requests`)
  })

  test('takes few requests for a long file, some parts at a time', async () => {
    const [length, count, atOnce] = [256 * KIB, 96, 8]
    const { reader, tier, content } = readerOf(length * count)
    const read = async (at: number): Promise<void> => {
      const range = partOf(at, length, count)
      const got = Buffer.from(await reader.read(PLACE, range, signal))
      assert(got.equals(content.subarray(range.from, range.to)), `part ${at}`)
    }
    for (let first = 0; first < count; first += atOnce)
      await Promise.all(Array.from({ length: atOnce }, (_, n) => read(first + n)))
    assert.equal(fetchedBytes(tier), content.length, 'nothing twice')
    assert(tier.asked.length <= 8, `${tier.asked.length} requests`)
  })

  test('takes few requests for folder after folder, in any order within each', async () => {
    const [length, count, folder] = [8 * KIB, 1024, 32]
    const { reader, tier } = readerOf(length * count)
    const random = new SeededRandom(1, 'order')
    for (let first = 0; first < count; first += folder) {
      const left = Array.from({ length: folder }, (_, n) => first + n)
      while (left.length > 0) {
        const at = random.pick(left)
        left.splice(left.indexOf(at), 1)
        await reader.read(PLACE, partOf(at, length, count), signal)
      }
    }
    assert(fetchedBytes(tier) <= 1.1 * length * count, `${fetchedBytes(tier) / length} parts`)
    assert(tier.asked.length <= 24, `${tier.asked.length} requests`)
  })

  test('gets little more than asked for by a random reader', async () => {
    const [length, count, reads] = [64 * KIB, 512, 50]
    const { reader, tier } = readerOf(length * count)
    const random = new SeededRandom(1, 'places')
    for (let n = 0; n < reads; n++)
      await reader.read(PLACE, partOf(random.below(count), length, count), signal)
    assert(fetchedBytes(tier) <= 1.25 * reads * length, `${fetchedBytes(tier) / length} parts`)
  })

  test('delivers the requested part before the parts read ahead', async () => {
    const [length, count] = [8 * KIB, 64]
    const { reader, tier } = readerOf(length * count)
    await reader.read(PLACE, partOf(0, length, count), signal)
    const gate = Promise.withResolvers<void>()
    tier.get = async function* (key, range) {
      const content = tier.objects.get(key) ?? assert.fail()
      yield content.subarray(range?.from, 2 * length)
      await gate.promise
      yield content.subarray(2 * length, range?.to)
    }
    await reader.read(PLACE, partOf(1, length, count), signal)
    const next = reader.read(PLACE, partOf(2, length, count), signal)
    gate.resolve()
    await next
  })

  test('reports a failure to those who wait, and the next read requests it again', async () => {
    const { reader, tier, content } = readerOf(MIB)
    tier.objects.delete(PLACE.key)
    const reading = reader.read(PLACE, partOf(0, KIB, 1), signal)
    await assert.rejects(reading, { code: 'cold-missing' })
    tier.objects.set(PLACE.key, content)
    assert.equal((await reader.read(PLACE, partOf(0, KIB, 1), signal)).length, KIB)
  })

  test('is right for any ranges, concurrent or in sequence, some of them aborted', async () => {
    const [length, count] = [4 * KIB, 100]
    const reads = fc.array(
      fc.record({
        at: fc.nat(count - 1),
        on: fc.nat(12),
        isAwaited: fc.boolean(),
        isBrokenOff: fc.boolean(),
      }),
      { maxLength: 30 },
    )
    await fc.assert(
      fc.asyncProperty(reads, async (all) => {
        const { reader, content } = readerOf(length * count)
        const right = async (range: PackRange): Promise<void> => {
          const got = Buffer.from(await reader.read(PLACE, range, signal))
          assert(got.equals(content.subarray(range.from, range.to)), `${range.from}`)
        }
        const reading: Promise<void>[] = []
        for (const { at, on, isAwaited, isBrokenOff } of all) {
          const end = new AbortController()
          const broken = reader.read(PLACE, partOf(at, length, count), end.signal)
          if (isBrokenOff) end.abort(new Error('enough'))
          // What is here already is given all the same.
          await broken.catch((error: unknown) => assert(isBrokenOff, String(error)))
          for (let part = at; part < Math.min(count, at + on); part++) {
            const each = right(partOf(part, length, count))
            reading.push(each)
            if (isAwaited) await each
          }
        }
        await Promise.all(reading)
        reader.stop()
      }),
      { numRuns: 50 },
    )
  })
})
