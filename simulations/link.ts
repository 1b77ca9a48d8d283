// A connection of two nodes, and the channels on it. Each end is up or down by itself: one may be
// down long before the other learns of it. A pipe carries things one way, whole and in order; while
// its direction is cut they wait in it.
import { ShoalError } from '../protocol/errors.ts'
import type { SimulatedChannel } from './channel.ts'
import type { SimulatedNetwork } from './network.ts'
import type { SimulatedPeerNetwork } from './peer-network.ts'
import type { PeerId } from '../protocol/ids.ts'

export class Link {
  readonly ends: readonly [LinkEnd, LinkEnd]

  constructor(network: SimulatedNetwork, a: SimulatedPeerNetwork, b: SimulatedPeerNetwork) {
    this.ends = [new LinkEnd(network, this, a, b.self), new LinkEnd(network, this, b, a.self)]
  }

  /** The end at `owner`. */
  end(owner: PeerId): LinkEnd {
    const [first, second] = this.ends
    return first.owner.self === owner ? first : second
  }

  /** Neither end has been dropped. */
  get whole(): boolean {
    return this.ends.every((end) => end.state !== 'down' && end.owner.running)
  }
}

export class LinkEnd {
  readonly owner: SimulatedPeerNetwork
  readonly peer: PeerId
  readonly channels: Set<SimulatedChannel> = new Set()
  readonly #network: SimulatedNetwork
  readonly #link: Link
  #state: 'pending' | 'up' | 'down' = 'pending'

  constructor(network: SimulatedNetwork, link: Link, owner: SimulatedPeerNetwork, peer: PeerId) {
    this.#network = network
    this.#link = link
    this.owner = owner
    this.peer = peer
  }

  get state(): 'pending' | 'up' | 'down' {
    return this.#state
  }

  get remote(): LinkEnd {
    return this.#link.end(this.peer)
  }

  raise(): void {
    if (this.#state !== 'pending' || !this.owner.running) return
    this.#state = 'up'
    this.owner.linked(this)
  }

  /** Close this end; the other learns of it from us, or by our silence if we can't reach it. */
  drop(why: string): void {
    this.vanish(why)
    this.#network.send(this.owner.self, this.peer, 'fin', this.#hear, this.#miss)
  }

  /** The bulk connection beside this one is gone: its channels break, and no other. */
  breakBulk(): void {
    const error = new ShoalError('unreachable', `lost the bulk connection to ${this.peer}`)
    for (const channel of this.channels) if (channel.isBulk) channel.abort(error)
  }

  /** Nobody waits for this end any more: close it if it never came up. */
  giveUp(): void {
    if (this.#state === 'pending') this.drop('the caller gave up')
  }

  /** The machine of this end lost power: the other learns of it by silence. */
  losePower(): void {
    this.vanish('power loss')
    this.#miss()
  }

  /** Close this end without a word to the other. */
  vanish(why: string): void {
    const before = this.#state
    this.#state = 'down'
    if (before !== 'up' || !this.owner.process.alive) return
    const error = new ShoalError('unreachable', `lost the connection to ${this.peer}: ${why}`)
    for (const channel of this.channels) channel.break(error)
    this.owner.unlinked(this)
  }

  readonly #hear = (): void => this.remote.vanish('the remote closed the connection')

  readonly #miss = (): void => this.#network.afterSilence(this.peer, this.owner.self, this.#hear)
}

interface Item {
  readonly what: string
  readonly arrive: () => void
}

export class Pipe {
  readonly #network: SimulatedNetwork
  readonly #from: PeerId
  readonly #to: PeerId
  readonly #items: Item[] = []
  #lastAtMs = 0

  constructor(network: SimulatedNetwork, from: PeerId, to: PeerId) {
    this.#network = network
    this.#from = from
    this.#to = to
  }

  /** `arrive` runs at the other side, after all that was put in before. */
  put(what: string, size: number, arrive: () => void): void {
    this.#items.push({ what, arrive })
    this.#schedule(size / this.#network.options.bytesPerMs)
  }

  #schedule(transferMs: number): void {
    const { scheduler } = this.#network
    const latencyMs = this.#network.latencyMs(this.#from, this.#to)
    this.#lastAtMs = Math.max(this.#lastAtMs, scheduler.nowMs + latencyMs + transferMs)
    const label = `stream ${this.#from} > ${this.#to}`
    scheduler.after(this.#lastAtMs - scheduler.nowMs, label, () => this.#deliver())
  }

  #deliver(): void {
    if (!this.#network.reachable(this.#from, this.#to)) {
      return this.#network.onMend(this.#from, this.#to, () => this.#schedule(0))
    }
    const item = this.#items.shift()
    if (item === undefined) return
    this.#network.scheduler.note(item.what)
    item.arrive()
  }
}
