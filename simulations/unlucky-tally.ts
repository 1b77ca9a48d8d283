// Which unlucky sites of the nodes' code (node/world/unlucky-sites.ts) a run has come to, and how
// often each was unlucky: a site that no scenario reaches finds nothing.
import { UNLUCKY_SITES } from '../node/world/unlucky-sites.ts'
import type { UnluckySite } from '../node/world/unlucky-sites.ts'

export interface UnluckyCount {
  readonly asked: number
  readonly unlucky: number
}

/** By site; those that were never asked are left out. */
export type UnluckyCounts = Readonly<Partial<Record<UnluckySite, UnluckyCount>>>

export class UnluckyTally {
  readonly #counts = new Map<UnluckySite, UnluckyCount>()

  add(site: UnluckySite, isUnlucky: boolean): void {
    this.#add(site, { asked: 1, unlucky: Number(isUnlucky) })
  }

  merge(counts: UnluckyCounts): void {
    for (const site of UNLUCKY_SITES) {
      const count = counts[site]
      if (count !== undefined) this.#add(site, count)
    }
  }

  /** Sorted by site, so that two runs of a seed give the same. */
  counts(): UnluckyCounts {
    return Object.fromEntries([...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** The sites that were never asked. */
  unasked(): readonly UnluckySite[] {
    return UNLUCKY_SITES.filter((site) => !this.#counts.has(site))
  }

  /** The sites that were never unlucky, those that were never asked included. */
  lucky(): readonly UnluckySite[] {
    return UNLUCKY_SITES.filter((site) => (this.#counts.get(site)?.unlucky ?? 0) === 0)
  }

  #add(site: UnluckySite, { asked, unlucky }: UnluckyCount): void {
    const before = this.#counts.get(site) ?? { asked: 0, unlucky: 0 }
    this.#counts.set(site, { asked: before.asked + asked, unlucky: before.unlucky + unlucky })
  }
}
