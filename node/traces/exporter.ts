// Sends spans to a collector, some together. One that does not answer costs a bounded queue, whose
// oldest spans are lost, and a line of the log as that begins and as it ends.
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { oneLine } from '../../protocol/errors.ts'
import { Backoff } from '../jobs/backoff.ts'
import type { WriteLog } from '../observe/log-events.ts'
import type { Clock, Timer } from '../world/world.ts'
import { encodeSpans } from './otlp.ts'
import type { Teller } from './otlp.ts'
import type { EndedSpan } from './recorder.ts'

const QUEUE_MAX = 2048
const TOGETHER_MAX = 512
const GATHER_MS: number = 1 * SECOND_MS
const SEND_MS: number = 10 * SECOND_MS
/** At the end of the node. */
const LAST_MS: number = 1 * SECOND_MS
const PAUSES = { firstMs: 5 * SECOND_MS, longestMs: 5 * MINUTE_MS }
const COMPLAINT_MAX = 200

/** Post a body. throws for an answer that is none of success. */
export type Post = (body: string, signal: AbortSignal) => Promise<void>

export interface ExporterComponents {
  readonly clock: Clock
  readonly post: Post
  readonly teller: Teller
  readonly log: WriteLog
  /** The collector, for people. */
  readonly label: string
}

export class Exporter {
  readonly #c: ExporterComponents
  readonly #queue: EndedSpan[] = []
  readonly #backoff = new Backoff(PAUSES)
  readonly #stop = new AbortController()
  #timer: Timer | undefined
  #sending: Promise<void> | undefined
  #isAway = false
  #lostCount = 0

  constructor(components: ExporterComponents) {
    this.#c = components
  }

  readonly take = (spans: readonly EndedSpan[]): void => {
    if (this.#stop.signal.aborted) return
    this.#queue.push(...spans)
    this.#lose()
    this.#later(GATHER_MS)
  }

  /** Send what is there, once and for a short time. Idempotent. */
  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#timer?.cancel()
    this.#stop.abort()
    await this.#sending
    if (!this.#isAway) await this.#send(this.#c.clock.timeout(LAST_MS))
  }

  #lose(): void {
    const beyond = this.#queue.length - QUEUE_MAX
    if (beyond <= 0) return
    this.#queue.splice(0, beyond)
    this.#lostCount += beyond
  }

  #later(delayMs: number): void {
    if (this.#timer !== undefined || this.#sending !== undefined) return
    this.#timer = this.#c.clock.timer(delayMs, () => {
      this.#timer = undefined
      this.#sending = this.#sendSoon()
    })
  }

  async #sendSoon(): Promise<void> {
    const isSent = await this.#send(this.#c.clock.timeout(SEND_MS, this.#stop.signal))
    this.#sending = undefined
    if (this.#queue.length === 0 || this.#stop.signal.aborted) return
    this.#later(isSent ? GATHER_MS : this.#backoff.next())
  }

  /** returns whether all went. */
  async #send(signal: AbortSignal): Promise<boolean> {
    while (this.#queue.length > 0) {
      const spans = this.#queue.splice(0, TOGETHER_MAX)
      try {
        await this.#c.post(encodeSpans(spans, this.#c.teller), signal)
      } catch (error) {
        this.#queue.unshift(...spans)
        this.#lose()
        if (!this.#stop.signal.aborted) this.#tellAway(error)
        return false
      }
      this.#tellThere()
    }
    return true
  }

  #tellAway(error: unknown): void {
    if (this.#isAway) return
    this.#isAway = true
    const why = oneLine((error as Error).message).slice(0, COMPLAINT_MAX)
    this.#c.log('traces.not-sent', { to: this.#c.label, message: why })
  }

  #tellThere(): void {
    this.#backoff.reset()
    if (!this.#isAway) return
    this.#isAway = false
    this.#c.log('traces.sent-again', { to: this.#c.label, lost: this.#lostCount })
    this.#lostCount = 0
  }
}
