// Commits that nobody waits for. The first comes as soon as it is asked for; under load they take
// at most a part of the time, and what comes meanwhile goes together: an entry, a signature and a
// sync for many changes. What is not committed at its time outlives this process all the same.
import { hasCode } from '../../../protocol/errors.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import type { Instant } from '../../../protocol/units.ts'
import { DebounceTimer } from '../../jobs/debounce-timer.ts'
import type { Clock, Luck } from '../../world/world.ts'
import { ignoreFailure } from '../../world/ignore-failure.ts'

/** Pauses after a commit, in times that it took, and their bounds. */
const PAUSE_FACTOR = 4
const PAUSE_MS_MIN = 20
const PAUSE_MS_MAX = 500
/** After one that found no room. */
const RETRY_MS: number = 1 * SECOND_MS

export interface BackgroundCommitsComponents {
  readonly clock: Clock
  readonly random: Luck
  readonly commit: () => Promise<void>
  /** As VolumeJournal has it. */
  readonly keep: () => Promise<void>
}

export class BackgroundCommits {
  readonly #c: BackgroundCommitsComponents
  readonly #timer: DebounceTimer
  #isRunning = false
  #isOver = false
  /** Somebody asked while one was running. */
  #isAsked = false
  #next: Instant

  constructor(components: BackgroundCommitsComponents) {
    this.#c = components
    this.#next = components.clock.now()
    this.#timer = new DebounceTimer(components.clock, () => this.#ring())
  }

  /** Sees to it that what was applied outlives this process after so long, and is durable soon. */
  ringIn(inMs: number): void {
    if (!this.#isOver) this.#timer.ringIn(inMs)
  }

  /** Makes durable what outlives this process by now. */
  soon(): void {
    const waitMs = this.#next - this.#c.clock.now()
    if (this.#isRunning) this.#isAsked = true
    else if (waitMs > 0) this.ringIn(waitMs)
    else void this.#commit()
  }

  /** There are no more. */
  stop(): void {
    this.#isOver = true
    this.#timer.cancel()
  }

  #ring(): void {
    const { clock, keep } = this.#c
    if (this.#isRunning || this.#next > clock.now())
      void ignoreFailure(keep(), 'the next commit tells whoever asks for one')
    this.soon()
  }

  async #commit(): Promise<void> {
    const { clock, commit } = this.#c
    this.#isRunning = true
    this.#isAsked = false
    const startMs = clock.now()
    let pauseMs = 0
    try {
      await commit()
      pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_FACTOR * (clock.now() - startMs))
    } catch (error) {
      // Any other failure is final, in the log, and thrown by the next commit.
      this.#isAsked = hasCode(error, 'ENOSPC')
      pauseMs = RETRY_MS
    }
    this.#isRunning = false
    const isLate = this.#c.random.unlucky('log.commits-late')
    pauseMs = isLate ? PAUSE_MS_MAX : Math.max(PAUSE_MS_MIN, pauseMs)
    this.#next = (clock.now() + pauseMs) as Instant
    if (this.#isAsked) this.ringIn(pauseMs)
  }
}
