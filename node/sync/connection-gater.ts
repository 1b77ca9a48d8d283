// Decides which peers may connect: members are served, and those whom this node asks for admission.
// Others are strangers, who can show a ticket, while there is one that may still be used; and who
// was removed, until it was told so. Nobody else is connected.
import type { PeerId } from '../../protocol/ids.ts'
import { enforces } from '../../protocol/trust.ts'
import type { Standing, World } from '../world/world.ts'
import type { Volume } from '../log/volume.ts'

export interface ConnectionGaterComponents {
  readonly world: Pick<World, 'network'>
  readonly volumes: () => readonly Volume[]
  /** There is a ticket that somebody may show. */
  readonly isOpen: () => boolean
  /** Was a peer told a while ago that it was removed? */
  readonly wasTold: (peer: PeerId) => boolean
}

export class ConnectionGater {
  readonly #c: ConnectionGaterComponents
  /** Peers this node asks to let it in: no log names them yet. */
  readonly #asked = new Set<PeerId>()

  constructor(components: ConnectionGaterComponents) {
    this.#c = components
  }

  /**
   * Members came or went, or there is no ticket any more: who is something else by now is hung up
   * on.
   */
  watch(): void {
    this.#c.world.network.gate((peer) => this.standing(peer))
  }

  standing(peer: PeerId): Standing {
    if (this.isMember(peer) || this.isAsked(peer)) return 'member'
    const wasRemoved = this.#c.volumes().some(({ membership }) => membership.wasRemoved(peer))
    if (wasRemoved && !enforces('removed-only-join')) return 'member'
    if (this.#c.isOpen()) return enforces('strangers-only-join') ? 'stranger' : 'member'
    return wasRemoved && !this.#c.wasTold(peer) ? 'stranger' : 'nobody'
  }

  isMember(peer: PeerId): boolean {
    return this.#c.volumes().some(({ membership }) => membership.member(peer) !== undefined)
  }

  isAsked(peer: PeerId): boolean {
    return this.#asked.has(peer)
  }

  /** Let a peer that this node asks for admission be as a member while that lasts. */
  async askedOf<Result>(peers: readonly PeerId[], run: () => Promise<Result>): Promise<Result> {
    for (const peer of peers) this.#asked.add(peer)
    try {
      return await run()
    } finally {
      for (const peer of peers) this.#asked.delete(peer)
      this.watch()
    }
  }
}
