// The ordered store in memory after a crash.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import type { KvWrite } from '../../../node/store/kv.ts'

const put = (key: string): KvWrite => ({ kind: 'put', key, value: utf8(key) })
const keysOf = (kv: MemoryKv): string[] => kv.image().map(([key]) => key)

test('a crash loses unsynced writes, and a synced write keeps all before it', async () => {
  const kv = MemoryKv.open()
  await kv.write([put('a'), put('b')], { sync: false })
  await kv.write([{ kind: 'delete', key: 'a' }, put('c')], { sync: true })
  await kv.write([put('d'), { kind: 'delete', key: 'b' }], { sync: false })
  assert.equal(kv.get('b'), undefined)
  assert.equal(kv.unsyncedCount, 1)
  const after = kv.crash()
  assert.deepEqual(keysOf(after), ['b', 'c'])
  assert.equal(after.get('d'), undefined)
  assert.throws(() => kv.get('b'), /closed/)
})

test('a crash may leave any prefix of the unsynced writes', async () => {
  const kv = MemoryKv.open()
  for (const key of ['c', 'a', 'b']) await kv.write([put(key)], { sync: false })
  const left = [0, 1, 2, 3].map((survivors) => kv.image(survivors).map(([key]) => key))
  assert.deepEqual(left, [[], ['c'], ['a', 'c'], ['a', 'b', 'c']])
  assert.deepEqual(keysOf(kv.crash(2)), ['a', 'c'])
})

test('a store opened from an image holds it, and its writes do not reach the image', async () => {
  const first = MemoryKv.open()
  await first.write([put('a')], { sync: true })
  const image = first.image()
  const second = MemoryKv.open(image)
  await second.write([{ kind: 'delete', key: 'a' }], { sync: true })
  assert.deepEqual(keysOf(MemoryKv.open(image)), ['a'])
})
