// What one volume gives up: when it is surveyed, and what is done by what the survey found. By itself this happens a day
// after the last time at the earliest, and only if files changed since; and when condemned stripes can be settled.
import { float64FromBytes, float64ToBytes } from '../../protocol/bytes.ts'
import { DAY_MS, GIB } from '../../protocol/units.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { mayRead, mayWrite } from '../../protocol/membership/roles.ts'
import type { NodeId, PeerId } from '../../protocol/ids.ts'
import type { ChunkIo, ChunkReader } from '../data/chunk-io.ts'
import type { Gatherer } from '../data/gather.ts'
import type { Packer } from '../data/packer.ts'
import type { StripeMap } from '../data/stripe-map.ts'
import type { Touched } from '../data/touched.ts'
import { pathOf } from '../files/paths.ts'
import type { PinnedClasses } from '../files/pinned-classes.ts'
import type { Namespace } from '../namespace/namespace.ts'
import type { Volume } from '../namespace/volume.ts'
import type { FileFault } from '../control/garbage.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Store } from '../store/store.ts'
import type { Liveness } from '../peers/detector.ts'
import type { Clock } from '../world/world.ts'
import { Collector } from './collect.ts'
import type { Collected } from './collect.ts'
import { HeldContent } from './held-content.ts'
import type { Keeper } from './keeper.ts'
import type { CopiedVolume, SurveyedVolume } from './local-copies.ts'
import { Objections } from './objections.ts'
import type { PackAnew } from './pack-anew.ts'
import { Repin } from './repin.ts'
import { survey } from './survey.ts'
import type { FalseFile } from './survey.ts'

/** Of a volume, what may be condemned in a day by itself: a mistake in it is found before all is gone. */
const DAILY_SHARE = 0.2
const DAILY_BYTES_MIN: number = GIB
/** When it was surveyed last: 64 bits of ms. */
const SURVEYED = 'wsurveyed'

export interface VolumeGarbageParts {
  readonly namespace: Namespace
  readonly store: Store
  readonly map: StripeMap
  readonly packer: Packer
  readonly gatherer: Gatherer
  readonly chunks: ChunkIo
  readonly touched: Touched
  readonly classes: PinnedClasses
  /** What is to stay here. */
  readonly kept: Pick<Keeper, 'has'>
  readonly packAnew: PackAnew
  readonly livenessOf: (peer: PeerId) => Liveness
  readonly clock: Clock
  readonly log: (message: string, fields: Record<string, unknown>) => void
  readonly security?: RecordSecurity | undefined
}

const NOTHING: Collected = { condemned: 0, repacked: 0, swept: 0, sweptBytes: 0 }

export class VolumeGarbage {
  readonly collector: Collector
  readonly repin: Repin
  readonly #parts: VolumeGarbageParts
  readonly #held: HeldContent
  readonly #objections: Objections
  /** Files may have changed since the last survey. */
  #hasChanged = true
  /** Stripes were swept since: copies of their chunks here are to be looked at. */
  #hasSwept = false
  #falseFiles: readonly FalseFile[] = []
  #fault: string | undefined
  readonly #unlisten: (() => void)[] = []

  constructor(parts: VolumeGarbageParts) {
    this.#parts = parts
    const { namespace, chunks, touched } = parts
    const { volume } = namespace
    const reader = (): ChunkReader => chunks.reader([])
    this.collector = new Collector({ ...parts, volume })
    this.repin = new Repin({ ...parts, reader })
    this.#held = new HeldContent({ touched, view: volume.view, reader })
    const mayWriteHere = (): boolean => this.#isAllowed(mayWrite)
    this.#objections = new Objections({ ...parts, held: this.#held, mayWrite: mayWriteHere })
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

  /** What is copied here of others. */
  get copies(): CopiedVolume {
    return this.#parts
  }

  /** Stripes were swept since the last survey: copies of their chunks here may be needed no more. */
  get hasSwept(): boolean {
    return this.#hasSwept
  }

  start(): void {
    this.#objections.start()
    if (this.volume.view.get(SURVEYED) === undefined) this.#noteSurvey()
    const { volume } = this
    const { map } = this.#parts
    this.#unlisten.push(
      volume.events.change.add(() => {
        this.#hasChanged = true
      }),
      map.onChange(({ kind }) => {
        if (kind === 'swept') this.#hasSwept = true
      }),
    )
  }

  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten()
    await this.repin.stop()
    await this.#objections.stop()
  }

  /** Is there anything to do by itself? */
  async isDue(): Promise<boolean> {
    if (!this.#isAllowed(mayRead)) return false
    const { clock, store } = this.#parts
    const isOld = this.#hasChanged && clock.wall() - this.#surveyedMs() >= DAY_MS
    const hasCopies = store.usage().chunkBytes > 0
    if (hasCopies && (isOld || this.#hasSwept)) return true
    return this.#mayCollect() && (isOld || (await this.collector.condemned()).ready > 0)
  }

  /**
   * Survey, settle what was condemned, and condemn more: all that is found, or what the day allows; by itself only if it
   * is this node's turn. The lease is to be ended when `surveyed` is done with.
   */
  async collect(
    { isAsked }: { isAsked: boolean },
    signal: AbortSignal,
  ): Promise<{ surveyed: SurveyedVolume; collected: Collected; end: () => void }> {
    const { volume } = this
    const { touched, map } = this.#parts
    const lease = touched.beginWithOldest()
    touched.startGeneration()
    try {
      const stable = this.collector.stable()
      if (!this.#isAllowed(mayRead)) {
        const surveyed = { ...this.#parts, volume, live: undefined, stable, seen: stable }
        return { surveyed, collected: NOTHING, end: () => lease.end() }
      }
      this.#hasChanged = false
      this.#hasSwept = false
      const { live, falseFiles } = await this.#survey(signal)
      this.#tell(falseFiles)
      await volume.commit()
      const surveyed = { ...this.#parts, volume, live, stable, seen: volume.durableClaim().hlc }
      let collected = NOTHING
      if (isAsked ? this.#isAllowed(mayWrite) : this.#mayCollect()) {
        await this.#held.learn(signal)
        const bytesMax = isAsked ? Infinity : this.#dailyBytes(map)
        const settled = await this.collector.settle(live, stable, signal)
        const condemned = await this.collector.condemn(live, { bytesMax }, signal)
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

  #tell(found: readonly FalseFile[]): void {
    const { log, security } = this.#parts
    const known = new Set(this.#falseFiles.map(({ file }) => file))
    this.#falseFiles = found
    this.#fault = undefined
    for (const { file, path, author, message } of found) {
      if (known.has(file)) continue
      log('a file is not what its writer says, and nobody can read it', { path, message })
      security?.({
        kind: 'false-file',
        volume: this.volume.id,
        ...(author === undefined ? {} : { peer: author }),
        message: `${path} is not what its writer says: ${message}; remove it`,
      })
    }
  }

  #noteSurvey(): void {
    this.volume.view.put(SURVEYED, float64ToBytes(this.#parts.clock.wall()))
  }

  #survey(signal: AbortSignal): ReturnType<typeof survey> {
    const { namespace, map, chunks, classes } = this.#parts
    const reader = (hints: readonly PeerId[]): ChunkReader =>
      chunks.reader(hints, { keeps: 'stored' })
    const classesOf = classes.ofFile.bind(classes)
    const { volume } = this
    const pathOfFile = (file: NodeId): string | undefined => pathOf(namespace, file)
    const parts = { ...this.#parts, volume, sizes: map.chunkSizes() }
    return survey({ ...parts, reader, classesOf, pathOf: pathOfFile }, signal)
  }

  #mayCollect(): boolean {
    return this.#isAllowed(mayWrite) && this.collector.isMyTurn()
  }

  #isAllowed(may: typeof mayRead): boolean {
    const { membership, identity } = this.volume
    const role = membership.member(identity.peer)?.role
    return role !== undefined && may(role)
  }

  #dailyBytes(map: StripeMap): number {
    const total = map.groups().reduce((sum, { k, m, shardBytes }) => sum + (k + m) * shardBytes, 0)
    return Math.max(DAILY_BYTES_MIN, DAILY_SHARE * total)
  }

  #surveyedMs(): number {
    const stored = this.volume.view.get(SURVEYED)
    return stored === undefined ? 0 : float64FromBytes(stored)
  }
}
