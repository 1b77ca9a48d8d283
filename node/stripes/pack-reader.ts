// Ranges of packs, out of cold tiers, with few requests. Ranges that are asked for at about the
// same time, and lie close together, are one request. What is asked for close to what was asked for
// lately comes with what is around it: files of one folder lie close together, in any order. If
// most of that was read then, the next brings twice as much, else half; so what is read here and
// there brings little beside itself. The next is under way before all was read. In memory: what is
// on its way, and of what came beside what was asked for the newest AROUND_KEPT_MAX.
import { KIB, MIB } from '../../protocol/units.ts'
import type { ByteRange } from '../../protocol/cold/pack.ts'
import type { Clock, ObjectTier } from '../world/world.ts'
import { Extent } from './extent.ts'

/** How long a range waits for others of its pack. */
const GATHER_MS = 1
/** Ranges with less between them are read as one, up to so many bytes. */
const GAP_BYTES_MAX: number = 64 * KIB
const RUN_BYTES_MAX: number = 8 * MIB
/** How close is close, and how much comes from around that: at first, and at most. */
const AROUND_BYTES_MIN: number = 128 * KIB
const AROUND_BYTES_MAX: number = 4 * MIB
const AROUND_KEPT_MAX: number = 32 * MIB
/** One that is close to another may be so by chance; so many after each other are not. */
const STREAK_MIN = 2
/** So much at once is none. */
const LONG_BYTES: number = MIB
/** So much of what came has to be read. */
const USED_SHARE = 0.5
/** Maximum of requests whose ends are remembered. */
const EXTENTS_MAX = 64

export interface PackReaderParts {
  readonly clock: Clock
  /** throws ShoalError 'ENOENT' for a tier that the volume does not have. */
  readonly open: (tier: string) => ObjectTier
}

/** An object of a tier. */
export interface PackPlace {
  readonly tier: string
  readonly key: string
}

/** A wanted range of a pack. */
export interface PackRange extends ByteRange {
  /**
   * The largest wholly stored range between two places that may be wanted next, this range
   * included.
   */
  readonly around: (from: number, to: number) => ByteRange
}

interface Wanted {
  readonly range: PackRange
  readonly signal: AbortSignal
  readonly done: (bytes: Promise<Uint8Array>) => void
}

export class PackReader {
  readonly #parts: PackReaderParts
  /** By place, what is to be asked for in a moment. */
  readonly #waiting = new Map<string, Wanted[]>()
  /** Oldest first. */
  #extents: Extent[] = []

  constructor(parts: PackReaderParts) {
    this.#parts = parts
  }

  /** Its bytes, which nobody has checked. throws ShoalError 'cold-*', and what `signal` says. */
  read(place: PackPlace, range: PackRange, signal: AbortSignal): Promise<Uint8Array> {
    const name = nameOf(place)
    const here = this.#covering(name, range)
    if (here !== undefined) {
      const reading = here.read(range, signal)
      this.#goOn(place, here, range)
      return reading
    }
    return new Promise((done) => {
      const wanted = { range, signal, done }
      const waiting = this.#waiting.get(name)
      if (waiting !== undefined) return void waiting.push(wanted)
      this.#waiting.set(name, [wanted])
      this.#parts.clock.timer(GATHER_MS, () => {
        const all = this.#waiting.get(name) ?? []
        this.#waiting.delete(name)
        const rest: Wanted[] = []
        for (const one of all) {
          const came = this.#covering(name, one.range)
          if (came === undefined && !one.signal.aborted) rest.push(one)
          else one.done(came?.read(one.range, one.signal) ?? Promise.reject(one.signal.reason))
        }
        for (const run of runsOf(rest)) this.#ask(place, run)
      })
    })
  }

  /**
   * Forgets the bytes of a pack that were not what they should be, so that they are asked for
   * again.
   */
  forget(place: PackPlace): void {
    const name = nameOf(place)
    this.#extents = this.#extents.filter((extent) => extent.name !== name)
  }

  /** Nothing is on its way any more. */
  stop(): void {
    for (const extent of this.#extents) extent.end()
    this.#extents = []
  }

  #covering(name: string, range: ByteRange): Extent | undefined {
    return this.#extents.findLast((extent) => extent.name === name && extent.covers(range))
  }

  #ask(place: PackPlace, run: readonly Wanted[]): void {
    const name = nameOf(place)
    const first = run.reduce((a, b) => (b.range.from < a.range.from ? b : a)).range
    const last = run.reduce((a, b) => (b.range.to > a.range.to ? b : a)).range
    const isStart = first.around(0, first.to).from === first.from
    const { aroundBytes, streak } = this.#next(name, first.from, last.to, isStart)
    let [low, high] = [first.from - aroundBytes / 2, last.to + aroundBytes]
    // Not what came before.
    for (const { name: other, from, to } of this.#extents) {
      if (other !== name) continue
      if (to <= first.from) low = Math.max(low, to)
      if (from >= last.to) high = Math.min(high, from)
    }
    const { from } = first.around(low, last.to)
    const { to } = last.around(first.from, high)
    const extent = this.#fetch(place, { from, to, aroundBytes, streak })
    for (const { range, signal, done } of run) done(extent.read(range, signal))
  }

  /** Reads on behind a range if most of it was read. */
  #goOn(place: PackPlace, here: Extent, range: PackRange): void {
    if (here.aroundBytes === 0 || here.isContinued || !isUsed(here)) return
    here.isContinued = true
    const { name } = here
    const aroundBytes = clamped(2 * here.aroundBytes)
    const behind = this.#extents.filter((one) => one.name === name && one.from >= here.to)
    const high = Math.min(here.to + aroundBytes, ...behind.map(({ from }) => from))
    const { to } = range.around(range.from, high)
    if (to > here.to) this.#fetch(place, { from: here.to, to, aroundBytes, streak: here.streak })
  }

  #fetch(place: PackPlace, what: ConstructorParameters<typeof Extent>[1]): Extent {
    const extent = new Extent(nameOf(place), what)
    this.#extents.push(extent)
    void this.#fill(place, extent)
    return extent
  }

  /** How much more is worth asking for, by what became of the last that was close. */
  #next(
    name: string,
    from: number,
    to: number,
    isStart: boolean,
  ): { readonly aroundBytes: number; readonly streak: number } {
    const near = this.#extents.findLast((extent) => {
      const closeBytes = Math.max(AROUND_BYTES_MIN, extent.aroundBytes)
      const isClose = from - extent.to <= closeBytes && extent.from - to <= closeBytes
      return extent.name === name && isClose
    })
    if (near === undefined) {
      // A long file goes on where another stripe begins.
      const isLong = isStart && this.#extents.at(-1)?.aroundBytes === AROUND_BYTES_MAX
      return { aroundBytes: isLong ? AROUND_BYTES_MAX : 0, streak: 0 }
    }
    const streak = near.streak + 1
    if (near.aroundBytes === 0) {
      const nearBytes = near.to - near.from
      if (streak < STREAK_MIN && nearBytes < LONG_BYTES) return { aroundBytes: 0, streak }
      return { aroundBytes: clamped(nearBytes), streak }
    }
    const bytes = isUsed(near) ? 2 * near.aroundBytes : near.aroundBytes / 2
    if (bytes < AROUND_BYTES_MIN) return { aroundBytes: 0, streak: 0 }
    return { aroundBytes: clamped(bytes), streak }
  }

  /** Never rejects. */
  async #fill({ tier, key }: PackPlace, extent: Extent): Promise<void> {
    try {
      const { from, to, signal } = extent
      signal.throwIfAborted()
      const parts = this.#parts.open(tier).get(key, { from, to }, { signal })
      for await (const part of parts) extent.add(part)
      extent.close()
    } catch (error) {
      extent.fail(error)
      this.#extents = this.#extents.filter((one) => one !== extent)
    }
    this.#trim()
  }

  #trim(): void {
    let bytes = 0
    const kept: Extent[] = []
    for (const extent of this.#extents.toReversed()) {
      if (!extent.isClosed) {
        kept.push(extent)
        continue
      }
      bytes += extent.keptBytes
      if (bytes > AROUND_KEPT_MAX) extent.drop()
      if (kept.length < EXTENTS_MAX) kept.push(extent)
    }
    this.#extents = kept.toReversed()
  }
}

function isUsed({ from, to, usedBytes }: Extent): boolean {
  return usedBytes >= USED_SHARE * (to - from)
}

function clamped(bytes: number): number {
  return Math.min(AROUND_BYTES_MAX, Math.max(AROUND_BYTES_MIN, bytes))
}

function nameOf({ tier, key }: PackPlace): string {
  return `${tier} ${key}`
}

/** In order of place, those that are close together in one. */
function runsOf(all: readonly Wanted[]): Wanted[][] {
  const runs: Wanted[][] = []
  let [from, end] = [-Infinity, -Infinity]
  for (const wanted of all.toSorted((a, b) => a.range.from - b.range.from)) {
    const { range } = wanted
    if (range.from - end > GAP_BYTES_MAX || range.to - from > RUN_BYTES_MAX) {
      runs.push([])
      from = range.from
      end = range.to
    }
    runs.at(-1)?.push(wanted)
    end = Math.max(end, range.to)
  }
  return runs
}
