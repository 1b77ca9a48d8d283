// An entry that has its place in a volume, taken: what it says, whether that counts, and its effect
// on all that the volume keeps. Whatever goes wrong with a valid entry on this node alone stops the
// volume at it (stopped-entry.ts).
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { emptyChanges } from '../../protocol/tree/apply.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { Place } from '../replica/ancestry.ts'
import type { BodyReading, EntryVerdict } from '../replica/entry-check.ts'
import { applySideEffects } from './side-effects.ts'
import type { Volume } from './volume.ts'

/** payer: whose share of the log's growth it is, if not its author's. As Volume.receive. */
export function takeEntry(
  volume: Volume,
  entry: Entry,
  found: Place,
  payer: PeerId | undefined,
): EntryVerdict {
  const { replica, forks, stop } = volume
  const author = replica.authorOf(entry)
  if (stop.holds(entry.hash)) return 'stopped'
  const reading = replica.read(entry)
  if (reading.kind === 'missing-key' && mayCount(volume, entry, found)) {
    const message =
      'this node was not given a key that others write with: ask an admin for a new ticket and join again'
    volume.events.note.tell('log.key-missing', { author, epoch: entry.header.epoch, message })
    return 'missing-key'
  }
  if (reading.kind === 'unreadable') {
    const { message } = reading.cause
    const fields = { author, entry: entry.hash, message }
    volume.events.note.tell('log.entry-unreadable', fields)
  }
  if (found.existing !== undefined) volume.tentative.forked(entry.header.actor)
  const label = forks.nameAt(found, entry)
  if (label === undefined) return 'relabelling'
  try {
    const bytes = Math.max(entry.body.length, reading.kind === 'ops' ? reading.plainBytes : 0)
    const before = replica.moves.redone
    apply(volume, entry, { ...found, label }, reading)
    const redone = replica.moves.redone - before
    const took = { bytes: entry.headerBytes.length + bytes, redone }
    volume.growth.charge(payer ?? author, took, entry)
    stop.passed(entry.hash)
    return 'applied'
  } catch (error) {
    throw volume.halt({ entry: entry.hash, author }, error)
  }
}

/** Also of an entry that this node cannot read. */
function mayCount({ replica, removals }: Volume, entry: Entry, found: Place): boolean {
  return (
    found.existing !== undefined || replica.standingOf(entry, found, removals.judge) === 'counts'
  )
}

function apply(
  volume: Volume,
  entry: Entry,
  place: Place & { readonly label: ActorId },
  reading: BodyReading,
): void {
  const { replica, removals, forks, identity, events } = volume
  const author = replica.authorOf(entry)
  const ops: readonly (Op | undefined)[] = reading.kind === 'ops' ? reading.ops : []
  const isDue = removals.add(entry, place)
  const standing = replica.standingOf(entry, place, removals.judge)
  if (standing !== 'counts') events.note.tell(`log.entry-${standing}`, { author })
  const changes = emptyChanges()
  volume.apply(entry, place, ops, changes, standing)
  // Whichever cuts count, and whoever may speak: all know of the same.
  const cuts = ops.filter((op) => op?.kind === 'checkpoint')
  if (standing !== 'counts') applySideEffects(volume, cuts, place.label)
  events.change.tell(changes, false)
  if (isDue || place.existing !== undefined) forks.tell()
  // A run that this node has forgotten: to restate it, the state is built anew.
  if (standing !== 'counts' && author === identity.peer) forks.judgeAgain()
}
