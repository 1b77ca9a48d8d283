// The real network of a World: libp2p over TCP with TLS (or noise) and yamux, identify, ping, Kademlia, gossipsub and
// mDNS. Whom to dial or dial again is decided above, but the DHT too dials whom it knows and the gate lets in. Every
// failure is a ShoalError, and no promise made here is left without someone who catches it.
// Protocol ids and framing: docs/formats/network.md.
import { peerIdFromString } from '@libp2p/peer-id'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import { FRAME_MAX, STREAMS_PER_PEER_MAX } from '../../../protocol/limits.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import { wronglyDropped } from './addresses.ts'
import { InFlight } from '../in-flight.ts'
import { Libp2pChannel } from './channel.ts'
import { dial, parseAddress, unreachable, withoutPeer } from './dial.ts'
import { Gossip } from './gossip.ts'
import { createHost } from './host.ts'
import { PeerEvents } from './peer-events.ts'
import { findProviders, provide, unprovide } from './providers.ts'
import type {
  Connection,
  PeerId as Libp2pPeerId,
  PeerInfo,
  PeerUpdate,
  Stream,
} from '@libp2p/interface'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Channel, Network } from '../world.ts'
import type { Host } from './host.ts'

/** How long a hang-up may take to say goodbye. */
const HANG_UP_TIMEOUT_MS: number = SECOND_MS
const STREAM_LIMITS = {
  maxInboundStreams: STREAMS_PER_PEER_MAX,
  maxOutboundStreams: STREAMS_PER_PEER_MAX,
}

/** Takes what goes wrong and concerns no caller. */
export type NetworkLog = (
  level: 'debug' | 'info' | 'warn',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void

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
  readonly log?: NetworkLog
}

/** The network over libp2p. create() takes `folder`, stop() gives it back. */
export class Libp2pNetwork implements Network {
  readonly self: PeerId
  readonly #host: Host
  readonly #peers: PeerEvents
  readonly #gossip: Gossip
  readonly #log: NetworkLog
  readonly #channels = new Set<Libp2pChannel>()
  readonly #inFlight = new InFlight()

  private constructor(host: Host, peers: PeerEvents, log: NetworkLog) {
    this.self = peerOf(host.libp2p.peerId)
    this.#host = host
    this.#peers = peers
    this.#gossip = new Gossip(host.libp2p.services.gossip, log)
    this.#log = log
    host.libp2p.addEventListener('peer:connect', ({ detail }) => peers.onConnect(peerOf(detail)))
    host.libp2p.addEventListener('peer:disconnect', ({ detail }) =>
      peers.onDisconnect(peerOf(detail)),
    )
    host.discovered.on('peer', (found) => this.#onDiscover(found))
    host.libp2p.addEventListener('peer:update', ({ detail }) => this.#onUpdate(detail))
  }

  /** Not started. throws ShoalError 'already-running' if `folder` is in use, 'malformed' for a bad address. */
  static async create(options: Libp2pNetworkOptions): Promise<Libp2pNetwork> {
    const { listen, announce = [], log = () => {} } = options
    for (const address of [...listen, ...announce]) parseAddress(address)
    const peers = new PeerEvents(log)
    const allowed = (peer: string): boolean => peers.admits(peer)
    return new Libp2pNetwork(await createHost({ ...options, announce, allowed }), peers, log)
  }

  /** throws ShoalError 'usage' if an address cannot be listened on. */
  async start(): Promise<void> {
    const { libp2p, store } = this.#host
    try {
      await store.open()
      await libp2p.start()
    } catch (cause) {
      await store.close()
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new ShoalError('usage', `cannot listen: ${why}`, { cause })
    }
    this.#gossip.start()
    libp2p.services.listeners.confirm()
    this.#log('info', 'listening', { addresses: this.addresses() })
  }

  async stop(): Promise<void> {
    const { libp2p, store } = this.#host
    this.#gossip.stop()
    // First, so that no remote takes this for a clean end.
    for (const channel of this.#channels) channel.abort(new Error('this node stops'))
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

  async addressesOf(peer: PeerId): Promise<readonly string[]> {
    const id = peerIdFromString(peer)
    try {
      const { addresses } = await this.#host.libp2p.peerStore.get(id)
      const texts = addresses.map(({ multiaddr }) =>
        multiaddr.encapsulate(`/p2p/${peer}`).toString(),
      )
      return [...new Set(texts)] // libp2p may store one twice: with and without its /p2p end
    } catch {
      return []
    }
  }

  async learn(peer: PeerId, addresses: readonly string[]): Promise<void> {
    if (peer === this.self) return
    const multiaddrs = addresses.map((address) => withoutPeer(parseAddress(address), peer))
    await this.#host.libp2p.peerStore.merge(peerIdFromString(peer), { multiaddrs })
  }

  async dial(
    target: PeerId | readonly string[],
    options: { signal: AbortSignal },
  ): Promise<PeerId> {
    const connection = await dial(this.#host.libp2p, target, options.signal)
    return peerOf(connection.remotePeer)
  }

  async disconnect(peer: PeerId): Promise<void> {
    for (const channel of this.#channels) {
      if (channel.peer === peer) channel.abort(new Error('this node hangs up'))
    }
    const signal = AbortSignal.timeout(HANG_UP_TIMEOUT_MS)
    await this.#host.libp2p.hangUp(peerIdFromString(peer), { signal })
  }

  gate(allowed: (peer: PeerId) => boolean): void {
    this.#peers.setGate(allowed)
    for (const peer of this.peers()) {
      if (!this.#peers.admits(peer)) this.#inBackground('hang up', this.disconnect(peer))
    }
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
    { frameMax }: { readonly frameMax?: number } = {},
  ): Promise<void> {
    await this.#host.libp2p.handle(
      protocol,
      (stream, connection) => this.#serve(this.#channel(stream, connection, frameMax), serve),
      STREAM_LIMITS,
    )
  }

  async open(
    peer: PeerId,
    protocol: string,
    options: { signal: AbortSignal; frameMax?: number },
  ): Promise<Channel> {
    const { signal, frameMax } = options
    const connection = await dial(this.#host.libp2p, peer, signal)
    try {
      const stream = await connection.newStream(protocol, { signal, ...STREAM_LIMITS })
      return this.#channel(stream, connection, frameMax)
    } catch (cause) {
      throw unreachable(`${protocol} at peer ${peer}`, cause, signal)
    }
  }

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

  subscribe(topic: string, listener: (message: Uint8Array, from: PeerId) => boolean): () => void {
    return this.#gossip.subscribe(topic, listener)
  }

  async provide(cid: Uint8Array, options: { signal: AbortSignal }): Promise<void> {
    await provide(this.#host.libp2p.contentRouting, cid, options.signal)
  }

  async unprovide(cid: Uint8Array): Promise<void> {
    await unprovide(this.#host.libp2p.contentRouting, cid)
  }

  find(cid: Uint8Array, options: { signal: AbortSignal }): AsyncIterable<PeerId> {
    return findProviders(this.#host.libp2p.contentRouting, cid, options.signal)
  }

  #channel(stream: Stream, connection: Connection, frameMax = FRAME_MAX): Libp2pChannel {
    const peer = peerOf(connection.remotePeer)
    const inFlight = this.#inFlight
    const channel = new Libp2pChannel(stream, {
      peer,
      protocol: stream.protocol,
      frameMax,
      inFlight,
    })
    if (stream.status === 'open') this.#channels.add(channel)
    stream.addEventListener('close', () => this.#channels.delete(channel))
    return channel
  }

  async #serve(channel: Libp2pChannel, serve: (channel: Channel) => Promise<void>): Promise<void> {
    const { peer, protocol } = channel
    try {
      await serve(channel)
      await channel.close()
    } catch (error) {
      const { code, message } = asShoalError(error)
      this.#log('debug', 'a channel was aborted', { peer, protocol, code, reason: message })
      channel.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #onDiscover({ id, multiaddrs }: PeerInfo): void {
    const peer = peerOf(id)
    if (peer === this.self) return
    const learned = this.learn(peer, multiaddrs.map(String))
    this.#inBackground(
      'learn a discovered peer',
      learned.then(() => this.#peers.onDiscover(peer)),
    )
  }

  #onUpdate(update: PeerUpdate): void {
    const multiaddrs = wronglyDropped(update)
    if (multiaddrs.length === 0) return
    const { peerStore } = this.#host.libp2p
    this.#inBackground('keep an address', peerStore.merge(update.peer.id, { multiaddrs }))
  }

  #inBackground(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.#log('debug', `could not ${what}`, { reason: String(error) }),
    )
  }
}

function peerOf(id: Libp2pPeerId): PeerId {
  return id.toString() as PeerId
}
