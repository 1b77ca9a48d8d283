// What status says of the log of a volume: its checkpoints, what came too late, and who holds them up.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { LogStatus } from '../control/status.ts'
import { tally } from '../namespace/attestations.ts'
import { lateEntries } from '../namespace/late-entries.ts'
import type { Volume } from '../namespace/volume.ts'

/** cost: O(actors + late entries). */
export function describeLog(volume: Volume): LogStatus {
  const { attestations, checkpoint, claims, cuts, membership, stranded } = volume
  const nameOf = (peer: PeerId): string => membership.nameOf(peer)
  const proposed = cuts.proposed.findLast(({ hlc }) => hlc > (checkpoint?.hlc ?? 0n))
  const counted =
    proposed?.proposal && tally(proposed.proposal, attestations.of(proposed.id), membership)
  const late = new Map<PeerId, number>()
  for (const { peer } of lateEntries(volume)) late.set(peer, (late.get(peer) ?? 0) + 1)
  const stalled = membership.nodes().filter(({ peer }) => claims.isStalled(peer))
  return {
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
