// The network of one run of a simulated node: as the real one over libp2p, on simulated wires. A
// peer's id is always true here. Nothing redials by itself, nor dials a discovered peer.
import { multiaddr } from '@multiformats/multiaddr'
import { toByteString } from '../protocol/bytes.ts'
import { ShoalError, asShoalError } from '../protocol/errors.ts'
import { FRAME_MAX, STRANGER_FRAME_MAX, STREAMS_PER_PEER_MAX } from '../protocol/limits.ts'
import { enforces } from '../protocol/trust.ts'
import { SimulatedChannel } from './channel.ts'
import { VirtualClock } from './clock.ts'
import { Connections } from './connections.ts'
import { Gossip } from './gossip.ts'
import { WaitingLine } from './waiting-line.ts'
import type { Link, LinkEnd } from './link.ts'
import type { SimulatedNetwork } from './network.ts'
import type { SimulatedProcess } from './process.ts'
import type {
  Channel,
  HandleOptions,
  Network,
  OpenOptions,
  Standing,
  TopicListener,
} from '../node/world/world.ts'
import type { PeerId } from '../protocol/ids.ts'

type Serve = (channel: Channel) => Promise<void>
type PeerListener = (peer: PeerId) => void

interface Handler {
  readonly serve: Serve
  readonly forStrangers: boolean
  readonly frameMax: number
}

/** A DHT lookup takes about this many times a one-way latency. */
const DHT_HOPS = 8

export class SimulatedPeerNetwork implements Network {
  readonly self: PeerId
  readonly process: SimulatedProcess
  readonly lan: string | undefined
  readonly #network: SimulatedNetwork
  readonly #book: Map<PeerId, readonly string[]>
  readonly #clock: VirtualClock
  readonly gossip: Gossip
  readonly #connections: Connections
  readonly #handlers = new Map<string, Handler>()
  readonly #listeners = {
    connect: new Set<PeerListener>(),
    disconnect: new Set<PeerListener>(),
    discover: new Set<PeerListener>(),
  }
  #started = false

  constructor(
    components: {
      network: SimulatedNetwork
      process: SimulatedProcess
      book: Map<PeerId, readonly string[]>
    },
    options: { self: PeerId; lan: string | undefined },
  ) {
    this.#network = components.network
    this.process = components.process
    this.#connections = new Connections(components.process)
    this.#book = components.book
    this.self = options.self
    this.lan = options.lan
    this.#clock = new VirtualClock(components.process)
    this.gossip = new Gossip(components.network, this)
  }

  get running(): boolean {
    return this.#started && this.process.alive
  }

  async start(): Promise<void> {
    this.#started = true
    if (this.lan === undefined) return
    for (const other of this.#network.nodes()) {
      if (other === this || other.lan !== this.lan) continue
      this.#network.announce(this.self, other.self)
      this.#network.announce(other.self, this.self)
    }
  }

  async stop(): Promise<void> {
    for (const end of this.#connections.all()) end.drop('this node stops')
    this.#started = false
  }

  /** Our process was killed: the system says goodbye for it, unless the machine lost power. */
  die(how: 'killed' | 'power loss'): void {
    for (const end of this.#connections.all()) {
      if (how === 'killed') end.drop(how)
      else end.losePower()
    }
  }

  addresses(): readonly string[] {
    return this.#network.addressesOf(this.self)
  }

  peers(): readonly PeerId[] {
    return this.#connections.peers
  }

  async addressesOf(peer: PeerId): Promise<readonly string[]> {
    return this.#book.get(peer) ?? []
  }

  async learn(peer: PeerId, addresses: readonly string[]): Promise<void> {
    const added = addresses.map((text) => `${parseAddress(text)}/p2p/${peer}`)
    if (peer === this.self || added.length === 0 || !this.#keeps(peer)) return
    const all = new Set([...(this.#book.get(peer) ?? []), ...added])
    this.#book.set(peer, [...all])
  }

  async dial(
    target: PeerId | readonly string[],
    options: { signal: AbortSignal },
  ): Promise<PeerId> {
    const end = await (typeof target === 'string'
      ? this.#connect(target, options.signal)
      : this.#dialAny(target, options.signal))
    return end.peer
  }

  async disconnect(peer: PeerId): Promise<void> {
    for (const end of this.#connections.of(peer)) end.drop('this node hangs up')
  }

  gate(standing: (peer: PeerId) => Standing): void {
    this.#connections.gate(standing)
  }

  onConnect(listener: PeerListener): void {
    this.#listeners.connect.add(listener)
  }

  onDisconnect(listener: PeerListener): void {
    this.#listeners.disconnect.add(listener)
  }

  onDiscover(listener: PeerListener): void {
    this.#listeners.discover.add(listener)
  }

  async handle(
    protocol: string,
    serve: Serve,
    { forStrangers = false, frameMax = FRAME_MAX }: HandleOptions = {},
  ): Promise<void> {
    this.#handlers.set(protocol, { serve, forStrangers, frameMax })
  }

  async open(peer: PeerId, protocol: string, options: OpenOptions): Promise<Channel> {
    const end = await this.#connect(peer, options.signal)
    const same = [...end.channels].filter((other) => other.outbound && other.protocol === protocol)
    if (same.length >= STREAMS_PER_PEER_MAX) {
      throw new ShoalError('unreachable', `${same.length} channels ${protocol} to ${peer} are open`)
    }
    const { frameMax, isBulk } = options
    const channel = new SimulatedChannel(this.#network, end, { protocol, frameMax, isBulk })
    try {
      await channel.greet(options.signal)
    } catch (error) {
      channel.abort(asShoalError(error))
      throw error
    }
    return channel
  }

  async ping(peer: PeerId, options: { signal: AbortSignal }): Promise<number> {
    await this.#connect(peer, options.signal)
    const startedAt = this.#clock.now()
    await this.#ask(peer, 'ping', options.signal, { answer: (remote) => remote?.self })
    return this.#clock.now() - startedAt
  }

  async publish(topic: string, message: Uint8Array): Promise<void> {
    this.gossip.publish(topic, message)
  }

  subscribe(
    topic: string,
    listener: TopicListener,
    audience: (peer: PeerId) => boolean,
  ): () => void {
    return this.gossip.subscribe(topic, listener, audience)
  }

  /** Nothing is talked here but what nodes say. */
  onTraffic(): void {}

  async provide(cid: Uint8Array, options: { signal: AbortSignal }): Promise<void> {
    await this.#walkDht(options.signal)
    if (this.#connections.peers.length > 0) this.#network.addProvider(toByteString(cid), this.self)
  }

  async unprovide(cid: Uint8Array): Promise<void> {
    this.#network.removeProvider(toByteString(cid), this.self)
  }

  async *find(cid: Uint8Array, options: { signal: AbortSignal }): AsyncGenerator<PeerId> {
    await this.#walkDht(options.signal)
    if (this.#connections.peers.length === 0) return
    for (const peer of this.#network.providers(toByteString(cid))) {
      if (peer === this.self || !this.#network.connected(this.self, peer)) continue
      if (!this.#connections.isMember(peer)) continue
      await this.learn(peer, this.#network.addressesOf(peer))
      yield peer
    }
  }

  /** Accepts a dialer, or returns undefined. This end is up once it has confirmed the answer. */
  accept(dialer: SimulatedPeerNetwork): Link | undefined {
    if (this.#connections.standing(dialer.self) === 'nobody') return undefined
    const known = this.#network.link(this.self, dialer.self)
    if (known?.whole === true) return known
    for (const end of this.#connections.of(dialer.self)) end.vanish('the remote connected again')
    return this.#network.connect(this, dialer)
  }

  /** A channel to us was opened at the other end of `end`. */
  serve(end: LinkEnd, protocol: string, caller: SimulatedChannel): void {
    end.raise() // who has sent this has our answer
    if (!this.running || end.state !== 'up') return
    const isStranger = this.#connections.isStranger(end)
    const handler = this.#handlers.get(protocol)
    const most = isStranger ? STRANGER_FRAME_MAX : FRAME_MAX
    const frameMax = Math.min(handler?.frameMax ?? FRAME_MAX, most)
    const how = { protocol, frameMax, isBulk: caller.isBulk }
    const channel = new SimulatedChannel(this.#network, end, how, caller)
    const isServed = handler !== undefined && (handler.forStrangers || !isStranger)
    channel.answer(isServed)
    if (isServed) void this.#serveOn(channel, handler.serve)
  }

  /** A gossiped message has come. */
  hear(topic: string, message: Uint8Array, hash: string, from: PeerId): void {
    if (this.#connections.member(from) !== undefined) this.gossip.arrive(topic, message, hash, from)
  }

  /** `other` announced itself on our local network. */
  discover(other: SimulatedPeerNetwork): void {
    if (!this.running || !this.#keeps(other.self)) return
    this.#book.set(other.self, other.addresses())
    this.#tell('discover', other.self)
  }

  /** An end of ours is up. */
  linked(end: LinkEnd): void {
    if (!this.#connections.add(end)) return
    this.#book.set(end.peer, this.#network.addressesOf(end.peer))
    this.#tell('connect', end.peer)
  }

  /** An end of ours is down. */
  unlinked(end: LinkEnd): void {
    if (!this.#connections.remove(end)) return
    this.#tell('disconnect', end.peer)
  }

  /** Run what a listener does; if it throws, nobody else is harmed, and the trace shows it. */
  shielded(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.process.scheduler.note(`${this.process.name} a listener threw ${String(error)}`)
    }
  }

  #keeps(peer: PeerId): boolean {
    return this.#connections.isMember(peer) || !enforces('members-only-kept')
  }

  #tell(event: 'connect' | 'disconnect' | 'discover', peer: PeerId): void {
    for (const listener of this.#listeners[event]) this.shielded(() => listener(peer))
  }

  async #serveOn(channel: SimulatedChannel, serve: Serve): Promise<void> {
    try {
      await serve(channel)
      await channel.close()
    } catch (error) {
      channel.abort(asShoalError(error))
    }
  }

  async #connect(peer: PeerId, signal: AbortSignal): Promise<LinkEnd> {
    const end = this.#connections.member(peer)
    if (end !== undefined) return end
    if (!this.#book.has(peer)) await this.#lookUp(peer, signal)
    return await this.#dialAny(this.#book.get(peer) ?? [], signal)
  }

  async #dialAny(addresses: readonly string[], signal: AbortSignal): Promise<LinkEnd> {
    if (!this.running) throw new ShoalError('stopped', 'the network is not running')
    for (const address of addresses) parseAddress(address)
    const reasons: string[] = []
    for (const address of addresses) {
      try {
        return await this.#handshake(this.#network.peerAt(address), signal)
      } catch (error) {
        if (signal.aborted) throw error
        reasons.push(`cannot reach ${address}: ${asShoalError(error).message}`)
      }
    }
    throw new ShoalError('unreachable', reasons.join('; ') || 'no address to dial')
  }

  async #handshake(peer: PeerId, signal: AbortSignal): Promise<LinkEnd> {
    if (peer === this.self) throw new ShoalError('unreachable', 'this node cannot dial itself')
    if (!this.#connections.isMember(peer))
      throw new ShoalError('unreachable', `${peer} is not allowed to connect`)
    this.#connections.dropStranger(peer)
    const known = this.#connections.member(peer)
    if (known !== undefined) return known
    const link = await this.#ask(peer, 'dial', signal, {
      answer: (remote) => remote?.accept(this),
      unheard: (late) => late?.end(this.self).giveUp(),
    })
    const end = link?.end(this.self)
    if (end === undefined) throw new ShoalError('unreachable', `${peer} refused the connection`)
    // The other may have dialled meanwhile.
    const other = this.#connections.member(peer)
    if (other !== undefined && other !== end) {
      end.drop('there is a connection')
      return other
    }
    end.raise()
    this.#network.send(this.self, peer, 'dial confirmed', () => end.remote.raise())
    if (end.state === 'down') throw new ShoalError('unreachable', `${peer} hung up`)
    return end
  }

  /**
   * Ask the node of a peer, which may not be running, and wait for its answer; `unheard` is called
   * with an answer that came too late or never. throws 'unreachable' after a while.
   */
  async #ask<Answer>(
    peer: PeerId,
    what: string,
    signal: AbortSignal,
    steps: {
      answer: (remote: SimulatedPeerNetwork | undefined) => Answer
      unheard?: (answer: Answer) => void
    },
  ): Promise<Answer> {
    const line = new WaitingLine<void, Answer>()
    this.#network.send(this.self, peer, what, () => {
      const answer = steps.answer(this.#network.node(peer))
      const unheard = (): void => steps.unheard?.(answer)
      const heard = (): void => {
        const waiter = this.process.alive ? line.shift() : undefined
        if (waiter === undefined) unheard()
        else waiter.resolve(answer)
      }
      this.#network.send(peer, this.self, `${what} answer`, heard, unheard)
    })
    const timer = this.process.after(this.#network.options.dialTimeoutMs, `${what} timeout`, () => {
      line.shift()?.reject(new ShoalError('unreachable', `${peer} does not answer`))
    })
    try {
      return await line.join(undefined, signal)
    } finally {
      timer.cancel()
    }
  }

  async #lookUp(peer: PeerId, signal: AbortSignal): Promise<void> {
    await this.#walkDht(signal)
    const node = this.#network.node(peer)
    const known = this.#connections.peers.length > 0 && (node?.peers().length ?? 0) > 0
    if (node === undefined || !known || !this.#network.connected(this.self, peer)) {
      throw new ShoalError('unreachable', `cannot reach peer ${peer}: no address of it is known`)
    }
    await this.learn(peer, node.addresses())
  }

  async #walkDht(signal: AbortSignal): Promise<void> {
    const delayMs = DHT_HOPS * this.#network.latencyMs(this.self, this.self)
    await this.#clock.sleep(delayMs, { signal }).catch((reason: unknown) => {
      throw asShoalError(reason)
    })
  }
}

/** The address without /p2p/<id>. throws ShoalError 'malformed'. */
function parseAddress(text: string): string {
  try {
    multiaddr(text)
  } catch (cause) {
    throw new ShoalError('malformed', `"${text}" is not an address`, { cause })
  }
  return text.replace(/\/p2p\/.*/, '')
}
