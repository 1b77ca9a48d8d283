// Random lives of a few sites: each does what comes to its mind with what it sees, and hears of the
// others now and then.
import fc from 'fast-check'
import { isWithin } from '../../../protocol/tree/moves.ts'
import { nameFromText, parseXattrName } from '../../../protocol/op/names.ts'
import { ROOT, readDir, readInode } from '../../../protocol/tree/records.ts'
import { moveOps, removeOps } from '../../../node/tree/target-ops.ts'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { newSite } from './sites.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { ViewEntry } from '../../../protocol/tree/view.ts'
import type { LoggedOp, Site } from './sites.ts'

const SITES = 3
/** Some minutes in all: former contents of one minute are not all kept. */
const WALL_STEP_MS = 20_000
/** Two that collide without being equal. */
const NAMES = ['a', 'b', 'c', 'd', '\u00e9', 'e\u0301', `${'l'.repeat(249)}.txt`]

export type Steps = readonly {
  readonly site: number
  readonly action: number
  readonly pick: readonly number[]
  readonly wall: number
  readonly hear: number | null
}[]

export const steps: fc.Arbitrary<Steps> = fc.array(
  fc.record({
    site: fc.nat(SITES - 1),
    action: fc.nat(999),
    pick: fc.array(fc.nat(999), { minLength: 3, maxLength: 3 }),
    wall: fc.nat(20),
    hear: fc.option(fc.nat(SITES - 1)),
  }),
  { maxLength: 60, size: 'max' },
)

export function newSites(): Site[] {
  const sites = Array.from({ length: SITES }, (_, index) => newSite(`site${index}`))
  const last = sites.at(-1)
  if (last !== undefined) last.isAppended = true
  return sites
}

export function live(sites: readonly Site[], script: Steps): void {
  for (const { site: index, action, pick, wall, hear } of script) {
    const site = sites[index]
    const other = hear === null ? undefined : sites[hear]
    if (site === undefined) continue
    if (other !== undefined) site.receive(other)
    site.wallMs = Math.max(site.wallMs, wall * WALL_STEP_MS)
    act(site, action, pick)
  }
}

function of<Item>(items: readonly Item[], index = 0): Item | undefined {
  return items.length === 0 ? undefined : items[index % items.length]
}

function act(site: Site, action: number, [x = 0, y = 0, z = 0]: readonly number[]): void {
  const shown = entriesOf(site)
  const dirs = shown.filter(({ target }) => target.kind === 'dir')
  const file = of(
    shown.filter(({ target }) => target.kind === 'inode'),
    x,
  )
  const parent = of([ROOT, ...dirs.map(({ target }) => target.id)], y) ?? ROOT
  const dir = of(dirs, x)
  const name = nameFromText(of(NAMES, z) ?? 'a')
  const taken = site.entries(parent).find((entry) => entry.name === name)
  switch (action % 12) {
    case 0:
    case 1:
      if (taken !== undefined) return
      return site.submit({
        kind: 'mkdir',
        id: freshDirId(site.state, parent, name),
        parent,
        name,
        attributes: { mode: 0o700 + z },
      })
    case 2:
      if (taken !== undefined) return
      if (x % 7 === 0) site.createIn(parent, name, undefined, { kind: 'fifo', rdev: 0 })
      else site.createIn(parent, name, z % 5 === 0 ? 'target' : undefined)
      return
    case 3:
      return write(site, file, `text ${x % 4}`, y)
    case 4:
      if (file !== undefined && !isCopy(file))
        site.submit(...moveOps(site.state, file.target, parent, name))
      return
    case 5:
    case 6:
      if (dir !== undefined && !isWithin(site.state, parent, dir.target.id))
        site.submit(...moveOps(site.state, dir.target, parent, name))
      return
    case 7:
      if (file !== undefined) site.submit(...removeOps(site.state, file.target))
      return
    case 8:
      if (dir !== undefined && readDir(site.state, dir.target.id)?.visibleChildren === 0)
        site.submit(...removeOps(site.state, dir.target))
      return
    case 9:
    case 10: {
      const { target } = of(shown, x) ?? { target: { id: ROOT } }
      const xattr = parseXattrName(`user.${y % 3}`)
      const value = z % 3 === 0 ? undefined : Uint8Array.of(z % 256)
      return site.submit({ kind: 'xattr', id: target.id, name: xattr, value })
    }
    default:
      if (file !== undefined && z % 2 === 0) site.linkIn(file.target.id, parent, name)
      else if (dir !== undefined)
        site.submit({ kind: 'attributes', id: dir.target.id, attributes: { mode: z } })
  }
}

/** With what a handle saw of its versions. */
function write(site: Site, file: ViewEntry | undefined, text: string, seen: number): void {
  const inode = file === undefined ? undefined : readInode(site.state, file.target.id)
  if (file === undefined || inode === undefined) return
  if (inode.target !== undefined || inode.special !== undefined) return
  const versions = site.versions(file.target.id)
  const base = versions.slice(seen % (versions.length + 1))
  site.put(file.target.id, text, base, seen % 3 === 0)
}

function isCopy({ target }: ViewEntry): boolean {
  return target.kind === 'inode' && target.version !== undefined
}

export function entriesOf(site: Site): ViewEntry[] {
  const out: ViewEntry[] = []
  const open: NodeId[] = [ROOT]
  for (let dir = open.pop(); dir !== undefined; dir = open.pop()) {
    for (const entry of site.entries(dir)) {
      out.push(entry)
      if (entry.target.kind === 'dir') open.push(entry.target.id)
    }
  }
  return out
}

/** All ops of these sites, in an order that respects causality and is otherwise of no kind. */
export function* anyOrder(site: Site, sites: readonly Site[], seed: number): Generator<LoggedOp> {
  let state = seed
  for (;;) {
    const ready = sites.flatMap((other) => {
      const logged = other.log[site.held.get(other) ?? 0]
      return logged !== undefined && site.isNext(logged) ? [logged] : []
    })
    // Numerical Recipes' linear congruential generator.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const next = of(ready, state >>> 8)
    if (next === undefined) return
    yield next
  }
}

/** All ops of these sites in the order of their stamps. */
export function inStampOrder(sites: readonly Site[]): LoggedOp[] {
  return sites
    .flatMap(({ log }) => log)
    .sort((a, b) => {
      if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1
      return a.site.actor < b.site.actor ? -1 : 1
    })
}
