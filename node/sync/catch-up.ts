// Exchanges of logs in the background, a few at a time: in a large swarm hundreds of peers say at
// once that they have what is missing here, and the first of them brings it for all. Whoever waits
// is asked only if it is still missing then. One with whom an exchange failed is left alone for a
// while that grows.
import type { PeerId } from '../../protocol/ids.ts'
import type { Volume } from '../log/volume.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { BackoffTable } from '../jobs/backoff.ts'
import type { Clock, Luck, Timer, World } from '../world/world.ts'

const EXCHANGES_MAX = 8
/** Kept for a peer that waits; with more it is asked in any case. */
const REASONS_MAX = 16

/** After a failure, and at most: between two exchanges that nobody waits for. */
const PAUSES = { firstMs: SECOND_MS, longestMs: 16 * SECOND_MS }

/** Is something still missing that the peer was said to have? */
export type Reason = () => boolean

export interface CatchUpComponents {
  readonly exchange: (volume: Volume, peer: PeerId) => Promise<void>
  /** againMs: until when the peer is left alone. */
  readonly onFailed: (volume: Volume, peer: PeerId, error: unknown, againMs: number) => void
}

interface Waiting {
  readonly volume: Volume
  readonly peer: PeerId
  readonly reasons: Reason[]
}

export class CatchUp {
  readonly #random: Luck
  readonly #clock: Clock
  readonly #failures: BackoffTable<string>
  readonly #c: CatchUpComponents
  readonly #waiting = new Map<string, Waiting>()
  #running = 0
  #timer: Timer | undefined

  constructor({ random, clock }: Pick<World, 'random' | 'clock'>, components: CatchUpComponents) {
    this.#random = random
    this.#clock = clock
    this.#failures = new BackoffTable(clock, PAUSES)
    this.#c = components
  }

  /** Exchange with a peer when it is its turn; failures are for the next occasion. */
  soon(volume: Volume, peer: PeerId, reason: Reason = () => true): void {
    if (this.#random.unlucky('sync.never-begins')) return
    if (this.#random.unlucky('sync.asks-for-no-reason')) reason = (): boolean => true
    const key = exchangeKey(volume, peer)
    const known = this.#waiting.get(key)
    if (known === undefined) this.#waiting.set(key, { volume, peer, reasons: [reason] })
    else if (known.reasons.length < REASONS_MAX) known.reasons.push(reason)
    else known.reasons[0] = () => true
    this.#next()
  }

  /** Whoever waits is not asked any more. */
  stop(): void {
    this.#waiting.clear()
    this.#timer?.cancel()
  }

  #next(): void {
    let isEarly = false
    for (const [key, { volume, peer, reasons }] of this.#waiting) {
      if (this.#running >= EXCHANGES_MAX) return
      if (!this.#failures.isDue(key)) {
        isEarly = true
        continue
      }
      this.#waiting.delete(key)
      if (!reasons.some((isMissing) => isMissing())) continue
      // Also beside one that goes on: that may be waiting for a checkpoint.
      this.#running++
      this.#c
        .exchange(volume, peer)
        .then(
          () => this.#failures.succeeded(key),
          (error: unknown) => {
            const againMs = this.#failures.failed(key) - this.#clock.now()
            this.#c.onFailed(volume, peer, error, againMs)
          },
        )
        .finally(() => {
          this.#running--
          this.#next()
        })
    }
    if (isEarly) this.#planNext()
  }

  /** When the first of those that are left alone is due. */
  #planNext(): void {
    // It may have become due since it was looked at.
    const at = this.#failures.nextAt ?? this.#clock.now()
    this.#timer?.cancel()
    this.#timer = this.#clock.timer(at - this.#clock.now(), () => {
      this.#timer = undefined
      this.#next()
    })
  }
}

export function exchangeKey({ id }: Volume, peer: PeerId): string {
  return `${id} ${peer}`
}
