// Packs of which less than half is in use are put anew: what they still hold goes into packs
// together with what others like them hold, and what nothing names any more goes then as all such
// packs do (unused-packs.ts). Objects of an archive are left alone: they would have to be asked
// back, which costs more.
import { isArchiveClass } from '../../protocol/cold/definition.ts'
import {
  dataBytes,
  packOfKey,
  packsOf,
  packsPrefix,
  totalDataBytes,
} from '../../protocol/cold/pack.ts'
import { DAY_MS, GIB } from '../../protocol/units.ts'
import type { PackStripe } from '../../protocol/cold/pack.ts'
import type { PackId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { Clock, ObjectTier } from '../world/world.ts'

const YOUNG_MS: number = 2 * DAY_MS
/** Bytes in use that are rewritten at a time. */
const BYTES_MAX: number = GIB
/** Stripes looked at before others have their turn. */
const PACE = 64

export interface SparsePacksParts {
  readonly volume: VolumeId
  readonly tier: ObjectTier
  readonly tierName: string
  readonly map: Pick<StripeMap, 'groups' | 'stripesOf' | 'stripe'>
  /** Put a pack of stripes, and log it. throws ShoalError 'cold-*', 'chunk-unavailable'. */
  readonly put: (pack: readonly PackStripe[], signal: AbortSignal) => Promise<void>
  readonly clock: Pick<Clock, 'wall' | 'sleep'>
}

/**
 * returns how many bytes of stripes were put anew. In memory: the ids of all packs that are in use,
 * and the headers of the stripes that are put anew. throws ShoalError 'cold-*',
 * 'chunk-unavailable'.
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
