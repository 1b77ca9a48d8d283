// Members that answered this node that it is none: how it comes to know that it was removed, since
// nobody sends it the log. Who serves nothing to it is asked over the join protocol, which is all
// that a removed node reaches. One that was admitted a moment ago hears the same of those who have
// not heard of it.
import { hasCode } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Joining } from '../peers/join.ts'
import type { World } from '../world/world.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** A peer that refused is not dialled for this long: it would drop the connection again. */
const PAUSE_MS: number = 10 * MINUTE_MS
const ASK_MS: number = 10 * SECOND_MS

export interface RefusalsComponents {
  readonly world: Pick<World, 'clock' | 'network'>
  readonly joining: Pick<Joining, 'askWhetherRemoved'>
}

export class Refusals {
  readonly #c: RefusalsComponents
  readonly #refused = new Map<VolumeId, Map<PeerId, Instant>>()

  constructor(components: RefusalsComponents) {
    this.#c = components
  }

  /** An exchange of logs with a member failed. */
  async consider(volume: VolumeId, peer: PeerId, error: unknown): Promise<void> {
    if (!hasCode(error, 'not-a-member') && !(await this.#wasRemovedAt(volume, peer))) return
    const peers = this.#refused.get(volume) ?? new Map<PeerId, Instant>()
    this.#refused.set(volume, peers.set(peer, this.#c.world.clock.now()))
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
    return at !== undefined && this.#c.world.clock.now() < at + PAUSE_MS
  }

  /** Does a member that is there, but serves nothing to this node, say that it was removed? */
  async #wasRemovedAt(volume: VolumeId, peer: PeerId): Promise<boolean> {
    const { joining, world } = this.#c
    const { network, clock } = world
    if (!network.peers().includes(peer)) return false
    const asked = joining.askWhetherRemoved(volume, peer, clock.timeout(ASK_MS))
    const isSo =
      (await ignoreFailure(asked, 'a peer that does not answer has not said so')) === true
    // A connection that serves nothing is not kept.
    if (isSo) await ignoreFailure(network.disconnect(peer), 'the peer may be gone')
    return isSo
  }
}
