// Content that was removed with the last name of its file (docs/formats/tree.md), beside concurrent
// changes of that file: a test a row.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readInode } from '../../../protocol/tree/records.ts'
import { findVersion, removedVersions, versionsOf } from '../../../protocol/tree/versions.ts'
import { row } from './rows.ts'
import { newSite } from './sites.ts'
import type { Site } from './sites.ts'

const file = (site: Site): void => site.write('f', '0')

function two(site: Site): void {
  site.write('f', 'f')
  site.write('g', 'g')
}

describe('removed content', () => {
  row('write and remove f ∥ write f: what was removed does not come back', {
    before: file,
    one: (site) => {
      site.write('f', '1')
      site.remove('f')
    },
    other: (site) => site.write('f', '2'),
    then: ['f = 2'],
  })

  row('write f and rename g over it ∥ write f: beside g is what was written, not removed', {
    before: two,
    one: (site) => {
      site.write('f', '1')
      site.rename('g', 'f')
    },
    other: (site) => site.write('f', '2'),
    then: ['f = g', 'f~base = 2'],
  })

  row('write and remove f ∥ rename f to g: g has what it held last', {
    before: file,
    one: (site) => {
      site.write('f', '1')
      site.remove('f')
    },
    other: (site) => site.rename('f', 'g'),
    then: ['g = 1'],
  })

  row('write and remove f ∥ rename f to g and write g: g has what was written to it', {
    before: file,
    one: (site) => {
      site.write('f', '1')
      site.remove('f')
    },
    other: (site) => {
      site.rename('f', 'g')
      site.write('g', '2')
    },
    then: ['g = 2'],
  })

  row('write and remove f ∥ write f and remove f: nothing is left', {
    before: file,
    one: (site) => {
      site.write('f', '1')
      site.remove('f')
    },
    other: (site) => {
      site.write('f', '2')
      site.remove('f')
    },
    then: [],
  })

  row('write and remove f ∥ write f ∥ rename f to g: g has what nobody removed', {
    before: file,
    one: (site) => {
      site.write('f', '1')
      site.remove('f')
    },
    other: (site) => site.write('f', '2'),
    third: (site) => site.rename('f', 'g'),
    then: ['g = 2'],
    and: (site) => assert.equal(readInode(site.state, site.at('g').id)?.removed.length, 1),
  })

  test('what was removed and does not show goes with the next write', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    one.write('f', '0')
    other.receive(one)
    one.write('f', '1')
    one.remove('f')
    other.write('f', '2')
    other.receive(one)
    const { id } = other.at('f')
    assert.equal(readInode(other.state, id)?.removed.length, 1)
    other.write('f', '3')
    assert.equal(readInode(other.state, id)?.removed.length, 0)
    assert.deepEqual(other.shown(), ['f = 3'])
  })

  for (const [how, wallMs] of [
    ['newer', 5000],
    ['older', 500],
  ] as const) {
    test(`does not come back, ${how}, when what stayed instead is removed ∥ renamed`, () => {
      const sites = ['one', 'other', 'third', 'fourth'].map((name) => newSite(name))
      const [one, other, third, fourth] = sites as [Site, Site, Site, Site]
      one.write('f', '0')
      other.receive(one)
      one.wallMs = wallMs
      one.write('f', '1')
      one.remove('f')
      other.wallMs = 1000
      other.write('f', '2')
      for (const site of [third, fourth]) site.receive(one, other)
      third.remove('f')
      fourth.rename('f', 'g')
      for (const site of sites) {
        site.receive(...sites)
        assert.deepEqual(site.shown(), ['g = 2'])
      }
    })
  }

  test('is not found by its dot among the versions that show', () => {
    const sites = ['one', 'other', 'third'].map((name) => newSite(name))
    const [one, other, third] = sites as [Site, Site, Site]
    one.write('f', '0')
    for (const site of [other, third]) site.receive(one)
    one.write('f', '1')
    one.remove('f')
    other.write('f', '2')
    third.write('f', '3')
    third.receive(one, other)
    const { id } = third.at('f')
    const inode = readInode(third.state, id)
    assert(inode?.losers.length === 1, 'two show')
    const [removed] = removedVersions(third.state, id, inode)
    assert(removed !== undefined, 'one does not')
    assert.equal(findVersion(third.state, id, inode, removed.dot), undefined)
    for (const { dot } of versionsOf(third.state, id, inode))
      assert.equal(findVersion(third.state, id, inode, dot)?.dot, dot)
  })
})
