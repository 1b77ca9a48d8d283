// A file of about as many names as are looked at when its content changes, with others of the same
// content beside some.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../../../protocol/bytes.ts'
import { NAMES_SHOWN_MAX } from '../../../protocol/limits.ts'
import { readConflictCount } from '../../../protocol/tree/conflict-counts.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT, readInode, readLink } from '../../../protocol/tree/records.ts'
import { anyOrder, inStampOrder } from './script.ts'
import { newSite } from './sites.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { Dot } from '../../../protocol/clock/dot.ts'
import type { Name } from '../../../protocol/op/names.ts'
import type { TreeOp } from '../../../protocol/op/op.ts'
import type { Site } from './sites.ts'
import { tries } from '../../effort.ts'

const SITES = ['one', 'two']
const FILE = 'f'.repeat(32) as NodeId
/**
 * The first and the last names of the file: these have other things beside them, and come and go.
 */
const ENDS = [0, 1, 2, ...Array.from({ length: 10 }, (_, at) => NAMES_SHOWN_MAX - 4 + at)]

const idOf = (kind: number, number: number): NodeId =>
  (kind.toString() + number.toString(16).padStart(3, '0')).padEnd(32, '0') as NodeId

const nameOf = (number: number): Name => nameFromText(`name ${number}`)

function linkOf(number: number): TreeOp {
  return {
    kind: 'link',
    inode: FILE,
    link: idOf(1, number),
    parent: ROOT,
    name: nameOf(number),
  }
}

function contentOf(inode: NodeId, text: number, base: readonly Dot[]): TreeOp {
  const bytes = utf8(`text ${text % 2}`)
  const content = { kind: 'inline', bytes } as const
  return { kind: 'version', inode, base, size: bytes.length, content, modifiedNs: 0n, touch: [] }
}

const step = fc.record({
  site: fc.nat(1),
  kind: fc.nat(5),
  number: fc.constantFrom(...ENDS),
  hears: fc.boolean(),
})

/** The ops on names and contents. */
function opsOf(site: Site, kind: number, number: number): TreeOp[] {
  const link = idOf(1, number)
  switch (kind) {
    case 0:
      return [linkOf(number)]
    case 1: {
      if (readLink(site.state, link) === undefined) return []
      return [{ kind: 'unlink', link, inode: FILE, from: ROOT, saw: site.dots('link', link) }]
    }
    case 2: {
      const other = idOf(2 + SITES.indexOf(site.name), site.log.length)
      const made = { inode: other, link: other, parent: ROOT, name: nameOf(number) }
      const create = { kind: 'create', ...made, attributes: {}, target: undefined } as const
      return [create, contentOf(other, number, [])]
    }
    default:
      return [contentOf(FILE, number, kind === 3 ? [] : site.versions(FILE))]
  }
}

test('of a file with many names all that hold the same ops count the same conflicts', () => {
  const many = { fewer: 0, more: 0 }
  const script = fc.array(step, { minLength: 5, maxLength: 40, size: 'max' })
  const start = fc.integer({ min: NAMES_SHOWN_MAX - 4, max: NAMES_SHOWN_MAX + 4 })
  const property = fc.property(start, script, fc.nat(), (count, steps, seed) => {
    const all = SITES.map(newSite)
    const [one, other] = all as [Site, Site]
    one.submit({
      kind: 'create',
      inode: FILE,
      link: idOf(1, 0),
      parent: ROOT,
      name: nameOf(0),
      attributes: {},
      target: undefined,
    })
    for (let number = 1; number < count; number++) one.submit(linkOf(number))
    other.receive(one)
    for (const { site: index, kind, number, hears } of steps) {
      const site = all[index] ?? one
      if (hears) site.receive(...all)
      site.submit(...opsOf(site, kind, number))
    }
    for (const site of all) site.receive(...all)
    const ordered = newSite('ordered')
    for (const next of inStampOrder(all)) ordered.apply(next)
    const fresh = newSite('fresh')
    for (const next of anyOrder(fresh, all, seed)) fresh.apply(next)
    const expected = ordered.state.dump()
    for (const site of [...all, fresh]) assert.equal(site.state.dump(), expected, site.name)
    const { links } = readInode(ordered.state, FILE) ?? { links: [] }
    many[links.length > NAMES_SHOWN_MAX ? 'more' : 'fewer']++
    assert.ok(readConflictCount(ordered.state) >= 0)
  })
  fc.assert(property, { numRuns: tries(40), seed: 1 })
  assert.ok(many.fewer > 4 && many.more > 4, JSON.stringify(many))
})
