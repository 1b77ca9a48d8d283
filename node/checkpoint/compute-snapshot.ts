// The sealed tree of the state at a causal cut: from the checkpoint here and the entries between,
// in the order of their clocks. Who has the same checkpoint and entries comes to the same root. A
// snapshot has no clear tree: where chunks lie is asked of the present.
import { NO_CHECKPOINT } from '../replica/kept-checkpoint.ts'
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import type { SnapshotCut } from '../../protocol/op/snapshot-op.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Clock } from '../world/world.ts'
import { TimeSlices } from '../log/time-slices.ts'
import { treeKeys } from '../log/volume-trees.ts'
import type { Volume } from '../log/volume.ts'
import { Replica } from '../replica/replica.ts'
import { CheckpointView } from '../state/checkpoint-view.ts'
import { CHANGES_MAX, checkWhole } from './compute-checkpoint.ts'

/** The entry that announces the checkpoint here; undefined: there is none, or it does not count. */
export function baseOf({ checkpoint, cuts }: Volume): EntryHash | undefined {
  return checkpoint && cuts.chain[cuts.placeOf(checkpoint)]?.id
}

/**
 * Can this node come to what the maker of a snapshot came to? It has the same checkpoint, and what
 * follows. Where a chain forked, who knows less of the branches calls them by other labels.
 */
export function canCompute(volume: Volume, cut: SnapshotCut): boolean {
  const { actors, branches, checkpoint, entries, membership } = volume
  const isOfAll = cut.base === undefined
  return (
    baseOf(volume) === cut.base &&
    (!isOfAll || (checkpoint === undefined && entries.dropped.size === 0)) &&
    branches.isEmpty &&
    dominates(cut.vector, (checkpoint ?? NO_CHECKPOINT).vector) &&
    dominates(actors.vector(), cut.vector) &&
    membership.governance.dag.missingOf(cut.governed) === undefined
  )
}

/**
 * The root of the tree at a cut, all of whose entries are held; its nodes are durable when this
 * resolves. What is gone there is purged as it is in the checkpoint.
 * throws ShoalError 'corrupt' if an entry is missing. cost: O(entries since the checkpoint * log
 * records).
 */
export async function computeSnapshot(
  { volume, clock }: { readonly volume: Volume; readonly clock: Clock },
  cut: { readonly vector: VersionVector; readonly governed: readonly EntryHash[] },
  { signal }: { readonly signal: AbortSignal },
): Promise<NodeHash | undefined> {
  const base = volume.checkpoint ?? NO_CHECKPOINT
  const view = new CheckpointView({ view: volume.view, keys: treeKeys(volume) }, base)
  const { branches } = volume
  const replica = await Replica.open(view, volume.owner, { stored: volume.view, base, branches })
  const flush = async (): Promise<NodeHash | undefined> => {
    const { sealed } = await view.flush(() => clock.sleep(1, { signal }), ['sealed'])
    await volume.commit()
    return sealed
  }
  const judge = volume.removals.judgeBy(volume.membership.stateAt(cut.governed))
  const slices = new TimeSlices(clock, signal)
  for (const { label, entry } of volume.entries.between(base.vector, cut.vector)) {
    replica.replaySealed(entry, replica.ancestry.placeAt(label, entry), judge)
    if (view.changedBytes > CHANGES_MAX) await flush()
    await slices.after(entry)
  }
  checkWhole(volume, replica, cut.vector)
  return flush()
}
