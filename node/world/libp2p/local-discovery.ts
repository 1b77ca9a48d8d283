// Finding nodes on the local network by multicast DNS (RFC 6762). Every answer goes to all, so one
// node that asks is enough for all of them: whoever hears the question does not put it (section
// 7.3). Cost a node: one answer of each other node for each QUERY_MS, however many they are.
import { mdns } from '@libp2p/mdns'
import { LRUCache } from 'lru-cache'
import { SECOND_MS } from '../../../protocol/units.ts'
import { multicastOf } from './internals.ts'
import type { PeerDiscovery, PeerId, PeerInfo, Startable } from '@libp2p/interface'
import type { MulticastDNSComponents } from '@libp2p/mdns'
import type { Clock, Timer } from '../world.ts'

/** Name under which nodes announce themselves on the local network (RFC 6763). */
const SERVICE = '_shoal._udp.local'
/** The mean time between two questions on a network with one node. */
const QUERY_MS: number = 10 * SECOND_MS
/** Part of that time that chance decides: nodes that heard one question do not ask in step. */
const SPREAD = 0.4
const ANSWERS_MAX = 1024
/** Never: the library asks as it starts, and this file from then on. */
const NO_INTERVAL_MS: number = 2 ** 31 - 1

/** The components of libp2p that it needs. */
export interface LocalDiscoveryComponents extends MulticastDNSComponents {
  readonly connectionManager: { getConnections: (peer: PeerId) => readonly unknown[] }
}

export interface LocalDiscoveryOptions {
  readonly clock: Pick<Clock, 'timer'>
  readonly onFound: (peer: PeerInfo) => void
}

/** A service of libp2p. It is none of its discoveries, each answer of which libp2p would store. */
export class LocalDiscovery implements Startable {
  readonly #inner: PeerDiscovery & Startable
  readonly #components: LocalDiscoveryComponents
  readonly #clock: Pick<Clock, 'timer'>
  /** By peer the addresses of its last answer. */
  readonly #answers = new LRUCache<string, string>({ max: ANSWERS_MAX })
  #timer: Timer | undefined

  constructor(components: LocalDiscoveryComponents, { clock, onFound }: LocalDiscoveryOptions) {
    const inner = mdns({ serviceTag: SERVICE, interval: NO_INTERVAL_MS })(components)
    this.#inner = inner as PeerDiscovery & Startable
    this.#components = components
    this.#clock = clock
    this.#inner.addEventListener('peer', ({ detail }) => {
      if (this.#isNews(detail)) onFound(detail)
    })
  }

  async start(): Promise<void> {
    await this.#inner.start()
    multicastOf(this.#inner).on('query', ({ questions }) => {
      if (questions[0]?.name === SERVICE) this.#plan()
    })
    this.#plan()
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#inner.stop()
  }

  /** A connected peer that says the same again concerns nobody. */
  #isNews({ id, multiaddrs }: PeerInfo): boolean {
    const said = multiaddrs.join(' ')
    const isSame = this.#answers.get(id.toString()) === said
    this.#answers.set(id.toString(), said)
    return !isSame || this.#components.connectionManager.getConnections(id).length === 0
  }

  /** Ask after a pause, unless another node does before. */
  #plan(): void {
    this.#timer?.cancel()
    const share = 1 - SPREAD / 2 + SPREAD * Math.random()
    this.#timer = this.#clock.timer(QUERY_MS * share, () => {
      multicastOf(this.#inner).query({ questions: [{ name: SERVICE, type: 'PTR' }] })
      this.#plan()
    })
  }
}
