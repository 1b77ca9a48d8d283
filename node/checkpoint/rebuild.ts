// A volume's state built anew from a checkpoint and the entries after it, beside the one in use,
// which it then replaces in one write. It takes this when the checkpoint came from a peer, when
// entries that were applied turn out to have come too late, or when the branches of a forked log
// have got other names. Reads and writes go on meanwhile.
import { MIB } from '../../protocol/units.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Clock, Random } from '../world/world.ts'
import { NO_CHECKPOINT, writeCheckpoint } from '../replica/kept-checkpoint.ts'
import type { Checkpoint, FetchedCheckpoint } from '../replica/kept-checkpoint.ts'
import { PARTS } from '../state/checkpoint-view.ts'
import { treesOf } from '../log/volume-trees.ts'
import { applySideEffects } from '../log/side-effects.ts'
import { Rebase } from './rebase.ts'
import { Replay } from './replay.ts'
import { Replica } from '../replica/replica.ts'
import type { StateView } from '../state/state-view.ts'
import type { Volume } from '../log/volume.ts'

/** Records held in memory before they are written. */
const UNWRITTEN_MAX: number = 8 * MIB
/** Entries applied before others get their turn. */
const ENTRIES_AT_ONCE = 4

/**
 * Build the state from a checkpoint, whose nodes are here (undefined: from nothing, with the whole
 * log), and go on with it. What this node wrote too late it says again. A newcomer of the volume is
 * in it. cost: O(records of the checkpoint + entries after it).
 */
export async function rebuild(
  { volume, clock, random }: { volume: Volume; clock: Clock; random: Pick<Random, 'bytes'> },
  from: Checkpoint | FetchedCheckpoint | undefined,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const { waiting } = volume.forks
  const { newcomer, intruders } = waiting
  const checkpoint = from === undefined ? undefined : plain(from)
  const view = await volume.view.successor()
  if (checkpoint !== undefined) await copyRecords(volume, checkpoint, view, signal)
  const ground = { stored: volume.view, base: checkpoint }
  const replica = await Replica.open(view, volume.owner, ground)
  const old = volume.checkpoint
  const isFetched = from !== undefined && 'announcement' in from
  const rebase = new Rebase(volume, random)
  const replay = new Replay({ volume, replica, rebase, intruders })
  let count = 0
  for (const _ of isFetched ? replay.skipTo(from) : replay.keepLog(checkpoint, newcomer)) {
    if (++count % ENTRIES_AT_ONCE === 0) await clock.sleep(1, { signal })
    if (view.appliedBytes > UNWRITTEN_MAX) await view.spill()
  }
  await view.spill()
  await volume.adopt({ view, replica }, () => {
    // Entries that came meanwhile.
    for (const _ of replay.take(undefined));
    const before = volume.actors
    return () => {
      volume.cuts.rename(replay.renames)
      volume.beacons.rename(replay.renames)
      volume.acknowledged.rename(replay.renames)
      volume.cuts.judge(replay.judge.cuts)
      volume.removals.settle(replay.judge)
      keep(volume, old, checkpoint)
      volume.renewIfForgotten(before)
      applyNews(volume, replay, newcomer?.entry)
      rebase.run(replay.renames)
    }
  })
  // It is looked at again, by the names there are now.
  if (isFetched) volume.forks.giveUp()
  volume.forks.settle(waiting)
  await volume.view.sweep()
}

/** Applies the side effects of a newcomer. */
function applyNews(volume: Volume, { news }: Replay, newcomer: Entry | undefined): void {
  if (newcomer !== undefined) volume.removals.addTaken(newcomer)
  const reading = news === undefined ? undefined : volume.replica.read(news.entry)
  if (news !== undefined && reading?.kind === 'ops')
    applySideEffects(volume, reading.ops, news.label)
}

function plain({ hlc, vector, clear, sealed, before }: Checkpoint): Checkpoint {
  return { hlc, vector, clear, sealed, before }
}

/** From now on this is the checkpoint that the state here builds on. */
function keep(volume: Volume, old: Checkpoint | undefined, now: Checkpoint | undefined): void {
  if (old?.hlc === now?.hlc && old?.sealed === now?.sealed) return
  writeCheckpoint(volume.view, now)
  if (now !== undefined) volume.cuts.prune(now)
  volume.attestations.keepOnly(volume.cuts.all)
  volume.orphanNodes.drop(treesOf(volume), old ?? NO_CHECKPOINT, now ?? NO_CHECKPOINT)
}

async function copyRecords(
  volume: Volume,
  checkpoint: Checkpoint,
  view: StateView,
  signal: AbortSignal,
): Promise<void> {
  const trees = treesOf(volume)
  for (const part of PARTS) {
    const root = checkpoint[part]
    for (const [key, value] of trees[part].scan(root)) {
      view.put(key, value)
      if (view.appliedBytes <= UNWRITTEN_MAX) continue
      await view.spill()
      signal.throwIfAborted()
    }
  }
}
