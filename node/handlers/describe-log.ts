// Reports the log of a volume for status: entries that are not taken, its checkpoints, late
// entries, and the members that hold them up.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { LogStatus } from '../control/status.ts'
import { tally } from '../replica/attestations.ts'
import { lateEntries } from '../log/late-entries.ts'
import type { Volume } from '../log/volume.ts'

/** heldBackBy: who takes no more of what is written here. cost: O(actors + late entries). */
export function describeLog(volume: Volume, heldBackBy: readonly PeerId[]): LogStatus {
  const {
    attestations,
    checkpoint,
    beacons: claims,
    cuts,
    growth,
    membership,
    stop,
    stranded,
  } = volume
  const nameOf = (peer: PeerId): string => membership.nameOf(peer)
  const proposed = cuts.proposed.findLast(({ hlc }) => hlc > (checkpoint?.hlc ?? 0n))
  const counted =
    proposed?.proposal && tally(proposed.proposal, attestations.of(proposed.id), membership)
  const late = new Map<PeerId, number>()
  for (const { peer } of lateEntries(volume)) late.set(peer, (late.get(peer) ?? 0) + 1)
  const stalled = membership.nodes().filter(({ peer }) => claims.isStalled(peer))
  const { at, isHalted } = stop
  return {
    stoppedAt: at && { ...at, author: nameOf(at.author) },
    isHalted,
    isFull: growth.isFull,
    heldBack: growth.paused.map(({ peer, ...paused }) => ({ member: nameOf(peer), ...paused })),
    heldBackBy: heldBackBy.map(nameOf),
    checkpointMs: checkpoint && hlcMillis(checkpoint.hlc),
    proposed:
      proposed === undefined || counted === undefined
        ? undefined
        : { timeMs: hlcMillis(proposed.hlc), missing: counted.missing.map(nameOf) },
    late: [...late].map(([peer, entries]) => ({ name: nameOf(peer), entries })),
    stalled: stalled.map(({ name }) => name),
    stranded: stranded && {
      peer: nameOf(stranded.peer),
      missing: stranded.missing.map(nameOf),
    },
  }
}
