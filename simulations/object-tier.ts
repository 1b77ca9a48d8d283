// Cold tiers in memory, one a location, outside all machines: what was put survives any of them.
// Every call takes virtual time and fails by chance, before it did anything or after, as when an
// answer is lost. An object is there as it came, all at once or not at all, and is read as it was
// when the reading began; what comes, or is read, may be damaged on its way. Times are the tier's
// own: no clock of a machine counts.
import { checkTierKey, formatTierLocation } from '../protocol/cold/location.ts'
import { ShoalError } from '../protocol/errors.ts'
import { concatBytes } from '../protocol/bytes.ts'
import { DAY_MS, MIB, MINUTE_MS } from '../protocol/units.ts'
import { WallClockError } from './clock.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { Sighting } from './sightings.ts'
import type { Clock, ObjectTier, TierObject, TierOptions, Tiers } from '../node/world/world.ts'
import type { TierLocation } from '../protocol/cold/location.ts'
import type { ErrorCode } from '../protocol/errors.ts'
import type { WallTime } from '../protocol/units.ts'

/** Classes whose objects must be restored before they can be read, as Amazon calls them. */
const ARCHIVES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])
const RESTORE_MS = DAY_MS / 2
const PIECE_BYTES = MIB
/**
 * Median virtual time of a call; each varies by a factor of e^SPREAD either way (one standard
 * deviation).
 */
const MEDIAN_MS = 30
const SPREAD = 0.7
/** Until a driver gives up a call that nobody answers. */
const HANG_MS: number = 1.5 * MINUTE_MS
const TRUE_CLOCK = new WallClockError()

export interface StoredObject {
  readonly content: Uint8Array
  readonly modifiedMs: WallTime
  readonly storageClass: string
}

/** When an archived object was asked for, and until when it may be read. */
interface Restored {
  readonly fromMs: number
  readonly toMs: number
}

/** How a tier does. Numbers in [0, 1] are chances of each call. */
export interface TierWeather {
  /** The bucket is not there. */
  readonly isGone: boolean
  /** It fails without effect. */
  readonly failures: number
  /** It fails although it had its effect. */
  readonly lostAnswers: number
  /** It takes HANG_MS and fails, with or without effect. */
  readonly hangs: number
  /** The chance that a put stores another content, or a part of it, without an error. */
  readonly badPuts: number
  /** The chance that a read returns another content, or a part of it. */
  readonly badReads: number
  /** Times the usual time. */
  readonly slowness: number
}

export const FAIR_TIER: TierWeather = {
  isGone: false,
  failures: 0,
  lostAnswers: 0,
  hangs: 0,
  badPuts: 0,
  badReads: 0,
  slowness: 1,
}

/** The objects at one location; its weather, and whom it lets in, may be changed at any time. */
export class ColdStore {
  readonly #objects = new Map<string, StoredObject>()
  readonly #restored = new Map<string, Restored>()
  weather: TierWeather = FAIR_TIER
  /** Machines that it does not let in. */
  readonly denied: Set<string> = new Set()
  /** Processes by how many objects they are putting. */
  readonly putting: Map<SimulatedProcess, number> = new Map()
  /** Told of each change: the object that is there from now on, undefined where it is removed. */
  onChange: (key: string, now: StoredObject | undefined) => void = () => undefined

  get objects(): ReadonlyMap<string, StoredObject> {
    return this.#objects
  }

  set(key: string, object: StoredObject): void {
    this.#objects.set(key, object)
    this.#restored.delete(key)
    this.onChange(key, object)
  }

  remove(key: string): void {
    this.#restored.delete(key)
    if (this.#objects.delete(key)) this.onChange(key, undefined)
  }

  restored(key: string): Restored | undefined {
    return this.#restored.get(key)
  }

  restore(key: string, restored: Restored): void {
    this.#restored.set(key, restored)
  }

  /** Damage an object that has any bytes. */
  damage(key: string, random: SeededRandom): void {
    const object = this.#objects.get(key)
    if (object !== undefined) this.set(key, { ...object, content: damaged(object.content, random) })
  }
}

/** All locations of a simulation. */
export class ColdStores {
  readonly #stores = new Map<string, ColdStore>()

  at(location: TierLocation): ColdStore {
    const url = formatTierLocation(location)
    const store = this.#stores.get(url) ?? new ColdStore()
    this.#stores.set(url, store)
    return store
  }
}

interface TierComponents {
  readonly process: SimulatedProcess
  readonly clock: Clock
  readonly random: SeededRandom
}

/** The cold tiers as a process sees them. */
export class SimulatedTiers implements Tiers {
  readonly #components: TierComponents
  readonly #stores: ColdStores

  constructor(components: TierComponents, stores: ColdStores) {
    this.#components = components
    this.#stores = stores
  }

  open(location: TierLocation, { name }: TierOptions): ObjectTier {
    const storageClass = (location.kind === 's3' ? location.storageClass : undefined) ?? ''
    return new SimulatedTier(this.#components, this.#stores.at(location), { name, storageClass })
  }
}

class SimulatedTier implements ObjectTier {
  readonly #process: SimulatedProcess
  readonly #clock: Clock
  readonly #random: SeededRandom
  readonly #store: ColdStore
  readonly #name: string
  /** The storage class of puts that name none. */
  readonly #storageClass: string
  #open = true

  constructor(
    { process, clock, random }: TierComponents,
    store: ColdStore,
    { name, storageClass }: { readonly name: string; readonly storageClass: string },
  ) {
    this.#process = process
    this.#clock = clock
    this.#random = random
    this.#store = store
    this.#name = name
    this.#storageClass = storageClass
  }

  async put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly signal: AbortSignal; readonly storageClass?: string },
  ): Promise<void> {
    checkTierKey(key)
    const { signal, storageClass = this.#storageClass } = options
    const { putting } = this.#store
    const parts: Uint8Array[] = []
    putting.set(this.#process, (putting.get(this.#process) ?? 0) + 1)
    try {
      await this.#call(`put ${key}`, signal, async () => {
        for await (const chunk of chunks) parts.push(chunk.slice())
        signal.throwIfAborted()
        const whole = Uint8Array.from(concatBytes(parts))
        if (size !== undefined && whole.length !== size) {
          throw this.#error('corrupt', `${key}: ${whole.length} bytes came, not ${size}`)
        }
        const content = this.#inTransit(whole, this.#store.weather.badPuts, 'bad put')
        const modifiedMs = this.#now()
        this.#store.set(key, { content, modifiedMs, storageClass })
      })
    } finally {
      putting.set(this.#process, (putting.get(this.#process) ?? 1) - 1)
    }
  }

  async *get(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    checkTierKey(key)
    const content = await this.#call(`get ${key}`, signal, () => {
      const stored = this.#store.objects.get(key)
      if (stored === undefined) throw this.#error('cold-missing', `${key}: is not there`)
      if (this.#restoreOf(key) !== 'ready' && ARCHIVES.has(stored.storageClass)) {
        throw this.#error('cold-archived', `${key}: is archived: ask it back`, 'tier archives')
      }
      if (range !== undefined) this.#process.scheduler.sightings.add('part of an object read')
      const content = stored.content.slice(range?.from, range?.to)
      return this.#inTransit(content, this.#store.weather.badReads, 'bad read')
    })
    for (let at = 0; at < content.length; at += PIECE_BYTES) {
      if (at > 0) await this.#call(`get on ${key}`, signal, () => undefined)
      yield content.subarray(at, at + PIECE_BYTES)
    }
  }

  async head(key: string, { signal }: { signal: AbortSignal }): Promise<TierObject | undefined> {
    checkTierKey(key)
    return this.#call(`head ${key}`, signal, () => {
      const stored = this.#store.objects.get(key)
      return stored === undefined ? undefined : this.#objectOf(key, stored)
    })
  }

  async *list(
    prefix: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<TierObject & { readonly key: string }> {
    const found = await this.#call(`list ${prefix}`, signal, () =>
      [...this.#store.objects].filter(([key]) => key.startsWith(prefix)),
    )
    for (const [key, stored] of found) yield { key, ...this.#objectOf(key, stored) }
  }

  async remove(keys: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    for (const key of keys) checkTierKey(key)
    await this.#call('remove', signal, () => {
      for (const key of keys) this.#store.remove(key)
    })
  }

  async rollBack(): Promise<number> {
    throw this.#error('unsupported', 'keeps no older versions of its objects')
  }

  async restore(key: string, days: number, { signal }: { signal: AbortSignal }): Promise<void> {
    await this.#call(`restore ${key}`, signal, () => {
      if (!this.#store.objects.has(key)) throw this.#error('cold-missing', `${key}: is not there`)
      if (this.#restoreOf(key) !== 'none') return
      const fromMs = this.#now() + RESTORE_MS
      this.#store.restore(key, { fromMs, toMs: fromMs + days * DAY_MS })
    })
  }

  async check({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    await this.#call('check', signal, () => undefined)
  }

  async close(): Promise<void> {
    this.#open = false
  }

  async #call<T>(what: string, signal: AbortSignal, run: () => T | Promise<T>): Promise<T> {
    if (!this.#open) throw new ShoalError('stopped', `cold tier ${this.#name} is closed`)
    signal.throwIfAborted()
    const { hangs, slowness } = this.#store.weather
    const medianMs = MEDIAN_MS * slowness
    await this.#process.wait(
      medianMs * Math.exp(SPREAD * this.#random.normal()),
      `cold tier ${what}`,
    )
    const isHung = this.#random.chance(hangs)
    if (isHung) await this.#clock.sleep(HANG_MS, { signal })
    signal.throwIfAborted()
    const { isGone, failures, lostAnswers } = this.#store.weather
    if (isGone) throw this.#error('cold-gone', 'it is not there', 'tier gone')
    if (this.#store.denied.has(this.#process.name))
      throw this.#error('cold-denied', 'no entry', 'node not let in to the tier')
    const unanswered = this.#error('cold-unreachable', 'it does not answer')
    if (this.#random.chance(isHung ? 0.5 : failures)) throw unanswered
    const result = await run()
    if (isHung) throw unanswered
    if (this.#random.chance(lostAnswers)) {
      throw this.#error('cold-unreachable', 'its answer was lost', 'answer of a tier lost')
    }
    return result
  }

  /** A content after its way through the network. */
  #inTransit(content: Uint8Array, chance: number, sighting: Sighting): Uint8Array {
    if (!this.#random.chance(chance)) return content
    this.#process.scheduler.sightings.add(sighting)
    return damaged(content, this.#random)
  }

  #now(): WallTime {
    return TRUE_CLOCK.wallAt(this.#process.scheduler.nowMs)
  }

  #objectOf(key: string, { content, modifiedMs, storageClass }: StoredObject): TierObject {
    return { bytes: content.length, modifiedMs, storageClass, restore: this.#restoreOf(key) }
  }

  #restoreOf(key: string): TierObject['restore'] {
    const now = this.#now()
    const restored = this.#store.restored(key)
    if (restored === undefined || now >= restored.toMs) return 'none'
    return now < restored.fromMs ? 'underway' : 'ready'
  }

  #error(code: ErrorCode, what: string, sighting?: Sighting): ShoalError {
    if (sighting !== undefined) this.#process.scheduler.sightings.add(sighting)
    return new ShoalError(code, `cold tier ${this.#name}: ${what}`)
  }
}

/** One bit is another, or the end is missing; of nothing, nothing. */
function damaged(content: Uint8Array, random: SeededRandom): Uint8Array {
  if (content.length === 0) return content
  const at = random.below(content.length)
  if (random.chance(0.5)) return content.slice(0, at)
  const changed = Uint8Array.from(content)
  changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8))
  return changed
}
