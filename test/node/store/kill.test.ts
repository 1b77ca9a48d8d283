// A process killed while it writes, again and again on one home: all it acknowledged is there, nothing is half there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { fromByteString } from '../../../protocol/bytes.ts'
import { chunkIdFromCid } from '../../../protocol/ids.ts'
import { CHUNK_PREFIX, prefixRange } from '../../../node/store/keys.ts'
import { LevelKv } from '../../../node/store/level-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { chunkIdOf, temporaryHome } from './fixtures.ts'
import type { ChunkId } from '../../../protocol/ids.ts'

const ROUNDS = 10
const WRITER = fileURLToPath(import.meta.resolve('./writer.ts'))

test('what a killed process acknowledged is there, and every chunk indexed is whole', async (t) => {
  const home = await temporaryHome(t)
  const acknowledged = new Set<string>()
  for (let round = 0; round < ROUNDS; round++) {
    // A different number of acknowledgements each round; the process is somewhere in its next writes by then.
    const count = 1 + ((round * 37) % 60)
    for (const id of await runAndKill(home, round, count)) acknowledged.add(id)
    const kv = await LevelKv.open(join(home, 'index'))
    const store = await Store.open({ disk: new SystemDisk(home), kv })
    for (const id of acknowledged) {
      assert.ok(store.chunks.has(id as ChunkId), `chunk ${id} of round ${round} is lost`)
      assert.ok(kv.get(`e${id}`) !== undefined, `write beside ${id} of round ${round} is lost`)
    }
    for await (const [key] of kv.scan(prefixRange(CHUNK_PREFIX))) {
      const id = chunkIdFromCid(fromByteString(key.slice(CHUNK_PREFIX.length)))
      const sealed = await store.chunks.read(id)
      assert.ok(sealed !== undefined && chunkIdOf(sealed) === id, `chunk ${id} is torn`)
    }
    await store.close()
    await kv.close()
  }
  assert.ok(acknowledged.size >= ROUNDS)
})

/** The ids printed by a writer that is killed once it has printed `count`; all that it printed until it was dead. */
async function runAndKill(home: string, round: number, count: number): Promise<string[]> {
  const writer = spawn(process.execPath, [WRITER, home, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const exit = once(writer, 'exit')
    const ids: string[] = []
    for await (const line of createInterface({ input: writer.stdout })) {
      ids.push(line)
      if (ids.length === count) writer.kill('SIGKILL')
    }
    assert.deepEqual(await exit, [null, 'SIGKILL'])
    return ids
  } finally {
    writer.kill('SIGKILL')
  }
}
