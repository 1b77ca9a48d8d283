// Members that answered this node that it is none: how it comes to know that it was removed, since nobody sends it the log.
// One that was admitted a moment ago hears the same of those who have not heard of it.
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

/** Who refused is not dialled for this long: it would drop the connection again. */
const PAUSE_MS: number = 10 * MINUTE_MS

export class Refusals {
  readonly #clock: Pick<Clock, 'now'>
  readonly #refused = new Map<VolumeId, Map<PeerId, Instant>>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  add(volume: VolumeId, peer: PeerId): void {
    const peers = this.#refused.get(volume) ?? new Map<PeerId, Instant>()
    this.#refused.set(volume, peers.set(peer, this.#clock.now()))
  }

  /** It has exchanged logs since. */
  clear(volume: VolumeId, peer: PeerId): void {
    this.#refused.get(volume)?.delete(peer)
  }

  by(volume: VolumeId): readonly PeerId[] {
    return [...(this.#refused.get(volume)?.keys() ?? [])].toSorted()
  }

  /** Did it refuse just now? */
  isRecent(volume: VolumeId, peer: PeerId): boolean {
    const at = this.#refused.get(volume)?.get(peer)
    return at !== undefined && this.#clock.now() < at + PAUSE_MS
  }
}
