// The one shape of a background job: it runs at its times and when it is woken, one run at a time,
// and a run that fails is only logged: the next has its chance. A wake during a run starts another
// after it, so that nothing is missed.
//
// The times are spread by a fifth either way: nodes that were started together do not work in step.
import { asShoalError } from '../../protocol/errors.ts'
import type { Clock, Random, Timer } from '../world/world.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Part of the time between runs that chance decides. */
const SPREAD = 0.4
/** Part of the time between runs after which one that is late in a simulation comes. */
const LATE_SHARE = 3

export interface JobParts {
  readonly clock: Clock
  readonly random: Random
  readonly name: string
  readonly everyMs: number
  /** Ends soon after the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>
  readonly log: WriteLog
}

export class Job {
  readonly #parts: JobParts
  readonly #stopped = new AbortController()
  #isStarted = false
  #isWoken = false
  #timer: Timer | undefined
  /** The run that is under way. */
  #running: Promise<void> | undefined

  constructor(parts: JobParts) {
    this.#parts = parts
  }

  /** Run from now on at its times, the first time after one of them. */
  start(): void {
    if (this.#isStarted || this.#stopped.signal.aborted) return
    this.#isStarted = true
    this.#arm()
    if (this.#isWoken) this.wake()
  }

  /** Run no more; resolves when nothing runs. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stopped.abort()
    await this.#running
  }

  /** Run soon, after the run that is under way. Before start(): with it. */
  wake(): void {
    this.#isWoken = true
    if (!this.#isStarted || this.#running !== undefined || this.#stopped.signal.aborted) return
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.timer(0, () => this.#begin())
  }

  /**
   * Run now, or after the run that is under way; also before start(). throws what the run throws.
   */
  async now(signal?: AbortSignal): Promise<void> {
    while (this.#running !== undefined) await this.#running
    this.#stopped.signal.throwIfAborted()
    await this.#run(signal)
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  #begin(): void {
    if (this.#running !== undefined) return
    const { name, log } = this.#parts
    this.#run(undefined).catch((error: unknown) => {
      if (this.#stopped.signal.aborted) return
      const { code, message } = asShoalError(error)
      log('job.failed', { job: name, code, message })
    })
  }

  #run(signal: AbortSignal | undefined): Promise<void> {
    const stopped = this.#stopped.signal
    const both = signal === undefined ? stopped : AbortSignal.any([stopped, signal])
    this.#isWoken = false
    const run = this.#parts.run(both)
    this.#running = run
      .catch(() => undefined) // its caller is told
      .then(() => {
        this.#running = undefined
        this.#arm()
      })
    return run
  }

  #arm(): void {
    if (!this.#isStarted || this.#stopped.signal.aborted) return
    const { clock, random, everyMs } = this.#parts
    const spread = 1 - SPREAD / 2 + SPREAD * random.number()
    const share = random.unlucky('jobs.late') ? LATE_SHARE : spread
    const isDue = this.#isWoken || random.unlucky('jobs.runs-again')
    this.#timer?.cancel()
    this.#timer = clock.timer(isDue ? 0 : everyMs * share, () => this.#begin())
  }
}
