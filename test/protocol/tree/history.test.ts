// Former versions and removed names are kept as the ops say, in whatever order these came, and for
// as long as the rule of the volume says.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { MINUTE_MS, HOUR_MS } from '../../../protocol/units.ts'
import { dotActor, stampMs } from '../../../protocol/clock/dot.ts'
import type { Dot, Stamp } from '../../../protocol/clock/dot.ts'
import { toByteString } from '../../../protocol/bytes.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import { DEAD_PREFIX, decodeDeadKey, readDead } from '../../../protocol/tree/dead.ts'
import { collisionKey } from '../../../protocol/op/names.ts'
import {
  coveredPrefix,
  decodeCovered,
  decodeGone,
  gonePrefix,
} from '../../../protocol/tree/removals.ts'
import { readDir, readLink } from '../../../protocol/tree/records.ts'
import {
  SUPERSEDED_PREFIX,
  decodeSuperseded,
  inodeOfSuperseded,
  readSuperseded,
} from '../../../protocol/tree/superseded.ts'
import {
  VERSIONS_DEFAULT,
  keptUntilMs,
  longestMs,
  parseVersionRule,
} from '../../../protocol/tree/version-rule.ts'
import { anyOrder, inStampOrder, live, newSites, steps } from './script.ts'
import { contextOf, newSite } from './sites.ts'
import type { LoggedOp, Site } from './sites.ts'
import { plantWeakness } from '../../../protocol/trust.ts'
import { tries } from '../../effort.ts'

const EXAMPLES = [VERSIONS_DEFAULT, '1h:all,1d:1h,30d:1d,1y:1w', '10m:2m', '3m:all']

/** Every version that ops ended, by the ops alone: `inode dot ended how`. */
function endedBy(log: readonly LoggedOp[]): string[] {
  const versions = new Map<Dot, { readonly inode: NodeId; readonly stamp: Stamp }>()
  const ends = new Map<Dot, { ended: Stamp; how: string; isLost: boolean }>()
  for (const logged of log) {
    const { op } = logged
    const { dot, stamp, covers, isAppended } = contextOf(logged)
    if (op.kind !== 'version' && op.kind !== 'drop-version') continue
    if (op.kind === 'version') versions.set(dot, { inode: op.inode, stamp })
    for (const base of op.kind === 'version' ? op.base : op.saw) {
      const version = versions.get(base)
      const isSeen = covers(dotActor(base), Number(base.split(':')[1]))
      if (version === undefined || version.inode !== op.inode || !isSeen) continue
      const goesOn = op.kind === 'version' && op.goesOn === true && isAppended !== true
      const isOwn = dotActor(base) === dotActor(dot)
      const isLost = goesOn && isOwn && minuteOf(version.stamp) === minuteOf(stamp)
      const how = `${op.kind === 'version' ? 'overwritten' : 'dropped'} ${isAppended === true}`
      const known = ends.get(base)
      if (known === undefined) ends.set(base, { ended: stamp, how, isLost })
      else if (isLost) known.isLost = true
    }
  }
  return [...ends]
    .filter(([, { isLost }]) => !isLost)
    .map(([dot, { ended, how }]) => [versions.get(dot)?.inode, dot, hex(ended), how].join(' '))
    .sort()
}

function endedIn({ state }: Site): string[] {
  return state
    .under(SUPERSEDED_PREFIX)
    .map(([key, value]) => {
      const { version, ended, how, isSpared } = decodeSuperseded(value)
      const inode = inodeOfSuperseded(SUPERSEDED_PREFIX + key)
      return [inode, version.dot, hex(ended), how, isSpared].join(' ')
    })
    .sort()
}

/** The removal of each name and folder that is gone: at which op nothing of it was left. */
function removalsIn({ state }: Site): Map<NodeId, Stamp> {
  const found = new Map<NodeId, Stamp>()
  for (const [rest] of state.under(DEAD_PREFIX)) {
    if (/^[xs]/.test(rest)) continue
    const { kind, id } = decodeDeadKey(DEAD_PREFIX + rest)
    if (kind === 'inode') continue
    const stamps = state.under(coveredPrefix({ kind, id })).map(([, value]) => decodeCovered(value))
    const last = stamps.sort().at(-1)
    assert.ok(last !== undefined, `nothing tells what removed ${kind} ${id}`)
    found.set(id, last)
  }
  return found
}

describe('history', () => {
  test('has each version that ops replaced or dropped, and the first to do so', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (script, seed) => {
        const sites = newSites()
        live(sites, script)
        const site = newSite('fresh')
        for (const next of anyOrder(site, sites, seed)) site.apply(next)
        assert.deepEqual(endedIn(site), endedBy(inStampOrder(sites)))
      }),
      { numRuns: tries(100) },
    )
  })

  test('has no version that was purged, though that may come before what ends it', () => {
    fc.assert(
      fc.property(steps, steps, fc.nat(), fc.nat(), (first, second, pick, seed) => {
        const sites = newSites()
        live(sites, first)
        const [liar] = sites
        assert.ok(liar)
        // Also what a file holds, which only who lies names.
        const all = liar.state
          .under('i')
          .flatMap(([key]) => liar.versions(hex(key) as NodeId).map((dot) => [hex(key), dot]))
        const former = liar.state.under(SUPERSEDED_PREFIX).map(([key]) => {
          return [hex(key.slice(0, 16)), key.slice(16)]
        })
        const [inode, dot] =
          [...all, ...former][pick % Math.max(1, all.length + former.length)] ?? []
        fc.pre(inode !== undefined && dot !== undefined)
        const purged = { inode: inode as NodeId, versions: [dot as Dot] }
        liar.submit({ kind: 'purge-versions', ...purged })
        live(sites, second)
        const ordered = newSite('ordered')
        for (const next of inStampOrder(sites)) ordered.apply(next)
        const site = newSite('fresh')
        for (const next of anyOrder(site, sites, seed)) site.apply(next)
        assert.equal(site.state.dump(), ordered.state.dump())
        assert.equal(readSuperseded(site.state, purged.inode, dot as Dot), undefined)
      }),
      { numRuns: tries(100) },
    )
  })

  test('tells of each name that is gone the removal after which it was, in any order', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (script, seed) => {
        const sites = newSites()
        live(sites, script)
        const ordered = newSite('ordered')
        for (const next of inStampOrder(sites)) ordered.apply(next)
        const site = newSite('fresh')
        for (const next of anyOrder(site, sites, seed)) site.apply(next)
        const removals = removalsIn(site)
        assert.deepEqual(removals, removalsIn(ordered))
        for (const [id, stamp] of removals) {
          // In the order of stamps a name went at that op; a folder then or with its last child.
          const dead = readDead(ordered.state, 'link', id)
          if (dead !== undefined) assert.equal(toByteString(dead[1]), stamp)
        }
      }),
      { numRuns: tries(100) },
    )
  })

  test('lists what is gone where it was, and nothing else', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const sites = newSites()
        live(sites, script)
        for (const site of sites) site.receive(...sites)
        for (const { state } of sites) {
          const gone = state.under(DEAD_PREFIX).flatMap(([rest]) => {
            const { kind, id } = decodeDeadKey(DEAD_PREFIX + rest)
            if (/^[xsi]/.test(rest)) return []
            const at = kind === 'dir' ? readDir(state, id) : readLink(state, id)
            assert.ok(at)
            return [`${at.parent} ${collisionKey(at.name)} ${kind} ${id}`]
          })
          const dirs = state.under('d').map(([key]) => hex(key) as NodeId)
          const listed = dirs.flatMap((dir) =>
            state.under(gonePrefix(dir)).map(([rest]) => {
              const { kind, id, collision } = decodeGone(rest)
              return `${dir} ${collision} ${kind} ${id}`
            }),
          )
          assert.deepEqual(listed.sort(), gone.sort())
        }
      }),
      { numRuns: tries(50) },
    )
  })

  test('costs a new file nothing, and one that is written on and on a version a minute', () => {
    const site = newSite('one')
    site.mkdir('d')
    site.write('d/f', '0')
    site.link('d/f', 'd/g')
    assert.equal(site.state.under('r').length, 0)
    const { id } = site.at('d/f')
    for (let at = 1; at <= 30; at++) {
      site.wallMs = at * 10_000
      site.put(id, `${at}`, site.versions(id), true)
    }
    const texts = site.state.under(SUPERSEDED_PREFIX).map(([, value]) => {
      const { content } = decodeSuperseded(value).version
      return content.kind === 'inline' ? Buffer.from(content.bytes).toString() : ''
    })
    assert.deepEqual(texts.sort(), ['5', '11', '17', '23', '29'].sort())
    // Somebody else's version is no part of it, whatever this one says.
    const other = newSite('other')
    other.receive(site)
    other.wallMs = site.wallMs
    other.put(id, 'other', other.versions(id), true)
    assert.equal(other.state.under(SUPERSEDED_PREFIX).length, 6)
    // That is the check that keeps it: without, one member has another's version forgotten.
    const plantedUntil = plantWeakness('goes-on-own')
    try {
      const site = newSite('one more')
      site.receive(other)
      site.wallMs = other.wallMs
      site.put(id, 'gone', site.versions(id), true)
      assert.equal(site.state.under(SUPERSEDED_PREFIX).length, 5)
    } finally {
      plantedUntil()
    }
  })
})

describe('a version rule', () => {
  test('is what people write, or refused', () => {
    for (const text of ['off', ...EXAMPLES]) assert.ok(parseVersionRule(text), text)
    for (const text of [
      '',
      'all',
      '1h',
      '1h:all,1h:1h',
      '1d:1h,1h:all',
      '1d:all,2d:all',
      '1h:2h',
      '1h:all:2h',
      '0h:all',
      '1h:all,',
      '1x:all',
      '99999d:all',
      Array.from({ length: 9 }, (_, at) => `${at + 2}d:${at + 1}h`).join(),
    ])
      assert.equal(parseVersionRule(text), undefined, text)
  })

  test('keeps of each step the state at its end, of recent ones all, and no other', () => {
    const times = fc.array(fc.integer({ min: 1, max: 90 * 24 * 60 }), {
      minLength: 2,
      maxLength: 40,
    })
    fc.assert(
      fc.property(
        times,
        fc.constantFrom(...EXAMPLES),
        fc.nat(90 * 24 * 60),
        (minutes, text, ago) => {
          const rule = parseVersionRule(text) ?? []
          const ends = [...new Set(minutes)].sort((a, b) => a - b).map((at) => at * MINUTE_MS)
          const now = (ends.at(-1) ?? 0) + ago * MINUTE_MS
          // States one after the other: the last stands yet.
          const states = ends.slice(1).map((end, at) => [ends[at] ?? 0, end] as const)
          const expected = states.filter(([began, end]) =>
            rule.some(({ ageMs, stepMs }) => {
              if (stepMs === 0) return end >= now - ageMs
              for (let at = Math.ceil((now - ageMs) / stepMs) * stepMs; at < end; at += stepMs)
                if (at >= began) return true
              return false
            }),
          )
          const kept = states.filter(([began, end]) => keptUntilMs(rule, began, end) >= now)
          assert.deepEqual(kept, expected)
          // A file that was there all the time is kept as long as any of its states.
          const whole = keptUntilMs(rule, ends[0] ?? 0, ends.at(-1) ?? 0)
          for (const [began, end] of states) {
            assert.ok(keptUntilMs(rule, began, end) <= whole)
            assert.ok(keptUntilMs(rule, began, end) <= end + longestMs(rule))
          }
        },
      ),
      { numRuns: tries(200) },
    )
  })

  test('by default keeps what stood for an hour for a month, and what did not for an hour', () => {
    const rule = parseVersionRule(VERSIONS_DEFAULT) ?? []
    const noon = 20_000 * 24 * HOUR_MS + 12 * HOUR_MS
    assert.equal(keptUntilMs(rule, noon + 1, noon + 5 * MINUTE_MS), noon + 65 * MINUTE_MS)
    assert.equal(keptUntilMs(rule, noon - 1, noon + 1), noon + 24 * HOUR_MS)
    const midnight = noon - 12 * HOUR_MS
    assert.equal(keptUntilMs(rule, midnight - 1, noon), midnight + 30 * 24 * HOUR_MS)
    assert.equal(keptUntilMs([], 0, noon), -Infinity)
  })
})

function minuteOf(stamp: Stamp): number {
  return Math.floor(stampMs(stamp) / MINUTE_MS)
}

function hex(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('hex')
}
