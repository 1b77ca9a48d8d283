// Gives back the space of a node that nobody needs: stripes of its volumes (volume-gc.ts), its own
// copies of chunks (local-copies.ts, copy-release.ts), its trash after a while, and last the dead
// records of its store. One pass at a time.
import { asShoalError } from '../../protocol/errors.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { GarbageProgress, GarbageReport, VolumeGarbageReport } from '../control/garbage.ts'
import type { Compacted } from '../store/compaction.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Network, Random } from '../world/world.ts'
import type { Collected } from './collect.ts'
import { DebounceTimer } from '../jobs/debounce-timer.ts'
import { Job } from '../jobs/background-job.ts'
import { CopyRelease } from './copy-release.ts'
import { LocalCopies } from './local-copies.ts'
import type { SurveyedVolume } from './local-copies.ts'
import type { VolumeGc } from './volume-gc.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { WriteLog } from '../observe/log-events.ts'

const EVERY_MS: number = 5 * MINUTE_MS
/** A caller waits this long for the replies of other members. */
const WAIT_MS: number = MINUTE_MS
const POLL_MS: number = SECOND_MS / 2
/** Less than this share of the node's space free is too little. */
const FREE_SHARE_MIN = 0.1
const COMPACT_BYTES_PER_SECOND = 64e6
/** Segments less live than this are compacted when space is short, or asked for. */
const THOROUGH_LIVE_RATIO = 0.9
/** The same after copies were released, which lie among shards that stay. */
const RELEASED_LIVE_RATIO = 0.75
/** Stripes are condemned, then swept; then copies of their chunks are doomed, then deleted. */
const PASSES_MAX = 4
/**
 * After it found too few copies to delete, eviction looks at all that is stored again so much
 * later.
 */
const EVICT_AGAIN_MS: number = HOUR_MS
/** Until what others gave up is looked at: all have heard of it by then, if all are there. */
const REVIEW_MS: number = MINUTE_MS / 2
/** By itself nothing is surveyed for so long after a volume could not be. */
const PASS_AGAIN_MS: number = HOUR_MS

export interface ReclaimParts {
  readonly store: Store
  /** All volumes of the node, as they are now. */
  readonly volumes: () => readonly VolumeGc[]
  /** Is there data here of volumes that are not among them? */
  readonly keepsOthers: () => boolean
  /** How long shards that were given up are kept. */
  readonly trashMs: () => number
  readonly network: Pick<Network, 'self'>
  readonly clock: Clock
  readonly random: Random
  readonly log: WriteLog
}

interface Pass {
  readonly collected: ReadonlyMap<VolumeId, Collected>
  readonly deletedBytes: number
}

export class Reclaim {
  readonly #parts: ReclaimParts
  readonly #local: LocalCopies
  readonly #release: CopyRelease
  readonly #job: Job
  readonly #queue = new SerialQueue()
  #evictAt: Instant
  #passAt: Instant
  #progress: GarbageProgress | undefined
  readonly #stopped = new AbortController()
  readonly #timer: DebounceTimer

  constructor(parts: ReclaimParts) {
    this.#parts = parts
    this.#local = new LocalCopies(parts)
    this.#release = new CopyRelease(parts)
    const { clock, random, log } = parts
    this.#evictAt = clock.now()
    this.#passAt = clock.now()
    const run = (signal: AbortSignal): Promise<void> => this.#inTurn(() => this.#byItself(signal))
    this.#job = new Job({ clock, random, log, run, name: 'garbage', everyMs: EVERY_MS })
    this.#timer = new DebounceTimer(clock, () => this.#job.wake())
  }

  /** How far the work is that is under way; undefined where nothing is. */
  get progress(): GarbageProgress | undefined {
    return this.#progress
  }

  /** Somebody gave up stripes. */
  wake(): void {
    if (!this.#stopped.signal.aborted) this.#timer.ringIn(REVIEW_MS)
  }

  start(): void {
    this.#job.start()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#timer.cancel()
    await this.#job.stop()
    await this.#queue.idle()
  }

  /**
   * Now, and again as other members answer, as long as there is more to give up. only: a volume;
   * local copies are left alone then.
   */
  now(
    { only, nameOf }: { only: VolumeId | undefined; nameOf: (volume: VolumeId) => string },
    signal: AbortSignal,
  ): Promise<GarbageReport> {
    const scope = AbortSignal.any([signal, this.#stopped.signal])
    return this.#inTurn(async () => {
      const passes = [await this.#pass({ isAsked: true, only }, scope)]
      const until = (this.#parts.clock.now() + WAIT_MS) as Instant
      while (passes.length < PASSES_MAX && (await this.#awaitOthers(only, until, scope)))
        passes.push(await this.#pass({ isAsked: true, only }, scope))
      const releasedBytes = await this.#releaseCopies(only, until, scope)
      await this.#parts.store.shards.emptyTrash(this.#parts.trashMs())
      const compacted = await this.#compact(THOROUGH_LIVE_RATIO, scope)
      const freedBytes = Math.max(0, compacted.freedBytes - compacted.movedBytes)
      const volumes = this.#parts.volumes().filter(({ volume }) => isIn(only, volume.id))
      const { trashBytes, reclaimableBytes } = this.#parts.store.usage()
      return {
        volumes: await Promise.all(
          volumes.map((one) => reportOf(one, nameOf(one.volume.id), passes)),
        ),
        deletedBytes: passes.reduce((sum, pass) => sum + pass.deletedBytes, 0),
        releasedBytes,
        freedBytes,
        trashBytes,
        reclaimableBytes,
      }
    })
  }

  /** Do something while nothing is collected. */
  aside<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#queue.run(work)
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#queue.run(async () => {
      try {
        return await work()
      } finally {
        this.#progress = undefined
      }
    })
  }

  readonly #tell = (progress: GarbageProgress): void => {
    this.#progress = progress
  }

  async #byItself(signal: AbortSignal): Promise<void> {
    const { store, trashMs } = this.#parts
    const { random } = this.#parts
    for (const volume of this.#parts.volumes())
      if (!random.unlucky('gc.review-later')) await this.#review(volume, signal)
    if (random.unlucky('gc.pass-early') || (await this.#isDue()))
      await this.#pass({ isAsked: false, only: undefined }, signal)
    const released = await this.#release.run(this.#copies(), { isAsked: false }, signal)
    await store.shards.emptyTrash(trashMs())
    const isShort = (await this.#shortBytes()) > 0
    if (isShort) {
      await store.shards.emptyTrash()
      await this.#compact(THOROUGH_LIVE_RATIO, signal)
      await this.#evict(signal)
    }
    const isThorough = isShort || random.unlucky('gc.compacts-thoroughly')
    const afterRelease = released.bytes > 0 ? RELEASED_LIVE_RATIO : undefined
    await this.#compact(isThorough ? THOROUGH_LIVE_RATIO : afterRelease, signal)
    // What was just placed is safe as soon as all have heard of it.
    if (released.waiting > 0) this.#timer.ringIn(REVIEW_MS)
  }

  #copies(): VolumeGc['copies'][] {
    return this.#parts.volumes().map(({ copies }) => copies)
  }

  /** Release the copies that are due, as members confirm what they have to. returns their bytes. */
  async #releaseCopies(
    only: VolumeId | undefined,
    until: Instant,
    signal: AbortSignal,
  ): Promise<number> {
    const { clock } = this.#parts
    let bytes = 0
    for (;;) {
      const released = await this.#release.run(this.#copies(), { only, isAsked: true }, signal)
      bytes += released.bytes
      const { waiting } = released
      if (waiting === 0 || clock.now() >= until) return bytes
      this.#tell({ step: 'members', done: WAIT_MS - (until - clock.now()), total: WAIT_MS })
      await clock.sleep(POLL_MS, { signal })
    }
  }

  async #review(volume: VolumeGc, signal: AbortSignal): Promise<void> {
    try {
      await volume.review(signal)
    } catch (error) {
      signal.throwIfAborted()
      const { code, message } = asShoalError(error)
      const { id } = volume.volume
      this.#parts.log('gc.others-failed', { volume: id, code, message })
    }
  }

  async #isDue(): Promise<boolean> {
    if (this.#parts.clock.now() < this.#passAt) return false
    const volumes = this.#parts.volumes()
    if (this.#local.doomedCount > 0 && this.#isLocalReady(volumes)) return true
    for (const volume of volumes) if (await volume.isDue()) return true
    return false
  }

  async #pass(
    { isAsked, only }: { isAsked: boolean; only: VolumeId | undefined },
    signal: AbortSignal,
  ): Promise<Pass> {
    const collected = new Map<VolumeId, Collected>()
    const surveyed: SurveyedVolume[] = []
    const ends: (() => void)[] = []
    const tell = this.#tell
    try {
      for (const volume of this.#parts.volumes()) {
        if (!isIn(only, volume.volume.id)) continue
        const found = await volume.collect({ isAsked, tell }, signal).catch((error: unknown) => {
          signal.throwIfAborted()
          if (isAsked) throw error
          this.#failed(volume, error)
        })
        if (found === undefined) continue
        surveyed.push(found.surveyed)
        collected.set(volume.volume.id, found.collected)
        ends.push(found.end)
      }
      // The owner of a chunk is known to its volume alone.
      const { volumes, keepsOthers } = this.#parts
      const isAll = surveyed.length === volumes().length && !keepsOthers()
      const deletedBytes = isAll ? await this.#local.sweep(surveyed, tell, signal) : 0
      return { collected, deletedBytes }
    } finally {
      for (const end of ends) end()
    }
  }

  /**
   * Notes that live data of one volume cannot be told now: that holds no other up, and is not tried
   * again at once.
   */
  #failed({ volume }: VolumeGc, error: unknown): void {
    const { clock, log } = this.#parts
    this.#passAt = (clock.now() + PASS_AGAIN_MS) as Instant
    const { code, message } = asShoalError(error)
    log('gc.failed', { volume: volume.id, code, message })
  }

  /** Wait until what was found can be given up. returns whether another pass would give up more. */
  async #awaitOthers(
    only: VolumeId | undefined,
    until: Instant,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock } = this.#parts
    const volumes = (): readonly VolumeGc[] =>
      this.#parts.volumes().filter(({ volume }) => isIn(only, volume.id))
    for (;;) {
      const states = await Promise.all(volumes().map(({ collector }) => collector.condemned()))
      const isLocalReady = this.#isLocalReady(volumes())
      const isReady = states.every(({ waiting }) => waiting === 0) && isLocalReady
      const areCopiesDue =
        only === undefined &&
        ((isLocalReady && this.#local.doomedCount > 0) || volumes().some((one) => one.hasSwept))
      const isDue = areCopiesDue || states.some(({ ready }) => ready > 0)
      if (isReady || clock.now() >= until) return isDue
      this.#tell({ step: 'members', done: WAIT_MS - (until - clock.now()), total: WAIT_MS })
      await clock.sleep(POLL_MS, { signal })
    }
  }

  #isLocalReady(volumes: readonly VolumeGc[]): boolean {
    const stable = new Map(volumes.map(({ volume, collector }) => [volume.id, collector.stable()]))
    return this.#local.isReady((id) => stable.get(id))
  }

  /** Bytes missing to the least that is to be free. */
  async #shortBytes(): Promise<number> {
    const { store } = this.#parts
    const freeBytes = await store.freeBytes()
    return FREE_SHARE_MIN * (freeBytes + store.usage().segmentBytes) - freeBytes
  }

  async #evict(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#parts
    const shortBytes = await this.#shortBytes()
    if (shortBytes <= 0 || store.usage().chunkBytes === 0 || clock.now() < this.#evictAt) return
    const evictedBytes = await this.#local.evict(shortBytes, this.#copies(), signal)
    if (evictedBytes < shortBytes) this.#evictAt = (clock.now() + EVICT_AGAIN_MS) as Instant
  }

  #compact(maxLiveRatio: number | undefined, signal: AbortSignal): Promise<Compacted> {
    const options = maxLiveRatio === undefined ? {} : { maxLiveRatio }
    const budgetBytesPerSecond = COMPACT_BYTES_PER_SECOND
    const onSegment = (done: number, total: number): void =>
      this.#tell({ step: 'space', done, total })
    return this.#parts.store.compact({ ...options, budgetBytesPerSecond, onSegment, signal })
  }
}

function isIn(only: VolumeId | undefined, volume: VolumeId): boolean {
  return only === undefined || only === volume
}

async function reportOf(
  { volume: { id, membership }, collector, falseFiles }: VolumeGc,
  name: string,
  passes: readonly Pass[],
): Promise<VolumeGarbageReport> {
  const all = passes.flatMap((pass) => pass.collected.get(id) ?? [])
  const sum = (key: keyof Collected): number => all.reduce((total, one) => total + one[key], 0)
  const { ready, waiting } = await collector.condemned()
  return {
    volume: name,
    condemned: sum('condemned'),
    repacked: sum('repacked'),
    swept: sum('swept'),
    sweptBytes: sum('sweptBytes'),
    waiting: ready + waiting,
    waitingFor:
      ready + waiting > 0 ? collector.waitingFor().map((peer) => membership.nameOf(peer)) : [],
    falseFiles,
  }
}
