// Virtual time. Events run one at a time in the order (time, tie-break drawn from the seed,
// sequence); time moves only from one event to the next. After each event everything that it set in
// motion settles before the next one runs: the event loop empties the microtask and nextTick
// queues, however deep the promise chains are, before a setImmediate fires, so one drain is enough;
// it is repeated only while somebody else's immediates are waiting (a node that yields). What no
// drain can wait for is real I/O and worker threads: simulated nodes must not use them. The trace,
// a line an event, is hashed: the same seed must give the same hash.
import { concatBytes, toHex, utf8 } from '../protocol/bytes.ts'
import { ShoalError, assert } from '../protocol/errors.ts'
import { HASH_BYTES, blake3 } from '../protocol/hash.ts'
import { EventHeap } from './event-heap.ts'
import { SeededRandom } from './random.ts'
import { Sightings } from './sightings.ts'
import { UnluckyTally } from './unlucky-tally.ts'
import type { Timer } from '../node/world/world.ts'
import type { ScheduledEvent } from './event-heap.ts'

export interface SchedulerOptions {
  /** Given each line of the trace, to find where two runs part. */
  readonly record?: (line: string) => void
}

const TRACE_LINES = 512
/** Events at one instant after which somebody goes in circles. */
const INSTANT_EVENTS_MAX = 100_000

/** Drains under way in this process: theirs are the immediates that a drain must not wait for. */
let drains = 0

export class Scheduler {
  readonly seed: string
  readonly sightings: Sightings = new Sightings()
  readonly luck: UnluckyTally = new UnluckyTally()
  readonly #ties: SeededRandom
  readonly #heap = new EventHeap()
  readonly #record: ((line: string) => void) | undefined
  #nowMs = 0
  #sequence = 0
  #eventCount = 0
  /** Events since time last moved. */
  #instantCount = 0
  #hash: Uint8Array = new Uint8Array(HASH_BYTES)
  #lines: string[] = []
  #wake: (() => void) | undefined

  constructor(seed: string | number, options: SchedulerOptions = {}) {
    this.seed = String(seed)
    this.#ties = new SeededRandom(seed, 'scheduler ties')
    this.#record = options.record
  }

  /** Virtual milliseconds since the run began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Events that have run. */
  get eventCount(): number {
    return this.#eventCount
  }

  /** Runs `run` once after `delayMs`. `label` goes into the trace: what happens, to whom. */
  after(delayMs: number, label: string, run: () => void): Timer {
    const event: ScheduledEvent = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      tie: this.#ties.word(),
      sequence: this.#sequence++,
      label,
      run,
    }
    this.#heap.push(event)
    this.#wake?.()
    return { cancel: () => this.#heap.cancel(event) }
  }

  /**
   * Run the next event and let it settle. False if there is none, or it is later than `untilMs`.
   * throws ShoalError 'internal' when time has stood still for INSTANT_EVENTS_MAX events, and what
   * the event throws.
   */
  async step(untilMs: number = Infinity): Promise<boolean> {
    const event = this.#heap.pop(untilMs)
    if (event?.run === undefined) return false
    this.#instantCount = event.atMs > this.#nowMs ? 0 : this.#instantCount + 1
    assert(this.#instantCount < INSTANT_EVENTS_MAX, `time moves at "${event.label}"`)
    this.#nowMs = event.atMs
    this.#eventCount++
    this.note(event.label)
    event.run()
    await drain()
    return true
  }

  /** Run all events up to `untilMs`, where time then stands; without it, until none is left. */
  async run(untilMs: number = Infinity): Promise<void> {
    await drain()
    while (await this.step(untilMs));
    if (Number.isFinite(untilMs)) this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /**
   * Run events until `work` is settled.
   * throws ShoalError 'timeout' if it isn't when no event is left, or after `limitMs` of virtual
   * time.
   */
  async finish<Result>(work: Promise<Result>, limitMs: number = Infinity): Promise<Result> {
    let settled = false
    const done = (): void => void (settled = true)
    work.then(done, done)
    const untilMs = this.#nowMs + limitMs
    await drain()
    while (!settled && (await this.step(untilMs)));
    if (settled) return await work
    throw new ShoalError('timeout', `not finished at ${this.#nowMs} virtual ms: ${this.#waiting()}`)
  }

  /**
   * Run events in the background as they come, for code that knows nothing of virtual time (the
   * seam suites). It stops when disposed; without events it costs nothing.
   */
  pump(): Disposable {
    let stopped = false
    const loop = async (): Promise<void> => {
      await drain()
      while (!stopped) {
        if (await this.step()) continue
        await new Promise<void>((resolve) => (this.#wake = resolve))
        this.#wake = undefined
        await drain()
      }
    }
    void loop()
    return {
      [Symbol.dispose]: () => {
        stopped = true
        this.#wake?.()
      },
    }
  }

  /** Add a line to the trace: what a checker or a node wants to be equal in two runs of a seed. */
  note(text: string): void {
    const line = `${this.#nowMs} ${text}`
    this.#record?.(line)
    this.#lines.push(line)
    if (this.#lines.length >= TRACE_LINES) this.#foldTrace()
  }

  /** Hash of the trace so far, in hexadecimal. */
  traceHash(): string {
    this.#foldTrace()
    return toHex(this.#hash)
  }

  #foldTrace(): void {
    if (this.#lines.length === 0) return
    this.#hash = blake3(concatBytes([this.#hash, utf8(this.#lines.join('\n'))]))
    this.#lines = []
  }

  #waiting(): string {
    const next = this.#heap.peek()
    return next === undefined ? 'no event is left' : `next is "${next.label}" at ${next.atMs} ms`
  }
}

async function drain(): Promise<void> {
  drains++
  do await new Promise<void>((resolve) => setImmediate(resolve))
  while (foreignImmediates())
  drains--
}

function foreignImmediates(): boolean {
  let count = 0
  for (const kind of process.getActiveResourcesInfo()) if (kind === 'Immediate') count++
  return count > drains - 1
}
