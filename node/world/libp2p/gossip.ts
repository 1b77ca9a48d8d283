// Topics over gossipsub. The id of a message is the hash of its bytes, so one that comes by many ways is heard once;
// its listener decides, before it is forwarded, whether it is worth forwarding. Best effort: publish() fails only on
// what the caller can mend. https://github.com/libp2p/specs/blob/master/pubsub/gossipsub/gossipsub-v1.1.md
import { TopicValidatorResult } from '@libp2p/gossipsub'
import { ShoalError } from '../../../protocol/errors.ts'
import { GOSSIP_MAX } from '../../../protocol/limits.ts'
import type { GossipSub } from '@libp2p/gossipsub'
import type { PeerId } from '../../../protocol/ids.ts'
import type { NetworkLog } from './network.ts'

type TopicListener = (message: Uint8Array, from: PeerId) => boolean

/** The topics of one Libp2pNetwork; subscriptions outlive stop() and start(). */
export class Gossip {
  readonly #pubsub: GossipSub
  readonly #log: NetworkLog
  readonly #topics = new Map<string, Set<TopicListener>>()
  #running = false

  constructor(pubsub: GossipSub, log: NetworkLog) {
    this.#pubsub = pubsub
    this.#log = log
  }

  /** Call once libp2p runs: gossipsub takes no subscription before. */
  start(): void {
    this.#running = true
    for (const topic of this.#topics.keys()) this.#pubsub.subscribe(topic)
  }

  stop(): void {
    this.#running = false
  }

  /** throws ShoalError 'malformed' if `message` is larger than GOSSIP_MAX. */
  async publish(topic: string, message: Uint8Array): Promise<void> {
    if (message.byteLength > GOSSIP_MAX) {
      const problem = `a message of ${message.byteLength} bytes on ${topic}`
      throw new ShoalError('malformed', `${problem}; at most ${GOSSIP_MAX} are allowed`)
    }
    try {
      await this.#pubsub.publish(topic, message)
    } catch (error) {
      this.#log('debug', 'a message was not published', { topic, reason: String(error) })
    }
  }

  subscribe(topic: string, listener: TopicListener): () => void {
    const listeners = this.#topics.get(topic) ?? this.#join(topic)
    listeners.add(listener)
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.#leave(topic)
    }
  }

  #join(topic: string): Set<TopicListener> {
    const listeners = new Set<TopicListener>()
    this.#topics.set(topic, listeners)
    this.#pubsub.topicValidators.set(topic, (peer, { data }) => {
      if (data.byteLength > GOSSIP_MAX) return TopicValidatorResult.Reject
      const wanted = this.#deliver(topic, listeners, data, peer.toString() as PeerId)
      return wanted ? TopicValidatorResult.Accept : TopicValidatorResult.Ignore
    })
    if (this.#running) this.#pubsub.subscribe(topic)
    return listeners
  }

  #leave(topic: string): void {
    this.#topics.delete(topic)
    this.#pubsub.topicValidators.delete(topic)
    if (this.#running) this.#pubsub.unsubscribe(topic)
  }

  /** True if any listener wants the message forwarded; all of them hear it. */
  #deliver(
    topic: string,
    listeners: ReadonlySet<TopicListener>,
    message: Uint8Array,
    from: PeerId,
  ): boolean {
    let wanted = false
    for (const listener of listeners) {
      try {
        wanted = listener(message, from) || wanted
      } catch (error) {
        this.#log('warn', 'a listener for a topic threw', { topic, from, reason: String(error) })
      }
    }
    return wanted
  }
}
