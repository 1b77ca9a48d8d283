// Who may be connected to this node: members, and whom it asks to let it in. Others only for a while: strangers to show a
// ticket while there is one, and who was removed to be told so.
import type { PeerId } from '../../protocol/ids.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { Timer, World } from '../world/world.ts'
import type { Volume } from './volume.ts'

const STRANGER_MS: number = 30 * SECOND_MS
const REMOVED_MS: number = 5 * SECOND_MS

export interface DoorComponents {
  readonly world: Pick<World, 'clock' | 'network'>
  readonly volumes: () => readonly Volume[]
  /** There is a ticket that somebody may show. */
  readonly isOpen: () => boolean
}

export class Door {
  readonly #c: DoorComponents
  /** Peers this node asks to let it in: no log names them yet. */
  readonly #asked = new Set<PeerId>()
  readonly #leaving = new Map<PeerId, Timer>()

  constructor(components: DoorComponents) {
    this.#c = components
  }

  stop(): void {
    for (const timer of this.#leaving.values()) timer.cancel()
  }

  mayEnter(peer: PeerId): boolean {
    return this.isMember(peer) || this.isAsked(peer) || this.#wasRemoved(peer) || this.#c.isOpen()
  }

  isMember(peer: PeerId): boolean {
    return this.#c.volumes().some(({ membership }) => membership.member(peer) !== undefined)
  }

  isAsked(peer: PeerId): boolean {
    return this.#asked.has(peer)
  }

  /** Let a peer that this node asks for admission stay connected while that lasts. */
  async askedOf<Result>(peers: readonly PeerId[], run: () => Promise<Result>): Promise<Result> {
    for (const peer of peers) this.#asked.add(peer)
    try {
      return await run()
    } finally {
      for (const peer of peers) this.#asked.delete(peer)
    }
  }

  /** Members came or went: who is none any more may stay no longer than others. */
  clear(): void {
    for (const peer of this.#c.world.network.peers()) {
      if (this.isMember(peer) || this.isAsked(peer)) continue
      if (!this.mayEnter(peer)) this.#cutOff(peer)
      else if (!this.#leaving.has(peer)) this.watch(peer)
    }
  }

  /** A peer has connected that is no member. */
  watch(peer: PeerId): void {
    this.#leaving.get(peer)?.cancel()
    const stayMs = this.#wasRemoved(peer) && !this.#c.isOpen() ? REMOVED_MS : STRANGER_MS
    const timer = this.#c.world.clock.timer(stayMs, () => {
      this.#leaving.delete(peer)
      if (!this.isMember(peer) && !this.isAsked(peer)) this.#cutOff(peer)
    })
    this.#leaving.set(peer, timer)
  }

  #wasRemoved(peer: PeerId): boolean {
    return this.#c.volumes().some(({ membership }) => membership.wasRemoved(peer))
  }

  #cutOff(peer: PeerId): void {
    this.#c.world.network.disconnect(peer).catch(() => undefined)
  }
}
