// The worked example of docs/formats/store.md, byte for byte, made by the store itself and read out
// of the document.
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { concatBytes, fromByteString, toHex, utf8 } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { sealItem } from '../../../node/store/journal-record.ts'
import { checkpointKey } from '../../../node/store/keys.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { chunkIdOf, stripeIdOf, temporaryHome } from './fixtures.ts'
import type { WallTime } from '../../../protocol/units.ts'

/** It is one second past 1970. */
const clock = new (class extends SystemClock {
  override wall(): WallTime {
    return 1000 as WallTime
  }
})()

/**
 * Blocks ```hex NAME of the document: spaces, line ends and everything behind a # are for the
 * reader.
 */
function vectors(): Map<string, string> {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/formats/store.md'), 'utf8')
  const blocks = text.matchAll(/^```hex (\S+)\n([^`]*)```/gm)
  return new Map(
    Array.from(blocks, ([, name = '', body = '']) => [name, body.replace(/#.*|\s/g, '')]),
  )
}

test('the store writes the bytes of the worked example', async (t) => {
  const home = await temporaryHome(t)
  const kv = MemoryKv.open()
  const store = await Store.open({ disk: new SystemDisk(home), clock, kv })
  const [chunk, header] = [utf8('a sealed chunk'), utf8('stripe header')]
  const stripe = stripeIdOf(header)
  await store.chunks.put(chunkIdOf(chunk), chunk)
  await store.shards.put(stripe, 2, header, utf8('a shard'))
  await store.shards.put(stripe, 3, header, utf8('the last'))
  store.shards.trash(stripe, 3)
  await store.close()
  const actual = new Map([['segment', toHex(await readFile(join(home, 'segments/00000001.seg')))]])
  for (const [key, value] of kv.image()) {
    const name = key.startsWith('m') ? 'm' : key.slice(0, 1)
    actual.set(`key-${name}`, toHex(fromByteString(key)))
    actual.set(`value-${name}`, toHex(value))
  }
  const expected = vectors()
  expected.delete('journal')
  assert.deepEqual(Object.fromEntries(expected), Object.fromEntries(actual))
})

test('a journal has the bytes of its example', () => {
  const item = {
    payloadsEnd: { segment: 1, offset: 227 },
    generation: 0,
    changes: [
      ['ca', Uint8Array.of(1, 2)],
      ['cb', undefined],
    ],
    rest: new Uint8Array(0),
  } as const
  const bytes = concatBytes(sealItem(createSecretKey(new Uint8Array(32).fill(7)), 5, item))
  assert.equal(toHex(bytes), vectors().get('journal'))
})

test('a store of a newer format is refused', async (t) => {
  const kv = MemoryKv.open([[checkpointKey(), Uint8Array.of(3)]])
  const disk = new SystemDisk(await temporaryHome(t))
  await assert.rejects(Store.open({ disk, clock, kv }), (error) => hasCode(error, 'unsupported'))
})
