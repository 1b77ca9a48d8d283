// A volume that is set to keep less does so a day later, at a cut, on every member alike; and says
// so at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applySettings } from '../../../node/log/settings.ts'
import { recordVolume } from '../../../node/log/security-records.ts'
import { liveFiles } from '../../../node/tree/live-versions.ts'
import { shorteningAt } from '../../../protocol/tree/retention.ts'
import type { Shortening } from '../../../protocol/tree/retention.ts'
import type { Volume } from '../../../node/log/volume.ts'
import { DAY_MS, HOUR_MS } from '../../../protocol/units.ts'
import { Machine, checkpoint, meetAll } from '../log/machines.ts'
import { Replica, exchange } from '../log/replicas.ts'

function shorteningOf({ membership, time }: Volume): Shortening | undefined {
  return shorteningAt(membership.state.retention, time.now())
}

async function house(): Promise<[Machine, Machine]> {
  const admin = new Machine(await Replica.founder('a'))
  const writer = new Machine(await admin.replica.member('b', 'writer'))
  const file = admin.replica.write('f', 'first')
  // It stood at the end of a day.
  for (const { replica } of [admin, writer]) replica.clock.advance(25 * HOUR_MS)
  admin.replica.rewrite(file, 'second')
  return [admin, writer]
}

/** Former versions in the state, and those that collection leaves alone. */
async function kept({ replica, volume }: Machine): Promise<readonly number[]> {
  const lines = (await replica.dump('r')).split('\n').filter((line) => line.startsWith('r 76'))
  let live = 0
  for await (const { isPast, versions } of liveFiles(volume))
    if (isPast) live += [...versions].length
  return [lines.length, live]
}

async function pass(all: readonly [Machine, Machine], hours: number): Promise<void> {
  for (const { replica } of all) replica.clock.advance(hours * HOUR_MS)
  all[0].replica.write(`after ${hours} at ${all[0].replica.clock.wall()}`, 'x')
  await checkpoint(...all)
}

test('a shorter rule holds at cuts a day later, a longer one at once', async () => {
  const all = await house()
  const [admin, writer] = all
  const told: string[] = []
  recordVolume(writer.volume, ({ message }) => void told.push(message))
  await checkpoint(...all)
  await applySettings(admin.volume, { versions: 'off' })
  await exchange(admin.replica, writer.replica)
  const until = ['1h:all,1d:1h,30d:1d']
  for (const { volume } of all) assert.deepEqual(shorteningOf(volume)?.until, until)
  assert.match(
    told.join('\n'),
    /versions=off, by a: it keeps less, from .*; until then also 1h:all/,
  )
  for (const hours of [1, 10, 12]) await pass(all, hours)
  for (const one of all) assert.deepEqual(await kept(one), [1, 1])
  await pass(all, 2)
  for (const one of all) {
    assert.deepEqual(await kept(one), [0, 0])
    assert.equal(shorteningOf(one.volume), undefined)
    assert.deepEqual(one.notes, [])
  }
  assert.equal(await admin.replica.state(), await writer.replica.state())
})

test('a rule that is taken back within a day has lost nothing', async () => {
  const all = await house()
  const [admin, writer] = all
  await checkpoint(...all)
  await applySettings(admin.volume, { versions: 'off' })
  await pass(all, 20)
  await applySettings(admin.volume, { versions: '40d:all' })
  assert.equal(shorteningOf(admin.volume), undefined)
  for (const hours of [20, 20, (5 * DAY_MS) / HOUR_MS]) await pass(all, hours)
  for (const one of all) assert.deepEqual(await kept(one), [1, 1])
  assert.equal(await admin.replica.state(), await writer.replica.state())
})

test('what expired at a cut is kept by nobody who computes a later one alone', async () => {
  const all = await house()
  const [admin, writer] = all
  const away = new Machine(await admin.replica.member('c', 'reader'))
  await applySettings(admin.volume, { history: 'full' })
  await checkpoint(...all)
  await applySettings(admin.volume, { versions: '1h:all' })
  for (const hours of [20, 5]) await pass(all, hours)
  assert.deepEqual(await kept(writer), [0, 0])
  await applySettings(admin.volume, { versions: '40d:all' })
  for (const hours of [5, 5]) await pass(all, hours)
  const { clock } = away.replica
  clock.advance(admin.replica.clock.wall() - clock.wall())
  const everybody = [...all, away]
  await meetAll(everybody)
  for (const one of everybody) {
    assert.deepEqual(one.notes, [], one.replica.name)
    assert.equal(one.volume.checkpoint?.sealed, admin.volume.checkpoint?.sealed)
  }
})
