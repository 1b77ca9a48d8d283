// The wires between simulated nodes: who reaches whom and how long it takes. Streams are reliable
// and in order, and break when a cut lasts or a connection is reset; gossip may be lost, doubled
// and overtaken. A cut is seen at once or only when the keep-alive runs out, by seed and by each
// end for itself; healing connects nobody by itself, as in libp2p. Every direction of every pair
// draws its own chances.
import { ShoalError } from '../protocol/errors.ts'
import { SECOND_MS } from '../protocol/units.ts'
import { Link } from './link.ts'
import { SimulatedPeerNetwork } from './peer-network.ts'
import { SeededRandom } from './random.ts'
import type { SimulatedProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'
import type { ByteString } from '../protocol/bytes.ts'
import type { PeerId } from '../protocol/ids.ts'

export interface NetworkOptions {
  /** Median one-way latency; it is log-normal with this spread (sigma of its logarithm). */
  readonly latencyMs: number
  readonly latencySpread: number
  /** Chance that a message takes twenty times as long. */
  readonly tailRate: number
  /** The rate of a stream. */
  readonly bytesPerMs: number
  /** Chances of a gossiped message, a hop. */
  readonly lossRate: number
  readonly duplicateRate: number
  /** Chance that a frame of a bulk channel breaks the bulk connection, and nothing else. */
  readonly bulkBreakRate: number
  /** Chance that an end notices a cut at once. */
  readonly promptRate: number
  /** An end that hears nothing drops the connection after this. */
  readonly keepAliveMs: number
  readonly dialTimeoutMs: number
  /**
   * Bytes that a channel holds for a receiver that has not taken them; one frame may always be
   * sent.
   */
  readonly windowBytes: number
}

export const FAIR_NETWORK: NetworkOptions = {
  latencyMs: 5,
  latencySpread: 0.5,
  tailRate: 0.01,
  bytesPerMs: 100_000,
  lossRate: 0.02,
  duplicateRate: 0.02,
  bulkBreakRate: 0,
  promptRate: 0.5,
  keepAliveMs: 30 * SECOND_MS,
  dialTimeoutMs: 10 * SECOND_MS,
  windowBytes: 256 * 1024,
}

const TAIL_FACTOR = 20

/** Replaces a frame of a protocol, or a message of gossip ('gossip'), by others. */
export type Tampering = (protocol: string, frame: Uint8Array) => readonly Uint8Array[]

export class SimulatedNetwork {
  readonly scheduler: Scheduler
  /** May be changed at any time: the weather. */
  options: NetworkOptions
  readonly #nodes = new Map<PeerId, SimulatedPeerNetwork>()
  readonly #addresses = new Map<string, PeerId>()
  readonly #addressOf = new Map<PeerId, string>()
  readonly #books = new Map<PeerId, Map<PeerId, readonly string[]>>()
  readonly #links = new Map<string, Link>()
  /** Directions that are cut, with what is to be done when they no longer are. */
  readonly #cuts = new Map<string, (() => void)[]>()
  readonly #chances = new Map<PeerId, Map<PeerId, SeededRandom>>()
  readonly #bulkChances = new Map<string, SeededRandom>()
  /** The tampering with each peer's messages. */
  readonly #tampering = new Map<PeerId, Tampering>()
  /** Provider records of the DHT by CID. */
  readonly #providers = new Map<ByteString, Set<PeerId>>()

  constructor(scheduler: Scheduler, options: Partial<NetworkOptions> = {}) {
    this.scheduler = scheduler
    this.options = { ...FAIR_NETWORK, ...options }
  }

  /**
   * The network of a new run of `peer`; its address and address book outlive the run. `lan`: for
   * discovery.
   */
  join(
    process: SimulatedProcess,
    peer: PeerId,
    options: { lan?: string } = {},
  ): SimulatedPeerNetwork {
    const book = this.#books.get(peer) ?? new Map<PeerId, readonly string[]>()
    this.#books.set(peer, book)
    const node = new SimulatedPeerNetwork(
      { network: this, process, book },
      { self: peer, lan: options.lan },
    )
    this.#nodes.set(peer, node)
    return node
  }

  /** From now on what `peer` says goes through `tampering`; without, it goes out as it is. */
  tamperWith(peer: PeerId, tampering?: Tampering): void {
    if (tampering === undefined) this.#tampering.delete(peer)
    else this.#tampering.set(peer, tampering)
  }

  tamperingOf(peer: PeerId): Tampering | undefined {
    return this.#tampering.get(peer)
  }

  /** The frames sent in place of a frame of a stream, or of a message of gossip. */
  tampered(from: PeerId, protocol: string, frame: Uint8Array): readonly Uint8Array[] {
    return this.#tampering.get(from)?.(protocol, frame) ?? [frame]
  }

  /** The running node of `peer`. */
  node(peer: PeerId): SimulatedPeerNetwork | undefined {
    const node = this.#nodes.get(peer)
    return node?.running === true ? node : undefined
  }

  nodes(): readonly SimulatedPeerNetwork[] {
    return [...this.#nodes.values()].filter((node) => node.running)
  }

  /** The addresses at which `peer` listens. */
  addressesOf(peer: PeerId): readonly string[] {
    return [`${this.#bareAddressOf(peer)}/p2p/${peer}`]
  }

  /** The peer at an address, running or not. throws 'unreachable' if there never was one. */
  peerAt(address: string): PeerId {
    const [bare = '', wanted] = address.split('/p2p/')
    const peer = this.#addresses.get(bare)
    if (peer !== undefined && (wanted === undefined || wanted === peer)) return peer
    const found = peer === undefined ? 'nobody is there' : `${peer} is there`
    throw new ShoalError('unreachable', found)
  }

  /** Stop what `from` sends to `to` (one way). What is on a stream waits for the cut to end. */
  cut(from: PeerId, to: PeerId): void {
    if (!this.reachable(from, to)) return
    this.scheduler.note(`cut ${from} ${to}`)
    this.#cuts.set(direction(from, to), [])
    for (const end of this.#links.get(pair(from, to))?.ends ?? []) {
      const random = this.chances(end.owner.self, end.peer)
      const afterMs = random.chance(this.options.promptRate) ? 0 : this.#silenceMs(random)
      end.owner.process.after(afterMs, `misses ${end.peer}`, () => {
        if (!this.connected(from, to)) end.drop('the connection timed out')
      })
    }
  }

  mend(from: PeerId, to: PeerId): void {
    const waiting = this.#cuts.get(direction(from, to))
    if (waiting === undefined) return
    this.scheduler.note(`mend ${from} ${to}`)
    this.#cuts.delete(direction(from, to))
    for (const run of waiting) run()
  }

  /** Runs `run` when what `from` sends reaches `to` again. */
  onMend(from: PeerId, to: PeerId, run: () => void): void {
    this.#cuts.get(direction(from, to))?.push(run)
  }

  /** Cut every pair of different groups, both ways. */
  partition(...groups: readonly (readonly PeerId[])[]): void {
    for (const group of groups) {
      const others = groups.filter((other) => other !== group).flat()
      for (const from of group) for (const to of others) this.cut(from, to)
    }
  }

  /** End all cuts. */
  heal(): void {
    for (const key of this.#cuts.keys()) {
      const [from, to] = key.split('>')
      this.mend(from as PeerId, to as PeerId)
    }
  }

  /** Break the connection of two peers; both see it at once, and may connect again. */
  reset(a: PeerId, b: PeerId): void {
    for (const end of this.#links.get(pair(a, b))?.ends ?? []) end.drop('connection reset')
  }

  /** Nothing is cut from `from` to `to`. */
  reachable(from: PeerId, to: PeerId): boolean {
    return !this.#cuts.has(direction(from, to))
  }

  connected(a: PeerId, b: PeerId): boolean {
    return this.reachable(a, b) && this.reachable(b, a)
  }

  /** The last connection of two peers, up or not. */
  link(a: PeerId, b: PeerId): Link | undefined {
    return this.#links.get(pair(a, b))
  }

  /** A connection of two nodes, with both its ends still down. */
  connect(a: SimulatedPeerNetwork, b: SimulatedPeerNetwork): Link {
    const link = new Link(this, a, b)
    this.#links.set(pair(a.self, b.self), link)
    return link
  }

  /** The chances for messages of one direction. */
  chances(from: PeerId, to: PeerId): SeededRandom {
    const known = this.#chances.get(from)?.get(to)
    if (known !== undefined) return known
    const made = new SeededRandom(this.scheduler.seed, `network ${direction(from, to)}`)
    const ofSender = this.#chances.get(from) ?? new Map<PeerId, SeededRandom>()
    this.#chances.set(from, ofSender.set(to, made))
    return made
  }

  /** Does this frame break the bulk connection of two peers? Drawn apart from all else. */
  breaksBulk(from: PeerId, to: PeerId): boolean {
    const stream = `bulk ${direction(from, to)}`
    const random = this.#bulkChances.get(stream) ?? new SeededRandom(this.scheduler.seed, stream)
    this.#bulkChances.set(stream, random)
    return random.chance(this.options.bulkBreakRate)
  }

  latencyMs(from: PeerId, to: PeerId): number {
    const random = this.chances(from, to)
    const { latencyMs, latencySpread, tailRate } = this.options
    const tail = random.chance(tailRate) ? TAIL_FACTOR : 1
    return latencyMs * tail * Math.exp(latencySpread * random.normal())
  }

  /**
   * A single message: `arrive` runs at the other end unless the way is cut by then, else `lost`.
   */
  send(from: PeerId, to: PeerId, what: string, arrive: () => void, lost?: () => void): void {
    this.sendIn(this.latencyMs(from, to), from, to, what, arrive, lost)
  }

  /** As send, with the latency given. */
  sendIn(
    delayMs: number,
    from: PeerId,
    to: PeerId,
    what: string,
    arrive: () => void,
    lost?: () => void,
  ): void {
    this.scheduler.after(delayMs, `${what} ${from} > ${to}`, () => {
      if (this.reachable(from, to)) arrive()
      else lost?.()
    })
  }

  /** A node announces itself to another on a local network (mDNS). */
  announce(from: PeerId, to: PeerId): void {
    const announced = this.node(from)
    if (announced === undefined) return
    this.send(from, to, 'mdns', () => this.node(to)?.discover(announced))
  }

  /** An end learns by silence alone that its connection is gone. */
  afterSilence(at: PeerId, of: PeerId, run: () => void): void {
    const delayMs = this.#silenceMs(this.chances(at, of))
    this.scheduler.after(delayMs, `${at} hears nothing of ${of}`, run)
  }

  addProvider(cid: ByteString, peer: PeerId): void {
    const peers = this.#providers.get(cid) ?? new Set<PeerId>()
    this.#providers.set(cid, peers.add(peer))
  }

  removeProvider(cid: ByteString, peer: PeerId): void {
    this.#providers.get(cid)?.delete(peer)
  }

  providers(cid: ByteString): readonly PeerId[] {
    return [...(this.#providers.get(cid) ?? [])]
  }

  #silenceMs(random: SeededRandom): number {
    return this.options.keepAliveMs * (0.5 + random.number() / 2)
  }

  /** Given when first asked for; it stays. */
  #bareAddressOf(peer: PeerId): string {
    const known = this.#addressOf.get(peer)
    if (known !== undefined) return known
    const index = this.#addresses.size + 1
    const host = [index >> 16, (index >> 8) & 255, index & 255].join('.')
    const address = `/ip4/10.${host}/tcp/4001`
    this.#addresses.set(address, peer)
    this.#addressOf.set(peer, address)
    return address
  }
}

function direction(from: PeerId, to: PeerId): string {
  return `${from}>${to}`
}

function pair(a: PeerId, b: PeerId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
