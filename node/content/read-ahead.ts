// Reads ahead for sequential readers, not for those that jump about. A read that goes on where an
// earlier one of the same content ended, or in what was read ahead since, continues its stream, and
// twice as much is read ahead for it, up to a bound for one stream and one for all. So several
// programs may go through one file, each at its place, and requests of the kernel that overlap
// still count as one stream.
//
// Source: the streams of ZFS (dmu_zfetch.c); windows that double as in Linux (mm/readahead.c).
import { KIB, MIB } from '../../protocol/units.ts'

/** Read ahead for a stream at first, and at most. */
const WINDOW_MIN: number = 256 * KIB
const WINDOW_MAX: number = 8 * MIB
/** Maximum for one content: beyond these the one that was used longest ago is forgotten. */
const STREAMS_MAX = 8
/**
 * A stream that was not continued while others were so often has no claim to its window any more.
 */
const IDLE_READS = 256

/** A place in a content that is read in order. */
export class Stream {
  /** The place where the next read begins, if it continues. */
  next: number
  /** Read ahead, or about to be, up to here. */
  ahead: number
  /** Bytes from `next` on that may be read ahead. */
  window = 0
  /** Is somebody reading ahead for it now? */
  isRunning = false
  readonly #stopped = new AbortController()

  constructor(next: number) {
    this.next = next
    this.ahead = next
  }

  get limit(): number {
    return this.next + this.window
  }

  /** Aborts when nobody wants what is read ahead. */
  get signal(): AbortSignal {
    return this.#stopped.signal
  }

  stop(): void {
    this.#stopped.abort()
  }
}

/** Shares `bytesMax` out among streams: the sum of their windows. */
export class ReadAheadBudget {
  readonly #bytesMax: number
  #taken = 0
  #reads = 0
  /** With a window, and the read at which each was last continued: longest ago first. */
  readonly #used = new Map<Stream, number>()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** A stream was continued by a read of `length` bytes: widen its window, if there is room. */
  widen(stream: Stream, length: number): void {
    this.#reads++
    const wanted = Math.min(WINDOW_MAX, Math.max(WINDOW_MIN, 2 * length, 2 * stream.window))
    this.#makeRoom(wanted - stream.window)
    const more = Math.min(wanted - stream.window, this.#bytesMax - this.#taken)
    stream.window += more
    this.#taken += more
    this.#used.delete(stream)
    this.#used.set(stream, this.#reads)
  }

  /** Stop a stream: its window is free for others. */
  stop(stream: Stream): void {
    stream.stop()
    this.#used.delete(stream)
    this.#taken -= stream.window
    stream.window = 0
  }

  /** Take windows from streams that nobody continues. */
  #makeRoom(bytes: number): void {
    for (const [stream, read] of this.#used) {
      if (this.#taken + bytes <= this.#bytesMax || this.#reads - read < IDLE_READS) return
      this.stop(stream)
    }
  }
}

/** The streams of one content. */
export class ReadAhead {
  readonly #budget: ReadAheadBudget
  /** That which was used longest ago first. */
  #streams: Stream[] = []

  constructor(budget: ReadAheadBudget) {
    this.#budget = budget
  }

  /** A read of [position, end) begins. returns its stream. */
  follow(position: number, end: number): Stream {
    const known = this.#streams.find(
      (stream) => stream.next <= position && position <= Math.max(stream.next, stream.ahead),
    )
    const stream = known === undefined || known.signal.aborted ? new Stream(end) : known
    this.#streams = [...this.#streams.filter((other) => other !== known), stream]
    for (const forgotten of this.#streams.splice(0, this.#streams.length - STREAMS_MAX))
      this.#budget.stop(forgotten)
    if (stream !== known) return stream
    stream.next = Math.max(stream.next, end)
    stream.ahead = Math.max(stream.ahead, stream.next)
    this.#budget.widen(stream, end - position)
    return stream
  }

  /** Stops reading ahead for a stream. */
  stop(stream: Stream): void {
    this.#streams = this.#streams.filter((other) => other !== stream)
    this.#budget.stop(stream)
  }

  /** The same of all. */
  stopAll(): void {
    for (const stream of this.#streams) this.stop(stream)
  }
}
