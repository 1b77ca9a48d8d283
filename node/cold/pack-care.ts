// Maintains the packs in the tiers of a volume: now and then one of its writers removes those that
// nothing names any more, and rewrites those that are mostly not in use.
import { isPlanted } from '../../protocol/planted-faults.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { DAY_MS, HOUR_MS, GIB } from '../../protocol/units.ts'
import type { PackStripe } from '../../protocol/cold/pack.ts'
import type { Instant } from '../../protocol/units.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { isColdPaused } from '../log/settings.ts'
import { countBefore, stableHlc, waitedFor } from '../log/stability.ts'
import type { World, Clock, ObjectTier } from '../world/world.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import {
  packKey,
  packOfKey,
  packsPrefix,
  dataBytes,
  packsOf,
  totalDataBytes,
} from '../../protocol/cold/pack.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { PackId, VolumeId, StripeId } from '../../protocol/ids.ts'
import { isArchiveClass } from '../../protocol/cold/definition.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { WriteLog } from '../observe/log-events.ts'

const EVERY_MS: number = DAY_MS
/** How long after the start. */
const FIRST_MS: number = HOUR_MS

/** A younger pack is left alone. */
const YOUNG_MS: number = 2 * DAY_MS
const STABLE_WITHIN_MS: number = DAY_MS
const REMOVED_AT_ONCE = 256

/** Bytes in use that are rewritten at a time. */
const BYTES_MAX: number = GIB
/** Stripes looked at before others have their turn. */
const PACE = 64

export interface PackCareParts {
  readonly world: Pick<World, 'clock'>
  readonly hosted: HostedVolume
  /** Put a pack into a tier, and log it. throws ShoalError 'cold-*', 'chunk-unavailable'. */
  readonly put: (tier: string, pack: readonly PackStripe[], signal: AbortSignal) => Promise<void>
  readonly log: WriteLog
}

interface UnusedPacksParts {
  readonly volume: VolumeId
  readonly tier: ObjectTier
  /** All that the log names of the tier, also of stripes that are not in use. */
  readonly named: () => AsyncIterable<PackId>
  /** Up to where the log is stable. */
  readonly stable: () => Hlc
  readonly clock: Pick<Clock, 'wall'>
}

interface SparsePacksParts {
  readonly volume: VolumeId
  readonly tier: ObjectTier
  readonly tierName: string
  readonly map: Pick<StripeMap, 'groups' | 'stripesOf' | 'stripe'>
  /** Put a pack of stripes, and log it. throws ShoalError 'cold-*', 'chunk-unavailable'. */
  readonly put: (pack: readonly PackStripe[], signal: AbortSignal) => Promise<void>
  readonly clock: Pick<Clock, 'wall' | 'sleep'>
}

export class PackCare {
  readonly #parts: PackCareParts
  #dueAt: Instant

  constructor(parts: PackCareParts) {
    this.#parts = parts
    this.#dueAt = (parts.world.clock.now() + FIRST_MS) as Instant
  }

  /** If it is time, and falls to this node. What a tier throws is logged. */
  async run(signal: AbortSignal): Promise<void> {
    const { hosted, world, log } = this.#parts
    const { clock } = world
    const others = waitedFor(hosted.volume, clock).map(({ peer }) => peer)
    if (clock.now() < this.#dueAt || countBefore(hosted.volume, others) !== 0) return
    this.#dueAt = (clock.now() + EVERY_MS) as Instant
    for (const tier of hosted.tiers.agreed()) {
      try {
        await this.#see(tier, signal)
      } catch (error) {
        signal.throwIfAborted()
        const { code, message } = asShoalError(error)
        log('cold.packs-not-removed', { tier, code, message })
      }
    }
  }

  async #see(tierName: string, signal: AbortSignal): Promise<void> {
    const { hosted, world, put, log } = this.#parts
    const { volume, map, tiers } = hosted
    const parts = { volume: volume.id, tier: tiers.open(tierName), clock: world.clock }
    const named = { named: () => volume.stripes.packs(tierName) }
    const stable = { stable: () => stableHlc(volume, world.clock) }
    const count = await removeUnusedPacks({ ...parts, ...named, ...stable }, signal)
    if (count > 0) log('cold.packs-removed', { tier: tierName, count })
    if (isColdPaused(volume)) return
    const anew = { map, tierName, put: put.bind(undefined, tierName) }
    const bytes = await putSparsePacksAnew({ ...parts, ...anew }, signal)
    if (bytes > 0) log('cold.packs-renewed', { tier: tierName, bytes })
  }
}

/**
 * returns how many were removed. In memory: the ids of all packs that are named. throws ShoalError
 * 'cold-*'.
 */
/**
 * Takes packs out of a tier to which no word of the log points any more: their stripes were
 * removed, or recalled. A pack may have been put that is named by nothing yet, here: so none goes
 * that is young, and none while the log is not known to be complete up to a day ago. Who puts a
 * pack names it within hours of that, and never puts one under a name that is older (pack-
 * upload.ts).
 */
export async function removeUnusedPacks(
  { volume, tier, named, stable, clock }: UnusedPacksParts,
  signal: AbortSignal,
): Promise<number> {
  const nowMs = clock.wall()
  if (nowMs - hlcMillis(stable()) > STABLE_WITHIN_MS) return 0
  const old: PackId[] = []
  for await (const { key, modifiedMs } of tier.list(packsPrefix(volume), { signal })) {
    const pack = packOfKey(volume, key)
    if (pack !== undefined && (nowMs - modifiedMs > YOUNG_MS || isPlanted('young-packs-removed')))
      old.push(pack)
  }
  if (old.length === 0) return 0
  // After the tier was asked: what was named meanwhile is found.
  const used = new Set<PackId>()
  for await (const pack of named()) used.add(pack)
  const unused = old.filter((pack) => !used.has(pack)).map((pack) => packKey(volume, pack))
  for (let at = 0; at < unused.length; at += REMOVED_AT_ONCE)
    await tier.remove(unused.slice(at, at + REMOVED_AT_ONCE), { signal })
  return unused.length
}

/**
 * returns how many bytes of stripes were put anew. In memory: the ids of all packs that are in use,
 * and the headers of the stripes that are put anew. throws ShoalError 'cold-*',
 * 'chunk-unavailable'.
 */
/**
 * Puts packs anew of which less than half is in use: what they still hold goes into packs together
 * with what others like them hold, and what nothing names any more goes then as all such packs do.
 * Objects of an archive are left alone: they would have to be asked back, which costs more.
 */
export async function putSparsePacksAnew(
  parts: SparsePacksParts,
  signal: AbortSignal,
): Promise<number> {
  const used = new Map<PackId, number>()
  for await (const { pack, stripe } of stripesInTier(parts, signal))
    used.set(pack, (used.get(pack) ?? 0) + dataBytes(stripe))
  const sparse = await sparsePacks(parts, used, signal)
  if (sparse.size === 0) return 0
  const stripes: PackStripe[] = []
  for await (const { pack, id, stripe } of stripesInTier(parts, signal))
    if (sparse.has(pack)) stripes.push({ ...stripe, id })
  for (const pack of packsOf(stripes)) await parts.put(pack, signal)
  return totalDataBytes(stripes)
}

/** Packs of which less than half is in use; up to BYTES_MAX of that. */
async function sparsePacks(
  { volume, tier, clock }: SparsePacksParts,
  used: ReadonlyMap<PackId, number>,
  signal: AbortSignal,
): Promise<ReadonlySet<PackId>> {
  const sparse = new Set<PackId>()
  let putBytes = 0
  for await (const { key, ...object } of tier.list(packsPrefix(volume), { signal })) {
    const pack = packOfKey(volume, key)
    const usedBytes = pack === undefined ? 0 : (used.get(pack) ?? 0)
    if (pack === undefined || usedBytes === 0 || 2 * usedBytes >= object.bytes) continue
    if (clock.wall() - object.modifiedMs <= YOUNG_MS || isArchiveClass(object.storageClass))
      continue
    putBytes += usedBytes
    if (putBytes > BYTES_MAX) break
    sparse.add(pack)
  }
  return sparse
}

async function* stripesInTier(
  { map, tierName, clock }: SparsePacksParts,
  signal: AbortSignal,
): AsyncGenerator<
  { readonly pack: PackId; readonly id: StripeId; readonly stripe: MappedStripe },
  void,
  undefined
> {
  let steps = 0
  for (const group of map.groups()) {
    if (group.isCondemned || !group.tiers.includes(tierName)) continue
    for await (const id of map.stripesOf(group.id)) {
      signal.throwIfAborted()
      if (++steps % PACE === 0) await clock.sleep(1, { signal })
      const stripe = map.stripe(id)
      const copy = stripe?.cold.find(({ tier }) => tier === tierName)
      if (stripe !== undefined && !stripe.isCondemned && copy !== undefined)
        yield { pack: copy.pack, id, stripe }
    }
  }
}
