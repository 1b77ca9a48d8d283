// A process that says "opening", opens the store, puts chunks and prints the ids of those that a
// commit has acknowledged, until it is killed. Others it deletes, and compacts what they leave.
// Arguments: the home folder, a number that makes its chunks its own. What it prints was durable
// before it was printed.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { LevelKv } from '../../../node/store/level-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { bytesOf, chunkIdOf } from './fixtures.ts'

const [home = '', round = '0'] = process.argv.slice(2)
const LANES = 4

writeSync(1, 'opening\n')
const kv = await LevelKv.open(join(home, 'index'))
const disk = new SystemDisk(home)
const store = await Store.open({ disk, clock: new SystemClock(), kv }, { segmentBytesMax: 400_000 })
await Promise.all([
  ...Array.from({ length: LANES }, (_, lane) => putForever(lane)),
  compactForever(),
])

async function putForever(lane: number): Promise<never> {
  for (let n = lane; ; n += LANES) {
    const seed = Number(round) * 1_000_000 + n
    const sealed = bytesOf(seed, 1 + ((seed * 7919) % 20_000))
    const id = chunkIdOf(sealed)
    await store.chunks.put(id, sealed)
    await store.commit([{ kind: 'put', key: `e${id}`, value: new Uint8Array(0) }])
    writeSync(1, `${id}\n`)
  }
}

async function compactForever(): Promise<never> {
  for (let n = 0; ; n++) {
    const sealed = bytesOf(-1 - n - 1000 * Number(round), 30_000)
    await store.chunks.put(chunkIdOf(sealed), sealed)
    await store.commit([])
    store.chunks.delete(chunkIdOf(sealed))
    await store.compact({ maxLiveRatio: 0.9 })
  }
}
