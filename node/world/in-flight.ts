// Bounds the received frames that nobody has taken yet, by peer and in all. A peer that has too
// much is not read from until some of it is taken: by itself, or when all have too much and it more
// than its share of that. Few of its channels may wait so, since each may still be sent a window of
// bytes; the next ones are broken.
import type { PeerId } from '../../protocol/ids.ts'
import { IN_FLIGHT_ALL_MAX, IN_FLIGHT_PEER_MAX } from '../../protocol/limits.ts'

/** Channels of a peer that wait at a time. */
const WAITING_MAX = 8

export class InFlight {
  readonly #held = new Map<PeerId, number>()
  /** By peer what is called when there is more room. */
  readonly #waiting = new Map<PeerId, Set<() => void>>()
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
    // They may stop to wait meanwhile.
    const all = this.#waiting
      .values()
      .flatMap((looks) => looks)
      .toArray()
    for (const look of all) look()
  }

  /** Is this peer not to be read from? */
  isFull(peer: PeerId): boolean {
    const held = this.#held.get(peer) ?? 0
    if (held > IN_FLIGHT_PEER_MAX) return true
    return this.#total > IN_FLIGHT_ALL_MAX && held > IN_FLIGHT_ALL_MAX / this.#held.size
  }

  /**
   * Call `look` whenever there is more room, until what is returned is called. undefined: too many
   * channels wait.
   */
  wait(peer: PeerId, look: () => void): (() => void) | undefined {
    const looks = this.#waiting.get(peer) ?? new Set()
    if (looks.size >= WAITING_MAX) return undefined
    this.#waiting.set(peer, looks.add(look))
    return () => {
      looks.delete(look)
      if (looks.size === 0 && this.#waiting.get(peer) === looks) this.#waiting.delete(peer)
    }
  }
}
