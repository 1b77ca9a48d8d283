// Exchanges of logs in the background, a few at a time: in a large swarm hundreds of peers say at
// once that they have what is missing here, and the first of them brings it for all. Whoever waits
// is asked only if it is still missing then.
import type { PeerId } from '../../protocol/ids.ts'
import type { Volume } from '../log/volume.ts'
import type { Luck, World } from '../world/world.ts'

const EXCHANGES_MAX = 8
/** Kept for a peer that waits; with more it is asked in any case. */
const REASONS_MAX = 16

/** Is something still missing that the peer was said to have? */
export type Reason = () => boolean

export interface CatchUpComponents {
  readonly exchange: (volume: Volume, peer: PeerId) => Promise<void>
  readonly onFailed: (volume: Volume, peer: PeerId, error: unknown) => void
}

interface Waiting {
  readonly volume: Volume
  readonly peer: PeerId
  readonly reasons: Reason[]
}

export class CatchUp {
  readonly #random: Luck
  readonly #c: CatchUpComponents
  readonly #waiting = new Map<string, Waiting>()
  #running = 0

  constructor({ random }: Pick<World, 'random'>, components: CatchUpComponents) {
    this.#random = random
    this.#c = components
  }

  /** Exchange with a peer when it is its turn; failures are for the next occasion. */
  soon(volume: Volume, peer: PeerId, reason: Reason = () => true): void {
    if (this.#random.unlucky('sync.never-begins')) return
    if (this.#random.unlucky('sync.asks-for-no-reason')) reason = (): boolean => true
    const key = `${volume.id} ${peer}`
    const known = this.#waiting.get(key)
    if (known === undefined) this.#waiting.set(key, { volume, peer, reasons: [reason] })
    else if (known.reasons.length < REASONS_MAX) known.reasons.push(reason)
    else known.reasons[0] = () => true
    this.#next()
  }

  /** Whoever waits is not asked any more. */
  stop(): void {
    this.#waiting.clear()
  }

  #next(): void {
    for (const [key, { volume, peer, reasons }] of this.#waiting) {
      if (this.#running >= EXCHANGES_MAX) return
      this.#waiting.delete(key)
      if (!reasons.some((isMissing) => isMissing())) continue
      this.#running++
      this.#c
        .exchange(volume, peer)
        .catch((error: unknown) => this.#c.onFailed(volume, peer, error))
        .finally(() => {
          this.#running--
          this.#next()
        })
    }
  }
}
