// Reading a volume's state sees what is applied, what is being written and what is stored, as one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StateView, prefixEnd } from '../../../node/state/state-view.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'

test('the range of a prefix that ends in 0xff bytes holds all its keys and no others', async () => {
  const kv = new MemoryKv()
  const view = new StateView(kv, '\0\u0001')
  const inside = ['a\u00ff', 'a\u00ff\u0000', 'a\u00ff\u00ff']
  for (const key of ['a\u00fe\u00ff', ...inside, 'b', 'b\u00ff']) view.put(key, Buffer.from(key))
  const scanned = async (): Promise<string[]> => {
    const keys: string[] = []
    for await (const [key] of view.scan('a\u00ff', prefixEnd('a\u00ff'))) keys.push(key)
    return keys
  }
  assert.deepEqual(await scanned(), inside, 'before they are written')
  await kv.write(view.take(), { sync: true })
  view.settle()
  assert.deepEqual(await scanned(), inside, 'after')
})
