// The real network of a World: libp2p over TCP with TLS (or noise) and yamux, identify, ping,
// Kademlia, gossipsub and mDNS. Whom to dial is decided above, but the DHT also dials members that
// it knows. The threshold decides once for each connection as what the peer is connected: a peer
// that becomes something else connects anew. Every failure is a ShoalError; no promise made here is
// left unhandled. Protocol ids and framing: docs/formats/network.md.
import { peerIdFromString } from '@libp2p/peer-id'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import { FRAME_MAX, STRANGER_FRAME_MAX, STREAMS_PER_PEER_MAX } from '../../../protocol/limits.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { enforces } from '../../../protocol/trust.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import { AddressBook } from './address-book.ts'
import { BULK_MESSAGE_MAX, BULK_PROTOCOL } from '../../../protocol/wire/bulk.ts'
import { SharedPort } from '../bulk/shared-port.ts'
import { InFlight } from '../in-flight.ts'
import { bulkOver } from './bulk-host.ts'
import { Libp2pChannel } from './channel.ts'
import { dial, parseAddress, unreachable } from './dial.ts'
import { Blame, Gossip } from './gossip.ts'
import { createHost } from './host.ts'
import { dhtParts } from './internals.ts'
import { PeerEvents } from './peer-events.ts'
import { findProviders, guardDht, provide, unprovide } from './providers.ts'
import { dropStranger, isOfStranger, promote } from './strangers.ts'
import { Threshold } from './threshold.ts'
import type {
  Connection,
  PeerId as Libp2pPeerId,
  PeerInfo,
  PeerUpdate,
  Stream,
} from '@libp2p/interface'
import type { PeerId } from '../../../protocol/ids.ts'
import type { BulkConnections } from '../bulk/bulk-connections.ts'
import type {
  Channel,
  HandleOptions,
  Network,
  OpenOptions,
  Standing,
  TopicListener,
} from '../world.ts'
import type { Host } from './host.ts'
import type { WriteLog } from '../../observe/log-events.ts'

/** How long a hang-up may take to say goodbye. */
const HANG_UP_TIMEOUT_MS: number = SECOND_MS
/** Two nodes may dial each other at once, and one that vanished dials again before it is missed. */
const CONNECTIONS_PER_PEER_MAX = 4
const STREAM_LIMITS = {
  maxInboundStreams: STREAMS_PER_PEER_MAX,
  maxOutboundStreams: STREAMS_PER_PEER_MAX,
}

export interface Libp2pNetworkOptions {
  /** Ed25519 seed, 32 bytes; it determines the PeerId. */
  readonly seed: Uint8Array
  /** Folder for what is known of peers and of the DHT; one process at a time. */
  readonly folder: string
  /** Multiaddr texts; port 0 takes a free one. */
  readonly listen: readonly string[]
  /** Find and be found on the local network. */
  readonly mdns: boolean
  /** More addresses to give out, as when a router forwards a port. */
  readonly announce?: readonly string[]
  readonly log?: WriteLog
}

interface NetworkParts {
  readonly host: Host
  readonly threshold: Threshold
  readonly blame: Blame
  /** Protocols that strangers may choose. */
  readonly forStrangers: Set<string>
  readonly port: SharedPort
  readonly log: WriteLog
}

/** The network over libp2p. create() takes `folder`, stop() gives it back. */
export class Libp2pNetwork implements Network {
  readonly self: PeerId
  readonly #host: Host
  readonly #threshold: Threshold
  readonly #blame: Blame
  readonly #forStrangers: Set<string>
  readonly #peers: PeerEvents
  readonly #gossip: Gossip
  readonly #log: WriteLog
  readonly #channels = new Set<Libp2pChannel>()
  readonly #inFlight = new InFlight()
  readonly #book: AddressBook
  readonly #port: SharedPort
  readonly #bulk: BulkConnections
  readonly #traffic = new Set<(peer: PeerId, bytes: number) => void>()

  private constructor({ host, threshold, blame, forStrangers, port, log }: NetworkParts) {
    const { libp2p, key } = host
    this.self = peerOf(libp2p.peerId)
    this.#host = host
    this.#threshold = threshold
    this.#blame = blame
    this.#forStrangers = forStrangers
    this.#peers = new PeerEvents(log)
    this.#log = log
    const onTraffic = (peer: PeerId, bytes: number): void => {
      for (const listener of this.#traffic) listener(peer, bytes)
    }
    const { gossip: pubsub, dht } = libp2p.services
    this.#gossip = new Gossip({ pubsub, blame, log }, onTraffic)
    guardDht(dhtParts(dht), onTraffic)
    this.#book = new AddressBook(this.self, libp2p.peerStore)
    this.#port = port
    const bulkParts = { libp2p, key, threshold, network: this, onTraffic }
    this.#bulk = bulkOver(bulkParts, { inFlight: this.#inFlight, log })
    // After libp2p has taken note of it.
    libp2p.addEventListener('connection:open', ({ detail }) =>
      queueMicrotask(() => this.#onConnection(detail)),
    )
    libp2p.addEventListener('connection:close', ({ detail }) =>
      queueMicrotask(() => this.#onConnectionEnd(peerOf(detail.remotePeer))),
    )
    host.discovered.on('peer', (found) => this.#onDiscover(found))
    libp2p.addEventListener('peer:update', ({ detail }) => this.#onUpdate(detail))
  }

  /** Not started yet. throws 'already-running' if `folder` is in use, 'malformed' (an address). */
  static async create(options: Libp2pNetworkOptions): Promise<Libp2pNetwork> {
    const { seed, listen, announce = [], log = () => {} } = options
    for (const address of [...listen, ...announce]) parseAddress(address)
    const forStrangers = new Set<string>()
    const identity = identityFromSeed(seed)
    const threshold = new Threshold({
      self: identity.peer,
      log,
      forStrangers: () => [...forStrangers],
    })
    const blame = new Blame()
    const { scoreOf } = blame
    const port = new SharedPort()
    const host = await createHost({ ...options, identity, announce, threshold, scoreOf, port })
    host.store.keepOnly((peer) => threshold.isMember(peer) || !enforces('members-only-kept'))
    const network = new Libp2pNetwork({ host, threshold, blame, forStrangers, port, log })
    const serveBulk = (channel: Channel): Promise<void> => network.#bulk.serve(channel)
    await network.handle(BULK_PROTOCOL, serveBulk, { frameMax: BULK_MESSAGE_MAX })
    return network
  }

  /** throws ShoalError 'usage' if an address cannot be listened on. */
  async start(): Promise<void> {
    const { libp2p, store } = this.#host
    try {
      await store.open()
      this.#bulk.start()
      this.#port.start((socket, knock) => this.#bulk.accept(socket, knock))
      await libp2p.start()
    } catch (cause) {
      await store.close()
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new ShoalError('usage', `cannot listen: ${why}`, { cause })
    }
    this.#gossip.start()
    libp2p.services.listeners.confirm()
    this.#inBackground('forget who is no member', store.sweep())
    this.#log('network.listening', { addresses: this.addresses() })
  }

  async stop(): Promise<void> {
    const { libp2p, store } = this.#host
    this.#gossip.stop()
    // First, so that no remote takes this for a clean end.
    for (const channel of this.#channels) channel.abort(new Error('this node stops'))
    this.#bulk.stop()
    this.#port.stop()
    await libp2p.stop()
    await store.close()
  }

  addresses(): readonly string[] {
    this.#host.libp2p.services.listeners.confirm()
    return this.#host.libp2p.getMultiaddrs().map(String)
  }

  peers(): readonly PeerId[] {
    return this.#peers.connected
  }

  addressesOf(peer: PeerId): Promise<readonly string[]> {
    return this.#book.of(peer)
  }

  learn(peer: PeerId, addresses: readonly string[]): Promise<void> {
    return this.#book.learn(peer, addresses)
  }

  async dial(
    target: PeerId | readonly string[],
    options: { signal: AbortSignal },
  ): Promise<PeerId> {
    if (typeof target === 'string') dropStranger(this.#host.libp2p, this.#threshold, target)
    const connection = await dial(this.#host.libp2p, target, options.signal)
    const peer = peerOf(connection.remotePeer)
    if (isOfStranger(connection)) throw new ShoalError('unreachable', `${peer} is not a member`)
    return peer
  }

  async disconnect(peer: PeerId): Promise<void> {
    for (const channel of this.#channels) {
      if (channel.peer === peer) channel.abort(new Error('this node hangs up'))
    }
    const signal = AbortSignal.timeout(HANG_UP_TIMEOUT_MS)
    this.#bulk.drop(peer)
    await this.#host.libp2p.hangUp(peerIdFromString(peer), { signal })
  }

  gate(standing: (peer: PeerId) => Standing): void {
    this.#threshold.setStanding(standing)
    let areFewer = false
    for (const connection of this.#host.libp2p.getConnections()) {
      const peer = peerOf(connection.remotePeer)
      const isStranger = isOfStranger(connection)
      const now = this.#threshold.standing(peer)
      if (now === (isStranger ? 'stranger' : 'member')) continue
      if (now === 'member') promote(connection)
      else this.#shutOut(connection)
      areFewer ||= now !== 'member'
    }
    this.#bulk.recheck()
    this.#gossip.recheck()
    const { store, libp2p } = this.#host
    if (areFewer && libp2p.status === 'started')
      this.#inBackground('forget who is no member', store.sweep())
  }

  onConnect(listener: (peer: PeerId) => void): void {
    this.#peers.listen('connect', listener)
  }

  onDisconnect(listener: (peer: PeerId) => void): void {
    this.#peers.listen('disconnect', listener)
  }

  onDiscover(listener: (peer: PeerId) => void): void {
    this.#peers.listen('discover', listener)
  }

  async handle(
    protocol: string,
    serve: (channel: Channel) => Promise<void>,
    options: HandleOptions = {},
  ): Promise<void> {
    const { forStrangers = false, frameMax, isBulk = false } = options
    if (forStrangers) this.#forStrangers.add(protocol)
    if (isBulk) this.#bulk.handle(protocol, (lane) => this.#serve(lane, serve), options)
    await this.#host.libp2p.handle(
      protocol,
      (stream, connection) => this.#serve(this.#channel(stream, connection, frameMax), serve),
      STREAM_LIMITS,
    )
  }

  async open(peer: PeerId, protocol: string, options: OpenOptions): Promise<Channel> {
    const { signal, frameMax, isBulk = false } = options
    dropStranger(this.#host.libp2p, this.#threshold, peer)
    const connection = await dial(this.#host.libp2p, peer, signal)
    try {
      if (isOfStranger(connection)) throw new ShoalError('unreachable', 'it is not a member')
      const lane = isBulk ? await this.#bulk.open(peer, protocol, options) : undefined
      if (lane !== undefined) return lane
      const stream = await connection.newStream(protocol, { signal, ...STREAM_LIMITS })
      return this.#channel(stream, connection, frameMax)
    } catch (cause) {
      throw unreachable(`${protocol} at peer ${peer}`, cause, signal)
    }
  }

  /** Peers with a bulk connection. */
  bulkPeers = (): readonly PeerId[] => this.#bulk.peers()

  async ping(peer: PeerId, options: { signal: AbortSignal }): Promise<number> {
    const { signal } = options
    try {
      return await this.#host.libp2p.services.ping.ping(peerIdFromString(peer), { signal })
    } catch (cause) {
      throw unreachable(`peer ${peer}`, cause, signal)
    }
  }

  async publish(topic: string, message: Uint8Array): Promise<void> {
    await this.#gossip.publish(topic, message)
  }

  subscribe(
    topic: string,
    listener: TopicListener,
    audience: (peer: PeerId) => boolean,
  ): () => void {
    return this.#gossip.subscribe(topic, listener, audience)
  }

  onTraffic(listener: (peer: PeerId, bytes: number) => void): void {
    this.#traffic.add(listener)
  }

  async provide(cid: Uint8Array, options: { signal: AbortSignal }): Promise<void> {
    await provide(this.#host.libp2p.contentRouting, cid, options.signal)
  }

  async unprovide(cid: Uint8Array): Promise<void> {
    await unprovide(this.#host.libp2p.contentRouting, cid)
  }

  async *find(cid: Uint8Array, options: { signal: AbortSignal }): AsyncGenerator<PeerId> {
    for await (const peer of findProviders(this.#host.libp2p.contentRouting, cid, options.signal))
      if (this.#threshold.isMember(peer)) yield peer
  }

  #onConnection(connection: Connection): void {
    const { libp2p } = this.#host
    const peer = peerOf(connection.remotePeer)
    if (connection.status !== 'open' || isOfStranger(connection)) return
    if (!this.#threshold.isMember(peer)) return this.#shutOut(connection)
    const all = libp2p.getConnections(connection.remotePeer)
    for (const old of all.slice(0, -CONNECTIONS_PER_PEER_MAX))
      old.abort(new Error('there are newer connections'))
    this.#inBackground('identify a peer', libp2p.services.identify.identify(connection))
    this.#bulk.onConnect(peer)
    this.#peers.onConnect(peer)
  }

  #onConnectionEnd(peer: PeerId): void {
    const all = this.#host.libp2p.getConnections(peerIdFromString(peer))
    if (all.some((other) => other.status === 'open' && !isOfStranger(other))) return
    this.#blame.forget(peer)
    this.#bulk.drop(peer)
    this.#peers.onDisconnect(peer)
  }

  /** At once: what it asks while it is told goodbye is not answered any more. */
  #shutOut(connection: Connection): void {
    const peer = peerOf(connection.remotePeer)
    for (const channel of this.#channels)
      if (channel.peer === peer) channel.abort(new Error('it is not a member'))
    connection.abort(new Error('it is not a member'))
  }

  #channel(stream: Stream, connection: Connection, frameMax = FRAME_MAX): Libp2pChannel {
    const channel = new Libp2pChannel(stream, {
      peer: peerOf(connection.remotePeer),
      protocol: stream.protocol,
      frameMax: isOfStranger(connection) ? Math.min(frameMax, STRANGER_FRAME_MAX) : frameMax,
      inFlight: this.#inFlight,
    })
    if (stream.status === 'open') this.#channels.add(channel)
    stream.addEventListener('close', () => this.#channels.delete(channel))
    return channel
  }

  async #serve(channel: Channel, serve: (channel: Channel) => Promise<void>): Promise<void> {
    const { peer, protocol } = channel
    try {
      await serve(channel)
      await channel.close()
    } catch (error) {
      const { code, message } = asShoalError(error)
      this.#log('network.channel-aborted', { peer, protocol, code, reason: message })
      channel.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #onDiscover({ id, multiaddrs }: PeerInfo): void {
    const peer = peerOf(id)
    if (peer === this.self || !this.#threshold.isMember(peer)) return
    const learned = this.learn(peer, multiaddrs.map(String))
    this.#inBackground(
      'learn a discovered peer',
      learned.then(() => this.#peers.onDiscover(peer)),
    )
  }

  #onUpdate(update: PeerUpdate): void {
    if (this.#threshold.isMember(update.peer.id.toString()))
      this.#inBackground('keep an address', this.#book.keep(update))
  }

  #inBackground(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#log('network.failed', { what, reason: String(error) }))
  }
}

function peerOf(id: Libp2pPeerId): PeerId {
  return id.toString() as PeerId
}
