// The garbage collection of one volume: when it is surveyed, and what is done by what the survey
// found. By itself this happens a day after the last time at the earliest, and only if files
// changed since; and when condemned stripes can be settled.
import { float64FromBytes, float64ToBytes } from '../../protocol/bytes.ts'
import { DAY_MS, GIB, HOUR_MS } from '../../protocol/units.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { mayGiveUp, mayRead, mayWrite } from '../../protocol/roles.ts'
import type { NodeId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { ChunkIo, ChunkReader } from '../content/chunk-io.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { ChunkFetcher } from '../stripes/chunk-fetcher.ts'
import type { Packer } from '../stripes/packer.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { PlacedCopies } from '../stripes/placed-copies.ts'
import type { RecentReads } from '../stripes/recent-reads.ts'
import type { InFlightReferences } from '../content/in-flight-references.ts'
import { pathOf } from '../volume/paths.ts'
import type { PinnedClasses } from '../volume/pinned-classes.ts'
import { stampActor, stampHlc } from '../../protocol/clock/dot.ts'
import { keepLocalOf, trashMsOf } from '../log/settings.ts'
import type { KeepLocal } from '../log/settings.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { Volume } from '../log/volume.ts'
import type { FileFault, TellGarbage } from '../control/garbage.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Store } from '../store/store.ts'
import type { Liveness } from '../peers/detector.ts'
import type { Clock } from '../world/world.ts'
import { Collector, electedCollector } from './collect.ts'
import type { Collected } from './collect.ts'
import { OpenContent } from './open-content.ts'
import type { LocalPinning } from '../pinning/local-pinning.ts'
import { relist } from './copy-release.ts'
import type { ReleasingVolume } from './copy-release.ts'
import type { CopiedVolume, SurveyedVolume } from './local-copies.ts'
import { Resurrection } from './resurrection.ts'
import type { Repacker } from './repacking.ts'
import { Repin } from './repin.ts'
import type { FalseFile, MarkParts } from './mark.ts'
import { references, markLive } from './mark.ts'
import { SweptStripes } from './swept-stripes.ts'
import type { SweepsLog } from './swept-stripes.ts'
import type { WriteLog } from '../observe/log-events.ts'

/**
 * The share of a volume that may be condemned in a day by itself: a mistake in it is found before
 * all is gone.
 */
const DAILY_SHARE = 0.2
const DAILY_BYTES_MIN: number = GIB
/** When it was surveyed last: 64 bits of ms. */
const SURVEYED = 'wsurveyed'

export interface VolumeGcParts {
  readonly namespace: Namespace
  readonly store: Store
  readonly map: StripeMap
  readonly packer: Packer
  readonly fetcher: ChunkFetcher
  readonly chunks: ChunkIo
  readonly inFlight: InFlightReferences
  readonly placedCopies: PlacedCopies
  readonly reads: RecentReads
  readonly classes: PinnedClasses
  /** Local pins, which stay here. */
  readonly kept: Pick<LocalPinning, 'has'>
  readonly packAnew: Repacker
  readonly dedupCheck: DedupCheck
  readonly livenessOf: (peer: PeerId) => Liveness
  readonly clock: Clock
  /** Something came that is to be looked at soon. */
  readonly wake: () => void
  readonly security?: RecordSecurity | undefined
  readonly log: WriteLog
}

const NOTHING: Collected = { condemned: 0, repacked: 0, swept: 0, sweptBytes: 0 }

export class VolumeGc {
  readonly collector: Collector
  readonly repin: Repin
  readonly #parts: VolumeGcParts
  readonly #held: OpenContent
  readonly #resurrection: Resurrection
  readonly #sweeps: SweptStripes
  /** Files may have changed since the last survey. */
  #hasChanged = true
  /** Stripes were swept since: copies of their chunks here are to be looked at. */
  #hasSwept = false
  #falseFiles: readonly FalseFile[] = []
  #fault: string | undefined
  readonly #unlisten: (() => void)[] = []

  constructor(parts: VolumeGcParts) {
    this.#parts = parts
    const { namespace, chunks, inFlight } = parts
    const { volume } = namespace
    const reader = (): ChunkReader => chunks.reader([])
    const release = async (stripes: readonly StripeId[]): Promise<void> => {
      for (const id of stripes) this.#sweeps.release(id)
      await parts.store.commit([])
    }
    this.collector = new Collector({ ...parts, volume, release })
    this.repin = new Repin({ ...parts, reader })
    this.#held = new OpenContent({ inFlight, view: volume.view, reader })
    const mayWriteHere = (): boolean => this.#isAllowed(mayWrite)
    this.#resurrection = new Resurrection({ ...parts, held: this.#held, mayWrite: mayWriteHere })
    this.#sweeps = new SweptStripes({
      ...parts,
      log: this.#sweepsLog(),
      self: volume.identity.peer,
      references: (wanted, signal) => references(this.#surveyed(), wanted, signal),
      isTouched: (chunk) => inFlight.has(chunk),
      onLive: (stripe, by, file) => this.#tellOfLive(stripe, by, file),
    })
  }

  get volume(): Volume {
    return this.#parts.namespace.volume
  }

  /** Files that nobody can read, as of the last survey. */
  get falseFiles(): readonly FileFault[] {
    const { membership } = this.volume
    return this.#falseFiles.map(({ path, author, message }) => ({
      path,
      author: author === undefined ? 'unknown' : membership.nameOf(author),
      message,
    }))
  }

  /** Why the last survey failed. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** The copies of chunks here that lie in stripes too. */
  get copies(): CopiedVolume & ReleasingVolume {
    const { volume } = this
    return { ...this.#parts, volume, keepLocal: (): KeepLocal => keepLocalOf(volume) }
  }

  /**
   * Stripes were swept since the last survey: copies of their chunks here may be needed no more.
   */
  get hasSwept(): boolean {
    return this.#hasSwept
  }

  start(): void {
    this.#resurrection.start()
    if (this.volume.view.get(SURVEYED) === undefined) this.#noteSurvey()
    const { volume } = this
    const { map, placedCopies } = this.#parts
    this.#unlisten.push(
      volume.events.onReset(() => () => placedCopies.forgetAll()),
      volume.events.change.add(() => {
        this.#hasChanged = true
      }),
      map.onChange((event) => {
        if (event.kind === 'swept') this.#hasSwept = true
        if (event.kind === 'condemned') this.#relist(event.stripes)
        if (this.#sweeps.changed(event)) this.#parts.wake()
      }),
    )
  }

  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten()
    await this.repin.stop()
    await this.#resurrection.stop()
  }

  /** See what becomes of stripes that others gave up, if that is due. */
  async review(signal: AbortSignal): Promise<void> {
    if (!this.#sweeps.isDue()) return
    const lease = this.#parts.inFlight.beginWithOldest()
    try {
      await this.#held.learn(signal)
      await this.volume.commit()
      await this.#sweeps.run(signal)
    } finally {
      lease.end()
    }
  }

  /**
   * Are stripes in use of which too few shards are held by anybody? Whoever could reach no holder
   * of another with their chunks may have said so of swept ones that the others had dropped: a
   * survey tells whether anything needs them.
   */
  #lacksHolders(): boolean {
    return this.#parts.map.groups().some(({ isCondemned, isSwept, tiers, holders, k }) => {
      const held = holders.filter((peers) => peers.length > 0).length
      return !isCondemned && !isSwept && tiers.length === 0 && held < k
    })
  }

  /** Is there anything to do by itself? */
  async isDue(): Promise<boolean> {
    if (!this.#isAllowed(mayRead)) return false
    const { clock, store } = this.#parts
    const ageMs = clock.wall() - this.#surveyedMs()
    const isOld =
      this.#hasChanged && (ageMs >= DAY_MS || (ageMs >= HOUR_MS && this.#lacksHolders()))
    const hasCopies = store.usage().chunkBytes > 0
    if (hasCopies && (isOld || this.#hasSwept)) return true
    return this.#mayCollect() && (isOld || (await this.collector.condemned()).ready > 0)
  }

  /**
   * Survey, settle what was condemned, and condemn more: all that is found, or what the day allows;
   * by itself only if it is this node's turn. The lease is to be ended when `surveyed` is done
   * with.
   */
  async collect(
    { isAsked, tell }: { isAsked: boolean; tell: TellGarbage },
    signal: AbortSignal,
  ): Promise<{ surveyed: SurveyedVolume; collected: Collected; end: () => void }> {
    const { volume } = this
    const { inFlight, map } = this.#parts
    const lease = inFlight.beginWithOldest()
    inFlight.startGeneration()
    try {
      const stable = this.collector.stable()
      if (!this.#isAllowed(mayRead)) {
        const surveyed = { ...this.#parts, volume, live: undefined, stable, seen: stable }
        return { surveyed, collected: NOTHING, end: () => lease.end() }
      }
      this.#hasChanged = false
      this.#hasSwept = false
      const { live, falseFiles } = await this.#survey(tell, signal)
      this.#tell(falseFiles)
      await volume.commit()
      const surveyed = { ...this.#parts, volume, live, stable, seen: volume.durableClaim().hlc }
      let collected = NOTHING
      if (isAsked ? this.#isAllowed(mayGiveUp) : this.#mayCollect()) {
        await this.#held.learn(signal)
        const bytesMax = isAsked ? Infinity : this.#dailyBytes(map)
        const onStripe = this.#stripeCounter(tell)
        const settled = await this.collector.settle(live, stable, { onStripe }, signal)
        const condemned = await this.collector.condemn(live, { bytesMax, onStripe }, signal)
        collected = { ...settled, ...condemned }
      }
      this.#noteSurvey()
      return { surveyed, collected, end: () => lease.end() }
    } catch (error) {
      this.#hasChanged = true
      lease.end()
      if (!signal.aborted) this.#fault = asShoalError(error).message
      throw error
    }
  }

  /** Copies of what is given up are copies of what took its place. */
  #relist(stripes: readonly StripeId[]): void {
    const { store, map } = this.#parts
    if (store.usage().chunkBytes === 0) return
    for (const id of stripes) {
      const stripe = map.stripe(id)
      if (stripe !== undefined) relist(stripe, undefined, this.#parts)
    }
  }

  #tell(found: readonly FalseFile[]): void {
    const { log, security } = this.#parts
    const known = new Set(this.#falseFiles.map(({ file }) => file))
    this.#falseFiles = found
    this.#fault = undefined
    for (const { file, path, author, message } of found) {
      if (known.has(file)) continue
      log('gc.false-file', { path, message })
      security?.({
        kind: 'false-file',
        volume: this.volume.id,
        ...(author === undefined ? {} : { peer: author }),
        message: `the content of ${path} is not what its author claims: ${message}; remove it`,
      })
    }
  }

  #sweepsLog(): SweepsLog {
    const { volume } = this
    const { clock } = this.#parts
    const isAllowed = (peer: PeerId, may: typeof mayRead): boolean => {
      const role = volume.membership.member(peer)?.role
      return role !== undefined && may(role)
    }
    return {
      stable: () => this.collector.stable(),
      condemnedAt: (id) => volume.stripes.condemnedAt(id),
      sweptBy: (id) => {
        const at = volume.stripes.sweptAt(id)
        if (at === undefined) return undefined
        return { peer: volume.actors.get(stampActor(at))?.peer, at: stampHlc(at) }
      },
      mayRead: (peer) => isAllowed(peer, mayRead),
      mayWrite: (peer) => isAllowed(peer, mayWrite),
      isElected: (peer) => peer !== undefined && electedCollector(volume, clock) === peer,
      keptMs: () => trashMsOf(volume),
    }
  }

  #tellOfLive(stripe: StripeId, by: PeerId | undefined, file: NodeId | undefined): void {
    const { namespace, security } = this.#parts
    const { id, membership } = this.volume
    const path = file === undefined ? undefined : pathOf(namespace, file)
    const what = path === undefined ? 'an open file' : namespace.shownPath(path)
    const who = by === undefined ? 'somebody' : membership.nameOf(by)
    const message = `${who} swept stripe ${stripe}, which ${what} needs: it stays in use`
    security?.({ kind: 'live-stripe-condemned', volume: id, ...(by && { peer: by }), message })
  }

  #noteSurvey(): void {
    this.volume.view.put(SURVEYED, float64ToBytes(this.#parts.clock.wall()))
  }

  #survey(tell: TellGarbage, signal: AbortSignal): ReturnType<typeof markLive> {
    const onFiles = (done: number, total: number): void => tell({ step: 'files', done, total })
    return markLive({ ...this.#surveyed(), onFiles }, signal)
  }

  /** Condemned stripes are looked at twice. */
  #stripeCounter(tell: TellGarbage): () => void {
    const counts = this.#parts.map
      .groups()
      .map(({ count, isCondemned, isSwept }) => (isCondemned && !isSwept ? 2 * count : count))
    const total = counts.reduce((sum, count) => sum + count, 0)
    let done = 0
    return () => tell({ step: 'stripes', done: done++, total })
  }

  #surveyed(): MarkParts {
    const { namespace, map, chunks, classes } = this.#parts
    const reader = (hints: readonly PeerId[]): ChunkReader =>
      chunks.reader(hints, { keeps: 'stored' })
    const classesOf = classes.ofFile.bind(classes)
    const { volume } = this
    const pathOfFile = (file: NodeId): string | undefined => {
      const path = pathOf(namespace, file)
      return path === undefined ? undefined : namespace.shownPath(path)
    }
    const parts = { ...this.#parts, volume, sizes: map.chunkSizes() }
    return { ...parts, reader, classesOf, pathOf: pathOfFile }
  }

  #mayCollect(): boolean {
    return this.#isAllowed(mayGiveUp) && this.collector.isMyTurn()
  }

  #isAllowed(may: typeof mayRead): boolean {
    const { membership, identity } = this.volume
    const role = membership.member(identity.peer)?.role
    return role !== undefined && may(role)
  }

  #dailyBytes(map: StripeMap): number {
    const left = map.groups().filter(({ isSwept }) => !isSwept)
    const total = left.reduce((sum, { k, m, shardBytes }) => sum + (k + m) * shardBytes, 0)
    return Math.max(DAILY_BYTES_MIN, DAILY_SHARE * total)
  }

  #surveyedMs(): number {
    const stored = this.volume.view.get(SURVEYED)
    return stored === undefined ? 0 : float64FromBytes(stored)
  }
}
