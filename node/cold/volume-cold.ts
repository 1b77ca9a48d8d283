// The data that one volume has in cold tiers, and its way there: by its settings in the background,
// or at once on request. The order is always the same: a pack is put and read back
// (pack-upload.ts), then logged, and only then do peers give up anything (demotion.ts). A crash
// leaves nothing half done that needs to be remembered.
import type { WallTime } from '../../protocol/units.ts'
import { dataBytes, packsOf, totalDataBytes } from '../../protocol/cold/pack.ts'
import { mayGiveUp } from '../../protocol/roles.ts'
import { rankForGroup } from '../../protocol/placement/plan.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { PackStripe } from '../../protocol/cold/pack.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { World } from '../world/world.ts'
import type { ColdProgress } from '../control/cold.ts'
import { asTheyEnd } from '../stripes/in-parallel.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { coldAfterOf } from '../log/settings.ts'
import { stableHlc } from '../log/stability.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Store } from '../store/store.ts'
import { DebounceTimer } from '../jobs/debounce-timer.ts'
import { Job } from '../jobs/background-job.ts'
import { Backup } from './backup.ts'
import { ColdPins } from './cold-pins.ts'
import { Migration, PACKS_AT_ONCE, readsToTell } from './migration.ts'
import { PackCare } from './pack-care.ts'
import { Recall } from './recall.ts'
import { Demotion } from './demotion.ts'
import { uploadPack } from './pack-upload.ts'
import { Backoff } from '../jobs/backoff.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { WriteLog } from '../observe/log-events.ts'

const EVERY_MS: number = 10 * MINUTE_MS
/** Nothing is looked at sooner again. */
const AGAIN_MS: number = SECOND_MS
/**
 * Until it is looked whether others, who may be away, are waited for no more; twice as long each
 * time that they are. Who confirms what was logged is heard of.
 */
const STABLE_MS: number = 5 * SECOND_MS

export interface VolumeColdParts {
  readonly world: World
  readonly store: Store
  readonly hosted: HostedVolume
  readonly isOnline: (peer: PeerId) => boolean
  /** Is a chunk pinned to this node? */
  readonly isKept: (chunk: ChunkId) => boolean
  readonly security?: RecordSecurity | undefined
  readonly log: WriteLog
}

/** How a tier was when it was last read. */
export interface Verified {
  readonly atMs: WallTime
  readonly problems: number
}

export class VolumeCold {
  /** Since the start, by the names of tiers. */
  readonly verified: Map<string, Verified> = new Map()
  readonly #parts: VolumeColdParts
  readonly #demotion: Demotion
  readonly #recall: Recall
  readonly #migration: Migration
  readonly #backup: Backup
  readonly #pins: ColdPins
  readonly #job: Job
  readonly #stable = new Backoff({ firstMs: STABLE_MS, longestMs: EVERY_MS })
  /** Up to where the log is to be stable for peers to give up more. */
  #awaited: Hlc | undefined
  readonly #packCare: PackCare
  readonly #unlisten: (() => void)[] = []
  readonly #timer: DebounceTimer

  constructor(parts: VolumeColdParts) {
    this.#parts = parts
    const { world, hosted, store, isKept, log } = parts
    const { clock, random } = world
    const { map, volume, packer, inFlight } = hosted
    this.#demotion = new Demotion({
      map,
      store,
      clock,
      random,
      self: world.network.self,
      cold: hosted.cold,
      stable: () => stableHlc(volume, clock),
      onFalse: (stripe, { tier, pack }) => {
        const message =
          `cold tier ${tier} does not hold stripe ${stripe} in pack ${pack}, ` +
          'though the log says so; this node keeps its copies. ' +
          'Upload it again with "shoal cold push", or check the tier'
        parts.security?.({ kind: 'cold-false', volume: volume.id, message })
      },
      isNeededHere: (chunk) => packer.isMarked(chunk) || inFlight.has(chunk) || isKept(chunk),
    })
    this.#recall = new Recall(parts)
    this.#backup = new Backup(parts)
    const put = this.#upload.bind(this)
    this.#migration = new Migration({
      world,
      hosted,
      placeIn: (group) => this.#placeIn(group.placementGroup),
      put,
      log,
    })
    this.#pins = new ColdPins({
      hosted,
      clock,
      random,
      placeIn: (group, first) => this.#placeIn(group, first),
      put,
      log,
    })
    this.#packCare = new PackCare({ world, hosted, put, log })
    const run = (signal: AbortSignal): Promise<void> => this.#pass(signal)
    this.#job = new Job({ clock, random, log, run, name: 'cold tier', everyMs: EVERY_MS })
    this.#timer = new DebounceTimer(clock, () => this.#job.wake())
  }

  /**
   * Why the last pass in the background could not put anything into a tier; undefined if it could.
   */
  failureOf(tier: string): ShoalError | undefined {
    const parts = [this.#migration, this.#pins, this.#backup]
    return parts.map((part) => part.failureOf(tier)).find((failure) => failure !== undefined)
  }

  /** How far this node is with what is due in a tier; undefined: it puts nothing there. */
  movingTo(tier: string): ColdProgress | undefined {
    return this.#migration.movingTo(tier)
  }

  start(): void {
    const { map, tiers, volume } = this.#parts.hosted
    this.#unlisten.push(
      map.onChange(({ kind }) => {
        if (kind !== 'cold') return
        this.#stable.reset()
        this.#wakeIn(AGAIN_MS)
      }),
      volume.events.members.add(() => this.#wakeIn(AGAIN_MS)),
      volume.events.confirmed.add(() => this.#confirmed()),
      // What the volume says of its tiers was known before, and may have been looked at.
      tiers.onAgreed.add(() => this.#wakeIn(AGAIN_MS)),
    )
    this.#job.start()
    this.#pins.start()
    this.#wakeIn(AGAIN_MS)
  }

  /** Resolves when nothing goes on any more. */
  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten()
    this.#timer.cancel()
    await Promise.all([this.#pins.stop(), this.#job.stop()])
    this.#timer.cancel()
  }

  /** Put the namespace into a tier now. throws ShoalError 'cold-*'. */
  backUp(tier: string, signal: AbortSignal): Promise<void> {
    return this.#backup.save(tier, signal)
  }

  /**
   * Put stripes into a tier now, those apart that are there. To break off is safe, and what is
   * there stays there.
   * throws ShoalError 'cold-*', 'chunk-unavailable', 'ENOENT' for a tier that the volume does not
   * have.
   */
  async *push(
    tier: string,
    ids: readonly StripeId[],
    signal: AbortSignal,
  ): AsyncGenerator<ColdProgress, void, undefined> {
    const { tiers } = this.#parts.hosted
    tiers.open(tier)
    const left = ids.flatMap((id) => this.#packStripe(id, tier) ?? [])
    const totalBytes = totalDataBytes(left)
    let doneBytes = 0
    yield { doneBytes, totalBytes }
    const put = async (pack: readonly PackStripe[]): Promise<void> => {
      await this.#upload(tier, pack, signal)
      doneBytes += totalDataBytes(pack)
    }
    for await (const _ of asTheyEnd(packsOf(left), PACKS_AT_ONCE, put))
      yield { doneBytes, totalBytes }
    await this.#backup.save(tier, signal)
    yield { doneBytes, totalBytes }
  }

  /**
   * Bring stripes that lie in tiers back to peers, and let go of what lies there. To break off is
   * safe.
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
    const totalBytes = totalDataBytes(cold)
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
    const { volume, tiers, fetcher, map } = this.#parts.hosted
    const parts = {
      volume: volume.id,
      tier: tiers.open(tier),
      tierName: tier,
      clock: this.#parts.world.clock,
      fetch: (chunk: Parameters<typeof fetcher.fetch>[0], ended: AbortSignal) =>
        fetcher.fetch(chunk, { hints: [], signal: ended }),
    }
    if (isPlanted('given-up-before-upload')) for (const { id } of stripes) await this.#giveUp(id)
    const pack = await uploadPack(parts, stripes, signal)
    await map.recordCold(tier, pack.id, pack.places)
  }

  /** Drops all shards of a stripe, for planted faults alone. */
  async #giveUp(id: StripeId): Promise<void> {
    const { map } = this.#parts.hosted
    const held = (map.stripe(id)?.holders ?? []).flatMap((peers, index) =>
      peers.map((peer) => ({ index, peer, isHeld: false })),
    )
    if (held.length > 0) await map.recordShards(id, held)
  }

  async #pass(signal: AbortSignal): Promise<void> {
    // First: whatever fails below, what lies there safely is let go of.
    this.#awaited = await this.#demotion.run(signal)
    if (this.#awaited === undefined) this.#stable.reset()
    else this.#wakeIn(this.#stable.next())
    const { hosted, world } = this.#parts
    const { volume, map, reads } = hosted
    const settings = coldAfterOf(volume)
    const read = reads.take()
    if (settings !== undefined) {
      const told = readsToTell(read, { map, clock: world.clock, afterMs: settings.afterMs })
      if (told.length > 0) await map.recordRead(told)
      if (this.#mayGiveUp(volume.identity.peer) && hosted.tiers.agreed().includes(settings.tier))
        await this.#migration.run(settings, (inMs) => this.#wakeIn(inMs), signal)
    }
    await this.#packCare.run(signal)
    const againMs = await this.#backup.run(signal)
    if (againMs !== undefined) this.#wakeIn(againMs)
  }

  /**
   * Among the writers that are online, in rank of a placement group, but for one that comes first.
   */
  #placeIn(placementGroup: number, first?: PeerId): number | undefined {
    const { hosted, world, isOnline } = this.#parts
    const { self } = world.network
    const ranked = rankForGroup(placementGroup, hosted.map.candidates()).map(({ peer }) => peer)
    const there = [
      ...(first === undefined ? [] : [first]),
      ...ranked.filter((one) => one !== first),
    ].filter((peer) => this.#mayGiveUp(peer) && (peer === self || isOnline(peer)))
    const place = there.indexOf(self)
    return place < 0 ? undefined : place
  }

  #mayGiveUp(peer: PeerId): boolean {
    const role = this.#parts.hosted.volume.membership.member(peer)?.role
    return role !== undefined && mayGiveUp(role)
  }

  /** Somebody confirmed what is durable there: it may be what was waited for. */
  #confirmed(): void {
    const { hosted, world } = this.#parts
    if (this.#awaited === undefined || stableHlc(hosted.volume, world.clock) < this.#awaited) return
    this.#awaited = undefined
    this.#wakeIn(AGAIN_MS)
  }

  #wakeIn(inMs: number): void {
    this.#timer.ringIn(Math.max(inMs, AGAIN_MS))
  }
}
