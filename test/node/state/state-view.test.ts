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

test('what is read again is what the store has, through writes, failures and a new generation', async () => {
  const kv = new CountingKv()
  let view = new StateView(kv, '\0\u0001')
  const keys = Array.from({ length: 9000 }, (_, i) => `a${i}`)
  for (const key of keys.slice(0, 5000)) view.put(key, Buffer.from(`${key} first`))
  const write = async (): Promise<void> => {
    await kv.write(view.take(), { sync: true })
    view.settle()
  }
  await write()
  const seen = (): (string | undefined)[] =>
    keys.map((key) => {
      const value = view.get(key)
      return value && Buffer.from(value).toString()
    })
  const expected = keys.map((key, i) => (i < 5000 ? `${key} first` : undefined))
  assert.deepEqual(seen(), expected)
  const change = (i: number, text: string | undefined): void => {
    if (text === undefined) view.delete(`a${i}`)
    else view.put(`a${i}`, Buffer.from(text))
    expected[i] = text
  }
  for (const [i, text] of [
    [1, 'second'],
    [2, undefined],
    [8000, 'new'],
    [8999, 'x'.repeat(600)],
  ] as const)
    change(i, text)
  assert.deepEqual(seen(), expected, 'applied')
  view.take()
  assert.deepEqual(seen(), expected, 'being written')
  view.restore()
  assert.deepEqual(seen(), expected, 'not written')
  await write()
  assert.deepEqual(seen(), expected, 'written')
  view.get('a1')
  kv.gets = 0
  assert.equal(Buffer.from(view.get('a1') ?? []).toString(), 'second')
  assert.equal(view.get('a8998'), undefined)
  assert.equal(kv.gets, 0, 'those just read are not read from the store again')
  const next = await view.successor()
  next.put('a3', Buffer.from('other'))
  await next.spill()
  view.adopt(next)
  await write()
  expected.fill(undefined)
  expected[3] = 'other'
  assert.deepEqual(seen(), expected, 'another generation')
  view = new StateView(kv, '\0\u0001')
  assert.deepEqual(seen(), expected, 'opened again')
})

class CountingKv extends MemoryKv {
  gets = 0

  override get(key: string): Uint8Array | undefined {
    this.gets++
    return super.get(key)
  }
}
