// Counts what each member replaces or removes within minutes. A content counts once: what was
// written since the first loss of a run is none, so a file that is written over and over is one.
import { stampActor, stampHlc, stampMs } from '../../protocol/clock/dot.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import type { LostContent } from '../../protocol/tree/apply.ts'
import { MINUTE_MS } from '../../protocol/units.ts'

/** Losses of one member that are no further apart than this are looked at together. */
export const LOSS_MINUTES = 10
/** Fewer lost files than this are no mass loss, however small the volume. */
export const LOST_FILES_MIN = 1000
/** Files of a run that are remembered, to see whether they were restored. */
const SAMPLE_MAX = 256

/** Losses by one member within some minutes. */
export interface LossRun {
  readonly actor: ActorId
  /** The moment before the first loss. */
  readonly at: Hlc
  readonly files: number
  readonly sample: readonly NodeId[]
}

interface Minute {
  readonly minute: number
  /** The moment before its first loss. */
  readonly at: Hlc
  files: number
}

interface Run {
  minutes: Minute[]
  files: number
  sample: NodeId[]
}

export class LossCounts {
  readonly #runs = new Map<ActorId, Run>()

  /** returns the run that it belongs to; undefined if it was written within that. */
  add({ inode, began, ended }: LostContent): LossRun | undefined {
    const actor = stampActor(ended)
    const run = this.#run(actor)
    const endedMs = stampMs(ended)
    const minute = Math.floor(endedMs / MINUTE_MS)
    this.#forget(run, minute - LOSS_MINUTES)
    const before = momentBefore(endedMs)
    const at = run.minutes[0]?.at ?? before
    if (stampHlc(began) > at) return undefined
    const last = run.minutes.at(-1)
    if (last?.minute === minute) last.files++
    else run.minutes.push({ minute, at: before, files: 1 })
    run.sample[run.files % SAMPLE_MAX] = inode
    run.files++
    return { actor, at, files: run.files, sample: run.sample }
  }

  /** A run was no loss, or is told of: what comes next is another. */
  end(actor: ActorId): void {
    this.#runs.delete(actor)
  }

  #run(actor: ActorId): Run {
    const known = this.#runs.get(actor)
    if (known !== undefined) return known
    const made: Run = { minutes: [], files: 0, sample: [] }
    this.#runs.set(actor, made)
    return made
  }

  #forget(run: Run, before: number): void {
    while (run.minutes[0] !== undefined && run.minutes[0].minute < before) {
      run.files -= run.minutes.shift()?.files ?? 0
      if (run.files === 0) run.sample = []
    }
  }
}

/** The last moment before a millisecond: what is written in that came after. */
function momentBefore(ms: number): Hlc {
  return ((BigInt(ms) << 16n) - 1n) as Hlc
}
