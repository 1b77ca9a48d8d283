// Topics over gossipsub. The id of a message is the hash of its bytes, so one that comes by many
// ways is heard once; its listener decides, before it is forwarded, whether it is worth forwarding,
// and whether whoever delivered it is to blame. A topic has an audience: nobody else is sent
// anything on it or heard on it, whatever it says that it wants, and on topics that are not ours
// nothing is passed on. Best effort: publish() fails only on what the caller can mend.
// https://github.com/libp2p/specs/blob/master/pubsub/gossipsub/gossipsub-v1.1.md
import { peerIdFromString } from '@libp2p/peer-id'
import { TopicValidatorResult } from '@libp2p/gossipsub'
import { ShoalError } from '../../../protocol/errors.ts'
import { GOSSIP_MAX } from '../../../protocol/limits.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { Instant } from '../../../protocol/units.ts'
import { SystemClock } from '../clock.ts'
import { ignoreFailure } from '../ignore-failure.ts'
import { TokenBucket } from '../token-bucket.ts'
import { gossipParts } from './internals.ts'
import type { GossipSub } from '@libp2p/gossipsub'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Timer, TopicListener, Verdict } from '../world.ts'
import type { GossipParts } from './internals.ts'
import type { WriteLog } from '../../observe/log-events.ts'

const RESULTS: Readonly<Record<Verdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

/** The cost of each piece on a stream of gossip beside its bytes: to look at it takes time. */
const PIECE_BYTES = 1024

interface Topic {
  readonly listeners: Set<TopicListener>
  readonly audience: (peer: PeerId) => boolean
  /** Peers that said they want it, and are not of the audience. */
  readonly turnedAway: Set<string>
}

/**
 * Messages of a peer that were rejected. Whoever sends more than a few is given nothing to pass on.
 */
export class Blame {
  readonly #peers = new Map<string, TokenBucket>()

  rejected(peer: string): void {
    const now = performance.now() as Instant
    const bucket = this.#peers.get(peer) ?? new TokenBucket(TOLERATED, now)
    bucket.spend(1, now)
    this.#peers.set(peer, bucket)
  }

  forget(peer: string): void {
    this.#peers.delete(peer)
  }

  /**
   * For gossipsub: below zero it is in no mesh; it goes on to be heard, so that it is found to be
   * costly.
   */
  readonly scoreOf = (peer: string): number => {
    const tokens = this.#peers.get(peer)?.tokens(performance.now() as Instant) ?? 0
    return tokens < 0 ? -1 : 0
  }
}

const TOLERATED = { perSecond: (10 * SECOND_MS) / MINUTE_MS, burst: 10 }

/** The topics of one Libp2pNetwork; subscriptions outlive stop() and start(). */
export class Gossip {
  readonly #pubsub: GossipSub
  readonly #parts: GossipParts
  readonly #blame: Blame
  readonly #log: WriteLog
  readonly #topics = new Map<string, Topic>()
  readonly #clock = new SystemClock()
  #running = false
  #look: Timer | undefined

  constructor(
    { pubsub, blame, log }: { pubsub: GossipSub; blame: Blame; log: WriteLog },
    onTraffic: (peer: PeerId, bytes: number) => void,
  ) {
    this.#pubsub = pubsub
    this.#parts = gossipParts(pubsub)
    this.#blame = blame
    this.#log = log
    this.#guard(onTraffic)
  }

  /** Call once libp2p runs: gossipsub takes no subscription before. */
  start(): void {
    this.#running = true
    for (const topic of this.#topics.keys()) this.#pubsub.subscribe(topic)
  }

  stop(): void {
    this.#running = false
    this.#look?.cancel()
    this.#look = undefined
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
      this.#log('gossip.not-published', { topic, reason: String(error) })
    }
  }

  /** The audience of a topic is that of its first subscription. */
  subscribe(
    topic: string,
    listener: TopicListener,
    audience: (peer: PeerId) => boolean,
  ): () => void {
    const { listeners } = this.#topics.get(topic) ?? this.#join(topic, audience)
    listeners.add(listener)
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.#leave(topic)
    }
  }

  /** Audiences may be others by now. */
  recheck(): void {
    for (const [topic, { audience, turnedAway }] of this.#topics) {
      const { topics, mesh } = this.#parts
      for (const peer of topics.get(topic) ?? []) {
        if (audience(peer as PeerId)) continue
        this.#parts.handleReceivedSubscription(peerIdFromString(peer), topic, false)
        mesh.get(topic)?.delete(peer)
        turnedAway.add(peer)
      }
      const connected = new Set(this.#pubsub.getPeers().map(String))
      for (const peer of turnedAway) {
        const isWelcome = audience(peer as PeerId)
        if (!isWelcome && connected.has(peer)) continue
        turnedAway.delete(peer)
        if (isWelcome) this.#parts.handleReceivedSubscription(peerIdFromString(peer), topic, true)
      }
    }
  }

  #join(name: string, audience: (peer: PeerId) => boolean): Topic {
    const topic: Topic = { listeners: new Set(), audience, turnedAway: new Set() }
    this.#topics.set(name, topic)
    this.#pubsub.topicValidators.set(name, (peer, { data }) => {
      const verdict = this.#verdict(name, topic, data, peer.toString() as PeerId)
      if (verdict === 'reject') this.#blame.rejected(peer.toString())
      return RESULTS[verdict]
    })
    // Peers that wanted it before it was ours.
    this.recheck()
    if (this.#running) this.#pubsub.subscribe(name)
    return topic
  }

  #leave(topic: string): void {
    this.#topics.delete(topic)
    this.#pubsub.topicValidators.delete(topic)
    if (this.#running) this.#pubsub.unsubscribe(topic)
  }

  /** Take whoever wants a topic into its mesh within a second, with all who come in that time. */
  #lookSoon(): void {
    if (!this.#running) return
    this.#look ??= this.#clock.timer(SECOND_MS, () => {
      this.#look = undefined
      void ignoreFailure(this.#parts.heartbeat(), 'the next look comes by itself')
    })
  }

  /** The best that any listener makes of it; all of them hear it. */
  #verdict(name: string, topic: Topic, message: Uint8Array, from: PeerId): Verdict {
    if (message.byteLength > GOSSIP_MAX) return 'reject'
    const verdicts = new Set<Verdict>()
    for (const listener of topic.listeners) {
      try {
        verdicts.add(listener(message, from))
      } catch (error) {
        const about = { topic: name, from, reason: String(error) }
        this.#log('gossip.listener-failed', about)
      }
    }
    if (verdicts.has('accept')) return 'accept'
    return verdicts.has('reject') && !verdicts.has('ignore') ? 'reject' : 'ignore'
  }

  /** Stand before what gossipsub does at the word of a peer. */
  #guard(onTraffic: (peer: PeerId, bytes: number) => void): void {
    const parts = this.#parts
    const { handleReceivedSubscription, handleGraft, handleReceivedMessage, pipePeerReadStream } =
      parts
    const mayHear = (peer: string, topic: string): boolean =>
      this.#topics.get(topic)?.audience(peer as PeerId) !== false
    parts.handleReceivedSubscription = (from, topic, subscribe) => {
      const peer = from.toString()
      if (!subscribe || mayHear(peer, topic)) {
        if (subscribe) this.#lookSoon()
        return handleReceivedSubscription.call(parts, from, topic, subscribe)
      }
      this.#topics.get(topic)?.turnedAway.add(peer)
      return false
    }
    parts.handleGraft = (from, grafts) =>
      handleGraft.call(
        parts,
        from,
        grafts.filter(({ topicID }) => topicID !== undefined && mayHear(from, topicID)),
      )
    parts.handleReceivedMessage = async (from, message) => {
      const topic = this.#topics.get(message.topic)
      if (topic?.audience(from.toString() as PeerId) === true)
        await handleReceivedMessage.call(parts, from, message)
    }
    parts.pipePeerReadStream = (from, source) => {
      const peer = from.toString() as PeerId
      return pipePeerReadStream.call(
        parts,
        from,
        counted(source, (bytes) => onTraffic(peer, bytes + PIECE_BYTES)),
      )
    }
  }
}

async function* counted<Piece extends { readonly byteLength: number }>(
  source: AsyncIterable<Piece>,
  count: (bytes: number) => void,
): AsyncGenerator<Piece> {
  for await (const piece of source) {
    count(piece.byteLength)
    yield piece
  }
}
