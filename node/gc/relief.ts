// Relieves a disk that is almost full of the past: an admin's node whose own disk is, and no word
// of others, lets go of the oldest that is kept before its time. It says so by a policy, in steps:
// a tenth of the time that is kept each, and the next a day later, since it takes about that long
// until space comes back.
import { stampHlc, stampMs } from '../../protocol/clock/dot.ts'
import { mayAdminister } from '../../protocol/roles.ts'
import { decodeDeathTime, deadPrefix } from '../../protocol/tree/dead.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { RELIEF_POLICY, reliefsOf } from '../../protocol/tree/retention.ts'
import { SUPERSEDED_PREFIX, decodeSuperseded } from '../../protocol/tree/superseded.ts'
import { DAY_MS } from '../../protocol/units.ts'
import { isRelieved } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import { heldMoments } from '../state/mass-losses.ts'
import { viewPages } from '../state/state-view.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Below this share of what a store may take in all its disk is almost full. */
const FREE_SHARE = 0.05
const STEP_SHARE = 0.1
const EVERY_MS: number = DAY_MS
/** Nothing goes that ended within this time. */
const SPARED_MS: number = DAY_MS

export interface ReliefParts {
  readonly volume: Volume
  /** The space of this node's store. */
  readonly space: () => Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  readonly log: WriteLog
}

/** Lets go of some of the past, if that is due; durably. cost: O(what is kept) then. */
export async function relieve(
  { volume, space, log }: ReliefParts,
  signal: AbortSignal,
): Promise<void> {
  const { identity, membership, time } = volume
  const role = membership.roleOf(identity.peer)
  if (role === undefined || !mayAdminister(role) || !isRelieved(volume)) return
  const { freeBytes, totalBytes } = await space()
  if (totalBytes === 0 || freeBytes >= FREE_SHARE * totalBytes) return
  const last = reliefsOf(membership.state.retention).at(-1)
  const nowMs = time.now()
  if (last !== undefined && nowMs < last.setMs + EVERY_MS) return
  const oldestMs = await oldestEnd(volume, last?.endedUpToMs ?? 0, signal)
  const newestMs = nowMs - SPARED_MS
  if (oldestMs >= newestMs) {
    log('gc.relief', { volume: volume.id })
    return
  }
  const toMs = Math.ceil(oldestMs + STEP_SHARE * (newestMs - oldestMs))
  volume.submit({ kind: 'policy', key: RELIEF_POLICY, value: String(toMs) })
  await volume.commit()
}

/**
 * When the oldest ended that is kept by nothing but the rule of the volume, of what ended after a
 * time; infinite if there is nothing.
 */
async function oldestEnd({ view }: Volume, afterMs: number, signal: AbortSignal): Promise<number> {
  const moments = await heldMoments(view)
  let oldestMs = Infinity
  const found = (endedMs: number): void => {
    if (endedMs > afterMs && endedMs < oldestMs) oldestMs = endedMs
  }
  for await (const [, value] of viewPages(view, SUPERSEDED_PREFIX)) {
    signal.throwIfAborted()
    const { version, ended, isSpared } = decodeSuperseded(value)
    const isHeld = moments.some(
      (moment) => stampHlc(version.stamp) <= moment && moment < stampHlc(ended),
    )
    if (!isSpared && !isHeld) found(stampMs(ended))
  }
  for await (const [, value] of viewPages(view, deadPrefix('inode'))) {
    signal.throwIfAborted()
    const died = decodeDeathTime(value)
    if (!moments.some((moment) => moment < died)) found(hlcMillis(died))
  }
  return oldestMs
}
