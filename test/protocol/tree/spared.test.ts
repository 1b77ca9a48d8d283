// The past that an appender ended is kept whatever the rule of the volume, until a cut lies far
// enough back that had it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import { GARBAGE_PREFIXES, garbageOf, purge } from '../../../protocol/tree/purge.ts'
import { readDir, readInode, readLink } from '../../../protocol/tree/records.ts'
import { SPARED_MS_MIN, sparedUpTo, thinnedCuts } from '../../../protocol/tree/spared.ts'
import { SUPERSEDED_PREFIX } from '../../../protocol/tree/superseded.ts'
import { parseVersionRule } from '../../../protocol/tree/version-rule.ts'
import { plantWeakness } from '../../../protocol/trust.ts'
import { DAY_MS } from '../../../protocol/units.ts'
import { newSite } from './sites.ts'
import type { Site } from './sites.ts'

const ALL = ((1n << 64n) - 1n) as Hlc

/** A volume that keeps nothing forgets all it may; spared: up to which clock that is over. */
function forget({ state }: Site, spared: Hlc): void {
  const eras = [{ rule: [], untilMs: Infinity }]
  const history = { eras, at: ALL, moments: [], sparedUpTo: spared }
  const limits = { deadBy: ALL, lostBy: undefined, history }
  for (const prefix of GARBAGE_PREFIXES)
    for (const [key, value] of state.under(prefix))
      purge(state, garbageOf(state, [prefix + key, value], limits))
}

function clockOf(ms: number): Hlc {
  return (BigInt(ms) << 16n) as Hlc
}

/** A writer with a folder of two files, and an appender that has seen it. */
function pair(): { writer: Site; appender: Site } {
  const [writer, appender] = [newSite('writer'), newSite('appender')]
  appender.isAppended = true
  writer.mkdir('d')
  writer.write('d/f', 'first')
  writer.write('d/g', 'first')
  appender.receive(writer)
  return { writer, appender }
}

function formerOf({ state }: Site): number {
  return state.under(SUPERSEDED_PREFIX).length
}

describe('what an appender ends', () => {
  test('is kept where nothing else is, with its folder, until that is over', () => {
    const { appender } = pair()
    const [f, g] = ['d/f', 'd/g'].map((path) => appender.at(path))
    const dir = appender.at('d')
    assert.ok(f?.kind === 'inode' && g?.kind === 'inode' && dir.kind === 'dir')
    appender.write('d/f', 'second')
    for (const path of ['d/f', 'd/g', 'd']) appender.remove(path)
    forget(appender, HLC_ZERO)
    const { state } = appender
    assert.equal(formerOf(appender), 1)
    for (const { id, link } of [f, g]) assert.ok(readInode(state, id) && readLink(state, link))
    assert.ok(readDir(state, dir.id))
    forget(appender, appender.hlc)
    assert.equal(formerOf(appender), 0)
    for (const { id, link } of [f, g])
      assert.ok(!readInode(state, id) && readLink(state, link) === undefined)
    assert.equal(readDir(state, dir.id), undefined)
    assert.deepEqual(state.under('q'), [])
  })

  test('has its place as long, whoever removes the rest', () => {
    const { writer, appender } = pair()
    const target = writer.at('d/f')
    assert.ok(target.kind === 'inode')
    appender.write('d/f', 'second')
    writer.receive(appender)
    writer.write('d/f', 'third')
    for (const path of ['d/f', 'd/g', 'd']) writer.remove(path)
    forget(writer, HLC_ZERO)
    assert.equal(formerOf(writer), 1, 'what the appender replaced, not what it wrote')
    assert.ok(readLink(writer.state, target.link) && readInode(writer.state, target.id))
  })

  test('of a writer beside it goes by the rule of the volume', () => {
    const { writer } = pair()
    writer.write('d/f', 'second')
    for (const path of ['d/f', 'd/g', 'd']) writer.remove(path)
    forget(writer, writer.hlc)
    assert.equal(formerOf(writer), 0)
    assert.deepEqual(writer.state.under('q'), [])
  })

  test('is in history even where it writes on through a file that it has open', () => {
    const ends = [true, false].map((isAppended) => {
      const site = newSite('on and on')
      site.isAppended = isAppended
      const inode = site.create('f')
      site.put(inode, 'first', [])
      site.put(inode, 'second', site.versions(inode), true)
      return formerOf(site)
    })
    assert.deepEqual(ends, [1, 0])
    const plantedUntil = plantWeakness('appends-only')
    const { appender } = pair()
    appender.write('d/f', 'second')
    plantedUntil()
    forget(appender, HLC_ZERO)
    assert.equal(formerOf(appender), 0)
  })
})

describe('the time for which it is kept', () => {
  const cuts = fc
    .array(fc.nat(400), { maxLength: 40 })
    .map((days) => days.sort((a, b) => a - b).map((day) => clockOf(day * DAY_MS)))

  test('goes by a cut before, never by one that is younger than the rule', () => {
    fc.assert(
      fc.property(cuts, fc.nat(500), (past, day) => {
        const at = clockOf(day * DAY_MS)
        for (const [text, days] of [
          ['off', 30],
          ['1h:all,1d:1h,30d:1d', 30],
          ['1h:all,90d:1d', 90],
        ] as const) {
          const rule = parseVersionRule(text) ?? []
          const upTo = sparedUpTo(past, [{ rule, untilMs: day * DAY_MS }])
          assert.ok(upTo === HLC_ZERO || past.includes(upTo))
          assert.ok(upTo === HLC_ZERO || at - upTo >= clockOf(days * DAY_MS))
          for (const cut of past) assert.ok(cut <= upTo || at - cut < clockOf(days * DAY_MS))
        }
      }),
    )
    assert.equal(SPARED_MS_MIN, 30 * DAY_MS)
  })

  test('is the same from whatever state the next one is computed', () => {
    fc.assert(
      fc.property(cuts, fc.array(fc.nat(40), { maxLength: 4 }), (past, stops) => {
        let thinned: readonly Hlc[] = []
        let from = 0
        for (const stop of [...stops.sort((a, b) => a - b), past.length]) {
          thinned = thinnedCuts([...thinned, ...past.slice(from, stop)])
          from = Math.max(from, stop)
        }
        assert.deepEqual(thinned, thinnedCuts(past))
        const last = past.at(-1)
        assert.ok(last === undefined || thinned.at(-1) === last)
        assert.ok(thinned.length <= 400 / 7 + 2)
      }),
    )
  })
})
