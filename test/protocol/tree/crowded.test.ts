// Trees of which everything is in one place: more things under one name, names of one file,
// contents of it, and ops on it than one record holds. They are as any others: equal on all that
// hold the same ops, and nothing is lost.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readConflictCount } from '../../../protocol/tree/conflict-counts.ts'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { emptyChanges } from '../../../protocol/tree/apply.ts'
import { childPrefix } from '../../../protocol/tree/children.ts'
import { NAMES_SHOWN_MAX } from '../../../protocol/limits.ts'
import { nameFromText, nameText, parseXattrName } from '../../../protocol/op/names.ts'
import { GARBAGE_PREFIXES, garbageOf, purge } from '../../../protocol/tree/purge.ts'
import { NODE_PREFIX } from '../../../protocol/tree/record-set.ts'
import { ROOT, readDir, readInode, readLink } from '../../../protocol/tree/records.ts'
import { hiddenUnder, lookupName, shownDirName } from '../../../protocol/tree/view.ts'
import { anyOrder, inStampOrder } from './script.ts'
import { MemoryState, newSite } from './sites.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { TreeOp } from '../../../protocol/op/op.ts'
import type { Site } from './sites.ts'
import { tries } from '../../effort.ts'

/** Nothing is kept. */
const FORGOTTEN = [{ rule: [], untilMs: Infinity }]

const PLAIN = nameFromText('same')
const FILE = 'f'.repeat(32) as NodeId
const LONG = nameFromText(`${'long'.repeat(60)}.txt`)

const idOf = (kind: number, number: number): NodeId =>
  (kind.toString(16).padStart(4, '0') + number.toString(16).padStart(28, '0')) as NodeId

const dirId = (number: number): NodeId => {
  const slot = freshDirId(new MemoryState(), ROOT, number % 3 === 0 ? LONG : PLAIN).slice(0, 24)
  return (slot + number.toString(16).padStart(8, '0')) as NodeId
}

/**
 * The number of ids: so few that one site makes ids that another may have made, and names again.
 */
const NUMBERS = 120
const SITES = ['one', 'two', 'three']

/** An op on what is crowded, as anybody might make it who breaks no rule of the format. */
function opOf(site: Site, kind: number, number: number, some: number): TreeOp[] {
  return anyOp(site, kind, number, some).filter((op) => isKnown(site, op))
}

/** Nobody names what he has not heard of. */
function isKnown({ state }: Site, op: TreeOp): boolean {
  switch (op.kind) {
    case 'move':
    case 'unlink':
      return readLink(state, op.link) !== undefined
    case 'move-dir':
    case 'rmdir':
      return readDir(state, op.id) !== undefined
    case 'version':
      return op.touch.every(({ link }) => readLink(state, link) !== undefined)
    default:
      return true
  }
}

function anyOp(site: Site, kind: number, number: number, some: number): TreeOp[] {
  const file = readInode(site.state, FILE)
  const name = some % 3 === 0 ? LONG : PLAIN
  const target = undefined
  const fresh = (of: number): NodeId => idOf(of, number * 3 + SITES.indexOf(site.name))
  const place = { parent: ROOT, name }
  switch (kind) {
    case 0: {
      // Whoever makes the same directory calls it alike.
      const made = { parent: ROOT, name: number % 3 === 0 ? LONG : PLAIN }
      return [{ kind: 'mkdir', id: dirId(number), ...made, attributes: {} }]
    }
    case 1:
      return [
        {
          kind: 'create',
          inode: fresh(1),
          link: fresh(2),
          ...place,
          attributes: {},
          target,
        },
      ]
    case 2:
      return [
        {
          kind: 'link',
          inode: FILE,
          link: fresh(3),
          ...place,
          name: nameFromText(`l${number}`),
        },
      ]
    case 3: {
      const link = idOf(some % 2 === 0 ? 2 : 3, number * 3 + (some % 3))
      const saw = some % 5 === 0 ? [] : site.dots('link', link)
      return [{ kind: 'move', link, inode: FILE, from: ROOT, ...place, saw }]
    }
    case 4: {
      const link = idOf(some % 2 === 0 ? 2 : 3, number * 3 + (some % 3))
      return [{ kind: 'unlink', link, inode: FILE, from: ROOT, saw: site.dots('link', link) }]
    }
    case 5: {
      if (file === undefined) return []
      const base = site.versions(FILE).filter((_, at) => at % 7 === some % 9)
      const content = { kind: 'inline', bytes: Uint8Array.of(number % 50) } as const
      const touch = [{ link: idOf(3, some * 3), saw: site.dots('link', idOf(3, some * 3)) }]
      return [{ kind: 'version', inode: FILE, base, size: 1, content, modifiedNs: 0n, touch }]
    }
    case 6:
      return [
        {
          kind: 'drop-version',
          inode: FILE,
          saw: site.versions(FILE).slice(some % 40, (some % 40) + 3),
        },
      ]
    case 7: {
      const value = some % 4 === 0 ? undefined : Uint8Array.of(some)
      return [{ kind: 'xattr', id: FILE, name: parseXattrName(`user.${number}`), value }]
    }
    case 8: {
      const id = dirId(number)
      return [{ kind: 'rmdir', id, from: ROOT, saw: site.dots('dir', id) }]
    }
    default: {
      const id = dirId(number)
      const to = nameFromText(`moved${some % 3}`)
      return [
        {
          kind: 'move-dir',
          id,
          from: ROOT,
          parent: ROOT,
          name: some % 2 === 0 ? to : PLAIN,
          saw: [],
        },
      ]
    }
  }
}

const step = fc.record({
  site: fc.nat(2),
  kind: fc.nat(9),
  number: fc.nat(NUMBERS - 1),
  some: fc.nat(NUMBERS - 1),
  hears: fc.integer({ min: 0, max: 60 }),
})

/** A beginning that is crowded, and then whatever. */
const script = fc.tuple(
  fc.constantFrom(0, 1, 2, 5, 7),
  fc.array(step, { minLength: 150, maxLength: 400, size: 'max' }),
)

function crowd(site: Site, kind: number): void {
  const create = { kind: 'create', inode: FILE, link: FILE, parent: ROOT } as const
  site.submit({ ...create, name: nameFromText('file'), attributes: {}, target: undefined })
  for (let number = 0; number < NUMBERS; number++) site.submit(...opOf(site, kind, number, number))
}

describe('crowded trees', () => {
  test('are equal on all that hold the same ops, whatever the order, and have all there is', () => {
    let [large, hidden] = [0, 0]
    const property = fc.property(script, fc.nat(), ([kind, steps], seed) => {
      const all = SITES.map(newSite)
      const [first] = all
      assert.ok(first)
      crowd(first, kind)
      for (const site of all) site.receive(first)
      for (const { site: index, kind: what, number, some, hears } of steps) {
        const site = all[index] ?? first
        if (hears < 3) site.receive(all[hears] ?? first)
        site.submit(...opOf(site, what, number, some))
      }
      for (const site of all) site.receive(...all)
      const ordered = newSite('ordered')
      for (const next of inStampOrder(all)) ordered.apply(next)
      const fresh = newSite('fresh')
      for (const next of anyOrder(fresh, all, seed)) fresh.apply(next)
      const batched = newSite('batched')
      batched.moves.batch(batched.state, emptyChanges(), () => {
        for (const next of anyOrder(batched, all, seed + 1)) batched.apply(next)
      })
      const expected = ordered.state.dump()
      for (const site of [...all, fresh, batched])
        assert.ok(site.state.dump() === expected, site.name)
      large += ordered.state.under(NODE_PREFIX).length
      hidden += checkAllIsFound(ordered)
      const limits = {
        deadBy: ordered.hlc,
        lostBy: ordered.hlc,
        history: { eras: FORGOTTEN, at: ordered.hlc, moments: [], sparedUpTo: undefined },
      }
      const garbage = GARBAGE_PREFIXES.flatMap((prefix) =>
        ordered.state
          .under(prefix)
          .flatMap(([key, value]) => [...garbageOf(ordered.state, [prefix + key, value], limits)]),
      )
      purge(ordered.state, garbage)
      checkAllIsFound(ordered)
      assert.equal(ordered.versions(FILE).length <= 1, true)
    })
    fc.assert(property, { numRuns: tries(10), seed: 5, endOnFailure: true })
    assert.ok(large > 150 && hidden > 50, `${large} records of large sets, ${hidden} hidden`)
  })

  test('show as much under one name as is shown, and the rest is found by its id', () => {
    const site = newSite('one')
    crowd(site, 0)
    const shown = site.entries(ROOT).filter(({ name }) => nameText(name).startsWith('same'))
    assert.equal(shown.length, NAMES_SHOWN_MAX)
    const hidden = [...hiddenUnder(site.state, ROOT, PLAIN, site.authorName)]
    assert.equal(shown.length + hidden.length, 80)
    for (const { name, target } of hidden) {
      assert.deepEqual(lookupName(site.state, ROOT, name, site.authorName)?.target, target)
      const dir = readDir(site.state, target.id)
      assert.ok(dir)
      assert.equal(shownDirName(site.state, target.id, dir, site.authorName), name)
    }
    site.remove('same')
    const next = site.entries(ROOT).filter(({ name }) => nameText(name).startsWith('same'))
    assert.equal(next.length, NAMES_SHOWN_MAX)
  })

  test("a name that would be hidden cannot be had by giving its copies' names to files", () => {
    const [one, other] = ['one', 'other'].map(newSite) as [Site, Site]
    one.write('f', '1')
    other.write('f', '2')
    one.receive(other)
    for (let tries = 0; tries < 20; tries++) {
      const copy = one.entries(ROOT).find(({ name }) => nameText(name).includes('conflict'))
      if (copy === undefined) break
      one.createIn(ROOT, copy.name)
      const names = one.entries(ROOT).map(({ name }) => name)
      assert.equal(new Set(names).size, names.length)
    }
    const [hidden] = hiddenUnder(one.state, ROOT, nameFromText('f'), one.authorName)
    assert.ok(hidden)
    assert.deepEqual(
      lookupName(one.state, ROOT, hidden.name, one.authorName)?.target,
      hidden.target,
    )
  })
})

/**
 * Everything under each name is found by the name that it has there. returns how many do not show.
 */
function checkAllIsFound(site: Site): number {
  const { state, authorName } = site
  const shown = site.entries(ROOT)
  let [count, copies] = [0, shown.length]
  for (const { name, target } of shown)
    assert.deepEqual(lookupName(state, ROOT, name, authorName)?.target, target)
  const keys = state.under(childPrefix(ROOT))
  for (const [key] of keys) {
    for (const { name, target } of hiddenUnder(state, ROOT, key as typeof PLAIN, authorName)) {
      assert.deepEqual(lookupName(state, ROOT, name, authorName)?.target, target)
      if (target.kind === 'inode') assert.ok((readLink(state, target.link)?.live.length ?? 0) > 0)
      count++
    }
  }
  copies += count - keys.length
  assert.equal(readConflictCount(state), copies, 'conflict copies')
  return count
}
