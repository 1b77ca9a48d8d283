// Ids of liars: some that were made before, and ids and dots that the writer cannot have seen.
// Several such ops lead to the same tree on all that hold them, in whatever order they came.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../../../protocol/bytes.ts'
import { emptyChanges } from '../../../protocol/tree/apply.ts'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { nameFromText, parseXattrName } from '../../../protocol/op/names.ts'
import { ROOT, readDir, readInode, readLink } from '../../../protocol/tree/records.ts'
import { anyOrder, inStampOrder } from './script.ts'
import { MemoryState, newSite } from './sites.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { TreeOp } from '../../../protocol/op/op.ts'
import type { Site } from './sites.ts'
import { tries } from '../../effort.ts'

const NAMES = ['a', 'b', 'é', 'é'].map(nameFromText)
const idOf = (kind: string, number: number): NodeId => (kind + number).padEnd(32, '0') as NodeId
const INODES = [0, 1, 2].map((number) => idOf('f', number))
const LINKS = [0, 1, 2].map((number) => idOf('1', number))
const none = new MemoryState()
/** Folders in the root, and in the first of these. */
const [OUTER] = NAMES.map((name) => freshDirId(none, ROOT, name))
const DIRS = [ROOT, OUTER ?? ROOT].flatMap((parent) =>
  NAMES.map((name) => freshDirId(none, parent, name)),
)
// One id is that of a directory, an inode and a link.
INODES.push(OUTER ?? ROOT)
LINKS.push(OUTER ?? ROOT)
const XATTRS = ['user.a', 'user.b'].map(parseXattrName)
const SITES = ['one', 'two', 'three']

const pick = fc.nat(99)
const step = fc.record({
  site: fc.nat(2),
  kind: fc.nat(12),
  picks: fc.tuple(pick, pick, pick, pick),
  hears: fc.integer({ min: 0, max: 12 }),
  /** As whose op this one is made: mostly its own. */
  knows: fc.option(fc.nat(2), { freq: 2 }),
})
const script = fc.array(step, { minLength: 5, maxLength: 60, size: 'max' })
type Script = typeof script extends fc.Arbitrary<infer Steps> ? Steps : never

function of<Item>(items: readonly Item[], at: number): Item {
  return items[at % items.length] ?? assert.fail()
}

/**
 * Any op that names nothing but what this site has heard of, and ids of its own that others may
 * have made up, too.
 */
function opOf(
  site: Site,
  kind: number,
  picks: readonly [number, number, number, number],
): TreeOp[] {
  const { state } = site
  const [x, y, z, w] = picks
  const parent = of([ROOT, ...DIRS.filter((id) => readDir(state, id) !== undefined)], y)
  const place = { parent, name: of(NAMES, z) }
  const [inode, link, dir] = [of(INODES, x), of(LINKS, w), of(DIRS, x)]
  const knowsInode = readInode(state, inode) !== undefined
  const known = readLink(state, link)
  const presence = w % 3 === 0 ? [] : site.dots('link', link)
  switch (kind) {
    case 0:
    case 1: {
      const target = z % 2 === 0 ? undefined : utf8(`target ${w % 3}`)
      return [{ kind: 'create', inode, link, ...place, attributes: { mode: w }, target }]
    }
    case 2:
      return knowsInode ? [{ kind: 'link', inode, link, ...place }] : []
    case 3:
      if (known === undefined) return []
      return [
        { kind: 'move', link, inode: known.inode, from: known.parent, ...place, saw: presence },
      ]
    case 4:
      if (known === undefined) return []
      return [
        {
          kind: 'unlink',
          link,
          inode: known.inode,
          from: known.parent,
          saw: site.dots('link', link),
        },
      ]
    case 5: {
      if (!knowsInode) return []
      const content = { kind: 'inline', bytes: Uint8Array.of(z % 3) } as const
      const touch = known === undefined ? [] : [{ link, saw: presence }]
      const base = site.versions(inode).slice(0, y % 3)
      return [{ kind: 'version', inode, base, size: 1, content, modifiedNs: 0n, touch }]
    }
    case 6:
    case 7:
      return [{ kind: 'mkdir', id: dir, ...place, attributes: { mode: w } }]
    case 8:
      if (readDir(state, dir) === undefined) return []
      return [{ kind: 'rmdir', id: dir, from: ROOT, saw: site.dots('dir', dir) }]
    case 9:
      if (readDir(state, dir) === undefined) return []
      return [{ kind: 'move-dir', id: dir, from: ROOT, ...place, saw: site.dots('dir', dir) }]
    case 10:
    case 11: {
      const id = of([inode, dir], y)
      if (readInode(state, id) === undefined && readDir(state, id) === undefined) return []
      if (kind === 10) return [{ kind: 'attributes', id, attributes: { mode: w, uid: z } }]
      const value = z % 3 === 0 ? undefined : Uint8Array.of(z)
      return [{ kind: 'xattr', id, name: of(XATTRS, w), value }]
    }
    default:
      if (!knowsInode) return []
      return [{ kind: 'drop-version', inode, saw: site.versions(inode).slice(0, 1 + (y % 2)) }]
  }
}

/** The lives of three sites, which hear of each other now and then. */
function lived(steps: Script): Site[] {
  const all = SITES.map(newSite)
  for (const { site: index, kind, picks, hears, knows } of steps) {
    const site = all[index] ?? assert.fail()
    const other = all[hears]
    if (other !== undefined) site.receive(other)
    site.wallMs += picks[0] % 3
    const knowing = knows === null ? site : (all[knows] ?? assert.fail())
    site.submit(...opOf(knowing, kind, picks))
  }
  return all
}

/**
 * All that took part, others that hear of it in other orders, and one that takes late moves at once
 * hold the same.
 */
function checkAlike(all: readonly Site[], seed: number): void {
  for (const site of all) site.receive(...all)
  const ordered = newSite('ordered')
  for (const next of inStampOrder(all)) ordered.apply(next)
  const others = [0, 1, 2].map((number) => {
    const fresh = newSite(`fresh ${number}`)
    for (const next of anyOrder(fresh, all, seed + number)) fresh.apply(next)
    return fresh
  })
  const batched = newSite('batched')
  batched.moves.batch(batched.state, emptyChanges(), () => {
    for (const next of anyOrder(batched, all, seed + others.length)) batched.apply(next)
  })
  const expected = ordered.state.dump()
  for (const site of [...all, ...others, batched])
    assert.equal(site.state.dump(), expected, site.name)
}

test('objects that several make under one id are the same for all, in whatever order', () => {
  let again = 0
  const property = fc.property(script, fc.nat(), (steps, seed) => {
    const all = lived(steps.map((one) => ({ ...one, knows: null })))
    checkAlike(all, seed)
    const made = all.flatMap(({ log }) =>
      log.flatMap(({ op }) => (op.kind === 'create' ? op.link : [])),
    )
    again += made.length - new Set(made).size
  })
  fc.assert(property, { numRuns: tries(60), seed: 1 })
  assert.ok(again > tries(60), `${again} links were made again`)
})

test('an object that its writer has not seen does not exist for anyone, in whatever order', () => {
  fc.assert(
    fc.property(script, fc.nat(), (steps, seed) => checkAlike(lived(steps), seed)),
    { numRuns: tries(100) },
  )
})
