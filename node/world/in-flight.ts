// What was received of frames that nobody has taken yet, by peer and in all. A peer that has too much is not read from until
// some of it is taken: by itself, or when all have too much and it more than its share of that.
import type { PeerId } from '../../protocol/ids.ts'
import { IN_FLIGHT_ALL_MAX, IN_FLIGHT_PEER_MAX } from '../../protocol/limits.ts'

export class InFlight {
  readonly #held = new Map<PeerId, number>()
  /** Called when there is more room. */
  readonly #waiting = new Set<() => void>()
  #total = 0

  take(peer: PeerId, bytes: number): void {
    this.#held.set(peer, (this.#held.get(peer) ?? 0) + bytes)
    this.#total += bytes
  }

  giveBack(peer: PeerId, bytes: number): void {
    const left = (this.#held.get(peer) ?? 0) - bytes
    if (left > 0) this.#held.set(peer, left)
    else this.#held.delete(peer)
    this.#total -= bytes
    for (const look of this.#waiting) look()
  }

  /** Is this peer not to be read from? */
  isFull(peer: PeerId): boolean {
    const held = this.#held.get(peer) ?? 0
    if (held > IN_FLIGHT_PEER_MAX) return true
    return this.#total > IN_FLIGHT_ALL_MAX && held > IN_FLIGHT_ALL_MAX / this.#held.size
  }

  /** Call `look` whenever there is more room, until what is returned is called. */
  wait(look: () => void): () => void {
    this.#waiting.add(look)
    return () => this.#waiting.delete(look)
  }
}
