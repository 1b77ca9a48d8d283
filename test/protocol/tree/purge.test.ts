// Forgetting what nobody can speak of any more changes nothing that anybody sees, and is the same
// on all replicas.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SET_LIST_MAX } from '../../../protocol/limits.ts'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import { DEAD_PREFIX } from '../../../protocol/tree/dead.ts'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { MOVE_PREFIX } from '../../../protocol/tree/moves.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { GARBAGE_PREFIXES, garbageOf, purge } from '../../../protocol/tree/purge.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { parseVersionRule } from '../../../protocol/tree/version-rule.ts'
import type { VersionRule } from '../../../protocol/tree/version-rule.ts'
import { checkInvariants } from './invariants.ts'
import { anyOrder, inStampOrder, live, newSites, steps } from './script.ts'
import { newSite } from './sites.ts'
import { HLC_ZERO, hlcMillis } from '../../../protocol/clock/hlc.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId, NodeId } from '../../../protocol/ids.ts'
import type { Garbage, PurgeLimits, Retention } from '../../../protocol/tree/purge.ts'
import type { LoggedOp, Site } from './sites.ts'
import { tries } from '../../effort.ts'

const MAX = (1n << 64n) - 1n

function garbageIn({ state }: Site, limits: Partial<PurgeLimits> = {}): Garbage[] {
  const all = {
    deadBy: MAX as Hlc,
    lostBy: undefined,
    history: keptBy([[], []], MAX as Hlc),
    ...limits,
  }
  return GARBAGE_PREFIXES.flatMap((prefix) =>
    state.under(prefix).flatMap(([key, value]) => garbageOf(state, [prefix + key, value], all)),
  )
}

function keptBy([rule, moments, spared]: Kept, at: Hlc): Retention {
  const sparedUpTo = (spared === undefined ? MAX : at > spared ? at - spared : 0n) as Hlc
  return { eras: [{ rule, untilMs: hlcMillis(at) }], at, moments, sparedUpTo }
}

/** A rule, the moments of mass losses, and for how long what an appender ended is kept. */
type Kept = readonly [VersionRule, readonly Hlc[], bigint?]

const rules: fc.Arbitrary<Kept> = fc.tuple(
  fc.constantFrom(...['off', '1m:all', '2m:all,5m:2m'].map((text) => parseVersionRule(text) ?? [])),
  fc.array(fc.bigInt(0n, 400_000n << 16n), { maxLength: 2 }) as fc.Arbitrary<Hlc[]>,
  fc.bigInt(0n, 400_000n << 16n),
)

function lastHlc(ops: readonly LoggedOp[]): Hlc {
  return ops.reduce((last, { hlc }) => (hlc > last ? hlc : last), 0n as Hlc)
}

/** The state at a cut, as all replicas compute it. */
function stateAt(sites: readonly Site[], cut: Hlc): Site {
  const site = newSite('cut')
  for (const next of inStampOrder(sites)) if (next.hlc <= cut) site.apply(next)
  forget(site, cut)
  return site
}

function forget(site: Site, cut: Hlc): void {
  site.moves.forget(site.state, makeStamp(cut, 'f'.repeat(32) as ActorId, 0xffff))
}

describe('purge', () => {
  test('then further ops is further ops then purge, on every replica', () => {
    fc.assert(
      fc.property(steps, steps, steps, fc.nat(), rules, (first, second, third, seed, rule) => {
        const sites = newSites()
        live(sites, first)
        // V: all have seen all. What is made from here on has.
        for (const site of sites) site.receive(...sites)
        const deadBy = lastHlc(sites.flatMap(({ log }) => log))
        live(sites, second)
        // W: a cut through what was made since, which not all have seen.
        const cut = lastHlc(sites[0]?.log ?? []) > deadBy ? lastHlc(sites[0]?.log ?? []) : deadBy
        live(sites, third)
        const all = inStampOrder(sites)

        const purged = stateAt(sites, cut)
        const garbage = garbageIn(purged, { deadBy, history: keptBy(rule, cut) })
        purge(purged.state, garbage)
        for (const next of all) if (next.hlc > cut) purged.apply(next)

        const later = newSite('later')
        for (const next of all) later.apply(next)
        forget(later, cut)
        const shown = later.shown()
        purge(later.state, garbage)
        assert.deepEqual(later.shown(), shown)
        assert.equal(later.state.dump({ dead: true }), purged.state.dump({ dead: true }))

        const live1 = livePurged(sites, cut, garbage, seed)
        assert.equal(live1.state.dump(), purged.state.dump())
        for (const site of [purged, live1]) {
          assert.deepEqual(site.shown(), shown)
          checkInvariants(site, all)
        }
      }),
      { numRuns: tries(25) },
    )
  })

  test('at two cuts is purge at the last', () => {
    fc.assert(
      fc.property(steps, steps, rules, (first, second, rule) => {
        const sites = newSites()
        live(sites, first)
        for (const site of sites) site.receive(...sites)
        const one = lastHlc(sites.flatMap(({ log }) => log))
        live(sites, second)
        for (const site of sites) site.receive(...sites)
        const two = lastHlc(sites.flatMap(({ log }) => log))

        const twice = stateAt(sites, one)
        purge(twice.state, garbageIn(twice, { deadBy: one, history: keptBy(rule, one) }))
        for (const next of inStampOrder(sites)) if (next.hlc > one) twice.apply(next)
        const once = stateAt(sites, two)
        for (const site of [twice, once]) {
          forget(site, two)
          purge(site.state, garbageIn(site, { deadBy: two, history: keptBy(rule, two) }))
        }
        assert.equal(twice.state.dump({ dead: true }), once.state.dump({ dead: true }))
      }),
      { numRuns: tries(25) },
    )
  })

  test('of a folder that stays although one removed it keeps that until the folder may go', () => {
    const sites = newSites()
    const [one, other] = sites
    assert.ok(one !== undefined && other !== undefined)
    for (const site of [one, other]) site.mkdir('d')
    one.remove('d')
    for (const site of sites) site.receive(...sites)
    const cut = lastHlc(one.log)
    one.remove('d')
    for (const site of sites) site.receive(...sites)
    const rule: Kept = [parseVersionRule('1m:all') ?? [], []]
    const end = lastHlc(one.log)
    const purged = [[cut, end], [end]].map((cuts) => {
      const site = newSite('cut')
      let from = HLC_ZERO
      for (const at of cuts) {
        for (const next of inStampOrder(sites))
          if (next.hlc > from && next.hlc <= at) site.apply(next)
        forget(site, at)
        purge(site.state, garbageIn(site, { deadBy: at, history: keptBy(rule, at) }))
        from = at
      }
      return site.state.dump({ dead: true })
    })
    assert.equal(purged[0], purged[1])
  })

  test('leaves nothing of what was removed but which ids of directories were in use', () => {
    const site = newSite('one')
    site.write('kept', '1')
    const before = site.state.under('')
    for (let round = 0; round < 3; round++) {
      site.mkdir('d')
      site.mkdir('d/e')
      site.write('d/e/f', '1')
      site.link('d/e/f', 'other name')
      site.rename('d/e', 'e')
      site.rename('e', 'd/e')
      site.setXattr('d/e', 'user.a', '1')
      site.setXattr('d/e/f', 'user.a', '1')
      site.setXattr('d/e/f', 'user.b', '1')
      site.setXattr('d/e/f', 'user.b', undefined)
      site.setXattr('kept', 'user.a', '1')
      site.setXattr('kept', 'user.a', undefined)
      for (const path of ['d/e/f', 'other name', 'd/e', 'd']) site.remove(path)
    }
    forget(site, site.hlc)
    purge(site.state, garbageIn(site))
    const left = site.state.under('').filter(([key]) => !key.startsWith('y'))
    assert.deepEqual(
      left.map(([key]) => key),
      before.map(([key]) => key),
    )
    // One of the root's `d`, and of each `d` its `e`.
    assert.equal(site.state.under('y').length, 4)
  })

  test('leaves nothing of what so many made that a record of it alone does not hold them', () => {
    const site = newSite('one')
    const before = site.state.under('')
    const others = Array.from({ length: 3 * SET_LIST_MAX }, (_, at) => newSite(`other ${at}`))
    for (const other of others) other.mkdir('d')
    const [inode, link] = ['1', '2'].map((char) => char.repeat(32) as NodeId)
    if (inode === undefined || link === undefined) return assert.fail()
    const place = { parent: ROOT, name: nameFromText('f'), attributes: {}, target: undefined }
    for (const other of others) other.submit({ kind: 'create', inode, link, ...place })
    site.receive(...others)
    for (const path of ['d', 'f']) site.remove(path)
    forget(site, site.hlc)
    purge(site.state, garbageIn(site))
    const left = site.state.under('').filter(([key]) => !key.startsWith('y'))
    assert.deepEqual(
      left.map(([key]) => key),
      before.map(([key]) => key),
    )
  })

  test('a directory never gets the id of one that was purged', () => {
    const site = newSite('one')
    const ids = new Set<string>()
    for (let round = 0; round < 40; round++) {
      site.mkdir('d')
      ids.add(site.at('d').id)
      if (round % 7 === 3) site.rename('d', `moved${round}`)
      else site.remove('d')
      if (round % 5 === 4) purge(site.state, garbageIn(site))
    }
    assert.equal(ids.size, 40)
    assert.equal(site.state.under('y').length, 1)
    // Whoever makes up the last id of a name has not used the name up.
    const name = nameFromText('d')
    const last = `${freshDirId(site.state, ROOT, name).slice(0, 24)}ffffffff`
    const id = last as ReturnType<typeof freshDirId>
    const [dot] = [...ids]
    assert.ok(dot)
    site.submit({ kind: 'mkdir', id, parent: ROOT, name, attributes: {} })
    site.remove('d')
    purge(site.state, garbageIn(site))
    site.mkdir('d')
    assert.ok(!ids.has(site.at('d').id))
    site.submit({ kind: 'mkdir', id, parent: ROOT, name: nameFromText('again'), attributes: {} })
    assert.equal(site.find('again'), undefined)
  })

  test('ops that name what was purged do nothing', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    one.mkdir('d')
    one.write('d/f', '1')
    other.receive(one)
    one.remove('d/f')
    one.remove('d')
    purge(one.state, garbageIn(one))
    const before = one.state.dump({ dead: true })
    // Made by one who had not heard: in a cut these are not possible any more.
    other.write('d/f', '2')
    other.write('d/g', '2')
    other.set('d', { mode: 0 })
    other.setXattr('d', 'user.a', '1')
    other.setXattr('d/f', 'user.a', undefined)
    other.link('d/f', 'd/h')
    other.rename('d/f', 'd/i')
    other.mkdir('d/sub')
    other.rename('d', 'e')
    other.remove('e/sub')
    one.receive(other)
    assert.equal(one.state.dump({ dead: true }), before)
  })

  test('a removal of an xattr is kept until nobody can have missed it, and one that was made again stays', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    one.write('f', '1')
    one.setXattr('f', 'user.a', '1')
    other.receive(one)
    other.setXattr('f', 'user.a', '2')
    one.wallMs = 9
    one.setXattr('f', 'user.a', undefined)
    const { hlc } = one
    purge(one.state, garbageIn(one, { deadBy: (hlc - 1n) as Hlc }))
    const garbage = garbageIn(one, { deadBy: hlc })
    assert.equal(garbage.length, 1)
    one.receive(other)
    assert.deepEqual(one.xattrs('f'), [])
    one.setXattr('f', 'user.a', '3')
    purge(one.state, garbage)
    assert.deepEqual(one.xattrs('f'), ['user.a=3'])
    one.setXattr('f', 'user.a', undefined)
    purge(one.state, garbage)
    assert.equal(garbageIn(one).length, 1)
    purge(one.state, garbageIn(one))
    assert.equal(one.state.under(DEAD_PREFIX).length, 0)
  })

  test('objects hidden after the last cut, or visible again, stay', () => {
    const site = newSite('one')
    site.write('early', '1')
    site.write('back', '1')
    site.remove('early')
    const { hlc } = site
    site.write('late', '1')
    site.remove('late')
    // A link, its inode, and by what they went.
    assert.equal(garbageIn(site, { deadBy: hlc }).length, 3)
    const garbage = garbageIn(site)
    assert.equal(garbage.length, 6)
    const revived = newSite('other')
    revived.receive(site)
    const [dead] = site.log
    assert.ok(dead?.op.kind === 'create')
    const { link, inode } = dead.op
    const name = nameFromText('again')
    revived.submit({ kind: 'move', link, inode, from: ROOT, parent: ROOT, name, saw: [] })
    purge(revived.state, garbage)
    assert.deepEqual(revived.shown(), ['again = 1', 'back = 1'])
    assert.equal(revived.state.under(DEAD_PREFIX).length, 0)
  })

  test('a directory that a void move named stays: who knows less than all sees something in it', () => {
    const base = newSite('base')
    for (const path of ['z', 'z/d', 'x']) base.mkdir(path)
    const [a, b, c] = [newSite('a'), newSite('b'), newSite('c')]
    for (const site of [a, b, c]) site.receive(base)
    a.remove('z/d')
    const deadBy = a.hlc
    c.receive(a)
    a.rename('z', 'x/z')
    b.wallMs = 9
    b.rename('x', 'z/d/x')
    c.receive(b)
    assert.deepEqual(c.shown(), ['z/', 'z/d/', 'z/d/x/'])
    c.write('z/d/f', '1')

    const sites = [base, a, b, c]
    const cut = stateAt(sites, b.hlc)
    purge(cut.state, garbageIn(cut, { deadBy }))
    cut.receive(...sites)
    assert.deepEqual(cut.shown(), ['x/', 'x/z/', 'x/z/d/', 'x/z/d/f = 1'])
  })

  test('with lww forgets contents that lost and are older than the grace, and never the one that shows', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    one.write('f', '0')
    other.receive(one)
    one.write('f', 'lost')
    const lost = one.hlc
    other.wallMs = 50
    other.write('f', 'newest')
    one.receive(other)
    const limits = { deadBy: one.hlc, lostBy: (lost - 1n) as Hlc }
    purge(one.state, garbageIn(one, limits))
    assert.deepEqual(one.shown(), ['f = newest', 'f~one = lost'])
    purge(one.state, garbageIn(one, { ...limits, lostBy: one.hlc }))
    assert.deepEqual(one.shown(), ['f = newest'])
    assert.equal(one.versions(one.at('f').id).length, 1)
    checkInvariants(one, [])
  })
})

describe('moves', () => {
  test('below a stable cut are forgotten, and later ones go on from there', () => {
    const [one, other] = [newSite('one'), newSite('other')]
    for (const name of ['a', 'b', 'c']) one.mkdir(name)
    one.rename('a', 'b/a')
    other.receive(one)
    forget(one, one.hlc)
    assert.equal(one.state.under(MOVE_PREFIX).length, 0)
    one.rename('b', 'c/b')
    other.wallMs = 9
    other.rename('c', 'b/a/c')
    one.receive(other)
    other.receive(one)
    assert.deepEqual(one.shown(), ['c/', 'c/b/', 'c/b/a/'])
    forget(one, one.hlc)
    forget(other, one.hlc)
    assert.equal(one.state.dump(), other.state.dump())
  })
})

/**
 * A replica that hears of everything in some order, and purges some time after it holds the cut.
 */
function livePurged(
  sites: readonly Site[],
  cut: Hlc,
  garbage: readonly Garbage[],
  seed: number,
): Site {
  const site = newSite('live')
  let missing = inStampOrder(sites).filter(({ hlc }) => hlc <= cut).length
  let wait = seed % 5
  let isPurged = false
  for (const next of anyOrder(site, sites, seed)) {
    site.apply(next)
    if (next.hlc <= cut) missing--
    if (missing === 0 && wait-- <= 0 && !isPurged) {
      purge(site.state, garbage)
      isPurged = true
    }
  }
  if (!isPurged) purge(site.state, garbage)
  forget(site, cut)
  return site
}
