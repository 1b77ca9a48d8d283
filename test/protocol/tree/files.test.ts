// Concurrent changes of files (docs/formats/tree.md): a test a row.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dirAttributes, inodeAttributes } from '../../../protocol/tree/attributes.ts'
import { DEAD_PREFIX } from '../../../protocol/tree/dead.ts'
import { nameFromText, plainNameOf } from '../../../protocol/op/names.ts'
import { ROOT, readDir, readInode } from '../../../protocol/tree/records.ts'
import { checkInvariants } from './invariants.ts'
import { row } from './rows.ts'
import { newSite } from './sites.ts'
import type { NodeAttributes } from '../../../protocol/tree/attributes.ts'
import type { Site } from './sites.ts'

const file = (site: Site): void => site.write('f', '0')

function two(site: Site): void {
  site.write('f', 'f')
  site.write('g', 'g')
}

function three(site: Site): void {
  site.write('e', 'e')
  two(site)
}

describe('concurrent changes of files', () => {
  row('1: create f ∥ create f: two links, the newest has the name', {
    one: (site) => site.write('f', '1'),
    other: (site) => site.write('f', '2'),
    then: { oneOlder: ['f = 2', 'f~one = 1'], oneNewer: ['f = 1', 'f~other = 2'] },
  })

  row('2: create f ∥ create f with the same content: one shows', {
    one: (site) => site.write('f', 'same'),
    other: (site) => site.write('f', 'same'),
    then: ['f = same'],
  })

  row('2: whoever then writes to it, or removes or renames it, means both', {
    before: (site) => {
      for (const name of ['f', 'g', 'h']) {
        site.write(`${name}1`, name)
        site.write(`${name}2`, name)
      }
      // As if made at once: the second comes under the name of the first.
      for (const name of ['f', 'g', 'h']) {
        const [parent] = site.place(name)
        const target = site.at(`${name}2`)
        if (target.kind !== 'inode') continue
        const { link, id: inode } = target
        const at = site.place(`${name}1`)[1]
        site.submit({ kind: 'move', link, inode, from: parent, parent, name: at, saw: [] })
      }
      assert.deepEqual(site.shown(), ['f1 = f', 'g1 = g', 'h1 = h'])
    },
    one: (site) => {
      site.write('f1', 'new')
      site.remove('g1')
    },
    other: (site) => site.rename('h1', 'i'),
    then: ['f1 = new', 'i = h'],
  })

  row('4: mkdir d ∥ create file d: the directory keeps the name', {
    one: (site) => site.mkdir('d'),
    other: (site) => site.write('d', '2'),
    then: ['d/', 'd~other = 2'],
  })

  row('5: write f ∥ write f: the newest, and a conflict copy', {
    before: file,
    one: (site) => site.write('f', '1'),
    other: (site) => site.write('f', '2'),
    then: { oneOlder: ['f = 2', 'f~one = 1'], oneNewer: ['f = 1', 'f~other = 2'] },
  })

  row('5: write f ∥ write f with the same content: no conflict', {
    before: file,
    one: (site) => site.write('f', 'same'),
    other: (site) => site.write('f', 'same'),
    then: ['f = same'],
  })

  row('6: write f ∥ unlink f: it survives with the new content', {
    before: file,
    one: (site) => site.write('f', '1'),
    other: (site) => site.remove('f'),
    then: ['f = 1'],
  })

  row('7: chmod f ∥ unlink f: deleted', {
    before: file,
    one: (site) => site.set('f', { mode: 0o600, modifiedNs: 5n }),
    other: (site) => site.remove('f'),
    then: [],
  })

  row('8: rename f→g ∥ unlink f: it survives as g', {
    before: file,
    one: (site) => site.rename('f', 'g'),
    other: (site) => site.remove('f'),
    then: ['g = 0'],
  })

  row('9: rename f→g ∥ rename f→h: one link, the larger stamp wins', {
    before: file,
    one: (site) => site.rename('f', 'g'),
    other: (site) => site.rename('f', 'h'),
    then: { oneOlder: ['h = 0'], oneNewer: ['g = 0'] },
  })

  row('10: rename f→g ∥ write f: g with the new content', {
    before: file,
    one: (site) => site.rename('f', 'g'),
    other: (site) => site.write('f', '2'),
    then: ['g = 2'],
  })

  row('11: rename f→g ∥ rename e→g: both are named g, the newest plainly', {
    before: (site) => {
      site.write('e', 'e')
      site.write('f', 'f')
    },
    one: (site) => site.rename('f', 'g'),
    other: (site) => site.rename('e', 'g'),
    then: { oneOlder: ['g = e', 'g~one = f'], oneNewer: ['g = f', 'g~other = e'] },
  })

  row(
    '12: rename f over g ∥ write g: f is g, the old g survives with its new version as conflict',
    {
      before: two,
      one: (site) => site.rename('f', 'g'),
      other: (site) => site.write('g', '2'),
      then: ['g = f', 'g~base = 2'],
    },
  )

  row(
    '13: rename f over g ∥ rename e over g: the newest is g, the other a conflict, the old g is gone',
    {
      before: three,
      one: (site) => site.rename('f', 'g'),
      other: (site) => site.rename('e', 'g'),
      then: { oneOlder: ['g = e', 'g~one = f'], oneNewer: ['g = f', 'g~other = e'] },
    },
  )

  row('14: rename f over g ∥ unlink f: f survives as g, the old g is gone', {
    before: two,
    one: (site) => site.rename('f', 'g'),
    other: (site) => site.remove('f'),
    then: ['g = f'],
  })

  row('15: atomic save ∥ atomic save: as 13', {
    before: file,
    one: (site) => {
      site.write('.f.tmp1', '1')
      site.rename('.f.tmp1', 'f')
    },
    other: (site) => {
      site.write('.f.tmp2', '2')
      site.rename('.f.tmp2', 'f')
    },
    then: { oneOlder: ['f = 2', 'f~one = 1'], oneNewer: ['f = 1', 'f~other = 2'] },
  })

  row('25: link f as f2 ∥ unlink f: f2 survives, with one name', {
    before: file,
    one: (site) => site.link('f', 'f2'),
    other: (site) => site.remove('f'),
    then: ['f2 = 0'],
    and: (site) => assert.equal(readInode(site.state, site.at('f2').id)?.links.length, 1),
  })

  row(
    '26: unlink f ∥ unlink f2 of one file: both names are gone; the file is kept until it is purged',
    {
      before: (site) => {
        file(site)
        site.link('f', 'f2')
      },
      one: (site) => site.remove('f'),
      other: (site) => site.remove('f2'),
      then: [],
      and: (site) => {
        assert.equal(site.state.under('i').length, 1)
        assert.equal(site.state.under(`${DEAD_PREFIX}i`).length, 1)
      },
    },
  )

  test('27: a file removed here while it is open stays without a name, whatever is written to it', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    file(one)
    const { id } = one.at('f')
    one.remove('f')
    one.put(id, '1', [])
    other.receive(one)
    for (const site of [one, other]) assert.deepEqual(site.shown(), [])
    assert.equal(one.state.dump(), other.state.dump())
  })

  test('28: a file open and written to ∥ its removal elsewhere arrives: it reappears when it is saved', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    one.mkdir('d')
    one.write('d/f', '0')
    other.receive(one)
    const { id } = one.at('d/f')
    other.remove('d/f')
    other.remove('d')
    one.receive(other)
    assert.deepEqual(one.shown(), [])
    one.put(id, '1', [])
    one.put(id, '2', one.versions(id))
    other.receive(one)
    for (const site of [one, other]) assert.deepEqual(site.shown(), ['d/', 'd/f = 2'])
    assert.equal(one.state.dump(), other.state.dump())
  })

  row('28: a write through a handle opened before ∥ unlink: the file reappears', {
    before: file,
    one: (site) => {
      // The handle saw '0'; others of this machine have written since.
      const { id } = site.at('f')
      const base = site.versions(id)
      site.write('f', 'between')
      site.put(id, '1', base)
    },
    other: (site) => site.remove('f'),
    then: ['f = 1', 'f~one = between'],
  })

  row('29: a symlink replaced ∥ replaced: the newest has the name, the other is a conflict', {
    before: (site) => void site.create('s', 'old'),
    one: (site) => {
      site.remove('s')
      site.create('s', 'to-1')
    },
    other: (site) => {
      site.remove('s')
      site.create('s', 'to-2')
    },
    then: { oneOlder: ['s -> to-2', 's~one -> to-1'], oneNewer: ['s -> to-1', 's~other -> to-2'] },
  })

  row('29: the same target at once: one symlink', {
    one: (site) => void site.create('s', 'to'),
    other: (site) => void site.create('s', 'to'),
    then: ['s -> to'],
  })

  row('29: the same fifo at once: one; a fifo and a device: a conflict', {
    one: (site) => {
      site.createIn(ROOT, nameFromText('p'), undefined, { kind: 'fifo', rdev: 0 })
      site.createIn(ROOT, nameFromText('q'), undefined, { kind: 'fifo', rdev: 0 })
    },
    other: (site) => {
      site.createIn(ROOT, nameFromText('p'), undefined, { kind: 'fifo', rdev: 0 })
      site.createIn(ROOT, nameFromText('q'), undefined, { kind: 'character-device', rdev: 0x103 })
    },
    then: { oneOlder: ['p', 'q', 'q~one'], oneNewer: ['p', 'q', 'q~other'] },
    and: (site) => {
      const inode = readInode(site.state, site.at('q').id)
      assert.ok(inode)
      const { kind, rdev } = inodeAttributes(inode, undefined)
      assert.ok(
        kind === 'fifo' ? rdev === undefined : kind === 'character-device' && rdev === 0x103,
      )
    },
  })

  test('30: an xattr changes the time of change, of a directory too, and no other time', () => {
    const site = newSite('one')
    site.mkdir('d')
    site.write('f', '0')
    const timesOf = (path: string): NodeAttributes => {
      const { kind, id } = site.at(path)
      const dir = kind === 'dir' ? readDir(site.state, id) : undefined
      const inode = kind === 'dir' ? undefined : readInode(site.state, id)
      if (dir !== undefined) return dirAttributes(id, dir)
      assert.ok(inode)
      return inodeAttributes(inode, inode.newest)
    }
    for (const path of ['d', 'f']) {
      const before = timesOf(path)
      site.wallMs += 1000
      site.setXattr(path, 'user.a', '1')
      const after = timesOf(path)
      assert.equal(after.modifiedNs, before.modifiedNs)
      assert.ok(after.changedNs > before.changedNs, path)
    }
  })

  row('31: truncate or append ∥ write: whole contents, never bytes of both', {
    before: (site) => site.write('f', 'abc'),
    one: (site) => site.write('f', 'abcdef'),
    other: (site) => site.write('f', 'a'),
    then: { oneOlder: ['f = a', 'f~one = abcdef'], oneNewer: ['f = abcdef', 'f~other = a'] },
  })

  row('32: O_EXCL create ∥ O_EXCL create, eventual: both succeed, and both are there', {
    one: (site) => void site.create('lock'),
    other: (site) => void site.create('lock'),
    then: { oneOlder: ['lock', 'lock~one'], oneNewer: ['lock', 'lock~other'] },
  })

  test('a file that somebody gave the very name of a conflict copy: both show, each under its own name', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    one.write('f', '1')
    other.receive(one)
    one.write('f', '2')
    other.write('f', '3')
    one.receive(other)
    const copy = one.entries(ROOT)[1]
    assert.ok(copy)
    one.createIn(ROOT, copy.name)
    const names = one.entries(ROOT).map(({ name }) => name)
    assert.equal(new Set(names).size, 3)
    assert.equal(names.filter((name) => plainNameOf(name) !== undefined).length, 2)
    checkInvariants(one, [...one.log, ...other.log])
  })
})
