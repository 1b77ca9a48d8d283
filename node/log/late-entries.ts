// Entries that come too late for a cut: which would, which did, and saying again what those say
// whose writers are away.
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { makeDot } from '../../protocol/clock/dot.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import { isGoverning } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { translateOp } from '../../protocol/op/dots.ts'
import type { Op } from '../../protocol/op/op.ts'
import { addedBy } from '../../protocol/op/added-by.ts'
import { isAppender } from '../../protocol/roles.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Clock, World } from '../world/world.ts'
import type { CountedCut } from '../replica/cuts.ts'
import { isRestated } from '../state/restated.ts'
import { Restatement } from './restatement.ts'
import { hasSeq, seqsOf } from '../state/seq-ranges.ts'
import { countBefore, waitedFor } from './stability.ts'
import type { Volume } from './volume.ts'

/** Late entries of a writer that was not heard of for this long are restated by others. */
const AWAY_MS: number = HOUR_MS
const RESTATED_AT_ONCE = 64

/**
 * Would a cut make an entry late that is held here, and whose writer is waited for? Not one whose
 * writer has said that it held all of the cut: it made the entry as if it did not. cost: O(actors +
 * entries above the cut that are asked of).
 */
export function wouldMakeLate(
  volume: Volume,
  clock: Pick<Clock, 'wall'>,
  cut: Pick<CountedCut, 'vector' | 'held'>,
): boolean {
  const { beacons: claims, identity } = volume
  const waited = new Set([identity.peer, ...waitedFor(volume, clock).map(({ peer }) => peer)])
  const isSpared = (peer: PeerId): boolean =>
    waited.has(peer) && !dominates(claims.of(peer)?.vector ?? new Map(), cut.vector)
  return hasLate(volume, cut, isSpared)
}

/** Does a cut make an entry late that is held here, of one of these writers? */
export function hasLate(
  { actors, branches, entries, replica }: Volume,
  { vector, held }: Pick<CountedCut, 'vector' | 'held'>,
  isOf: (writer: PeerId) => boolean = () => true,
): boolean {
  for (const { id, peer, seq: last, late } of actors.all()) {
    if (!isOf(peer)) continue
    const first = Math.max((held.get(id) ?? 0) + 1, branches.firstSeq(id))
    for (let seq = first; seq <= last; seq++) {
      const header = hasSeq(late, seq) ? undefined : entries.entry(id, seq)?.header
      if (header === undefined || isGoverning(header)) continue
      const seen = new Map(replica.ancestry.recordAt(id, seq)?.seen)
      branches.see(seen, id, seq)
      if (!dominates(seen, vector)) return true
      // Those that follow have seen as much.
      break
    }
  }
  return false
}

/** An entry that came too late and whose writer had a right to it. */
export interface LateEntry {
  readonly label: ActorId
  readonly seq: number
  readonly peer: PeerId
  readonly entry: Entry
  /** The past of its writer. */
  readonly seen: VersionVector
}

/** Late entries that are in the log and that nobody said again. cost: O(actors + late entries). */
export function* lateEntries(volume: Volume): Generator<LateEntry> {
  const { actors, branches, entries, removals, replica, view } = volume
  for (const { id: label, peer, late } of actors.all()) {
    for (const seq of seqsOf(late)) {
      const entry = isRestated(view, label, seq) ? undefined : entries.entry(label, seq)
      if (entry === undefined) continue
      const seen = new Map(replica.ancestry.recordAt(label, seq)?.seen)
      branches.see(seen, label, seq)
      const act = { id: entry.hash, label, seq, peer, grant: entry.header.grant, governs: false }
      if (removals.judge.hasRight(act, replica, () => seen)) yield { label, seq, peer, entry, seen }
    }
  }
}

/** Says again what came too late of writers who are away. */
export class LateWrites {
  readonly #volume: Volume
  readonly #world: Pick<World, 'clock' | 'random'>
  /** Since when each is known here. */
  #sinceMs = new Map<string, WallTime>()

  constructor(volume: Volume, world: Pick<World, 'clock' | 'random'>) {
    this.#volume = volume
    this.#world = world
  }

  /**
   * Restates late entries: the first of the writers that are waited for does it, and the next if
   * that does not. Durable with the next commit.
   * returns how many entries that was. cost: O(actors + late entries).
   */
  restate(): number {
    const volume = this.#volume
    const { clock, random } = this.#world
    const rank = countBefore(
      volume,
      waitedFor(volume, clock).map(({ peer }) => peer),
    )
    if (volume.stranded !== undefined || rank === undefined) return 0
    const restatement = new Restatement(volume, random)
    const countMax = random.unlucky('log.restates-one') ? 1 : RESTATED_AT_ONCE
    const said: Dot[] = []
    const known = this.#sinceMs
    this.#sinceMs = new Map()
    for (const late of lateEntries(volume)) {
      const name = `${late.label} ${late.seq}`
      const sinceMs = known.get(name) ?? clock.wall()
      this.#sinceMs.set(name, sinceMs)
      const isDue = clock.wall() - sinceMs >= rank * AWAY_MS && this.#isAway(late.peer)
      if (!isDue || said.length >= countMax) continue
      restate(volume, late, restatement)
      said.push(makeDot(late.label, late.seq, 0))
    }
    if (said.length > 0) volume.submit({ kind: 'restated', entries: said })
    return said.length
  }

  #isAway(peer: PeerId): boolean {
    const { beacons: claims, identity } = this.#volume
    const heardMs = claims.of(peer)?.heardMs ?? 0
    return peer !== identity.peer && heardMs < this.#world.clock.wall() - AWAY_MS
  }
}

function restate(
  { branches, replica }: Volume,
  { label, seq, peer, entry, seen }: LateEntry,
  restatement: Restatement,
): void {
  const reading = replica.read(entry)
  if (reading.kind !== 'ops') return
  const translate = branches.translation(seen)
  const role = replica.membership.grant(entry.header.grant, peer)?.role
  for (const [index, read] of reading.ops.entries()) {
    const op = read && isAppender(role) ? addedBy(read) : read
    if (op === undefined || !isOfAll(op)) continue
    const translated = branches.isEmpty ? op : translateOp(op, translate)
    restatement.say({ op: translated, dot: makeDot(label, seq, index), place: undefined })
  }
}

/** May another say it? What a member says of itself, only that can. */
function isOfAll(op: Op): boolean {
  return op.kind !== 'shards' && op.kind !== 'member-info' && op.kind !== 'read'
}
