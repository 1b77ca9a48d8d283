// The history of a volume and of a path in the log: who did what, in words, newest first, also
// after renames and removals.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readHistory } from '../../../node/tree/history.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { instant } from '../../../simulations/clock.ts'
import { Replica, exchange, forge, send } from '../log/replicas.ts'
import type { LogEntry, LogItem, LogOptions } from '../../../node/control/history.ts'
import type { Name } from '../../../protocol/op/names.ts'

describe('history', () => {
  test('a new volume shows how it began', async () => {
    const anna = await Replica.founder('anna')
    assert.deepEqual(await told(anna), [
      'anna: introduced itself as anna',
      'anna: admitted anna as admin',
    ])
  })

  test('changes of the tree are listed newest first, with the names at that time', async () => {
    const anna = await Replica.founder('anna')
    const { namespace, volume } = anna
    const one = async (run: () => unknown): Promise<void> => {
      run()
      await volume.commit()
    }
    const [a, b, docs, old] = ['a', 'b', 'docs', 'old'].map((text) => nameFromText(text))
    assert.ok(a && b && docs && old)
    await one(() => namespace.makeDir(ROOT, docs, {}))
    const dir = namespace.resolvePath(['docs']).id
    await one(() => anna.write('a', 'twelve bytes'))
    await one(() => namespace.rename(ROOT, a, dir, b))
    await one(() => anna.rewrite(namespace.resolvePath(['docs', 'b']), 'more'))
    await one(() => namespace.setAttributes(namespace.resolvePath(['docs']), { mode: 0o700 }))
    await one(() => namespace.rename(ROOT, docs, ROOT, old))
    await one(() => namespace.create(ROOT, a, {}, Buffer.from('old/b')))
    await one(() => namespace.link(namespace.resolvePath(['old', 'b']), ROOT, b))
    await one(() => namespace.unlink(ROOT, b))
    await one(() => namespace.unlink(dir, b))
    await one(() => namespace.removeDir(ROOT, old))
    assert.deepEqual((await told(anna)).slice(0, -2), [
      'anna: removed folder /old',
      'anna: removed /old/b',
      'anna: removed /b',
      'anna: linked /b to a file that is gone',
      'anna: made symlink /a to old/b',
      'anna: moved /docs to /old',
      'anna: set mode 0700 of /old',
      'anna: wrote /old/b 4',
      'anna: moved /a to /old/b',
      'anna: added /a 12',
      'anna: made folder /docs',
    ])
  })

  test('members, keys and policies are listed, and placement only on request', async () => {
    const anna = await Replica.founder('anna')
    const ben = await memberOf(anna, 'ben')
    anna.volume.submit({ kind: 'policy', key: 'ack', value: 'placed' })
    await anna.volume.commit()
    await anna.volumes.remove(anna.volume, ben.identity.peer)
    assert.deepEqual((await told(anna)).slice(0, -2), [
      'anna: took the membership of ben away, began key epoch 2',
      'anna: set ack=placed',
      'ben: introduced itself as ben',
      'anna: admitted ben as writer',
    ])
  })

  test('entries of several actors are in one causal order on every replica', async () => {
    const anna = await Replica.founder('anna')
    const ben = await memberOf(anna, 'ben')
    const cleo = await memberOf(anna, 'cleo')
    for (let round = 0; round < 5; round++) {
      for (const replica of [anna, ben, cleo]) {
        replica.clock.advance(7)
        replica.write(`${replica.name}${round}`, 'x')
        await replica.volume.commit()
      }
      if (round % 2 === 0) await exchange(anna, ben, cleo)
    }
    await exchange(anna, ben, cleo)
    const items = await entries(anna)
    assert.deepEqual(
      (await entries(cleo)).map(({ id }) => id),
      items.map(({ id }) => id),
    )
    const place = new Map(items.map(({ id }, at) => [id, at]))
    items.forEach(({ parents }, at) => {
      for (const parent of parents) assert.ok((place.get(parent) ?? 0) > at)
    })
    assert.equal(items.filter(({ changes }) => changes[0]?.kind === 'add').length, 15)
  })

  test('an entry follows the heads that its author had, not all that it names', async () => {
    const anna = await Replica.founder('anna')
    const ben = await memberOf(anna, 'ben')
    const step = async (by: Replica, to: Replica): Promise<void> => {
      by.write(`${by.name}${by.clock.wall()}`, 'x')
      by.clock.advance(5)
      await send(by, to)
    }
    await step(anna, ben)
    await step(ben, anna)
    await step(anna, ben)
    const items = await entries(ben)
    // In turns: a line, although each names the other's entry and its own.
    for (const [at, item] of items.slice(0, -1).entries())
      assert.deepEqual(item.parents, [items[at + 1]?.id])
    ben.write('b', 'x')
    anna.write('a', 'x')
    await exchange(anna, ben)
    ben.write('both', 'x')
    const [newest] = await entries(ben)
    assert.equal(newest?.parents.length, 2)
  })

  test('an entry follows the last of ten sequential writers, or ten concurrent ones', async () => {
    const anna = await Replica.founder('anna')
    const others = await Promise.all(
      ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'].map((name) => anna.member(name)),
    )
    let before = anna
    for (const other of others) {
      await send(before, other)
      other.clock.advance(before.clock.wall() - other.clock.wall() + 5)
      other.write(other.name, 'x')
      before = other
    }
    await send(before, anna)
    anna.write('after', 'x')
    await exchange(anna, ...others)
    assert.equal((await entries(anna))[0]?.parents.length, 1)
    for (const other of others) other.write(`${other.name} at once`, 'x')
    for (const other of others) await send(other, anna)
    anna.write('after all', 'x')
    assert.equal((await entries(anna))[0]?.parents.length, 10)
  })

  test('the log of a file has all its changes, under whatever name', async () => {
    const anna = await Replica.founder('anna')
    const { namespace } = anna
    const other = anna.write('other', 'x')
    await anna.volume.commit()
    const file = anna.write('a', 'x')
    await anna.volume.commit()
    namespace.makeDir(ROOT, nameFromText('docs'), {})
    const docs = namespace.resolvePath(['docs']).id
    namespace.rename(ROOT, nameFromText('a'), docs, nameFromText('b'))
    await anna.volume.commit()
    anna.rewrite(other, 'noise')
    anna.rewrite(file, 'xy')
    namespace.setAttributes(file, { uid: 7 })
    assert.deepEqual(await told(anna, 'docs/b'), [
      'anna: wrote /docs/b 2',
      'anna: moved /a to /docs/b',
      'anna: added /a 1',
    ])
    assert.deepEqual(await told(anna, 'docs'), [
      'anna: wrote /docs/b 2',
      'anna: made folder /docs, moved /a to /docs/b',
      'anna: added /a 1',
    ])
  })

  test('the log of a folder has what was removed from it', async () => {
    const anna = await Replica.founder('anna')
    const { namespace } = anna
    const docs = namespace.makeDir(ROOT, nameFromText('docs'), {})
    const inner = namespace.makeDir(docs, nameFromText('inner'), {})
    await anna.volume.commit()
    namespace.create(inner, nameFromText('deep'), {})
    await anna.volume.commit()
    namespace.unlink(inner, nameFromText('deep'))
    await anna.volume.commit()
    namespace.removeDir(docs, nameFromText('inner'))
    anna.write('elsewhere', 'x')
    assert.deepEqual(await told(anna, 'docs'), [
      'anna: removed folder /docs/inner',
      'anna: removed /docs/inner/deep',
      'anna: added /docs/inner/deep',
      'anna: made folder /docs, made folder /docs/inner',
    ])
  })

  test('concurrent contents are shown as conflicting, and how the conflict ended', async () => {
    const anna = await Replica.founder('anna')
    const ben = await memberOf(anna, 'ben')
    const file = anna.write('a', 'x')
    await exchange(anna, ben)
    anna.rewrite(file, 'of anna')
    ben.clock.advance(1)
    ben.rewrite(file, 'of ben!')
    await exchange(anna, ben)
    assert.deepEqual((await told(anna, 'a')).slice(0, 2), [
      'ben: wrote /a 7 in conflict with another version',
      'anna: wrote /a 7 in conflict with another version',
    ])
    for await (const { name, target } of anna.namespace.list(ROOT))
      if (target.kind === 'inode' && target.version !== undefined) anna.namespace.unlink(ROOT, name)
    assert.deepEqual((await told(anna, 'a')).slice(0, 3), [
      'anna: removed a conflict copy of /a',
      'ben: wrote /a 7',
      'anna: wrote /a 7',
    ])
  })

  test('a conflict copy of a name is shown as such when removed, ended or moved', async () => {
    const newest = async (change: (anna: Replica, copy: Name) => void): Promise<string[]> => {
      const anna = await Replica.founder('anna')
      const ben = await memberOf(anna, 'ben')
      await exchange(anna, ben)
      anna.write('f', 'of anna')
      ben.clock.advance(1)
      ben.write('f', 'of ben')
      await exchange(anna, ben)
      const copy = (await anna.names()).find((name) => name.startsWith('f.conflict-'))
      anna.clock.advance(2)
      change(anna, nameFromText(copy ?? ''))
      await anna.volume.commit()
      return [...(await told(anna)).slice(0, 1), ...(await told(anna, 'f').catch(() => []))]
    }
    const f = nameFromText('f')
    const g = nameFromText('g')
    const copyGone = ['anna: removed a conflict copy of /f', 'ben: added /f 6']
    assert.deepEqual(await newest((anna, copy) => anna.namespace.unlink(ROOT, copy)), copyGone)
    assert.deepEqual(await newest((anna) => anna.namespace.keepConflict(ROOT, f)), copyGone)
    const [stays] = await newest((anna) => anna.namespace.unlink(ROOT, f))
    assert.match(
      stays ?? '',
      /^anna: moved a conflict copy of \/f to \/f\.conflict-.*, removed \/f$/,
    )
    assert.deepEqual(await newest((anna, copy) => anna.namespace.keepConflict(ROOT, copy)), [
      'anna: removed /f',
      'anna: added /f 7',
    ])
    assert.deepEqual(await newest((anna, copy) => anna.namespace.rename(ROOT, copy, ROOT, g)), [
      'anna: moved a conflict copy of /f to /g',
      'ben: added /f 6',
    ])
    assert.deepEqual(await newest((anna, copy) => anna.namespace.rename(ROOT, copy, ROOT, f)), [
      'anna: removed /f, moved a conflict copy of /f to /f',
      'anna: moved a conflict copy of /f to /f',
      'anna: added /f 7',
    ])
    const [moved] = await newest((anna) => anna.namespace.rename(ROOT, f, ROOT, g))
    assert.match(moved ?? '', /^anna: moved a conflict copy of .*-[0-9a-f]{8}, moved \/f to \/g$/)
  })

  test('a copy of a file beside a folder is shown as such, also after both are gone', async () => {
    const anna = await Replica.founder('anna')
    const ben = await memberOf(anna, 'ben')
    const [x, y] = [nameFromText('x'), nameFromText('y')]
    anna.namespace.makeDir(ROOT, x, {})
    ben.write('x', 'file')
    await exchange(anna, ben)
    const copy = (await anna.names()).find((name) => name.startsWith('x.conflict-'))
    anna.clock.advance(2)
    anna.namespace.rename(ROOT, nameFromText(copy ?? ''), ROOT, y)
    await anna.volume.commit()
    anna.namespace.removeDir(ROOT, x)
    await anna.volume.commit()
    // A new one of that name was not there then.
    anna.write('x', 'new')
    await anna.volume.commit()
    anna.namespace.unlink(ROOT, x)
    assert.deepEqual((await told(anna)).slice(0, 4), [
      'anna: removed /x',
      'anna: added /x 3',
      'anna: removed folder /x',
      'anna: moved a conflict copy of /x to /y',
    ])
  })

  test('equal contents written concurrently are no conflict', async () => {
    const anna = await Replica.founder('anna')
    const ben = await memberOf(anna, 'ben')
    const file = anna.write('a', 'x')
    await exchange(anna, ben)
    anna.rewrite(file, 'same')
    ben.clock.advance(1)
    ben.rewrite(file, 'same')
    await exchange(anna, ben)
    assert.deepEqual((await told(anna, 'a')).slice(0, 2), ['ben: wrote /a 4', 'anna: wrote /a 4'])
  })

  test('an unreadable body is shown as such', async () => {
    const anna = await Replica.founder('anna')
    const ben = await memberOf(anna, 'ben')
    ben.write('b', 'x')
    await send(ben, anna)
    anna.volume.receive(forge(ben, { body: new Uint8Array(100) }))
    assert.equal((await told(anna))[0], 'ben: wrote something that this node cannot read')
  })

  test('a limit stops the walk, and reports no end of the log', async () => {
    const anna = await Replica.founder('anna')
    for (let i = 0; i < 200; i++) {
      anna.write(`f${i}`, 'x')
      await anna.volume.commit()
    }
    let read = 0
    const { entries: table } = anna.volume
    const bytes = table.bytes.bind(table)
    table.bytes = (...at) => (read++, bytes(...at))
    assert.equal((await items(anna, undefined, { limit: 3 })).length, 3)
    assert.ok(read <= 5, `${read} entries were looked at`)
    assert.equal((await items(anna, undefined, { limit: 150 })).length, 150)
  })

  test('a log whose older entries were dropped says so at its end', async () => {
    const anna = await Replica.founder('anna')
    for (const name of ['a', 'b', 'c']) {
      anna.write(name, 'x')
      await anna.volume.commit()
    }
    await anna.volume.entries.drop(new Map([[anna.volume.actor, 3]]), () => anna.volume.commit())
    const all = await items(anna)
    assert.deepEqual(all.at(-1), { kind: 'dropped', beforeMs: undefined })
    assert.equal(all.length, 3)
    assert.equal((await items(anna, undefined, { limit: 2 })).length, 2)
  })

  test('a follower gets the latest entries, oldest first, and then all new ones', async () => {
    const anna = await Replica.founder('anna')
    const ben = await memberOf(anna, 'ben')
    for (const name of ['a', 'b', 'c']) {
      anna.write(name, 'x')
      await anna.volume.commit()
    }
    const end = new AbortController()
    const log = readHistory(
      { volume: anna.volume, clock: anna.clock },
      { target: undefined, follow: true, limit: 2, signal: end.signal },
    )
    const next = async (): Promise<string[]> => {
      const page = log.next()
      for (let i = 0; i < 20; i++) await new Promise(setImmediate)
      anna.clock.advance(1000)
      return ((await page).value ?? []).map(text)
    }
    assert.deepEqual(await next(), ['anna: added /b 1', 'anna: added /c 1'])
    anna.write('d', 'x')
    await anna.volume.commit()
    assert.deepEqual(await next(), ['anna: added /d 1'])
    ben.write('e', 'x')
    await send(ben, anna)
    assert.deepEqual(await next(), ['ben: added /e 1'])
    const ended = log.next()
    end.abort(new Error('enough'))
    await assert.rejects(ended, /enough/)
  })
})

/** A member with all that `by` has, and whose name all know. */
async function memberOf(by: Replica, name: string): Promise<Replica> {
  const member = await by.member(name)
  await member.volumes.describeSelf(member.volume)
  await send(member, by)
  return member
}

async function items(of: Replica, path?: string, options: LogOptions = {}): Promise<LogItem[]> {
  const target = path === undefined ? undefined : of.namespace.resolvePath(path.split('/'))
  const { signal } = new AbortController()
  const all: LogItem[] = []
  const components = { volume: of.volume, clock: instant(of.clock) }
  for await (const page of readHistory(components, { ...options, target, signal }))
    all.push(...page)
  return all
}

async function entries(of: Replica): Promise<LogEntry[]> {
  return (await items(of)).filter((item) => item.kind === 'entry')
}

async function told(of: Replica, path?: string): Promise<string[]> {
  return (await items(of, path)).map(text)
}

function text(item: LogItem): string {
  if (item.kind === 'dropped') return item.kind
  const changes = item.changes.map(({ text, note = '', sizeBytes = '' }) =>
    `${text} ${sizeBytes} ${note}`.trimEnd(),
  )
  return `${item.author}: ${changes.join(', ')}`
}
