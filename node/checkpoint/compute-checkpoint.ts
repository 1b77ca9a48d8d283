// The state of a volume at a stable cut: computed from that at an earlier one and the entries
// between, in the order of their clocks. Every member that does so gets the same roots.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { NO_CHECKPOINT } from '../replica/kept-checkpoint.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { HLC_ZERO, maxHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import { MIB } from '../../protocol/units.ts'
import { encodeFork } from '../../protocol/log/fork.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import { erasAt } from '../../protocol/tree/retention.ts'
import { sparedUpTo } from '../../protocol/tree/spared.ts'
import type { Clock } from '../world/world.ts'
import { actorKey, decodeActor } from '../replica/actors.ts'
import { hearAttestation } from '../replica/attestations.ts'
import type { Checkpoint, FetchedCheckpoint } from '../replica/kept-checkpoint.ts'
import { CheckpointView } from '../state/checkpoint-view.ts'
import type { Roots } from '../state/checkpoint-view.ts'
import { decodeCut, encodeCut } from '../replica/cuts.ts'
import type { CutState } from '../replica/cuts.ts'
import { putPastCuts } from './past-cuts.ts'
import { TimeSlices } from '../log/time-slices.ts'
import { Replica, forkKey } from '../replica/replica.ts'
import type { Volume } from '../log/volume.ts'
import { treeKeys, treesOf } from '../log/volume-trees.ts'

/**
 * Clock of the newest cut that all knew by the one of this state: what was gone there is purged.
 */
const DEAD_BY: ByteString = STATE_PREFIXES.deadBy
/** Earlier cuts by which entries above this one are still judged. */
const EARLIER: ByteString = STATE_PREFIXES.earlierCuts
/** Changes held in memory before they go into the trees. */
export const CHANGES_MAX: number = 16 * MIB

/**
 * Does the log here hold every entry of a checkpoint whose nodes are here, and none dropped of
 * them?
 */
export function coversCut(volume: Volume, { vector, clear }: Checkpoint): boolean {
  const { clear: tree } = treesOf(volume)
  const { ancestry, entries } = volume.replica
  const base = volume.checkpoint?.vector ?? new Map<ActorId, number>()
  if (!dominates(base, entries.dropped)) return false
  return [...vector].every(([label, seq]) => {
    const bytes = tree.get(clear, actorKey(label))
    const last = bytes && decodeActor(label, bytes)
    return last !== undefined && ancestry.locate(label, seq, last.hash) === label
  })
}

/**
 * A cut whose state is wanted, and what decides on that: who may do what by what its announcer
 * knew.
 */
export interface WantedCut extends CutState {
  readonly governed: readonly EntryHash[]
}

/**
 * Learn of the cuts of a checkpoint that is believed and whose nodes are here: its own, and the
 * earlier ones it tells of.
 */
export function adoptCuts(volume: Volume, fetched: FetchedCheckpoint): void {
  const { cuts } = volume
  const bytes = treesOf(volume).clear.get(fetched.clear, EARLIER)
  const earlier = bytes === undefined ? [] : (decodeCbor(bytes, 'earlier cuts') as unknown[])
  for (const cut of earlier) cuts.adopt({ ...decodeCut(cut), proposal: undefined })
  const { announcement, hlc, vector, before, held, proposal } = fetched
  cuts.adopt({ id: announcement.hash, hlc, vector, before, held, proposal })
  for (const attestation of fetched.attestations) hearAttestation(volume, attestation)
}

/**
 * The state at `cut`, all of whose entries are held. Its nodes are durable when this resolves.
 * returns it with the replica that it was computed with, whose actors tell what each writer had
 * seen there. What is purged there is purged from the state in use as well: the cut that allows it
 * was announced before.
 * throws ShoalError 'corrupt' if an entry is missing. cost: O(entries since the last checkpoint *
 * log records); memory O(CHANGES_MAX).
 */
export async function computeCheckpoint(
  { volume, clock }: { readonly volume: Volume; readonly clock: Clock },
  cut: WantedCut,
  { signal }: { readonly signal: AbortSignal },
): Promise<{ checkpoint: Checkpoint; replica: Replica }> {
  const base = volume.checkpoint ?? NO_CHECKPOINT
  const view = new CheckpointView({ view: volume.view, keys: treeKeys(volume) }, base)
  const { branches } = volume
  const replica = await Replica.open(view, volume.owner, { stored: volume.view, base, branches })
  const announced = (replica.announced = new Map())
  const flush = async (): Promise<Roots> => {
    const roots = await view.flush(() => clock.sleep(1, { signal }))
    await volume.commit()
    return roots
  }
  const governance = volume.membership.stateAt(cut.governed)
  const judge = volume.removals.judgeBy(governance)
  const slices = new TimeSlices(clock, signal)
  for (const { label, entry } of volume.entries.between(base.vector, cut.vector)) {
    replica.replay(entry, replica.ancestry.placeAt(label, entry), judge)
    if (view.changedBytes > CHANGES_MAX) await flush()
    await slices.after(entry)
  }
  checkWhole(volume, replica, cut.vector)
  for (const fork of branches.forksWithin(cut.vector))
    view.put(forkKey(fork.actor), encodeFork(fork))
  replica.settle(cut.hlc)
  const eras = erasAt(governance.retention, cut.hlc)
  const spared = governance.hadAppender
    ? sparedUpTo(putPastCuts(volume, view, cut, announced), eras)
    : undefined
  const oblivious = {
    hlc: cut.hlc,
    deadBy: putDeadBy(view, volume.cuts.deadBy(cut)),
    isLww: governance.policy('conflicts') === 'lww',
    versions: { eras, sparedUpTo: spared },
  }
  for (let after: ByteString | undefined = ''; after !== undefined;) {
    const { garbage, next } = await replica.garbage(oblivious, after)
    replica.purge(garbage)
    volume.replica.purge(garbage)
    if (view.changedBytes > CHANGES_MAX) await flush()
    await volume.makeRoom()
    signal.throwIfAborted()
    after = next
  }
  const earlier = volume.cuts.retainedAt(cut)
  if (earlier.length > 0) view.put(EARLIER, encodeCbor(earlier.map(encodeCut)))
  else view.delete(EARLIER)
  const { hlc, vector, before } = cut
  return { checkpoint: { hlc, vector, before, ...(await flush()) }, replica }
}

/** Cuts are forgotten: what an earlier state knows of them stays known. */
function putDeadBy(view: CheckpointView, hlc: Hlc): Hlc {
  const bytes = view.get(DEAD_BY)
  const known = bytes === undefined ? HLC_ZERO : decodeHlc(decodeCbor(bytes, 'known cut'))
  if (hlc > known) view.put(DEAD_BY, encodeCbor(hlc))
  return maxHlc(hlc, known)
}

/**
 * A state that lacks what it should hold would differ from that of all others. throws ShoalError
 * 'corrupt'.
 */
export function checkWhole(
  { id, branches }: Volume,
  { actors }: Replica,
  vector: Cut['vector'],
): void {
  for (const [label, last] of vector) {
    const before = branches.firstSeq(label) - 1
    const seq = Math.max(before, actors.get(label)?.seq ?? 0)
    if (seq >= last || last <= before) continue
    throw new ShoalError(
      'corrupt',
      `the log of volume ${id} lacks entry ${seq + 1} of ${label}: the store of this node is damaged`,
    )
  }
}
