// A real process killed while it writes or recovers, again and again on one home: all it
// acknowledged is there, nothing is half there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { fromByteString } from '../../../protocol/bytes.ts'
import { chunkIdFromCid } from '../../../protocol/ids.ts'
import { CHUNK_PREFIX, prefixRange } from '../../../node/store/keys.ts'
import { LevelKv } from '../../../node/store/level-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { tries } from '../../effort.ts'
import { chunkIdOf, temporaryHome } from './fixtures.ts'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { ChunkId } from '../../../protocol/ids.ts'

const clock = new SystemClock()

/** Each is written to, killed and checked ROUNDS times, side by side with the others. */
const HOMES: number = tries(2)
const ROUNDS = 6
/** Rounds whose writer is killed while it recovers what the last one left. */
const OPENING_EVERY = 3
/**
 * A writer is killed up to this long after the line that was waited for: it writes for longer than
 * that.
 */
const DELAY_MS_MAX = 8
const WRITER = fileURLToPath(import.meta.resolve('./writer.ts'))

test('after a kill at any moment acknowledged writes are there, and chunks whole', async (t) => {
  const folder = await temporaryHome(t)
  await Promise.all(Array.from({ length: HOMES }, (_, i) => killAgainAndAgain(folder, i)))
})

async function killAgainAndAgain(folder: string, index: number): Promise<void> {
  const home = join(folder, `home${index}`)
  await mkdir(home)
  const acknowledged = new Set<ChunkId>()
  for (let round = 0; round < ROUNDS; round++) {
    const seed = index * ROUNDS + round
    const lines = round % OPENING_EVERY === 0 ? 1 : 2 + ((seed * 37) % 60)
    const writer = spawn(process.execPath, [WRITER, home, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') },
    })
    const printed = await killAfter(writer, lines, (seed * 3.1) % DELAY_MS_MAX)
    for (const id of printed.slice(1)) acknowledged.add(id as ChunkId)
    await check(home, acknowledged)
  }
  assert.ok(acknowledged.size > ROUNDS, `only ${acknowledged.size} writes were acknowledged`)
}

/**
 * Every id is held, with what was committed beside it, and every chunk that is held reads as what
 * its id says.
 */
async function check(home: string, acknowledged: ReadonlySet<ChunkId>): Promise<void> {
  const kv = await LevelKv.open(join(home, 'index'))
  const store = await Store.open({ disk: new SystemDisk(home), clock, kv })
  for (const id of acknowledged) {
    assert.ok(store.chunks.has(id), `chunk ${id} is lost`)
    assert.ok(kv.get(`e${id}`) !== undefined, `the write beside ${id} is lost`)
  }
  for await (const [key] of kv.scan(prefixRange(CHUNK_PREFIX))) {
    const id = chunkIdFromCid(fromByteString(key.slice(CHUNK_PREFIX.length)))
    const sealed = await store.chunks.read(id)
    assert.ok(sealed !== undefined && chunkIdOf(sealed) === id, `chunk ${id} is torn`)
  }
  await store.close()
  await kv.close()
}

/** All lines that a writer prints until it is dead: it is killed `delayMs` after its `count`-th. */
async function killAfter(
  writer: ChildProcessByStdio<null, Readable, null>,
  count: number,
  delayMs: number,
): Promise<string[]> {
  try {
    const exit = once(writer, 'exit')
    const printed: string[] = []
    for await (const line of createInterface({ input: writer.stdout })) {
      if (printed.push(line) === count) setTimeout(() => writer.kill('SIGKILL'), delayMs)
    }
    assert.deepEqual(await exit, [null, 'SIGKILL'])
    return printed
  } finally {
    writer.kill('SIGKILL')
  }
}
