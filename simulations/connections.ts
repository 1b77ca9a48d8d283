// The ends of the connections of one simulated node. Each is of a member or of a stranger, as its
// peer stood when it came up; who stands otherwise later is hung up on.
import { SECOND_MS } from '../protocol/units.ts'
import type { LinkEnd } from './link.ts'
import type { SimulatedProcess } from './process.ts'
import type { Standing } from '../node/world/world.ts'
import type { PeerId } from '../protocol/ids.ts'

/**
 * A stranger stays no longer, and one that became a member connects anew after this at the latest.
 */
const STRANGER_MS: number = 30 * SECOND_MS
const PROMOTED_MS: number = 5 * SECOND_MS

export class Connections {
  readonly #process: SimulatedProcess
  readonly #members = new Map<PeerId, LinkEnd>()
  readonly #strangers = new Map<PeerId, LinkEnd>()
  #standing: (peer: PeerId) => Standing = () => 'member'

  constructor(process: SimulatedProcess) {
    this.#process = process
  }

  /** Connected members. */
  get peers(): readonly PeerId[] {
    return [...this.#members.keys()]
  }

  all(): readonly LinkEnd[] {
    return [...this.#members.values(), ...this.#strangers.values()]
  }

  member(peer: PeerId): LinkEnd | undefined {
    return this.#members.get(peer)
  }

  /** The links of a peer, member or stranger. */
  of(peer: PeerId): readonly LinkEnd[] {
    return this.all().filter((end) => end.peer === peer)
  }

  isStranger(end: LinkEnd): boolean {
    return this.#strangers.get(end.peer) === end
  }

  gate(standing: (peer: PeerId) => Standing): void {
    this.#standing = standing
    for (const end of this.#members.values())
      if (!this.isMember(end.peer)) end.drop('this node hangs up')
    for (const end of this.#strangers.values()) {
      const now = this.standing(end.peer)
      if (now === 'nobody') end.drop('this node hangs up')
      if (now === 'member') this.#promote(end)
    }
  }

  /** A gate that throws lets nobody in. */
  standing(peer: PeerId): Standing {
    try {
      return this.#standing(peer)
    } catch {
      return 'nobody'
    }
  }

  isMember(peer: PeerId): boolean {
    return this.standing(peer) === 'member'
  }

  /** An end is up. returns whether it is of a member. */
  add(end: LinkEnd): boolean {
    const standing = this.standing(end.peer)
    if (standing === 'nobody') end.drop('this node hangs up')
    if (standing === 'stranger') {
      this.#strangers.set(end.peer, end)
      this.#dropLater(end, STRANGER_MS)
    }
    if (standing === 'member') this.#members.set(end.peer, end)
    return standing === 'member'
  }

  /** An end is down. returns whether it was of a member. */
  remove(end: LinkEnd): boolean {
    if (this.isStranger(end)) this.#strangers.delete(end.peer)
    if (this.#members.get(end.peer) !== end) return false
    return this.#members.delete(end.peer)
  }

  /** A member that came as a stranger is connected anew. */
  dropStranger(peer: PeerId): void {
    this.#strangers.get(peer)?.drop('it is a member by now')
  }

  /** Makes a new member connect anew; messages under way to it may still end. */
  #promote(end: LinkEnd): void {
    if (end.channels.size === 0) end.drop('it is a member by now')
    else this.#dropLater(end, PROMOTED_MS)
  }

  #dropLater(end: LinkEnd, delayMs: number): void {
    this.#process.after(delayMs, `drops ${end.peer}`, () => {
      if (this.isStranger(end)) end.drop('a stranger goes again')
    })
  }
}
