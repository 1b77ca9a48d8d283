// The reclaim of a node by itself: how often it looks, and what delays it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as settled } from 'node:timers/promises'
import { ShoalError } from '../../../protocol/errors.ts'
import { peerIdFromPublicKey } from '../../../protocol/ids.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import type { VolumeId } from '../../../protocol/ids.ts'
import { Reclaim } from '../../../node/gc/reclaim.ts'
import type { VolumeGc } from '../../../node/gc/volume-gc.ts'
import type { Store } from '../../../node/store/store.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const NOTHING = { condemned: 0, repacked: 0, swept: 0, sweptBytes: 0 }

describe('reclaim', () => {
  test('a volume that cannot be surveyed delays no other, and is retried hourly', async () => {
    const [broken, sound] = [volumeOf('broken', true), volumeOf('sound', false)]
    const { clock, reclaim } = reclaimOf([broken, sound])
    await pass(clock, 30 * MINUTE_MS)
    assert.deepEqual([broken.surveys, sound.surveys], [1, 1])
    await pass(clock, 60 * MINUTE_MS)
    assert.deepEqual([broken.surveys, sound.surveys], [2, 2])
    const named = { only: undefined, nameOf: (id: VolumeId): string => id }
    await assert.rejects(reclaim.now(named, new AbortController().signal), {
      code: 'chunk-unavailable',
    })
    await reclaim.stop()
  })

  test('a full node without copies to delete does not rescan its store all the time', async () => {
    const { clock, reclaim, store } = reclaimOf([volumeOf('sound', false)], { isFull: true })
    await pass(clock, 50 * MINUTE_MS)
    assert.equal(store.scans, 1)
    await pass(clock, 60 * MINUTE_MS)
    assert.equal(store.scans, 2)
    assert.ok(store.ratios.every((ratio) => ratio === 0.9))
    await reclaim.stop()
  })
})

interface FakeVolume {
  readonly garbage: VolumeGc
  surveys: number
}

/** A sound one is due once; a broken one always. */
function volumeOf(name: string, isBroken: boolean): FakeVolume {
  const volume = { id: name }
  const fake = {
    surveys: 0,
    garbage: {
      volume,
      collector: { stable: () => 0n, condemned: async () => ({ ready: 0, waiting: 0 }) },
      isDue: async () => isBroken || fake.surveys === 0,
      collect: async () => {
        fake.surveys++
        if (isBroken) throw new ShoalError('chunk-unavailable', 'lost')
        return { surveyed: { volume }, collected: NOTHING, end: () => undefined }
      },
      copies: {
        volume: { ...volume, commit: async () => undefined },
        packer: { unplacedBytes: 0 },
        placedCopies: { isComplete: true, oldest: () => [] },
        keepLocal: () => ({ forMs: 0, isBounded: true }),
      },
    } as unknown as VolumeGc,
  }
  return fake
}

function reclaimOf(
  volumes: readonly FakeVolume[],
  { isFull = false } = {},
): { clock: ManualClock; reclaim: Reclaim; store: { scans: number; ratios: unknown[] } } {
  const clock = new ManualClock()
  const store = {
    scans: 0,
    ratios: [] as unknown[],
    shards: { emptyTrash: async () => 0 },
    chunks: {
      scan: () => [],
      oldest: () => {
        store.scans++
        return []
      },
    },
    usage: () => ({ segmentBytes: 1000, chunkBytes: 10, trashBytes: 0, reclaimableBytes: 0 }),
    freeBytes: async () => (isFull ? 0 : 1000),
    commit: async () => undefined,
    compact: async ({ maxLiveRatio }: { maxLiveRatio?: number }) => {
      store.ratios.push(maxLiveRatio)
      return { freedBytes: 0 }
    },
  }
  const reclaim = new Reclaim({
    keepsOthers: () => false,
    store: store as unknown as Store,
    volumes: () => volumes.map(({ garbage }) => garbage),
    trashMs: () => 0,
    network: { self: peerIdFromPublicKey(new Uint8Array(32)) },
    clock,
    random: new SeededRandom(1, 'reclaim'),
    log: () => undefined,
  })
  reclaim.start()
  return { clock, reclaim, store }
}

/** Time passes, and what is begun in it ends. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += MINUTE_MS) {
    clock.advance(MINUTE_MS)
    await settled()
  }
}
