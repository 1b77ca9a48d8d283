// Effects of an entry's ops beyond the state: cuts that are announced, members that came or went,
// pins, stripes that are held by others.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { stripeIdOf } from '../../protocol/stripe/stripe.ts'
import type { Op } from '../../protocol/op/op.ts'
import { isSnapshotKind } from '../../protocol/op/snapshot-op.ts'
import { MEMBER_OPS } from '../replica/listeners.ts'
import type { CheckpointOp } from '../replica/listeners.ts'
import type { Volume } from './volume.ts'

/**
 * Runs the side effects of the ops of an entry that is in the log by now, the last under its
 * label.
 */
export function applySideEffects(
  volume: Volume,
  ops: readonly (Op | undefined)[],
  label: ActorId,
): void {
  for (const op of ops) {
    if (op?.kind === 'checkpoint') cutEffects(volume, op, label)
    else if (op?.kind === 'pin' || op?.kind === 'pin-cold') volume.events.pins.tell(op.id)
    else if (op?.kind === 'mass-loss' || op?.kind === 'dismiss-loss') lossEffects(volume, op, label)
    else if (op !== undefined && isSnapshotKind(op.kind)) volume.events.snapshots.tell()
    else if (op !== undefined && MEMBER_OPS.has(op.kind)) memberEffects(volume, op, label)
    else if (op !== undefined) stripeEffects(volume, op, label)
  }
}

function lossEffects(
  { actors, events, membership }: Volume,
  op: Extract<Op, { kind: 'mass-loss' | 'dismiss-loss' }>,
  label: ActorId,
): void {
  events.losses.tell()
  if (op.kind === 'dismiss-loss') return
  const by = actors.get(label)?.peer
  const from = new Date(hlcMillis(op.at)).toISOString()
  const message =
    `${membership.nameOf(op.peer)} replaced or removed much of the volume after ${from}: ` +
    'what stood then is kept; see "shoal loss"'
  events.security.tell({ kind: 'mass-loss', peer: by, message })
}

function stripeEffects({ actors, events, stripes }: Volume, op: Op, label: ActorId): void {
  const by = actors.get(label)?.peer
  switch (op.kind) {
    case 'stripe':
      return events.stripes.tell({ kind: 'shards', stripe: stripeIdOf(op.header) })
    case 'shards':
      return events.stripes.tell({ kind: 'shards', stripe: op.stripe })
    case 'doubt':
      return events.stripes.tell({ kind: 'doubted', stripe: op.stripe, shards: op.shards, by })
    case 'cold':
      return events.stripes.tell({ kind: 'cold', stripes: op.stripes.map(({ stripe }) => stripe) })
    case 'condemn':
      return events.stripes.tell({ kind: 'condemned', stripes: op.stripes })
    case 'sweep': {
      const swept = op.stripes.filter((id) => stripes.sweptAt(id) !== undefined)
      return events.stripes.tell({ kind: 'swept', stripes: swept })
    }
    default:
  }
}

function cutEffects(volume: Volume, op: CheckpointOp, label: ActorId): void {
  const { actors, cuts, events, forks, replica } = volume
  const announcer = actors.get(label)
  if (announcer === undefined || !replica.isSound(op, label)) return
  const { hash: id, peer: author } = announcer
  const { hlc, vector, before, governed, clear, sealed } = op
  forks.observe(op, label)
  const held = actors.pastOf(label)
  const proposal = { author, governed, roots: { clear, sealed } }
  const found = cuts.announce({ id, hlc, vector, held, before, proposal })
  if (found === 'new') events.cut.tell(id)
  if (found === 'corrected') forks.judgeAgain()
}

function memberEffects(
  { events, forks, identity, removals }: Volume,
  op: Op,
  label: ActorId,
): void {
  const isMine = op.kind === 'member' && op.peer === identity.peer
  if (isMine && removals.admitted()) forks.tell()
  events.members.tell()
  events.governed.tell(op, label)
}
