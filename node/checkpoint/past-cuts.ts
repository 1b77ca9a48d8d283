// The clocks of earlier cuts, as the state at a cut remembers them: what appenders ended goes by
// them (protocol/tree/spared.ts). They are those before it that are announced by entries of the
// cut, found from one announcement to the one that it names, so that the states of all nodes have
// the same ones, from whatever earlier state they were computed. Of each cut it is told by its own
// announcement whether the volume had an appender by then: before, none is remembered.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import { thinnedCuts } from '../../protocol/tree/spared.ts'
import type { Volume } from '../log/volume.ts'
import type { CutState } from '../replica/cuts.ts'
import type { CheckpointOp } from '../replica/listeners.ts'
import type { ReplicaView } from '../state/state-view.ts'

const PAST: ByteString = STATE_PREFIXES.pastCuts

/** Announcements, by the hash of their entry. */
export type Announcements = ReadonlyMap<EntryHash, CheckpointOp>

/**
 * Put the cuts before one into the state there, which has those of an earlier one. announced: by
 * the entries since.
 */
export function putPastCuts(
  { cuts, membership }: Volume,
  view: ReplicaView,
  { before }: CutState,
  announced: Announcements,
): readonly Hlc[] {
  const bytes = view.get(PAST)
  const known = bytes === undefined ? [] : (decodeCbor(bytes, 'past cuts') as readonly unknown[])
  const all = known.map(decodeHlc)
  for (let id = before; id !== undefined;) {
    const op = announced.get(id)
    if (op !== undefined && membership.stateAt(op.governed).hadAppender) all.push(op.hlc)
    // One whose announcement is above the cut, or below the earlier one.
    id = op === undefined ? cuts.get(id)?.before : op.before
  }
  const past = thinnedCuts(all)
  if (past.length > 0) view.put(PAST, encodeCbor(past))
  return past
}
