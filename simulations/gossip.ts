// Gossip of one simulated node: a message goes along connections and is heard once, whatever ways
// it comes by. Its listener decides whether it goes on from here, to as many peers as a mesh of
// gossipsub has. Best effort: hops lose and double messages by chance. Copies that would come to
// who has, or is about to have, the message are mostly not sent: they are what gossipsub's
// IDONTWANT saves, and most of what a simulation would spend its time on.
import { toHex } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import { blake3 } from '../protocol/hash.ts'
import { GOSSIP_MAX } from '../protocol/limits.ts'
import { MINUTE_MS } from '../protocol/units.ts'
import type { SimulatedNetwork } from './network.ts'
import type { SimulatedPeerNetwork } from './peer-network.ts'
import type { TopicListener, Verdict } from '../node/world/world.ts'
import type { PeerId } from '../protocol/ids.ts'

/** How long a message is remembered, so as not to be heard twice: the default of gossipsub. */
const SEEN_MS = 2 * MINUTE_MS
/** Peers that a message is passed on to: of gossipsub, D is 6 and D_high 12. */
const DEGREE_MAX = 8
/** A copy that comes within so many latencies is soon enough. */
const SOON_LATENCIES = 4
/** Chance that a copy is sent to who needs none. */
const NEEDLESS_RATE = 0.1

interface Topic {
  readonly listeners: Set<TopicListener>
  readonly audience: (peer: PeerId) => boolean
}

export class Gossip {
  readonly #network: SimulatedNetwork
  readonly #node: SimulatedPeerNetwork
  readonly #topics = new Map<string, Topic>()
  /** Hashes of messages with the time they were first seen, oldest first. */
  readonly #seen = new Map<string, number>()
  /** Hashes of messages on their way here with the time when the first copy comes. */
  readonly #expected = new Map<string, number>()

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
    for (const sent of this.#network.tampered(this.#node.self, 'gossip', message)) {
      const hash = toHex(blake3(sent))
      if (this.#isNew(hash)) this.#spread(topic, sent.slice(), hash)
    }
  }

  subscribe(
    topic: string,
    listener: TopicListener,
    audience: (peer: PeerId) => boolean,
  ): () => void {
    const known = this.#topics.get(topic) ?? { listeners: new Set<TopicListener>(), audience }
    this.#topics.set(topic, known)
    const { listeners } = known
    listeners.add(listener)
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.#topics.delete(topic)
    }
  }

  /** A message came from a connected peer. */
  arrive(topic: string, message: Uint8Array, hash: string, from: PeerId): void {
    const { listeners = new Set<TopicListener>(), audience } = this.#topics.get(topic) ?? {}
    if (audience?.(from) !== true || !this.#isNew(hash)) return
    const verdicts = new Set<Verdict>()
    for (const listener of listeners)
      this.#node.shielded(() => void verdicts.add(listener(message.slice(), from)))
    if (verdicts.has('accept')) this.#spread(topic, message, hash, from)
  }

  #spread(topic: string, message: Uint8Array, hash: string, except?: PeerId): void {
    const { self } = this.#node
    const { lossRate, duplicateRate } = this.#network.options
    const { sightings } = this.#network.scheduler
    const what = `gossip ${topic} ${hash.slice(0, 8)}`
    for (const peer of this.#mesh(topic, except)) {
      const random = this.#network.chances(self, peer)
      if (random.chance(lossRate)) {
        sightings.add('gossip lost')
        continue
      }
      const copies = random.chance(duplicateRate) ? 2 : 1
      if (copies > 1) sightings.add('gossip doubled')
      for (let copy = 0; copy < copies; copy++) {
        const delayMs = this.#network.latencyMs(self, peer)
        const isNeeded =
          !this.#network.reachable(self, peer) ||
          this.#network.node(peer)?.gossip.expect(hash, delayMs) === true
        if (!isNeeded && copy === 0 && !random.chance(NEEDLESS_RATE)) break
        this.#network.sendIn(delayMs, self, peer, what, () => {
          this.#network.node(peer)?.hear(topic, message, hash, self)
        })
      }
    }
  }

  /** A copy would be here after `delayMs`. False if it is not needed. */
  expect(hash: string, delayMs: number): boolean {
    const { scheduler, options } = this.#network
    const atMs = scheduler.nowMs + delayMs
    const soonMs = scheduler.nowMs + SOON_LATENCIES * options.latencyMs
    const expectedMs = this.#expected.get(hash) ?? Infinity
    if (this.#seen.has(hash) || expectedMs <= Math.max(atMs, soonMs)) return false
    this.#expected.set(hash, atMs)
    return true
  }

  /** Connected peers to pass a message on to. */
  #mesh(topic: string, except: PeerId | undefined): readonly PeerId[] {
    const { audience = () => true } = this.#topics.get(topic) ?? {}
    const peers = this.#node.peers().filter((peer) => peer !== except && audience(peer))
    if (peers.length <= DEGREE_MAX) return peers
    const random = this.#network.chances(this.#node.self, this.#node.self)
    const chosen = new Set<PeerId>()
    while (chosen.size < DEGREE_MAX) chosen.add(random.pick(peers))
    return [...chosen]
  }

  #isNew(hash: string): boolean {
    const { nowMs } = this.#network.scheduler
    for (const [old, atMs] of this.#seen) {
      if (atMs + SEEN_MS > nowMs) break
      this.#seen.delete(old)
      this.#expected.delete(old)
    }
    for (const [lost, atMs] of this.#expected) {
      if (atMs + SEEN_MS > nowMs) break
      this.#expected.delete(lost)
    }
    if (this.#seen.has(hash)) return false
    this.#seen.set(hash, nowMs)
    return true
  }
}
