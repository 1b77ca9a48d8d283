// Gives memory back once work is over. What work took for a while, V8 keeps as room for young
// objects, LevelDB in its write buffer, and malloc as free pieces between others, for more of it to
// come: after tens of thousands of small files several times what the node needs. A busy node is
// left alone.
import { MINUTE_MS, MIB } from '../../protocol/units.ts'
import { ignoreFailure } from './ignore-failure.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock, Timer } from './world.ts'

const LOOK_MS: number = MINUTE_MS
/** Part of a core: a node that took less since the last look is idle. */
const IDLE_SHARE = 0.05
/** More than when the node was idle before: what is less is not worth the work. */
const GROWN_BYTES: number = 16 * MIB

export interface ProcessUse {
  /** Memory in use: the resident set. */
  readonly residentBytes: number
  /** Time of all threads, since the start. */
  readonly processorMs: number
}

export interface IdleMemoryComponents {
  readonly clock: Pick<Clock, 'now' | 'timer'>
  readonly use: () => ProcessUse
  /** Give back what can be given back. */
  readonly release: () => Promise<void>
}

export class IdleMemory {
  readonly #c: IdleMemoryComponents
  #looked: { readonly at: Instant; readonly processorMs: number } | undefined
  /** The least that it was while idle, or at the start. */
  #settledBytes = 0
  #timer: Timer | undefined

  constructor(components: IdleMemoryComponents) {
    this.#c = components
  }

  start(): void {
    this.#settledBytes = this.#c.use().residentBytes
    this.#note()
    this.#plan()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #plan(): void {
    this.#timer = this.#c.clock.timer(LOOK_MS, () => {
      const looked = this.#look().finally(() => {
        if (this.#timer !== undefined) this.#plan()
      })
      void ignoreFailure(looked, 'memory that is kept is no fault')
    })
  }

  async #look(): Promise<void> {
    if (this.#note() > IDLE_SHARE) return
    if (this.#c.use().residentBytes > this.#settledBytes + GROWN_BYTES) {
      await this.#c.release()
      this.#note() // that was no work
      this.#settledBytes = Infinity
    }
    this.#settledBytes = Math.min(this.#settledBytes, this.#c.use().residentBytes)
  }

  /** returns the part of a core that was used since the last time. */
  #note(): number {
    const { clock, use } = this.#c
    const at = clock.now()
    const { processorMs } = use()
    const { at: then, processorMs: before } = this.#looked ?? { at, processorMs }
    this.#looked = { at, processorMs }
    return at === then ? 1 : (processorMs - before) / (at - then)
  }
}
