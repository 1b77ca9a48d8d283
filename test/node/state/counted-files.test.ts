// The count of files and bytes of a volume: kept as ops come, never in a checkpoint, and made anew
// for a state that has none.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import { countAll } from '../../../node/state/counted-files.ts'
import { FILE_SIZE_MAX } from '../../../protocol/limits.ts'
import { STATE_PREFIXES } from '../../../node/store/key-prefixes.ts'
import { Machine, checkpoint } from '../log/machines.ts'
import { Replica, exchange } from '../log/replicas.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import type { FileTotals } from '../../../protocol/tree/file-totals.ts'

function totalsOf({ volume }: Replica): Readonly<FileTotals> {
  return volume.replica.files.totals
}

describe('the count of files', () => {
  test('follows creation, writes, names and removal, here and on others', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    assert.deepEqual(totalsOf(a), { files: 0, bytes: 0n })
    const plan = a.write('plan', '12345')
    a.write('note', '123')
    a.namespace.makeDir(ROOT, nameFromText('folder'), {})
    a.namespace.create(ROOT, nameFromText('link'), {}, utf8('plan'))
    await exchange(a, b)
    for (const each of [a, b]) assert.deepEqual(totalsOf(each), { files: 2, bytes: 8n })
    a.namespace.link(plan, ROOT, nameFromText('plan too'))
    a.rewrite(plan, '1')
    assert.deepEqual(totalsOf(a), { files: 2, bytes: 4n })
    // Two versions: one shows under the name, the other as a copy of it, of one file.
    b.rewrite(b.at('plan'), '1234567')
    await exchange(a, b)
    assert.deepEqual(totalsOf(b), totalsOf(a))
    assert.deepEqual(totalsOf(a), await countAll(a.volume.view))
    a.namespace.unlink(ROOT, nameFromText('note'))
    await exchange(a, b)
    assert.equal(totalsOf(b).files, 1)
    assert.deepEqual(totalsOf(b), await countAll(b.volume.view))
  })

  test('holds sizes that no file has, and is right again without them', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    for (const name of ['f', 'g', 'h']) {
      const { id } = a.namespace.create(ROOT, nameFromText(name), {})
      const content = { kind: 'inline', bytes: new Uint8Array() } as const
      const size = FILE_SIZE_MAX
      a.namespace.putVersion(id, { content, size, base: [], modifiedNs: 0n })
    }
    b.write('small', '123')
    await exchange(a, b)
    const bytes = 3n * BigInt(FILE_SIZE_MAX) + 3n
    assert.deepEqual(totalsOf(b), { files: 4, bytes })
    for (const name of ['f', 'g', 'h']) b.namespace.unlink(ROOT, nameFromText(name))
    assert.deepEqual(totalsOf(b), { files: 1, bytes: 3n })
  })

  test('is made of a checkpoint, which does not hold it', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    for (let n = 0; n < 50; n++) a.replica.write(`f${n}`, 'xyz')
    await checkpoint(a, b)
    const late = await Replica.open('late')
    await a.replica.admit(late)
    await new Machine(late).startFrom(a)
    assert.deepEqual(totalsOf(late), { files: 50, bytes: 150n })
  })

  test('survives a restart, and is made once in a home that has none', async () => {
    const a = await Replica.founder('a')
    a.write('plan', '12345')
    await a.volume.commit()
    assert.deepEqual(totalsOf(await a.reopen()), { files: 1, bytes: 5n })
    a.volume.view.delete(STATE_PREFIXES.fileTotals)
    await a.volume.commit()
    const again = await a.reopen()
    assert.deepEqual(totalsOf(again), { files: 1, bytes: 5n })
    again.write('note', '1')
    assert.deepEqual(totalsOf(again), { files: 2, bytes: 6n })
  })
})
