// When a volume's next checkpoint is due, at which cut, and whose turn it is to make it. Always
// true of a cut given here: every member that is waited for holds it all durably, and these and
// this node are a quorum.
import { NO_CHECKPOINT } from '../replica/kept-checkpoint.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId } from '../../protocol/ids.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import { DAY_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { World } from '../world/world.ts'
import type { AnnouncedCut } from '../replica/cuts.ts'
import { checkpointEntriesOf } from '../log/settings.ts'
import { countBefore, stableHlc, waitedFor } from '../log/stability.ts'
import type { Volume } from '../log/volume.ts'

/** Fewer new entries than this are not worth a checkpoint, however old the last one is. */
const ENTRIES_MIN = 16
/** A member whose turn it is not waits this long for each one before it. */
const TURN_MS: number = DAY_MS

/**
 * So many proposals are computed though they are not due here, and one more each time that this has
 * passed.
 */
const SPARE_MAX = 8
const SPARE_MS: number = 10 * MINUTE_MS

/** When a checkpoint is due. */
export interface CheckpointOptions {
  /** So many entries since the last one, or as many as the volume's setting says... */
  readonly entries: number
  /** ...or some, and so long ago. */
  readonly everyMs: number
  /** Default: TURN_MS. */
  readonly turnMs?: number
}

export class CheckpointSchedule {
  readonly #volume: Volume
  readonly #world: Pick<World, 'clock' | 'random'>
  readonly #options: CheckpointOptions
  /** Since when a checkpoint is due that it is others' turn to make. */
  #dueSince: number | undefined
  /** How many proposals that are not due may be computed, and as of when. */
  #spare = SPARE_MAX
  #spareAtMs: number

  constructor(volume: Volume, world: Pick<World, 'clock' | 'random'>, options: CheckpointOptions) {
    this.#volume = volume
    this.#world = world
    this.#options = options
    this.#spareAtMs = world.clock.now()
  }

  /** The cut to make a checkpoint at now, if one is due and it is this node's turn. */
  take(): Cut | undefined {
    const cut = this.#due()
    if (cut !== undefined && !this.#isMyTurn()) return undefined
    if (cut !== undefined && this.#world.random.unlucky('checkpoint.left-for-later'))
      return undefined
    this.#dueSince = undefined
    return cut
  }

  /**
   * Is another's proposal worth the work of computing it? One that is due here, too, or one of a
   * few: whoever may write can propose what it likes.
   */
  isWorth(cut: Cut): boolean {
    const base = this.#volume.checkpoint ?? NO_CHECKPOINT
    if (this.#isDue(base.hlc, newEntries(cut, base))) return true
    const nowMs = this.#world.clock.now()
    const left = this.#spare + (nowMs - this.#spareAtMs) / SPARE_MS
    this.#spareAtMs = nowMs
    this.#spare = Math.min(SPARE_MAX, left) - 1
    if (this.#spare >= 0) return true
    this.#spare++
    return false
  }

  #due(): Cut | undefined {
    const volume = this.#volume
    const held = volume.durableClaim()
    const base = this.#newest()
    // Looked at each minute, and hardly ever due: what is stable costs a look at every actor's log.
    if (!this.#isDue(base.hlc, newEntries(held, base))) return undefined
    const hlc = stableHlc(volume, this.#world.clock)
    if (hlc <= base.hlc) return undefined
    const vector = new Map<ActorId, number>()
    let count = 0
    for (const [actor, seq] of held.vector) {
      const from = base.vector.get(actor) ?? 0
      const last = volume.entries.lastUpTo(hlc, actor, from + 1, seq)
      if (last > 0) vector.set(actor, last)
      count += last - from
    }
    return this.#isDue(base.hlc, count) ? { hlc, vector } : undefined
  }

  /**
   * The checkpoint here, or what this node proposed after it: others may be away, and attest that
   * later.
   */
  #newest(): Pick<Cut, 'hlc' | 'vector'> {
    const { checkpoint = NO_CHECKPOINT, cuts, identity } = this.#volume
    const isOwn = ({ proposal, hlc }: AnnouncedCut): boolean =>
      proposal?.author === identity.peer && hlc > checkpoint.hlc
    return cuts.proposed.findLast(isOwn) ?? checkpoint
  }

  /** With so many new entries since the last one, at this clock. */
  #isDue(lastHlc: Hlc, count: number): boolean {
    const { clock, random } = this.#world
    if (count > 0 && random.unlucky('checkpoint.early')) return true
    const ageMs = clock.wall() - hlcMillis(lastHlc)
    const enough = Math.min(this.#options.entries, checkpointEntriesOf(this.#volume))
    return count >= enough || (count >= ENTRIES_MIN && ageMs >= this.#options.everyMs)
  }

  /**
   * The least peer that may write makes it, of those that are waited for, up or not: without its
   * word there is hardly anything new to cover. The others wait, each longer: so that hardly ever
   * two announce a cut apart.
   */
  #isMyTurn(): boolean {
    const { turnMs = TURN_MS } = this.#options
    const before = countBefore(
      this.#volume,
      waitedFor(this.#volume, this.#world.clock).map(({ peer }) => peer),
    )
    if (before === undefined) return false
    this.#dueSince ??= this.#world.clock.now()
    return this.#world.clock.now() - this.#dueSince >= before * turnMs
  }
}

/** Entries held since a checkpoint, stable or not. */
function newEntries(held: Cut, base: Pick<Cut, 'vector'>): number {
  let count = 0
  for (const [actor, seq] of held.vector) count += seq - (base.vector.get(actor) ?? 0)
  return count
}
