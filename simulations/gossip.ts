// Gossip of one simulated node: a message floods along connections and is heard once, whatever ways it comes by.
// Its listener decides whether it goes on from here. Best effort: hops lose and double messages by chance.
import { toHex } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import { blake3 } from '../protocol/hash.ts'
import { GOSSIP_MAX } from '../protocol/limits.ts'
import { MINUTE_MS } from '../protocol/units.ts'
import type { SimulatedNetwork } from './network.ts'
import type { SimulatedPeerNetwork } from './peer-network.ts'
import type { PeerId } from '../protocol/ids.ts'

export type TopicListener = (message: Uint8Array, from: PeerId) => boolean

/** How long a message is remembered, so as not to be heard twice: the default of gossipsub. */
const SEEN_MS = 2 * MINUTE_MS

export class Gossip {
  readonly #network: SimulatedNetwork
  readonly #node: SimulatedPeerNetwork
  readonly #topics = new Map<string, Set<TopicListener>>()
  /** Hashes of messages with the time they were first seen, oldest first. */
  readonly #seen = new Map<string, number>()

  constructor(network: SimulatedNetwork, node: SimulatedPeerNetwork) {
    this.#network = network
    this.#node = node
  }

  /** throws ShoalError 'malformed' if `message` is larger than GOSSIP_MAX. */
  publish(topic: string, message: Uint8Array): void {
    if (message.byteLength > GOSSIP_MAX) {
      const problem = `a message of ${message.byteLength} bytes on ${topic}`
      throw new ShoalError('malformed', `${problem}; at most ${GOSSIP_MAX} are allowed`)
    }
    const hash = toHex(blake3(message))
    if (this.#isNew(hash)) this.#spread(topic, message.slice(), hash)
  }

  subscribe(topic: string, listener: TopicListener): () => void {
    const listeners = this.#topics.get(topic) ?? new Set<TopicListener>()
    this.#topics.set(topic, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  /** A message came from a connected peer. */
  arrive(topic: string, message: Uint8Array, hash: string, from: PeerId): void {
    const listeners = [...(this.#topics.get(topic) ?? [])]
    if (listeners.length === 0 || !this.#isNew(hash)) return
    let wanted = false
    for (const listener of listeners) {
      this.#node.shielded(() => (wanted = listener(message.slice(), from) || wanted))
    }
    if (wanted) this.#spread(topic, message, hash, from)
  }

  #spread(topic: string, message: Uint8Array, hash: string, except?: PeerId): void {
    const { self } = this.#node
    const what = `gossip ${topic} ${hash.slice(0, 8)}`
    for (const peer of this.#node.peers()) {
      if (peer === except) continue
      const random = this.#network.chances(self, peer)
      if (random.chance(this.#network.options.lossRate)) continue
      const copies = random.chance(this.#network.options.duplicateRate) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        this.#network.send(self, peer, what, () => {
          this.#network.node(peer)?.hear(topic, message, hash, self)
        })
      }
    }
  }

  #isNew(hash: string): boolean {
    const { nowMs } = this.#network.scheduler
    for (const [old, atMs] of this.#seen) {
      if (atMs + SEEN_MS > nowMs) break
      this.#seen.delete(old)
    }
    if (this.#seen.has(hash)) return false
    this.#seen.set(hash, nowMs)
    return true
  }
}
