// The files of a journal: what is read again of them, whatever a crash or a thief has left.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { toByteString, utf8 } from '../../../protocol/bytes.ts'
import { Journal, readJournal } from '../../../node/store/journal.ts'
import type { JournalItem } from '../../../node/store/journal-record.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { WatchedDisk, temporaryHome } from './fixtures.ts'

const KEY = new Uint8Array(32).fill(7)
const random = { unlucky: (): boolean => false }

function itemOf(n: number, bytes = 10): JournalItem {
  const value = new Uint8Array(bytes).fill(n)
  return {
    payloadsEnd: { segment: 1, offset: n },
    generation: 3,
    changes: [
      [toByteString(utf8(`key ${n}`)), value],
      ['\xff\0gone', undefined],
      ['empty', new Uint8Array(0)],
    ],
    rest: Uint8Array.of(n),
  }
}

async function fresh(t: TestContext): Promise<{ home: string; disk: WatchedDisk }> {
  const home = await temporaryHome(t)
  return { home, disk: new WatchedDisk(new SystemDisk(home)) }
}

const read = (disk: WatchedDisk, after = 0, key = KEY): Promise<readonly JournalItem[]> =>
  readJournal({ disk, name: '0001' }, { key, after })

const begin = (disk: WatchedDisk, after = 0): Promise<Journal> =>
  Journal.begin({ disk, name: '0001', random }, { key: KEY, after })

describe('a journal', () => {
  test('is read as it was written, from the record after one that is known', async (t) => {
    const { disk } = await fresh(t)
    assert.deepEqual(await read(disk), [])
    const journal = await begin(disk)
    for (const n of [1, 2, 3]) await journal.append(itemOf(n))
    await journal.close()
    assert.deepEqual(await read(disk), [itemOf(1), itemOf(2), itemOf(3)])
    assert.deepEqual(await read(disk, 2), [itemOf(3)])
    assert.deepEqual(await read(disk, 3), [])
  })

  test('cut anywhere has a beginning of what was written', async (t) => {
    const { home, disk } = await fresh(t)
    const journal = await begin(disk)
    const ends: number[] = []
    const file = join(home, 'journal/0001-0')
    for (const n of [1, 2, 3]) {
      await journal.append(itemOf(n))
      ends.push((await readFile(file)).length)
    }
    await journal.close()
    const whole = await readFile(file)
    for (let length = 0; length <= whole.length; length += 7) {
      await writeFile(file, whole.subarray(0, length))
      const count = ends.filter((end) => end <= length).length
      assert.deepEqual(
        await read(disk),
        [1, 2, 3].slice(0, count).map((n) => itemOf(n)),
      )
    }
  })

  test('damaged anywhere ends before that', async (t) => {
    const { home, disk } = await fresh(t)
    const journal = await begin(disk)
    for (const n of [1, 2]) await journal.append(itemOf(n))
    await journal.close()
    const file = join(home, 'journal/0001-0')
    const whole = await readFile(file)
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] ?? 0) ^ 0x10
      await writeFile(file, damaged)
      const found = await read(disk)
      assert.deepEqual(found, at < whole.length / 2 ? [] : [itemOf(1)], `byte ${at}`)
    }
  })

  test('says nothing to who has not its key, and shows no content', async (t) => {
    const { home, disk } = await fresh(t)
    const journal = await begin(disk)
    await journal.append({ ...itemOf(1), rest: utf8('a secret of somebody') })
    await journal.close()
    assert.deepEqual(await read(disk, 0, new Uint8Array(32)), [])
    const bytes = await readFile(join(home, 'journal/0001-0'))
    assert.ok(!bytes.includes('secret') && !bytes.includes('key 1'))
  })

  test('goes on in its other file, and never writes over what is not durable', async (t) => {
    const { disk } = await fresh(t)
    const journal = await begin(disk)
    const big = 1.5 * 2 ** 20
    await journal.append(itemOf(1, big))
    await journal.append(itemOf(2, big))
    journal.turn(1)
    await journal.append(itemOf(3, big))
    await journal.append(itemOf(4, big))
    // The first file has the record 2, which is not known to be durable.
    journal.turn(1)
    await journal.append(itemOf(5))
    assert.deepEqual(await read(disk, 1), [
      itemOf(2, big),
      itemOf(3, big),
      itemOf(4, big),
      itemOf(5),
    ])
    journal.turn(4)
    await journal.append(itemOf(6))
    await journal.close()
    // Behind it in the first file are remains of the first two.
    assert.deepEqual(await read(disk, 4), [itemOf(5), itemOf(6)])
  })

  test('is synced where it was written, and only then', async (t) => {
    const { disk } = await fresh(t)
    const journal = await begin(disk)
    disk.syncs = 0
    await journal.append(itemOf(1))
    await journal.sync()
    await journal.sync()
    assert.equal(disk.syncs, 1)
    await journal.close()
  })

  test('of an older run is not read with the key of the next', async (t) => {
    const { disk } = await fresh(t)
    const old = await begin(disk)
    for (const n of [1, 2, 3]) await old.append(itemOf(n))
    await old.close()
    const key = new Uint8Array(32).fill(9)
    const next = await Journal.begin({ disk, name: '0001', random }, { key, after: 1 })
    await next.append(itemOf(20))
    await next.close()
    assert.deepEqual(await read(disk, 1, key), [itemOf(20)])
  })
})
