// A disk that is really full: a small tmpfs with the segments and LevelDB on it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { LevelKv } from '../../../node/store/level-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { bytesOf, chunkIdOf, temporaryHome } from './fixtures.ts'
import type { TestContext } from 'node:test'
import type { ShoalError } from '../../../protocol/errors.ts'

const clock = new SystemClock()

const DISK_BYTES: number = 24 * MIB
const RESERVE_BYTES: number = 4 * MIB
const CHUNK_BYTES: number = 256 * KIB

test('a disk filled by puts refuses more, keeps committed data, and allows deletes', async (t) => {
  const home = await smallDisk(t)
  if (home === undefined) return
  const kv = await LevelKv.open(join(home, 'index'))
  const store = await Store.open(
    { disk: new SystemDisk(home), clock, kv },
    { reserveBytes: RESERVE_BYTES },
  )
  const kept: Uint8Array[] = []
  await assert.rejects(async () => {
    for (let i = 0; i < 200; i++) {
      const sealed = bytesOf(i, CHUNK_BYTES)
      await store.chunks.put(chunkIdOf(sealed), sealed)
      if (i % 4 === 3) await store.commit([])
      kept.push(sealed)
    }
  }, failsWith('ENOSPC'))
  assert.ok(kept.length * CHUNK_BYTES > DISK_BYTES - RESERVE_BYTES - 2 * MIB, `${kept.length} kept`)
  await store.commit([{ kind: 'put', key: 'entry', value: utf8('still written') }])
  const [first, ...others] = kept
  assert.ok(first !== undefined)
  store.chunks.delete(chunkIdOf(first))
  await store.commit([])
  await store.close()
  await kv.close()

  const kvAgain = await LevelKv.open(join(home, 'index'))
  const again = await Store.open({ disk: new SystemDisk(home), clock, kv: kvAgain })
  assert.equal(again.chunks.has(chunkIdOf(first)), false)
  for (const sealed of others) await assertHeld(again, sealed)
  await again.close()
  await kvAgain.close()
})

test('a commit on a disk filled by others fails, and succeeds once there is space', async (t) => {
  const home = await smallDisk(t)
  if (home === undefined) return
  const indexHome = await temporaryHome(t)
  const kv = await LevelKv.open(join(indexHome, 'index'))
  const disk = new SystemDisk(home)
  const store = await Store.open({ disk, clock, kv }, { reserveBytes: RESERVE_BYTES })
  const [before, during] = [bytesOf(1, CHUNK_BYTES), bytesOf(2, CHUNK_BYTES)] as const
  await store.chunks.put(chunkIdOf(before), before)
  await store.commit([])
  await store.chunks.put(chunkIdOf(during), during)
  const { freeBytes } = await disk.space()
  await writeFile(join(home, 'filler'), new Uint8Array(freeBytes - 100 * KIB))
  await assert.rejects(store.commit([]), failsWith('ENOSPC'))
  await assertHeld(store, before)
  await assertHeld(store, during)
  await rm(join(home, 'filler'))
  await store.commit([])
  await store.close()
  const again = await Store.open({ disk, clock, kv })
  await assertHeld(again, before)
  await assertHeld(again, during)
  await again.close()
  await kv.close()
})

/** A home of DISK_BYTES; undefined, with the reason said, where none can be mounted. */
async function smallDisk(t: TestContext): Promise<string | undefined> {
  const home = await mkdtemp(join(tmpdir(), 'shoal-full-'))
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', home])
  t.after(async () => {
    if (mount.status === 0) spawnSync('umount', ['--lazy', home])
    await rm(home, { recursive: true })
  })
  if (mount.status === 0) return home
  t.skip('mounting a tmpfs needs root')
  return undefined
}

async function assertHeld(store: Store, sealed: Uint8Array): Promise<void> {
  const read = await store.chunks.read(chunkIdOf(sealed))
  assert.ok(read !== undefined && chunkIdOf(read) === chunkIdOf(sealed))
}

function failsWith(code: ShoalError['code']): (error: unknown) => boolean {
  return (error) => hasCode(error, code)
}
