// What one volume has in cold tiers, and what goes there: by its settings in the background, or at once what is asked for.
// The order is always the same: a pack is put and read back (upload.ts), then logged, and only then do peers give up
// anything (settle.ts). A crash leaves nothing half done that needs to be remembered.
import { Packing, dataBytes } from '../../protocol/cold/pack.ts'
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import { mayWrite } from '../../protocol/membership/roles.ts'
import { rankForGroup } from '../../protocol/placement/plan.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { PackStripe } from '../../protocol/cold/pack.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { Instant } from '../../protocol/units.ts'
import type { ChunkId, PackId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { Timer, World } from '../world/world.ts'
import type { ColdProgress } from '../control/cold.ts'
import { inParallel } from '../data/in-parallel.ts'
import type { StripeGroup } from '../data/stripe-map.ts'
import type { HostedVolume } from '../files/hosted-volume.ts'
import { coldAfterOf } from '../namespace/settings.ts'
import { countBefore, stableHlc, waitedFor } from '../namespace/stable.ts'
import type { Store } from '../store/store.ts'
import { Job } from '../upkeep/job.ts'
import { Backup } from './backup.ts'
import { dueStripes } from './due.ts'
import type { DueStripe } from './due.ts'
import { Recall } from './recall.ts'
import { readsToTell } from './reads.ts'
import { Settlement } from './settle.ts'
import { removeUnusedPacks } from './unused-packs.ts'
import { uploadPack } from './upload.ts'

const EVERY_MS: number = 10 * MINUTE_MS
/** Nothing is looked at sooner again. */
const AGAIN_MS: number = SECOND_MS
/** Until others are heard to have what was just logged. */
const STABLE_MS: number = 5 * SECOND_MS
const PACKS_AT_ONCE = 2
/** How often it is looked for packs that are not needed, and how long after the start. */
const REMOVE_EVERY_MS: number = DAY_MS
const REMOVE_FIRST_MS: number = HOUR_MS
/** Stripes too small for a pack wait for others this part of `cold-after` longer. */
const WAIT_SHARE = 0.25

export interface VolumeColdParts {
  readonly world: World
  readonly store: Store
  readonly hosted: HostedVolume
  readonly isOnline: (peer: PeerId) => boolean
  /** Is a chunk pinned to this node? */
  readonly isKept: (chunk: ChunkId) => boolean
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export class VolumeCold {
  readonly #parts: VolumeColdParts
  readonly #settlement: Settlement
  readonly #recall: Recall
  readonly #backup: Backup
  readonly #job: Job
  #removeAt: Instant
  readonly #unlisten: (() => void)[] = []
  #alarm: { readonly timer: Timer; readonly at: number } | undefined
  /** Why a tier took nothing in the last pass in the background. */
  #failed: { readonly tier: string; readonly failure: ShoalError } | undefined

  constructor(parts: VolumeColdParts) {
    this.#parts = parts
    const { world, store, hosted, isOnline, isKept, log } = parts
    const { clock, random } = world
    const { map, volume, packer, touched } = hosted
    this.#removeAt = (clock.now() + REMOVE_FIRST_MS) as Instant
    this.#settlement = new Settlement({
      map,
      store,
      clock,
      isOnline,
      stable: () => stableHlc(volume, clock),
      isMine: (group) => this.#placeIn(group) === 0,
      isNeededHere: (chunk) => packer.isMarked(chunk) || touched.has(chunk) || isKept(chunk),
    })
    this.#recall = new Recall(parts)
    this.#backup = new Backup(parts)
    const run = (signal: AbortSignal): Promise<void> => this.#pass(signal)
    this.#job = new Job({ clock, random, log, run, name: 'cold tier', everyMs: EVERY_MS })
  }

  /** Why the last pass in the background could not put anything into a tier; undefined if it could. */
  failureOf(tier: string): ShoalError | undefined {
    const failure = this.#failed?.tier === tier ? this.#failed.failure : undefined
    return failure ?? this.#backup.failureOf(tier)
  }

  start(): void {
    const { map, volume } = this.#parts.hosted
    this.#unlisten.push(
      map.onChange(({ kind }) => {
        if (kind === 'cold') this.#wakeIn(AGAIN_MS)
      }),
      volume.events.members.add(() => this.#wakeIn(AGAIN_MS)),
    )
    this.#job.start()
    this.#wakeIn(AGAIN_MS)
  }

  /** Resolves when nothing goes on any more. */
  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten()
    this.#alarm?.timer.cancel()
    await this.#job.stop()
    this.#alarm?.timer.cancel()
  }

  /** Put the namespace into a tier now. throws ShoalError 'cold-*'. */
  backUp(tier: string, signal: AbortSignal): Promise<void> {
    return this.#backup.save(tier, signal)
  }

  /**
   * Put stripes into a tier now, those apart that are there. To break off is safe, and what is there stays there.
   * throws ShoalError 'cold-*', 'chunk-unavailable', 'ENOENT' for a tier that the volume does not have.
   */
  async *push(
    tier: string,
    ids: readonly StripeId[],
    signal: AbortSignal,
  ): AsyncGenerator<ColdProgress, void, undefined> {
    const { tiers } = this.#parts.hosted
    tiers.locationOf(tier)
    const left = ids.flatMap((id) => this.#packStripe(id, tier) ?? [])
    const totalBytes = left.reduce((sum, stripe) => sum + dataBytes(stripe), 0)
    let doneBytes = 0
    yield { doneBytes, totalBytes }
    let batch: (readonly PackStripe[])[] = []
    const packing = new Packing<PackStripe>()
    const flush = async (): Promise<void> => {
      const packs = batch
      batch = []
      await Promise.all(packs.map((pack) => this.#upload(tier, pack, signal)))
      doneBytes += packs.flat().reduce((sum, stripe) => sum + dataBytes(stripe), 0)
    }
    for (const stripe of left) {
      const full = packing.add(stripe)
      if (full === undefined) continue
      batch.push(full)
      if (batch.length < PACKS_AT_ONCE) continue
      await flush()
      yield { doneBytes, totalBytes }
    }
    const rest = packing.rest()
    if (rest.length > 0) batch.push(rest)
    await flush()
    await this.#backup.save(tier, signal)
    yield { doneBytes, totalBytes }
  }

  /**
   * Bring stripes that lie in tiers back to peers, and let go of what lies there. To break off is safe.
   * throws ShoalError 'not-placed', 'chunk-unavailable'.
   */
  async *recall(
    ids: readonly StripeId[],
    signal: AbortSignal,
  ): AsyncGenerator<ColdProgress, void, undefined> {
    const { map } = this.#parts.hosted
    const cold = ids.flatMap((id) => {
      const stripe = map.stripe(id)
      return stripe === undefined || stripe.cold.length === 0 ? [] : [{ ...stripe, id }]
    })
    const totalBytes = cold.reduce((sum, stripe) => sum + dataBytes(stripe), 0)
    let doneBytes = 0
    yield { doneBytes, totalBytes }
    for (const stripe of cold) {
      await this.#recall.run(stripe.id, signal)
      doneBytes += dataBytes(stripe)
      yield { doneBytes, totalBytes }
    }
  }

  /** Let the volume know of a tier no more, and that nothing lies there. */
  async leave(tier: string, signal: AbortSignal): Promise<void> {
    const { map, tiers } = this.#parts.hosted
    for (const group of map.groups().filter((one) => one.tiers.includes(tier))) {
      const ids: StripeId[] = []
      for await (const id of map.stripesOf(group.id)) ids.push(id)
      signal.throwIfAborted()
      await map.recordCold(
        tier,
        undefined,
        ids.map((stripe) => ({ stripe, offset: 0 })),
      )
    }
    await tiers.remove(tier)
  }

  #packStripe(id: StripeId, tier: string): PackStripe | undefined {
    const stripe = this.#parts.hosted.map.stripe(id)
    const isThere = stripe?.isCondemned !== false || stripe.cold.some((copy) => copy.tier === tier)
    return isThere ? undefined : { ...stripe, id }
  }

  async #upload(tier: string, stripes: readonly PackStripe[], signal: AbortSignal): Promise<void> {
    const { volume, tiers, gatherer, map } = this.#parts.hosted
    const parts = {
      volume: volume.id,
      tier: tiers.open(tier),
      tierName: tier,
      clock: this.#parts.world.clock,
      fetch: (chunk: Parameters<typeof gatherer.fetch>[0], ended: AbortSignal) =>
        gatherer.fetch(chunk, { hints: [], signal: ended }),
    }
    const pack = await uploadPack(parts, stripes, signal)
    await map.recordCold(tier, pack.id, pack.places)
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { hosted, world } = this.#parts
    const { volume, map, reads } = hosted
    const settings = coldAfterOf(volume)
    const read = reads.take()
    if (settings !== undefined) {
      const told = readsToTell(read, { map, clock: world.clock, afterMs: settings.afterMs })
      if (told.length > 0) await map.recordRead(told)
      if (this.#mayWrite(volume.identity.peer) && hosted.tiers.names().includes(settings.tier))
        await this.#putDue(settings, signal)
    }
    await this.#removeUnused(signal)
    const againMs = await this.#backup.run(signal)
    if (againMs !== undefined) this.#wakeIn(againMs)
    if ((await this.#settlement.run(signal)) > 0) this.#wakeIn(STABLE_MS)
  }

  /** Now and then, by one of the writers. */
  async #removeUnused(signal: AbortSignal): Promise<void> {
    const { hosted, world, log } = this.#parts
    const { volume, tiers } = hosted
    const { clock } = world
    const others = waitedFor(volume, clock).map(({ peer }) => peer)
    if (clock.now() < this.#removeAt || countBefore(volume, others) !== 0) return
    this.#removeAt = (clock.now() + REMOVE_EVERY_MS) as Instant
    for (const name of tiers.names()) {
      try {
        const named = (): AsyncIterable<PackId> => volume.stripes.packs(name)
        const stable = (): Hlc => stableHlc(volume, clock)
        const parts = { volume: volume.id, tier: tiers.open(name), named, stable, clock }
        const count = await removeUnusedPacks(parts, signal)
        if (count > 0) log('packs that are not needed any more were removed', { tier: name, count })
      } catch (error) {
        signal.throwIfAborted()
        const { code, message } = asShoalError(error)
        log('packs that are not needed cannot be removed now', { tier: name, code, message })
      }
    }
  }

  async #putDue(
    { afterMs, tier }: { readonly afterMs: number; readonly tier: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { hosted, world, log } = this.#parts
    const { clock } = world
    const parts = { map: hosted.map, clock, placeIn: this.#placeIn.bind(this) }
    const due = dueStripes(parts, { afterMs, tier }, (inMs) => this.#wakeIn(inMs), signal)
    try {
      await inParallel(packsOf(due, WAIT_SHARE * afterMs), PACKS_AT_ONCE, async (pack) => {
        try {
          await this.#upload(tier, pack, signal)
        } catch (error) {
          // What others lack may be there next time; a tier that fails, fails for all.
          if (!hasCode(error, 'chunk-unavailable')) throw error
          log('a pack cannot be put into the cold tier now', { tier, message: error.message })
        }
      })
      this.#failed = undefined
    } catch (error) {
      signal.throwIfAborted()
      const failure = asShoalError(error)
      this.#failed = { tier, failure }
      const { code, message } = failure
      log('the cold tier takes nothing now', { tier, code, message })
    }
  }

  /** Among the writers that are online, in rank of a group. */
  #placeIn({ placementGroup }: StripeGroup): number | undefined {
    const { hosted, world, isOnline } = this.#parts
    const { self } = world.network
    const there = rankForGroup(placementGroup, hosted.map.candidates())
      .map(({ peer }) => peer)
      .filter((peer) => this.#mayWrite(peer) && (peer === self || isOnline(peer)))
    const place = there.indexOf(self)
    return place < 0 ? undefined : place
  }

  #mayWrite(peer: PeerId): boolean {
    const role = this.#parts.hosted.volume.membership.member(peer)?.role
    return role !== undefined && mayWrite(role)
  }

  #wakeIn(inMs: number): void {
    const { clock } = this.#parts.world
    const at = clock.now() + Math.max(inMs, AGAIN_MS)
    if (this.#alarm !== undefined && this.#alarm.at <= at) return
    this.#alarm?.timer.cancel()
    const timer = clock.timer(at - clock.now(), () => {
      this.#alarm = undefined
      this.#job.wake()
    })
    this.#alarm = { timer, at }
  }
}

async function* packsOf(
  due: AsyncIterable<DueStripe>,
  waitMs: number,
): AsyncGenerator<readonly PackStripe[], void, undefined> {
  const packing = new Packing<DueStripe>()
  for await (const stripe of due) {
    const full = packing.add(stripe)
    if (full !== undefined) yield full
  }
  const isLittle = packing.isLittle
  const rest = packing.rest()
  if (rest.length > 0 && (!isLittle || rest.some(({ overdueMs }) => overdueMs >= waitMs)))
    yield rest
}
