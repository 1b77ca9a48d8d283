// The table of concurrent changes (docs/formats/tree.md), a test a row.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readConflictCount } from '../../../protocol/tree/conflict-counts.ts'
import { readInode } from '../../../protocol/tree/records.ts'
import { row } from './rows.ts'
import { newSite } from './sites.ts'

describe('concurrent changes', () => {
  row(
    'two files created with one name: both kept, the higher HLC has the name, the other shows as conflict',
    {
      one: (site) => site.write('report.txt', '1'),
      other: (site) => site.write('report.txt', '2'),
      then: {
        oneOlder: ['report.txt = 2', 'report~one.txt = 1'],
        oneNewer: ['report.txt = 1', 'report~other.txt = 2'],
      },
    },
  )

  row(
    'two directories created with one name: one with both contents; later ops on either id reach it',
    {
      one: (site) => {
        site.mkdir('d')
        site.write('d/a', '1')
      },
      other: (site) => {
        site.mkdir('d')
        site.write('d/b', '2')
        site.rename('d', 'e')
      },
      then: ['e/', 'e/a = 1', 'e/b = 2'],
    },
  )

  row('file and directory with one name: the directory has the name, the file shows as conflict', {
    one: (site) => site.mkdir('x'),
    other: (site) => site.write('x', '2'),
    then: ['x/', 'x~other = 2'],
  })

  row(
    'one file written twice: the newer HLC is the content, the other is a conflict copy, not in view with lww',
    {
      before: (site) => site.write('f', '0'),
      one: (site) => site.write('f', '1'),
      other: (site) => site.write('f', '2'),
      then: { oneOlder: ['f = 2', 'f~one = 1'], oneNewer: ['f = 1', 'f~other = 2'] },
      and: (site) => {
        assert.deepEqual(site.shown('lww'), site.shown().slice(0, 1))
        assert.deepEqual(
          [readConflictCount(site.state, 'copies'), readConflictCount(site.state, 'lww')],
          [1, 0],
        )
        const copy = site.entries(site.place('f')[0])[1]
        assert.deepEqual(site.find(Buffer.from(copy?.name ?? '', 'latin1').toString()), copy)
      },
    },
  )

  row('write vs delete: the write wins, the file comes back', {
    before: (site) => site.write('f', '0'),
    one: (site) => site.write('f', '1'),
    other: (site) => site.remove('f'),
    then: ['f = 1'],
  })

  row('rename vs rename: the newer HLC; never two copies, never lost', {
    before: (site) => site.write('f', '0'),
    one: (site) => site.rename('f', 'g'),
    other: (site) => site.rename('f', 'h'),
    then: { oneOlder: ['h = 0'], oneNewer: ['g = 0'] },
  })

  row('move A into B vs B into A: one takes effect, no cycle, nothing lost', {
    before: (site) => {
      site.mkdir('a')
      site.write('a/x', '0')
      site.mkdir('b')
    },
    one: (site) => site.rename('a', 'b/a'),
    other: (site) => site.rename('b', 'a/b'),
    then: { oneOlder: ['b/', 'b/a/', 'b/a/x = 0'], oneNewer: ['a/', 'a/b/', 'a/x = 0'] },
  })

  row('delete directory vs create inside it: it comes back, holding only the new child', {
    before: (site) => {
      site.mkdir('d')
      site.write('d/old', '0')
    },
    one: (site) => {
      site.remove('d/old')
      site.remove('d')
    },
    other: (site) => site.write('d/new', '2'),
    then: ['d/', 'd/new = 2'],
  })

  row(
    'rename over an existing file vs write to that file: the renamed has the name, the written is kept',
    {
      before: (site) => {
        site.write('f', 'f')
        site.write('g', 'g')
      },
      one: (site) => site.rename('f', 'g'),
      other: (site) => site.write('g', '2'),
      then: ['g = f', 'g~base = 2'],
    },
  )

  row('chmod, chown and times: each attribute by itself, the last by HLC wins', {
    before: (site) => site.write('f', '0'),
    one: (site) => site.set('f', { mode: 0o600, uid: 1 }),
    other: (site) => site.set('f', { mode: 0o640, accessedNs: 7n }),
    then: ['f = 0'],
    and: (site) => {
      const { mode, uid, accessedNs } = readInode(site.state, site.at('f').id)?.attributes ?? {}
      assert.ok(mode && uid && accessedNs)
      assert.deepEqual([uid[0], accessedNs[0]], [1, 7n])
      assert.deepEqual(mode, uid[1] > accessedNs[1] ? [0o600, uid[1]] : [0o640, accessedNs[1]])
    },
  })

  row('extended attributes: each by itself, the last by HLC wins, also if it removes it', {
    before: (site) => {
      site.write('f', '0')
      site.setXattr('f', 'user.b', '0')
    },
    one: (site) => {
      site.setXattr('f', 'user.a', '1')
      site.setXattr('f', 'user.b', undefined)
    },
    other: (site) => {
      site.setXattr('f', 'user.b', '2')
      site.setXattr('f', 'user.c', '2')
    },
    then: ['f = 0'],
    and: (site) => {
      const isOneNewer = site.xattrs('f').length === 2
      const rest = isOneNewer ? [] : ['user.b=2']
      assert.deepEqual(site.xattrs('f'), ['user.a=1', ...rest, 'user.c=2'])
    },
  })

  test('the causally later op wins without a conflict copy, whatever the clocks say', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    one.wallMs = 1_000_000
    one.write('f', '1')
    other.receive(one)
    other.write('f', '2')
    other.rename('f', 'g')
    one.receive(other)
    one.write('g', '3')
    one.remove('g')
    one.write('g', '4')
    other.receive(one)
    for (const site of [one, other]) assert.deepEqual(site.shown(), ['g = 4'])
    assert.equal(one.state.dump(), other.state.dump())
    assert.equal(readConflictCount(one.state), 0)
  })
})
