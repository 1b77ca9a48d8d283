// Which interesting states a run has come to ("sometimes assertions", Antithesis; coverage marks):
// a campaign of seeds that never comes to one of them tests less than it says.

const WANTED = [
  'two-way cut',
  'one-way cut',
  'connection reset',
  'gossip lost',
  'gossip doubled',
  'killed',
  'power loss',
  'crash while writing',
  'crash while starting',
  'write lost',
  'write torn',
  'clock set back',
  'clock beyond what others accept',
  'entry of the future refused',
  'member came late',
  'member removed',
  'member away for hours',
  'conflict copy',
  'folder reappeared',
  'move made void',
  'op refused',
  'loss survived',
] as const

/** Sightings wanted of scenarios with a cold tier. */
const WANTED_OF_TIERS = [
  'two-way cut',
  'killed',
  'power loss',
  'op refused',
  'answer of a tier lost',
  'bad put',
  'bad read',
  'tier gone',
  'tier archives',
  'node not let in to the tier',
  'crash while an object is put',
  'stripe put into the tier',
  'stripe put twice',
  'shards given up',
  'stripe in the tier alone',
  'part of an object read',
  'copy of a chunk let go',
  'stripe recalled',
  'stripe that lies in the tier condemned',
  'pack removed',
  'volume rebuilt from the tier',
] as const

export type Sighting = (typeof WANTED)[number] | (typeof WANTED_OF_TIERS)[number]

export class Sightings {
  readonly #counts = new Map<Sighting, number>()

  add(what: Sighting, count: number = 1): void {
    if (count > 0) this.#counts.set(what, (this.#counts.get(what) ?? 0) + count)
  }

  merge(counts: Readonly<Partial<Record<Sighting, number>>>): void {
    for (const [what, count] of Object.entries(counts)) this.add(what as Sighting, count)
  }

  counts(): Readonly<Partial<Record<Sighting, number>>> {
    return Object.fromEntries(this.#counts)
  }

  /** The wanted sightings that never came, with a cold tier or without. */
  missing({ cold }: { readonly cold: boolean }): readonly Sighting[] {
    const wanted: readonly Sighting[] = cold ? WANTED_OF_TIERS : WANTED
    return wanted.filter((what) => !this.#counts.has(what))
  }
}
