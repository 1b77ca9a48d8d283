// The names that are invalidated in the kernel, and those that it must not keep since they could
// not be invalidated.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InodeTable } from '../../node/mount/inode-table.ts'
import { RemoteChanges, keepsName } from '../../node/mount/remote-changes.ts'
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { Replica, exchange } from '../node/log/replicas.ts'

const COMPOSED = '\u00fc'
const DECOMPOSED = 'u\u0308'

/** Two members, and the names in the root of which the kernel of the first is told. */
async function watched(): Promise<{
  here: Replica
  there: Replica
  cache: RemoteChanges
  told: string[]
}> {
  const here = await Replica.founder('anna')
  const there = await here.member('ben')
  const cache = new RemoteChanges({ namespace: here.namespace, inodes: new InodeTable() })
  const told: string[] = []
  cache.listen({
    inode: () => undefined,
    entry: (parent, name) => void told.push(`${parent}/${Buffer.from(name, 'latin1').toString()}`),
    settled: async () => undefined,
  })
  return { here, there, cache, told }
}

test('a name is invalidated when conflict copies of it appear, and when none is left', async () => {
  const { here, there, told } = await watched()
  const file = here.write('f', 'before')
  await exchange(here, there)
  here.rewrite(file, 'here')
  there.rewrite(file, 'there')
  told.length = 0
  await exchange(here, there)
  assert.equal((await here.names()).length, 2)
  assert.deepEqual(new Set(told), new Set(['1/f']))
  told.length = 0
  there.namespace.keepConflict(ROOT, nameFromText('f'))
  await exchange(here, there)
  assert.deepEqual(await here.names(), ['f'])
  assert.deepEqual(new Set(told), new Set(['1/f']))
})

test('a name not in normal form is invalidated in both forms, also by local changes', async () => {
  const { here, there, cache, told } = await watched()
  const both = new Set([`1/${COMPOSED}`, `1/${DECOMPOSED}`])
  there.write(DECOMPOSED, '')
  await exchange(here, there)
  assert.deepEqual(new Set(told), both)
  told.length = 0
  cache.making(() => here.namespace.unlink(ROOT, nameFromText(DECOMPOSED)))
  assert.deepEqual(new Set(told), both)
  told.length = 0
  cache.making(() => here.write(COMPOSED, ''))
  assert.deepEqual(told, [])
})

test('the kernel keeps names in normal form only, and none of conflict copies', () => {
  const kept = ['a', COMPOSED, 'a.conflict-1.txt', 'a.conflict-20260102T030405Z-anna-0123456789']
  const notKept = [
    DECOMPOSED,
    'a.conflict-20260102T030405Z-anna-01234567.txt',
    'a.conflict-20260102T030405Z-anna-01234567',
  ]
  for (const name of kept) assert.ok(keepsName(toByteString(utf8(name))), name)
  for (const name of notKept) assert.ok(!keepsName(toByteString(utf8(name))), name)
  assert.ok(keepsName('\xff\xfe'))
})
