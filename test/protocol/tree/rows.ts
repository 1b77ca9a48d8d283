// One row of a table of outcomes: two (or three) sites that share a past do something without
// hearing of each other. Whoever's clock is ahead, and in whichever order the ops come, all end
// with equal records and the stated tree.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkInvariants } from './invariants.ts'
import { newSite } from './sites.ts'
import type { Site } from './sites.ts'

type Act = (site: Site) => void

export interface Row {
  /** The act that all have seen. */
  readonly before?: Act
  readonly one: Act
  readonly other: Act
  readonly third?: Act
  /**
   * The tree when `one` has the older clock, and when it has the newer; one for both if that makes
   * no difference.
   */
  readonly then:
    | readonly string[]
    | { readonly oneOlder: readonly string[]; readonly oneNewer: readonly string[] }
  /** More to check of every replica in the end. */
  readonly and?: (site: Site) => void
}

export function row(name: string, row: Row): void {
  test(name, () => {
    const { then } = row
    const both = 'oneOlder' in then ? then : { oneOlder: then, oneNewer: then }
    check(row, { one: 1000, other: 2000 }, both.oneOlder)
    check(row, { one: 2000, other: 1000 }, both.oneNewer)
  })
}

function check(
  row: Row,
  clocks: { one: number; other: number },
  expected: readonly string[],
): void {
  const base = newSite('base')
  row.before?.(base)
  const makers = [
    { site: newSite('one'), act: row.one, wallMs: clocks.one },
    { site: newSite('other'), act: row.other, wallMs: clocks.other },
    { site: newSite('third'), act: row.third, wallMs: 3000 },
  ].flatMap(({ act, ...rest }) => (act === undefined ? [] : [{ ...rest, act }]))
  for (const { site, act, wallMs } of makers) {
    site.receive(base)
    site.wallMs = wallMs
    act(site)
  }
  const sites = makers.map(({ site }) => site)
  const watchers = permutations(sites).map((order, index) => {
    const watcher = newSite(`watcher${index}`)
    // Each maker's own, one after the other, as far as their common past allows.
    for (const site of order) watcher.receive(base, site)
    return watcher
  })
  for (const site of sites) site.receive(...sites)
  const all = [...sites, ...watchers]
  const log = [base, ...sites].flatMap((site) => site.log)
  const [first] = all
  for (const site of all) {
    assert.deepEqual(site.shown(), expected, site.name)
    assert.equal(site.state.dump(), first?.state.dump(), `the records of ${site.name}`)
    checkInvariants(site, log)
    row.and?.(site)
  }
}

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  )
}
