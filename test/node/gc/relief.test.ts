// The oldest of the past goes before its time where an admin's disk is almost full: on every member
// alike, step by step, and nothing that is held for another reason.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { relieve } from '../../../node/gc/relief.ts'
import { recordVolume } from '../../../node/log/security-records.ts'
import { applySettings } from '../../../node/log/settings.ts'
import { RELIEF_POLICY } from '../../../protocol/tree/retention.ts'
import { DAY_MS } from '../../../protocol/units.ts'
import { Machine, checkpoint } from '../log/machines.ts'
import { Replica, exchange } from '../log/replicas.ts'
import type { Role } from '../../../protocol/roles.ts'

const DAYS = 20

/** A file that was replaced each day, and a member in a role. */
async function house(role: Role): Promise<[Machine, Machine]> {
  const admin = new Machine(await Replica.founder('a'))
  const other = new Machine(await admin.replica.member('b', role))
  await applySettings(admin.volume, { versions: '90d:all' })
  const file = admin.replica.write('f', 'day 0')
  for (let day = 1; day <= DAYS; day++) {
    later([admin, other], DAY_MS)
    admin.replica.rewrite(file, `day ${day}`)
  }
  await exchange(admin.replica, other.replica)
  return [admin, other]
}

function later(all: readonly Machine[], ms: number): void {
  for (const { replica } of all) replica.clock.advance(ms)
}

async function former({ replica }: Machine): Promise<number> {
  const lines = (await replica.dump('r')).split('\n')
  return lines.filter((line) => line.startsWith('r 76')).length
}

/** As many policies as were set by it. */
async function look({ volume }: Machine, freeBytes: number): Promise<string | undefined> {
  const space = async (): Promise<{ freeBytes: number; totalBytes: number }> => {
    return { freeBytes, totalBytes: 100 }
  }
  await relieve({ volume, space, log: () => undefined }, new AbortController().signal)
  return volume.membership.policy(RELIEF_POLICY)
}

/** Two checkpoints, after which what is let go of is gone. */
async function pass(all: readonly [Machine, Machine]): Promise<void> {
  for (const name of ['one', 'two']) {
    later(all, DAY_MS)
    all[0].replica.write(`${name} at ${all[0].replica.clock.wall()}`, 'x')
    await checkpoint(...all)
  }
}

test('the oldest goes step by step, on all members, and they say so', async () => {
  const all = await house('writer')
  const [admin, writer] = all
  const told: string[] = []
  recordVolume(writer.volume, ({ message }) => void told.push(message))
  await checkpoint(...all)
  assert.equal(await look(admin, 5), undefined, 'there is room')
  assert.equal(await look(writer, 4), undefined, 'a writer decides on nothing')
  const first = await look(admin, 4)
  assert.ok(first !== undefined)
  assert.equal(await look(admin, 0), first, 'no more within a day')
  await pass(all)
  assert.match(told.join('\n'), /relief-to=\d+, by a: a disk is almost full/)
  const left = await former(admin)
  assert.ok(left < DAYS && left >= DAYS - 4, `${left} versions are left`)
  const second = await look(admin, 4)
  assert.ok(Number(second) > Number(first))
  await pass(all)
  for (const one of all) {
    assert.ok((await former(one)) < left)
    assert.deepEqual(one.notes, [])
    assert.equal(await one.replica.state(), await admin.replica.state())
  }
  await applySettings(admin.volume, { relief: 'off' })
  later(all, DAY_MS)
  assert.equal(await look(admin, 0), second)
})

test('nothing younger than a day goes, whatever an admin says', async () => {
  const all = await house('writer')
  const [admin] = all
  await checkpoint(...all)
  const value = String(admin.replica.clock.wall() + 9 * DAY_MS)
  admin.volume.submit({ kind: 'policy', key: RELIEF_POLICY, value })
  await pass(all)
  assert.equal(await former(admin), 1, 'what was replaced in the day before')
})

test('where a member is an appender nothing goes unless an admin wants it, and nothing of its', async () => {
  const all = await house('appender')
  const [admin, appender] = all
  appender.replica.rewrite(appender.replica.at('f'), 'encrypted')
  await exchange(admin.replica, appender.replica)
  await checkpoint(...all)
  assert.equal(await look(admin, 0), undefined)
  await applySettings(admin.volume, { relief: 'on' })
  const value = String(admin.replica.clock.wall() + 9 * DAY_MS)
  later(all, 2 * DAY_MS)
  assert.ok((await look(admin, 0)) !== undefined)
  admin.volume.submit({ kind: 'policy', key: RELIEF_POLICY, value })
  await pass(all)
  for (const one of all) assert.equal(await former(one), 1, 'what the appender replaced')
})
