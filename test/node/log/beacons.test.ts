// The last beacon of a member counts, but for what no clock can have said yet
// (docs/formats/sync.md#beacons).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { CLOCK_AHEAD_MS } from '../../../protocol/limits.ts'
import { DAY_MS, MINUTE_MS } from '../../../protocol/units.ts'
import { Replica } from './replicas.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { Beacon } from '../../../protocol/wire/gossip.ts'

function beacon({ identity: { peer } }: Replica, sentMs: number): Beacon {
  const [vector, digest, hlc, cut] = [new Map(), undefined, HLC_ZERO, HLC_ZERO] as const
  const root = undefined
  return { peer, sentMs, vector, digest, hlc, cut, root, freeBytes: 0, addresses: [] }
}

test('a beacon too far in the future is rejected, and later valid ones are accepted', async () => {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  const { beacons: claims } = a.volume
  const now = a.clock.wall()
  assert.equal(claims.hear(beacon(b, now + 365 * DAY_MS), undefined, now), false)
  assert.equal(claims.of(b.identity.peer), undefined)
  const latest = now + CLOCK_AHEAD_MS
  assert.equal(claims.hear(beacon(b, latest + 1), undefined, now), false)
  assert.ok(claims.hear(beacon(b, latest), undefined, now), 'entries of that time are taken')
  assert.equal(claims.hear(beacon(b, now), undefined, now), false)
})

test('a beacon stored while the local clock was ahead does not outrank newer ones', async () => {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  const now = a.clock.wall()
  const ahead = (now + 365 * DAY_MS) as WallTime
  assert.ok(a.volume.beacons.hear(beacon(b, ahead), undefined, ahead))
  await a.volume.commit()
  const { beacons: claims } = (await a.reopen()).volume
  assert.ok(claims.hear(beacon(b, now), undefined, now))
  assert.equal(claims.of(b.identity.peer)?.sentMs, now)
  const later = (now + MINUTE_MS) as WallTime
  assert.ok(claims.hear(beacon(b, later), undefined, later))
  assert.equal(claims.hear(beacon(b, now), undefined, later), false)
})
