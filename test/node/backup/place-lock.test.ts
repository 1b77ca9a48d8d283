// Locks of a backup place, with the times that the place tells.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backupKeys } from '../../../protocol/backup/key.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { BackupPlace } from '../../../node/backup/place.ts'
import { PlaceLock } from '../../../node/backup/place-lock.ts'
import type { LockKind } from '../../../node/backup/place-lock.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemRandom } from '../../../node/world/random.ts'
import type { TierObject } from '../../../node/world/world.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { MemoryTier } from '../cold/memory-tier.ts'

const { signal } = new AbortController()
const clock = new SystemClock()
const random = new SystemRandom()

/** A tier that tells when each object was put, by a clock of its own. */
class DatedTier extends MemoryTier {
  nowMs = 0
  readonly #put = new Map<string, number>()

  override async put(...put: Parameters<MemoryTier['put']>): Promise<void> {
    await super.put(...put)
    this.#put.set(put[0], this.nowMs)
  }

  override async head(key: string): Promise<TierObject | undefined> {
    const found = await super.head(key)
    return found && { ...found, modifiedMs: (this.#put.get(key) ?? 0) as WallTime }
  }
}

function placeIn(tier: DatedTier, seed = 1): BackupPlace {
  return new BackupPlace({ tier, keys: backupKeys(xorshiftBytes(seed, 32)), random })
}

function take(place: BackupPlace, kind: LockKind, node: string): Promise<PlaceLock> {
  return PlaceLock.take({ place, clock }, { kind, node, nodeId: `id of ${node}` }, signal)
}

describe('locks of a backup place', () => {
  test('any number may add at a time, and who removes is alone', async () => {
    const place = placeIn(new DatedTier())
    const [anna, ben] = [await take(place, 'shared', 'anna'), await take(place, 'shared', 'ben')]
    await assert.rejects(take(place, 'alone', 'carl'), { code: 'EBUSY', message: /makes a backup/ })
    await anna.release()
    await assert.rejects(take(place, 'alone', 'carl'), { code: 'EBUSY', message: /^ben / })
    await ben.release()
    const carl = await take(place, 'alone', 'carl')
    await assert.rejects(take(place, 'shared', 'anna'), { message: /^carl removes old backups/ })
    await assert.rejects(take(place, 'alone', 'ben'), { code: 'EBUSY' })
    await carl.release()
    await (await take(place, 'shared', 'anna')).release()
  })

  test('one that a machine left when it died holds up neither itself nor others for long', async () => {
    const tier = new DatedTier()
    const place = placeIn(tier)
    const died = await take(place, 'alone', 'anna')
    await (await take(place, 'shared', 'anna')).release()
    await take(place, 'shared', 'ben')
    tier.nowMs += 29 * MINUTE_MS
    await assert.rejects(take(place, 'alone', 'carl'), { code: 'EBUSY' })
    tier.nowMs += 2 * MINUTE_MS
    const carl = await take(place, 'alone', 'carl')
    assert.equal([...tier.objects.keys()].length, 1, 'those that were left are gone')
    await carl.release()
    await died.release()
  })

  test('who slept for too long does not go on', async () => {
    const tier = new DatedTier()
    const lock = await take(placeIn(tier), 'shared', 'anna')
    tier.nowMs += 20 * MINUTE_MS
    await lock.check(signal)
    tier.nowMs += 31 * MINUTE_MS
    await assert.rejects(lock.check(signal), { code: 'EBUSY', message: /asleep/ })
    await lock.release()
  })

  test('who was taken for dead, and its lock removed, does not go on', async () => {
    const tier = new DatedTier()
    const lock = await take(placeIn(tier), 'shared', 'anna')
    tier.objects.clear()
    await assert.rejects(lock.check(signal), { code: 'EBUSY' })
    await lock.release()
  })

  test('one that was not made with the key counts for nothing', async () => {
    const tier = new DatedTier()
    const place = placeIn(tier)
    const other = placeIn(tier, 2)
    await take(other, 'alone', 'mallory')
    const [key = '', bytes = new Uint8Array()] = [...tier.objects][0] ?? []
    tier.objects.set(key.replace(other.keys.id, place.keys.id), bytes)
    await (await take(place, 'alone', 'anna')).release()
  })
})
