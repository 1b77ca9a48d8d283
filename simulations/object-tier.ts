// Cold tiers in memory, one a location, outside all machines: what was put survives any of them. Every call takes virtual
// time and fails by chance, before it did anything or after, as when an answer is lost. An object is there whole or not
// at all, and is read as it was when the reading began.
import { checkTierKey, formatTierLocation } from '../protocol/cold/location.ts'
import { ShoalError } from '../protocol/errors.ts'
import { concatBytes } from '../protocol/bytes.ts'
import { DAY_MS, MIB } from '../protocol/units.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { Clock, ObjectTier, TierObject, TierOptions, Tiers } from '../node/world/world.ts'
import type { TierLocation } from '../protocol/cold/location.ts'
import type { ErrorCode } from '../protocol/errors.ts'
import type { WallTime } from '../protocol/units.ts'

/** Classes whose objects must be restored before they can be read, as Amazon calls them. */
const ARCHIVES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])
const RESTORE_MS = DAY_MS / 2
const PIECE_BYTES = MIB
/** Median virtual time of a call; each varies by a factor of e^SPREAD either way (one standard deviation). */
const MEDIAN_MS = 30
const SPREAD = 0.7

interface Stored {
  readonly content: Uint8Array
  readonly modifiedMs: WallTime
  readonly storageClass: string
  /** When it was asked for, and until when it may be read, once restored. */
  restored?: { readonly fromMs: number; readonly toMs: number }
}

/** What lies at one location, and its weather; may be changed at any time. */
export class ColdStore {
  readonly objects: Map<string, Stored> = new Map()
  /** The bucket is not there. */
  gone = false
  /** Chance that a call fails without effect. */
  failures = 0
  /** Chance that a call fails although it had its effect. */
  lostAnswers = 0

  /** Flip one bit of an object that has any bytes. */
  damage(key: string, random: SeededRandom): void {
    const stored = this.objects.get(key)
    if (stored === undefined || stored.content.length === 0) return
    const content = stored.content.slice()
    const at = random.below(content.length)
    content[at] = (content[at] ?? 0) ^ (1 << random.below(8))
    this.objects.set(key, { ...stored, content })
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
    return new SimulatedTier(this.#components, this.#stores.at(location), name)
  }
}

class SimulatedTier implements ObjectTier {
  readonly #process: SimulatedProcess
  readonly #clock: Clock
  readonly #random: SeededRandom
  readonly #store: ColdStore
  readonly #name: string
  #open = true

  constructor({ process, clock, random }: TierComponents, store: ColdStore, name: string) {
    this.#process = process
    this.#clock = clock
    this.#random = random
    this.#store = store
    this.#name = name
  }

  async put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
    { signal, storageClass = '' }: { readonly signal: AbortSignal; readonly storageClass?: string },
  ): Promise<void> {
    checkTierKey(key)
    const parts: Uint8Array[] = []
    await this.#call(`put ${key}`, signal, async () => {
      for await (const chunk of chunks) parts.push(chunk.slice())
      signal.throwIfAborted()
      const content = concatBytes(parts)
      if (size !== undefined && content.length !== size) {
        throw this.#error('corrupt', `${key}: ${content.length} bytes came, not ${size}`)
      }
      const modifiedMs = this.#clock.wall()
      this.#store.objects.set(key, { content, modifiedMs, storageClass })
    })
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
      if (this.#restoreOf(stored) !== 'ready' && ARCHIVES.has(stored.storageClass)) {
        throw this.#error('cold-archived', `${key}: is archived: ask it back`)
      }
      return stored.content.slice(range?.from, range?.to)
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
      return stored === undefined ? undefined : this.#objectOf(stored)
    })
  }

  async *list(
    prefix: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<TierObject & { readonly key: string }> {
    const found = await this.#call(`list ${prefix}`, signal, () =>
      [...this.#store.objects].filter(([key]) => key.startsWith(prefix)),
    )
    for (const [key, stored] of found) yield { key, ...this.#objectOf(stored) }
  }

  async remove(keys: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    for (const key of keys) checkTierKey(key)
    await this.#call('remove', signal, () => {
      for (const key of keys) this.#store.objects.delete(key)
    })
  }

  async restore(key: string, days: number, { signal }: { signal: AbortSignal }): Promise<void> {
    await this.#call(`restore ${key}`, signal, () => {
      const stored = this.#store.objects.get(key)
      if (stored === undefined) throw this.#error('cold-missing', `${key}: is not there`)
      if (this.#restoreOf(stored) !== 'none') return
      const fromMs = this.#clock.wall() + RESTORE_MS
      stored.restored = { fromMs, toMs: fromMs + days * DAY_MS }
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
    await this.#process.wait(
      MEDIAN_MS * Math.exp(SPREAD * this.#random.normal()),
      `cold tier ${what}`,
    )
    signal.throwIfAborted()
    const { gone, failures, lostAnswers } = this.#store
    if (gone) throw this.#error('cold-gone', 'it is not there')
    if (this.#random.chance(failures)) throw this.#error('cold-unreachable', 'it does not answer')
    const result = await run()
    if (this.#random.chance(lostAnswers)) {
      throw this.#error('cold-unreachable', 'its answer was lost')
    }
    return result
  }

  #objectOf(stored: Stored): TierObject {
    const { content, modifiedMs, storageClass } = stored
    return { bytes: content.length, modifiedMs, storageClass, restore: this.#restoreOf(stored) }
  }

  #restoreOf({ restored }: Stored): TierObject['restore'] {
    const now = this.#clock.wall()
    if (restored === undefined || now >= restored.toMs) return 'none'
    return now < restored.fromMs ? 'underway' : 'ready'
  }

  #error(code: ErrorCode, what: string): ShoalError {
    return new ShoalError(code, `cold tier ${this.#name}: ${what}`)
  }
}
