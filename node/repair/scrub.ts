// Reads all that this node stores and compares it with what it should be: the shards, the chunks,
// and what the maps of the volumes ascribe to it. A pass of its own begins once a month, slowly,
// and goes on after a restart where it was; another goes through at once when the owner asks. What
// is found is dealt with in scrub-check.ts.
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { DAY_MS, HOUR_MS, MIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { scrubKey } from '../store/keys.ts'
import { DamageRecord } from './damage-record.ts'
import { ScrubCheck } from './scrub-check.ts'
import type { ChunkId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { ScrubEvent, ScrubFinding } from '../control/upkeep.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Network } from '../world/world.ts'
import type { ScrubbedVolume } from './scrub-check.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** How often to see whether a pass is due. */
export const SCRUB_EVERY_MS: number = HOUR_MS

/**
 * From the beginning of one pass to that of the next; and what it may take, so that it ends before
 * that.
 */
const PASS_EVERY_MS: number = 30 * DAY_MS
const PASS_MS: number = 20 * DAY_MS
/** In a second; more where a pass would take too long. */
const PASS_BYTES_MIN: number = 5 * MIB
const PERSIST_EVERY_MS: number = MINUTE_MS
/** Between two words about how far it is. */
const TELL_EVERY_MS: number = SECOND_MS / 4
const PHASES = ['shards', 'chunks', 'maps'] as const
const ID_TEXT_MAX = 128

export interface ScrubParts {
  readonly store: Store
  readonly clock: Clock
  readonly network: Pick<Network, 'self' | 'peers'>
  readonly volumes: () => Iterable<ScrubbedVolume>
  /** As ScrubCheckParts has it. */
  readonly keepsOthers: () => boolean
  readonly log: WriteLog
}

/** Done is all of the phases before, and of this one up to this stripe or chunk. */
interface Place {
  readonly phase: (typeof PHASES)[number]
  readonly after: string
}

const START: Place = { phase: 'shards', after: '' }

/** A pass under way, or the last one (`place` undefined). */
interface Pass {
  readonly startedMs: number
  readonly doneBytes: number
  readonly place: Place | undefined
}

interface Step {
  readonly place: Place
  readonly bytes: number
  readonly findings: readonly ScrubFinding[]
}

export interface ScrubProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

export class Scrub {
  readonly #parts: ScrubParts
  /** The damage that was found lately. */
  readonly damage: DamageRecord
  readonly #check: ScrubCheck
  /** Being looked at because someone saw that they are damaged. */
  readonly #suspected = new Set<string>()
  #progress: ScrubProgress | undefined

  constructor(parts: ScrubParts) {
    this.#parts = parts
    this.damage = new DamageRecord(parts)
    const onDamaged = (): Promise<void> => this.damage.add()
    this.#check = new ScrubCheck({ ...parts, onDamaged })
  }

  /** Progress of the pass that runs by itself; undefined between two. */
  get progress(): ScrubProgress | undefined {
    return this.#progress
  }

  /**
   * Go on with the pass that is due, if one is; and look again at what was found to belong nowhere.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { shards, orphans } = this.#parts.store
    for await (const { stripe, index } of orphans.all()) {
      signal.throwIfAborted()
      if (shards.indices(stripe).includes(index)) await this.#check.shard(stripe, index)
      else await orphans.forget({ stripe, index })
    }
    const now = Math.floor(this.#parts.clock.wall())
    const last = this.#read()
    const isDue = last === undefined || last.startedMs + PASS_EVERY_MS <= now
    if (last?.place !== undefined) await this.#pass(last, last.place, signal)
    else if (isDue) {
      await this.#pass({ startedMs: now, doneBytes: 0, place: START }, START, signal)
    }
  }

  /** A pass through all, or through what belongs to one volume, at once. */
  async *now(
    volume: VolumeId | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<readonly ScrubEvent[], void, undefined> {
    const { clock, volumes } = this.#parts
    const only = volume === undefined ? undefined : [...volumes()].find(({ id }) => id === volume)
    const totalBytes = this.#totalBytes()
    let doneBytes = 0
    let toldAt = clock.now() - TELL_EVERY_MS
    for await (const step of this.#steps(START, only, signal)) {
      doneBytes += step.bytes
      const isTime = clock.now() - toldAt >= TELL_EVERY_MS
      if (!isTime && step.findings.length === 0) continue
      toldAt = clock.now()
      yield [{ kind: 'progress', doneBytes, totalBytes }, ...step.findings]
    }
    yield [{ kind: 'progress', doneBytes, totalBytes: doneBytes }]
  }

  /** Someone saw that a shard of this node is damaged, or not there. */
  suspect(stripe: StripeId, index: number): void {
    const key = `${stripe} ${index}`
    if (this.#suspected.has(key)) return
    this.#suspected.add(key)
    this.#look(stripe, index)
      .catch((error: unknown) => this.#parts.log('scrub.suspect-failed', { stripe, error }))
      .finally(() => this.#suspected.delete(key))
  }

  async #look(stripe: StripeId, index: number): Promise<void> {
    await this.#check.shard(stripe, index)
    for (const volume of this.#parts.volumes()) await this.#check.ascribed(volume, stripe)
  }

  async #pass(pass: Pass, from: Place, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts
    const totalBytes = this.#totalBytes()
    const bytesPerMs = Math.max(PASS_BYTES_MIN / SECOND_MS, totalBytes / PASS_MS)
    let { doneBytes } = pass
    let found = 0
    let persistedAt = clock.now()
    try {
      for await (const { place, bytes, findings } of this.#steps(from, undefined, signal)) {
        doneBytes += bytes
        found += findings.length
        this.#progress = { doneBytes, totalBytes: Math.max(doneBytes, totalBytes) }
        await clock.sleep(bytes / bytesPerMs, { signal })
        if (clock.now() - persistedAt < PERSIST_EVERY_MS) continue
        await this.#write({ ...pass, doneBytes, place })
        persistedAt = clock.now()
      }
      await this.#write({ ...pass, doneBytes, place: undefined })
      log('scrub.done', { bytes: doneBytes, found })
    } finally {
      this.#progress = undefined
    }
  }

  async *#steps(
    { phase, after }: Place,
    only: ScrubbedVolume | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Step, void, undefined> {
    if (phase === 'shards') yield* this.#shards(after, only, signal)
    if (phase !== 'maps') yield* this.#chunks(phase === 'chunks' ? after : '', only, signal)
    yield* this.#maps(only, signal)
  }

  async *#shards(
    from: string,
    only: ScrubbedVolume | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Step, void, undefined> {
    let after = from
    let current = from
    for await (const shard of this.#parts.store.shards.scan(options<StripeId>(from))) {
      const { stripe, index, length } = shard
      signal.throwIfAborted()
      if (only !== undefined && only.map.stripe(stripe) === undefined) continue
      // There may be more of the stripe.
      if (stripe !== current) after = current
      current = stripe
      const finding = await this.#check.shard(stripe, index)
      const findings = finding === undefined ? [] : [finding]
      yield { place: { phase: 'shards', after }, bytes: length, findings }
    }
  }

  async *#chunks(
    from: string,
    only: ScrubbedVolume | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Step, void, undefined> {
    for await (const { id, length } of this.#parts.store.chunks.scan(options<ChunkId>(from))) {
      signal.throwIfAborted()
      const isOurs = only === undefined || only.isUnplaced(id) || only.map.locations(id).length > 0
      if (!isOurs) continue
      const finding = await this.#check.chunk(id, signal)
      const findings = finding === undefined ? [] : [finding]
      yield { place: { phase: 'chunks', after: id }, bytes: length, findings }
    }
  }

  async *#maps(
    only: ScrubbedVolume | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Step, void, undefined> {
    const { volumes, network } = this.#parts
    for (const volume of only === undefined ? volumes() : [only]) {
      const own = volume.map
        .groups()
        .filter(({ holders }) => holders.some((peers) => peers.includes(network.self)))
      for (const { id } of own) {
        for await (const stripe of volume.map.stripesOf(id)) {
          signal.throwIfAborted()
          const findings = await this.#check.ascribed(volume, stripe)
          if (findings.length > 0) yield { place: { phase: 'maps', after: '' }, bytes: 0, findings }
        }
      }
    }
  }

  #totalBytes(): number {
    const { chunkBytes, shardBytes } = this.#parts.store.usage()
    return chunkBytes + shardBytes
  }

  #read(): Pass | undefined {
    const bytes = this.#parts.store.kv.get(scrubKey())
    if (bytes === undefined) return undefined
    const fields = new Fields(decodeCbor(bytes, 'scrub'), 'scrub')
    const after = fields.text('after', ID_TEXT_MAX)
    const phase = PHASES.find((each) => each === fields.text('phase', ID_TEXT_MAX))
    return {
      startedMs: fields.integer('started'),
      doneBytes: fields.integer('done'),
      place: phase === undefined ? undefined : { phase, after },
    }
  }

  async #write({ startedMs, doneBytes, place }: Pass): Promise<void> {
    const { phase = '', after = '' } = place ?? {}
    const value = encodeCbor({ started: startedMs, done: doneBytes, phase, after })
    await this.#parts.store.commit([{ kind: 'put', key: scrubKey(), value }])
  }
}

/** The options to begin after a key: '' is at the beginning. */
function options<Id extends string>(after: string): { after?: Id } {
  return after === '' ? {} : { after: after as Id }
}
