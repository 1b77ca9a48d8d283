// Cuts of the log keep what an appender replaces or removes, whatever the volume keeps:
// on every member alike, and also where others say it again.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { liveFiles } from '../../../node/tree/live-versions.ts'
import { applySettings } from '../../../node/log/settings.ts'
import { lateEntries } from '../../../node/log/late-entries.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { readSuperseded } from '../../../protocol/tree/superseded.ts'
import { ROOT, readInode } from '../../../protocol/tree/records.ts'
import { versionsOf } from '../../../protocol/tree/versions.ts'
import type { Version } from '../../../protocol/tree/version-records.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import { DAY_MS, HOUR_MS } from '../../../protocol/units.ts'
import { Machine, beacons, checkpoint, meetAll } from '../log/machines.ts'
import { Replica, exchange } from '../log/replicas.ts'

/** An admin, a writer and an appender, in a volume that keeps nothing; the first has two files. */
async function house(): Promise<[Machine, Machine, Machine]> {
  const admin = new Machine(await Replica.founder('a'))
  await applySettings(admin.volume, { versions: 'off', conflicts: 'lww', away: '1h' })
  const writer = new Machine(await admin.replica.member('b', 'writer'))
  const appender = new Machine(await admin.replica.member('c', 'appender'))
  for (const name of ['f', 'g']) admin.replica.write(name, 'first')
  await exchange(admin.replica, writer.replica, appender.replica)
  return [admin, writer, appender]
}

function later(all: readonly Machine[], ms: number): void {
  for (const { replica } of all) replica.clock.advance(ms)
}

async function former({ replica }: Machine): Promise<number> {
  return formerLines(await replica.dump('r')).length
}

function formerLines(dump: string): readonly string[] {
  return linesOf(dump).filter((line) => line.startsWith('r 76'))
}

function linesOf(dump: string): readonly string[] {
  return dump.split('\n').filter((line) => line !== '')
}

/** Contents of the past that collection must leave alone. */
async function livePast({ volume }: Machine): Promise<number> {
  let count = 0
  for await (const { isPast, versions } of liveFiles(volume))
    if (isPast) count += [...versions].length
  return count
}

function contentsOf({ volume: { view } }: Replica, id: NodeId): readonly Version[] {
  const inode = readInode(view, id)
  return inode === undefined ? [] : [...versionsOf(view, id, inode)]
}

describe('what an appender replaces and removes', () => {
  test('stays past all cuts for 30 days, on all, and then goes', async () => {
    const all = await house()
    const [admin, writer, appender] = all
    appender.replica.rewrite(appender.replica.at('f'), 'encrypted')
    appender.replica.namespace.unlink(ROOT, nameFromText('g'))
    await exchange(...all.map(({ replica }) => replica))
    for (const { replica } of all) replica.write(`by ${replica.name}`, 'x')
    writer.replica.rewrite(writer.replica.at('by b'), 'y')
    const target = formerLines(await admin.replica.dump('r')).find((line) => line.endsWith('02'))
    assert.ok(target)
    for (let week = 0; week < 5; week++) {
      await checkpoint(...all)
      later(all, 7 * DAY_MS)
      admin.replica.write(`in week ${week}`, 'x')
      for (const one of all) {
        assert.ok(linesOf(await one.replica.dump('r')).includes(target), `in week ${week}`)
        assert.equal(await livePast(one), (await former(one)) + 1)
      }
    }
    assert.equal(await former(writer), 1, 'the writer replaced one too, long forgotten')
    const clocks: unknown[] = []
    for (const one of all) clocks.push(linesOf(await one.replica.dump('C')))
    assert.deepEqual(clocks[0], clocks[1])
    await checkpoint(...all)
    later(all, DAY_MS)
    admin.replica.write('last', 'x')
    await checkpoint(...all)
    for (const one of all) {
      assert.deepEqual([await former(one), await livePast(one)], [0, 0])
      assert.deepEqual(linesOf(await one.replica.dump('q')), [])
      assert.deepEqual(one.notes, [])
      assert.equal(await one.replica.state(), await admin.replica.state())
    }
  })

  test('is the same state for a member that computes only some of the cuts', async () => {
    const all = await house()
    const [admin, writer, appender] = all
    const away = new Machine(await admin.replica.member('d', 'reader'))
    await exchange(...all.map(({ replica }) => replica), away.replica)
    appender.replica.namespace.unlink(ROOT, nameFromText('g'))
    for (let week = 0; week < 6; week++) {
      await applySettings(admin.volume, { history: 'full' })
      await checkpoint(...all)
      later([...all, away], 7 * DAY_MS)
      writer.replica.write(`in week ${week}`, 'x')
      if (week === 1) await meetAll([...all, away])
    }
    await checkpoint(...all)
    await meetAll([...all, away])
    for (const one of [...all, away]) {
      assert.deepEqual(one.notes, [], one.replica.name)
      assert.equal(one.volume.checkpoint?.sealed, admin.volume.checkpoint?.sealed)
      assert.equal(one.volume.checkpoint?.clear, admin.volume.checkpoint?.clear)
    }
  })

  test('is not lost where its late entries are said again by a writer', async () => {
    const all = await house()
    const [admin, writer, appender] = all
    const others = [admin, writer]
    for (const { replica } of all) replica.write(`by ${replica.name}`, 'x')
    await exchange(...others.map(({ replica }) => replica))
    beacons(others)
    later(all, 2 * HOUR_MS)
    await checkpoint(admin, writer)
    const file = appender.replica.at('f')
    appender.replica.rewrite(file, 'encrypted')
    appender.replica.namespace.unlink(ROOT, nameFromText('g'))
    appender.replica.write('new', 'x')
    await appender.volume.commit()
    await exchange(writer.replica, appender.replica)
    await appender.stop()
    assert.ok([...lateEntries(writer.volume)].length > 0)
    later(others, 2 * HOUR_MS)
    beacons(others)
    await meetAll(others)
    later(others, 2 * HOUR_MS)
    beacons(others)
    await meetAll(others)
    for (const { replica, volume } of others) {
      assert.deepEqual([...lateEntries(volume)], [], replica.name)
      const names = await replica.names()
      assert.ok(
        ['g', 'new'].every((name) => names.includes(name)),
        names.join(),
      )
      const contents = contentsOf(replica, file.id)
      assert.equal(contents.length, 2, 'the content of the appender is beside the first')
      for (const { dot } of contents)
        assert.equal(readSuperseded(volume.view, file.id, dot), undefined)
    }
    for (let day = 0; day < 40; day += 8) {
      await checkpoint(admin, writer)
      later(others, 8 * DAY_MS)
      writer.replica.write(`on day ${day}`, 'x')
    }
    for (const { replica } of others)
      assert.equal(contentsOf(replica, file.id).length, 2, 'though it lost long ago')
  })
})
