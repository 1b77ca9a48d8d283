// A network on which what peers cost is counted, whoever serves them: garbage on a channel, gossip
// that was rejected or of no use and the time that took, talk of the network itself. Who costs more
// than it may is hung up on, and nobody to this node for a while. Useful work is free: a member may
// put, get and sync as fast as it can.
import { hasCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { enforces } from '../../protocol/trust.ts'
import type {
  Channel,
  Clock,
  HandleOptions,
  Network,
  ReceiveIntoOptions,
  Standing,
  TopicListener,
} from '../world/world.ts'
import { CHANNEL_BYTES } from './budget.ts'
import type { PeerBudgets } from './budget.ts'
import type { Meter } from '../metrics/meter.ts'

/**
 * The cost of a message that no honest peer sends, in ms: its bytes are few, and a peer that sends
 * one sends more.
 */
const FAULT_MS = 100
/**
 * The least cost of useless gossip, in ms: the network has decrypted and verified it before it is
 * heard here.
 */
const IGNORED_MS = 1

export interface BudgetedNetworkComponents {
  readonly network: Network
  readonly budgets: PeerBudgets
  readonly clock: Pick<Clock, 'now'>
  readonly meter: Pick<Meter, 'moved'>
}

export class BudgetedNetwork implements Network {
  readonly #network: Network
  readonly #budgets: PeerBudgets
  readonly #clock: Pick<Clock, 'now'>
  readonly #meter: Pick<Meter, 'moved'>
  #standing: (peer: PeerId) => Standing = () => 'member'

  constructor({ network, budgets, clock, meter }: BudgetedNetworkComponents) {
    this.#network = network
    this.#budgets = budgets
    this.#clock = clock
    this.#meter = meter
    network.onTraffic((peer, bytes) => budgets.spend(peer, 'signals', bytes))
    budgets.onCutOff(() => this.gate(this.#standing))
  }

  get self(): PeerId {
    return this.#network.self
  }

  gate(standing: (peer: PeerId) => Standing): void {
    this.#standing = standing
    this.#network.gate((peer) => {
      const isCutOff = this.#budgets.cutOffOf(peer) !== undefined
      return isCutOff && enforces('costs-within-budget') ? 'nobody' : standing(peer)
    })
  }

  async handle(
    protocol: string,
    serve: (channel: Channel) => Promise<void>,
    options: HandleOptions = {},
  ): Promise<void> {
    const isStranger = (peer: PeerId): boolean =>
      options.forStrangers === true && !this.#network.peers().includes(peer)
    // Strangers have bounds of their own, at the threshold.
    const budgeted = (channel: Channel): Promise<void> =>
      isStranger(channel.peer) ? serve(channel) : this.#serve(channel, serve)
    await this.#network.handle(protocol, budgeted, options)
  }

  async #serve(channel: Channel, serve: (channel: Channel) => Promise<void>): Promise<void> {
    const { peer } = channel
    const budgets = this.#budgets
    budgets.spend(peer, 'signals', CHANNEL_BYTES)
    let bytes = 0
    try {
      await serve(new CountingChannel(channel, this.#meter, (received) => (bytes += received)))
    } catch (error) {
      if (hasCode(error, 'malformed') || hasCode(error, 'bad-signature')) {
        budgets.spend(peer, 'bytes', bytes)
        budgets.spend(peer, 'work', FAULT_MS)
      }
      throw error
    }
  }

  subscribe(
    topic: string,
    listener: TopicListener,
    audience: (peer: PeerId) => boolean,
  ): () => void {
    const budgeted: TopicListener = (message, from) => {
      const startedAt = this.#clock.now()
      const verdict = listener(message, from)
      if (verdict === 'accept') return verdict
      const ms = Math.max(this.#clock.now() - startedAt, IGNORED_MS)
      this.#budgets.spend(from, 'work', verdict === 'reject' ? ms + FAULT_MS : ms)
      return verdict
    }
    return this.#network.subscribe(topic, budgeted, audience)
  }

  start(): Promise<void> {
    return this.#network.start()
  }

  stop(): Promise<void> {
    return this.#network.stop()
  }

  addresses(): readonly string[] {
    return this.#network.addresses()
  }

  peers(): readonly PeerId[] {
    return this.#network.peers()
  }

  addressesOf(peer: PeerId): Promise<readonly string[]> {
    return this.#network.addressesOf(peer)
  }

  learn(peer: PeerId, addresses: readonly string[]): Promise<void> {
    return this.#network.learn(peer, addresses)
  }

  dial(...args: Parameters<Network['dial']>): Promise<PeerId> {
    return this.#network.dial(...args)
  }

  disconnect(peer: PeerId): Promise<void> {
    return this.#network.disconnect(peer)
  }

  onConnect(listener: (peer: PeerId) => void): void {
    this.#network.onConnect(listener)
  }

  onDisconnect(listener: (peer: PeerId) => void): void {
    this.#network.onDisconnect(listener)
  }

  onDiscover(listener: (peer: PeerId) => void): void {
    this.#network.onDiscover(listener)
  }

  async open(...args: Parameters<Network['open']>): Promise<Channel> {
    return new CountingChannel(await this.#network.open(...args), this.#meter)
  }

  ping(...args: Parameters<Network['ping']>): Promise<number> {
    return this.#network.ping(...args)
  }

  publish(topic: string, message: Uint8Array): Promise<void> {
    return this.#network.publish(topic, message)
  }

  onTraffic(listener: (peer: PeerId, bytes: number) => void): void {
    this.#network.onTraffic(listener)
  }

  provide(...args: Parameters<Network['provide']>): Promise<void> {
    return this.#network.provide(...args)
  }

  unprovide(cid: Uint8Array): Promise<void> {
    return this.#network.unprovide(cid)
  }

  find(...args: Parameters<Network['find']>): AsyncIterable<PeerId> {
    return this.#network.find(...args)
  }
}

/** A channel of which it is counted what was sent and received. */
class CountingChannel implements Channel {
  readonly #channel: Channel
  readonly #meter: Pick<Meter, 'moved'>
  readonly #onReceived: ((bytes: number) => void) | undefined

  constructor(channel: Channel, meter: Pick<Meter, 'moved'>, onReceived?: (bytes: number) => void) {
    this.#channel = channel
    this.#meter = meter
    this.#onReceived = onReceived
  }

  get peer(): PeerId {
    return this.#channel.peer
  }

  get protocol(): string {
    return this.#channel.protocol
  }

  send(...args: Parameters<Channel['send']>): Promise<void> {
    for (const { byteLength } of args[0])
      this.#meter.moved(this.peer, this.protocol, 'out', byteLength)
    return this.#channel.send(...args)
  }

  async receive(options: { signal: AbortSignal }): Promise<Uint8Array | undefined> {
    const frame = await this.#channel.receive(options)
    this.#received(frame?.byteLength ?? 0)
    return frame
  }

  async receiveInto(into: Uint8Array, options: ReceiveIntoOptions): Promise<void> {
    this.#received(into.byteLength)
    await this.#channel.receiveInto(into, options)
  }

  #received(bytes: number): void {
    this.#onReceived?.(bytes)
    this.#meter.moved(this.peer, this.protocol, 'in', bytes)
  }

  close(): Promise<void> {
    return this.#channel.close()
  }

  abort(error: Error): void {
    this.#channel.abort(error)
  }
}
