// Concurrent changes of directories (docs/formats/tree.md): a test a row.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isWithin } from '../../../protocol/tree/moves.ts'
import { row } from './rows.ts'
import { newSite } from './sites.ts'
import type { Site } from './sites.ts'

const folders =
  (...paths: readonly string[]) =>
  (site: Site): void => {
    for (const path of paths) site.mkdir(path)
  }

describe('concurrent changes of directories', () => {
  row('3: mkdir d ∥ mkdir d: one directory, the union of both', {
    one: (site) => {
      site.mkdir('d')
      site.mkdir('d/sub')
      site.write('d/sub/a', '1')
    },
    other: (site) => {
      site.mkdir('d')
      site.mkdir('d/sub')
      site.write('d/sub/b', '2')
    },
    then: ['d/', 'd/sub/', 'd/sub/a = 1', 'd/sub/b = 2'],
  })

  row('3: made again after it was removed ∥ the same: one directory', {
    before: (site) => {
      site.mkdir('d')
      site.remove('d')
    },
    one: (site) => {
      site.mkdir('d')
      site.write('d/a', '1')
    },
    other: (site) => {
      site.mkdir('d')
      site.write('d/b', '2')
    },
    then: ['d/', 'd/a = 1', 'd/b = 2'],
  })

  row('16: rmdir D ∥ create in D: D reappears with that only', {
    before: folders('d'),
    one: (site) => site.remove('d'),
    other: (site) => site.write('d/x', '2'),
    then: ['d/', 'd/x = 2'],
  })

  row('16: rmdir D ∥ move x into D: D reappears with x only', {
    before: (site) => {
      site.mkdir('d')
      site.write('x', '0')
    },
    one: (site) => site.remove('d'),
    other: (site) => site.rename('x', 'd/x'),
    then: ['d/', 'd/x = 0'],
  })

  row('17: rm -r D ∥ write D/a/b: D and D/a reappear, holding only b', {
    before: (site) => {
      folders('d', 'd/a')(site)
      site.write('d/a/b', '0')
      site.write('d/a/c', '0')
    },
    one: (site) => {
      for (const path of ['d/a/b', 'd/a/c', 'd/a', 'd']) site.remove(path)
    },
    other: (site) => site.write('d/a/b', '2'),
    then: ['d/', 'd/a/', 'd/a/b = 2'],
  })

  row('18: rmdir D ∥ rename D→E: E is alive', {
    before: folders('d'),
    one: (site) => site.remove('d'),
    other: (site) => site.rename('d', 'e'),
    then: ['e/'],
  })

  row('19: rmdir D ∥ rmdir D: deleted', {
    before: folders('d'),
    one: (site) => site.remove('d'),
    other: (site) => site.remove('d'),
    then: [],
  })

  row('20: moveDir A→B/A ∥ moveDir B→A/B: the smaller stamp applies, the larger does nothing', {
    before: folders('a', 'b'),
    one: (site) => site.rename('a', 'b/a'),
    other: (site) => site.rename('b', 'a/b'),
    then: { oneOlder: ['b/', 'b/a/'], oneNewer: ['a/', 'a/b/'] },
  })

  row('21: moveDir D→X ∥ moveDir D→Y: the larger stamp wins', {
    before: folders('d', 'x', 'y'),
    one: (site) => site.rename('d', 'x/d'),
    other: (site) => site.rename('d', 'y/d'),
    then: { oneOlder: ['x/', 'y/', 'y/d/'], oneNewer: ['x/', 'x/d/', 'y/'] },
  })

  row('22: moveDir D→X ∥ rmdir X: X reappears, holding D', {
    before: folders('d', 'x'),
    one: (site) => site.rename('d', 'x/d'),
    other: (site) => site.remove('x'),
    then: ['x/', 'x/d/'],
  })

  row('23: cycles of three: in the order of stamps, every prefix without a cycle', {
    before: folders('a', 'b', 'c'),
    one: (site) => site.rename('a', 'b/a'),
    other: (site) => site.rename('b', 'c/b'),
    third: (site) => site.rename('c', 'a/c'),
    then: ['c/', 'c/b/', 'c/b/a/'],
  })

  row(
    '24: moveDir D onto the empty E ∥ create in E: E reappears beside D; the older has the name',
    {
      before: (site) => {
        folders('d', 'e')(site)
        site.write('d/x', '0')
      },
      one: (site) => site.rename('d', 'e'),
      other: (site) => site.write('e/y', '2'),
      then: ['e/', 'e/x = 0', 'e~base/', 'e~base/y = 2'],
    },
  )

  test('3: under two spellings of one name at once: the older is where its moves begin', () => {
    const [nfc, nfd] = ['\u00e9', 'e\u0301']
    const [one, other] = [newSite('one'), newSite('other')]
    other.wallMs = 10
    for (const site of [one, other]) site.mkdir('x')
    one.mkdir(nfc)
    other.mkdir(nfd)
    // The other knows by heart where its directories are, before it hears of the older spelling.
    other.mkdir(`${nfd}/inner`)
    other.rename('x', `${nfd}/inner/x`)
    other.receive(one)
    assert.deepEqual(other.shown()[0], `${nfc}/`)
    other.rename(nfd, 'moved')
    one.wallMs = 10
    one.rename(nfc, 'elsewhere')
    one.receive(other)
    other.receive(one)
    assert.equal(one.state.dump(), other.state.dump())
    assert.deepEqual(one.shown(), ['moved/', 'moved/inner/', 'moved/inner/x/'])
  })

  test('33: a move that makes a path longer than 4096 bytes applies everywhere', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    const part = 'p'.repeat(250)
    one.mkdir('top')
    let path = 'deep'
    one.mkdir(path)
    for (let depth = 0; depth < 20; depth++) one.mkdir((path += `/${part}`))
    one.write(`${path}/f`, '0')
    other.receive(one)
    one.rename('deep', 'top/deep')
    other.write(`${path}/g`, '2')
    one.receive(other)
    other.receive(one)
    for (const site of [one, other]) {
      assert.ok(site.find(`top/${path}/f`) && site.find(`top/${path}/g`))
      assert.ok(isWithin(site.state, site.at(`top/${path}`).id, site.at('top').id))
    }
    assert.equal(one.state.dump(), other.state.dump())
  })
})
