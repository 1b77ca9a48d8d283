// Takes packs out of a tier to which no word of the log points any more: their stripes were
// removed, or recalled. A pack may have been put that is named by nothing yet, here: so none goes
// that is young, and none while the log is not known to be complete up to a day ago. Who puts a
// pack names it within hours of that, and never puts one under a name that is older
// (pack-upload.ts).
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { packKey, packOfKey, packsPrefix } from '../../protocol/cold/pack.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { PackId, VolumeId } from '../../protocol/ids.ts'
import type { Clock, ObjectTier } from '../world/world.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

const YOUNG_MS: number = 2 * DAY_MS
const STABLE_WITHIN_MS: number = DAY_MS
const REMOVED_AT_ONCE = 256

export interface UnusedPacksParts {
  readonly volume: VolumeId
  readonly tier: ObjectTier
  /** All that the log names of the tier, also of stripes that are not in use. */
  readonly named: () => AsyncIterable<PackId>
  /** Up to where the log is stable. */
  readonly stable: () => Hlc
  readonly clock: Pick<Clock, 'wall'>
}

/**
 * returns how many were removed. In memory: the ids of all packs that are named. throws ShoalError
 * 'cold-*'.
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
