// Gives back the space of dead records: copies what is live in mostly dead segments to the end, and
// removes the files (Rosenblum and Ousterhout, "The design and implementation of a log-structured
// file system", SOSP 1991). A file is removed only when the ordered store knows durably that
// nothing in it is live: a crash at any moment loses nothing. What there is no room to copy whole
// is left alone, so that half-copied segments never use up the room. A record that is damaged is
// not copied, and its segment stays until that record is dead.
import { hasCode } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { isLive, moveRecord, recordName } from './record-name.ts'
import type { Clock } from '../world/world.ts'
import type { SegmentRow } from './keys.ts'
import type { RecordName } from './record-name.ts'
import type { FoundHead } from './record-scan.ts'
import type { Segments } from './segments.ts'
import type { StagedIndex } from './staged-index.ts'

/** Segments with less live are compacted: at most as much is copied as comes free. */
const LIVE_RATIO_MAX = 0.5

export interface CompactOptions {
  /** Copied at most. @default Infinity */
  readonly budgetBytesPerSecond?: number
  /** Segments with a smaller live share are compacted. @default 0.5 */
  readonly maxLiveRatio?: number
  /** It ends when so much has come free. @default Infinity */
  readonly enoughBytes?: number
  /** Is told how far it is through the segments that are worth it. */
  readonly onSegment?: ((doneBytes: number, totalBytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Compacted {
  /** By which the segments have become smaller. */
  readonly freedBytes: number
  /** Payloads that were copied. */
  readonly movedBytes: number
  /** Live records that cannot be copied, as they are not whole. */
  readonly damaged: readonly RecordName[]
}

interface CompactionParts {
  readonly clock: Pick<Clock, 'sleep'>
  readonly segments: Segments
  readonly index: StagedIndex
  /** All that was changed before is durable. */
  readonly commit: () => Promise<void>
}

/** See the head of the file. */
export class Compaction {
  readonly #parts: CompactionParts
  /** Segments that are being compacted. */
  readonly #busy = new Set<number>()

  constructor(parts: CompactionParts) {
    this.#parts = parts
  }

  /**
   * The emptiest segments first, as far as there is room for what is live in them. Runs may
   * overlap.
   */
  async run(options: CompactOptions = {}): Promise<Compacted> {
    const { segments, index, commit } = this.#parts
    const { maxLiveRatio = LIVE_RATIO_MAX, enoughBytes = Infinity, onSegment, signal } = options
    const run = new Run(this.#parts, options)
    if (ratio(index.segments.row(segments.end.segment)) < maxLiveRatio) segments.seal()
    await run.making(commit)
    const candidates = this.#candidates(maxLiveRatio)
    const bytesOf = (segment: number): number => index.segments.row(segment).bytes
    const totalBytes = candidates.reduce((sum, segment) => sum + bytesOf(segment), 0)
    let doneBytes = 0
    for (const segment of candidates) {
      signal?.throwIfAborted()
      onSegment?.(doneBytes, totalBytes)
      doneBytes += bytesOf(segment)
      if (run.freedBytes - run.movedBytes >= enoughBytes) break
      if (this.#busy.has(segment)) continue
      if (index.segments.row(segment).liveBytes > (await segments.movableBytes())) continue
      this.#busy.add(segment)
      try {
        await run.segment(segment)
      } finally {
        this.#busy.delete(segment)
      }
    }
    if (index.segments.isDirty) await run.making(commit)
    return run
  }

  /** Segments that are written no more and worth it, the emptiest first. */
  #candidates(maxLiveRatio: number): number[] {
    const { segments, index } = this.#parts
    return index.segments
      .rows()
      .filter(([segment, row]) => segment < segments.end.segment && ratio(row) < maxLiveRatio)
      .sort(([, a], [, b]) => ratio(a) - ratio(b))
      .map(([segment]) => segment)
  }
}

/** Share that is live. */
function ratio({ bytes, liveBytes }: SegmentRow): number {
  return liveBytes / Math.max(1, bytes)
}

/** One call of Compaction.run(). */
class Run implements Compacted {
  readonly #parts: CompactionParts
  readonly #options: CompactOptions
  freedBytes = 0
  movedBytes = 0
  readonly damaged: RecordName[] = []

  constructor(parts: CompactionParts, options: CompactOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Copy what is live, and remove the file if nothing is any more. */
  async segment(segment: number): Promise<void> {
    const { segments, index, commit } = this.#parts
    await this.making(async () => {
      if (index.segments.row(segment).liveBytes > 0)
        for await (const found of segments.heads(segment)) await this.#record(segment, found)
      if (index.segments.row(segment).liveBytes === 0 && !this.#isDead(segment)) await commit()
    })
    if (!this.#isDead(segment)) return
    const { bytes } = index.segments.row(segment)
    await segments.remove(segment)
    this.freedBytes += bytes
  }

  /**
   * Do what may find that the disk is full, or cannot read: what is live then stays where it is.
   */
  async making(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#parts.segments.check()
      if (!hasCode(error, 'ENOSPC') && !hasCode(error, 'EIO')) throw error
    }
  }

  /** Copy a record, if it is live and whole. */
  async #record(segment: number, { head, offset }: FoundHead): Promise<void> {
    const { segments, index, clock } = this.#parts
    const { signal, budgetBytesPerSecond } = this.#options
    const name = recordName(head)
    const from = { segment, offset, length: head.length }
    if (name === undefined || !isLive(index, name, from)) return
    signal?.throwIfAborted()
    if (budgetBytesPerSecond !== undefined) {
      await clock.sleep((head.length / budgetBytesPerSecond) * SECOND_MS, { signal })
    }
    const what = name.kind === 'chunk' ? `chunk ${name.id}` : `shard of stripe ${name.stripe}`
    const payload = await segments.readChecked(from, head.id, what).catch((error: unknown) => {
      if (!hasCode(error, 'corrupt')) throw error
      if (isLive(index, name, from)) this.damaged.push(name)
    })
    if (payload === undefined || !isLive(index, name, from)) return
    const move = { isMove: true }
    await segments.append(
      head.kind,
      head.id,
      [payload],
      (to) => moveRecord(index, name, from, to),
      move,
    )
    this.movedBytes += head.length
  }

  /** Nothing in the segment is live, and a crash now would bring nothing in it back to life. */
  #isDead(segment: number): boolean {
    const { index } = this.#parts
    return segment < index.checkpoint.segment && index.segments.isDead(segment)
  }
}
