// Extended attributes of a volume: what setting one refuses, and that they spread by the log, by a
// checkpoint, and when a late entry is repeated.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { applySettings } from '../../../node/log/settings.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import { XATTRS_MAX, XATTR_VALUE_MAX } from '../../../protocol/limits.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import {
  getXattr,
  keptName,
  makeInheriting,
  setXattr,
} from '../../../node/mount/extended-attributes.ts'
import { ACCESS_ACL, DEFAULT_ACL } from '../../../node/mount/posix-acl.ts'
import { nameFromText, parseXattrName } from '../../../protocol/op/names.ts'
import { Machine, checkpoint } from '../log/machines.ts'
import { Replica, exchange, send } from '../log/replicas.ts'
import type { ViewTarget } from '../../../protocol/tree/view.ts'

const COLOR = parseXattrName('user.color')
const ROOT_TARGET: ViewTarget = { kind: 'dir', id: ROOT }
const REPLACE = 2

function colorOf(replica: Replica, target: ViewTarget): string | undefined {
  const value = replica.namespace.xattrs.get(target, COLOR)
  return value === undefined ? undefined : Buffer.from(value).toString()
}

function paint(replica: Replica, name: string, color: string): void {
  replica.namespace.xattrs.set(replica.at(name), COLOR, utf8(color))
}

describe('extended attributes', () => {
  test('attributes are refused where setxattr(2) refuses them', async () => {
    const { namespace } = await Replica.founder('a')
    const { xattrs } = namespace
    assert.throws(() => xattrs.remove(ROOT_TARGET, COLOR), { code: 'ENODATA' })
    assert.throws(() => xattrs.set(ROOT_TARGET, COLOR, utf8('x'), REPLACE), { code: 'ENODATA' })
    const large = new Uint8Array(XATTR_VALUE_MAX)
    xattrs.set(ROOT_TARGET, COLOR, large)
    assert.equal(xattrs.get(ROOT_TARGET, COLOR)?.length, XATTR_VALUE_MAX)
    assert.throws(() => xattrs.set(ROOT_TARGET, COLOR, new Uint8Array(XATTR_VALUE_MAX + 1)), {
      code: 'E2BIG',
    })
    for (let i = 1; i < XATTRS_MAX; i++)
      xattrs.set(ROOT_TARGET, parseXattrName(`user.${i}`), utf8('x'))
    const oneMore = parseXattrName('user.more')
    assert.throws(() => xattrs.set(ROOT_TARGET, oneMore, utf8('x')), { code: 'ENOSPC' })
    for (const name of ['', 'x'.repeat(256), 'user.\0'])
      assert.throws(() => parseXattrName(name), { code: 'ERANGE' })
    assert.throws(() => keptName('system.other'), { code: 'unsupported' })
    assert.throws(() => keptName('user.'), { code: 'EINVAL' })
  })

  test('attributes set concurrently converge, and a reader can set none', async () => {
    const a = await Replica.founder('a')
    a.write('f', 'x')
    const b = await a.member('b')
    const reader = await a.member('reader', 'reader')
    paint(a, 'f', 'red')
    b.clock.advance(1000)
    paint(b, 'f', 'blue')
    await exchange(a, b, reader)
    for (const replica of [a, b, reader]) assert.equal(colorOf(replica, replica.at('f')), 'blue')
    assert.equal(await a.dump(), await b.dump())
    assert.throws(() => paint(reader, 'f', 'green'), { code: 'EACCES' })
  })

  test('attributes are in a checkpoint, and removals are forgotten with the next', async () => {
    const a = new Machine(await Replica.founder('a'))
    const b = new Machine(await a.replica.member('b'))
    for (let n = 0; n < 40; n++) {
      a.replica.write(`f${n}`, 'x')
      paint(a.replica, `f${n}`, `color ${n}`)
      if (n % 2 === 0) a.replica.namespace.xattrs.remove(a.replica.at(`f${n}`), COLOR)
    }
    const removals = async ({ replica }: Machine): Promise<number> =>
      (await replica.dump('q')).split('\n').filter((line) => line !== '').length
    await checkpoint(a, b)
    assert.equal(await removals(a), 20)
    const late = await Replica.open('late')
    await a.replica.admit(late)
    const joiner = new Machine(late)
    await joiner.startFrom(a)
    await send(a.replica, late)
    assert.equal(colorOf(late, late.at('f7')), 'color 7')
    assert.equal(colorOf(late, late.at('f8')), undefined)
    paint(late, 'f8', 'again')
    await checkpoint(b, a, joiner)
    for (const machine of [a, b, joiner]) {
      assert.equal(await removals(machine), 0)
      assert.equal(colorOf(machine.replica, machine.replica.at('f8')), 'again')
      assert.deepEqual(machine.notes, [])
    }
    assert.equal(await late.dump(), await a.replica.dump())
  })

  test('attributes set by a member away too long are set again when it returns', async () => {
    const a = new Machine(await Replica.founder('a'))
    await applySettings(a.volume, { away: '1h' })
    const b = new Machine(await a.replica.member('b'))
    const away = new Machine(await a.replica.member('away'))
    for (const name of ['f', 'g']) a.replica.write(name, name)
    await checkpoint(a, b, away)
    for (const { replica } of [a, b, away]) replica.clock.advance(2 * HOUR_MS)
    paint(away.replica, 'f', 'of away')
    away.replica.namespace.makeSpecial(ROOT, nameFromText('fifo'), {}, { kind: 'fifo', rdev: 0 })
    paint(a.replica, 'g', 'of a')
    await checkpoint(a, b)
    await away.volume.commit()
    await away.startFrom(a)
    await exchange(a.replica, b.replica, away.replica)
    for (const { replica } of [a, b, away]) {
      assert.equal(colorOf(replica, replica.at('f')), 'of away')
      assert.equal(colorOf(replica, replica.at('g')), 'of a')
      assert.equal(replica.namespace.attributes(replica.at('fifo')).kind, 'fifo')
    }
    assert.equal(await a.replica.state(), await away.replica.state())
  })
})

describe('an invalid access list', () => {
  test('an invalid access list that is stored has no effect', async () => {
    const { namespace } = await Replica.founder('a')
    const maker = { uid: 1, gid: 2, umask: 0o022 }
    const junk = [[], [1, 0, 0, 0], [2, 0, 0, 0, 1], [2, 0, 0, 0, 3, 0, 7, 0, 0, 0, 0, 0]]
    for (const [index, bytes] of junk.entries()) {
      for (const acl of [ACCESS_ACL, DEFAULT_ACL])
        namespace.xattrs.set(ROOT_TARGET, acl, Uint8Array.from(bytes))
      assert.equal(
        getXattr(namespace.volume.view, ROOT_TARGET, { name: ACCESS_ACL, mode: () => 0o755 }),
        undefined,
      )
      const made = makeInheriting(
        namespace,
        ROOT,
        { kind: 'file', mode: 0o666, maker },
        (attributes) => namespace.create(ROOT, nameFromText(`f${index}`), attributes),
      )
      assert.equal(namespace.attributes(made).mode, 0o644)
      assert.deepEqual(namespace.xattrs.list(made), [])
    }
    const isSet = { name: ACCESS_ACL, value: Uint8Array.of(9) }
    assert.throws(() => setXattr(namespace, ROOT_TARGET, isSet, { flags: 0, keepsSetGid: true }), {
      code: 'EINVAL',
    })
  })
})
