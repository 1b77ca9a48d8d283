// All machines of a simulated volume, the network between them, and how what one says of the shard
// map comes to the others: each pulls from whoever has news after a while of its own, and now and
// then from anyone, so entries arrive late and in many orders, and never before what their author
// knew.
import { CheckError } from '../check-error.ts'
import { FAIR_NETWORK, SimulatedNetwork } from '../network.ts'
import { SeededRandom } from '../random.ts'
import { DAY_MS, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { Host } from './host.ts'
import { MapTable } from './map-table.ts'
import { RepairTimes } from './repair-times.ts'
import { Truth } from './truth.ts'
import type { PeerId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Scheduler } from '../scheduler.ts'
import type { MapEntry, MapOp } from './map-log.ts'
import type { Traffic } from './traffic.ts'
import type { RepairLoopOptions } from '../../node/repair/repair-loop.ts'
import type { UnluckyRates } from '../random.ts'
import type { StorageScenario } from './scenario.ts'

/** The size that a shard stands for, and its simulated size. */
const SHARD_BYTES: number = 4 * MIB
export const SIMULATED_SHARD_BYTES: number = 11 * KIB
/** The rate of a channel, to scale: 100 Mbit/s. */
const BYTES_PER_MS: number = (12_500 * SIMULATED_SHARD_BYTES) / SHARD_BYTES
/** Spread of the time until others hear of an entry. */
const NEWS_SPREAD = 1
/** Beacons are far apart, or a year would be nothing but beacons; the grace is to scale. */
const BEAT_MS: number = DAY_MS
const GRACE_MS: number = 3 * DAY_MS
const UPKEEP: RepairLoopOptions = {
  settleMs: 10 * MINUTE_MS,
  takeOverMs: 2 * HOUR_MS,
  surplusMs: DAY_MS,
  stableAgainMs: 2 * HOUR_MS,
  calmMs: HOUR_MS,
  everyMs: 5 * DAY_MS,
  lookMs: 2 * HOUR_MS,
}
const CATCH_UP_MS: number = 10 * SECOND_MS
const CATCH_UP_PEERS = 3

export interface SwarmComponents {
  readonly scheduler: Scheduler
  /** Something is not as it should be. */
  readonly onBreach: (error: unknown) => void
  /** Given what is done to the machines and what nodes log. */
  readonly tell: (line: string) => void
}

export interface SwarmOptions {
  readonly scenario: StorageScenario
  readonly unlucky: UnluckyRates
  /** An entry of the shard map, as it is logged. throws CheckError. */
  readonly onEntry: (host: Host, entry: MapEntry) => void
}

export class Swarm {
  readonly scheduler: Scheduler
  readonly network: SimulatedNetwork
  readonly truth: Truth
  readonly random: SeededRandom
  /** The map with all entries that were made so far. */
  readonly everything: MapTable = new MapTable()
  readonly traffic: Traffic = { fetched: 0, given: 0, proofs: 0 }
  readonly volume: VolumeId = '5a'.repeat(32) as VolumeId
  readonly class: RedundancyClass
  /** The ill luck of all machines. */
  readonly unlucky: UnluckyRates
  readonly beatMs: number = BEAT_MS
  readonly graceMs: number = GRACE_MS
  /** To the scale of beacons. */
  readonly upkeep: RepairLoopOptions = UPKEEP
  readonly upkeepBytesPerSecond: number = 0.2 * BYTES_PER_MS * SECOND_MS
  readonly hosts: Host[] = []
  /** Cut off from others now. */
  readonly apart: Set<Host> = new Set()
  readonly repairTimes: RepairTimes
  readonly #c: SwarmComponents
  readonly #onEntry: SwarmOptions['onEntry']
  readonly #hostOf = new Map<PeerId, Host>()
  /** Median time until others hear of an entry. */
  readonly #newsMs: number
  /** Pulls that are about to begin, by both peers. */
  readonly #pulls = new Set<string>()

  constructor(components: SwarmComponents, { scenario, unlucky, onEntry }: SwarmOptions) {
    const { scheduler } = components
    this.#c = components
    this.#onEntry = onEntry
    this.scheduler = scheduler
    this.class = { kind: 'rs', ...scenario.code }
    this.unlucky = unlucky
    this.random = new SeededRandom(scheduler.seed, 'storage swarm')
    this.#newsMs = this.random.pick([1, 30, 900]) * SECOND_MS
    this.network = new SimulatedNetwork(scheduler, {
      latencyMs: FAIR_NETWORK.latencyMs * this.random.pick([1, 4, 20]),
      bytesPerMs: BYTES_PER_MS,
    })
    this.repairTimes = new RepairTimes(this)
    this.truth = new Truth({
      nowMs: () => scheduler.nowMs,
      repairMs: (cause, atMs) => this.repairTimes.repairMs(cause, atMs),
      onLost: (stripe) => this.say(`lost ${this.truth.tell(stripe)}`),
      isAscribed: (stripe, index) =>
        (this.everything.stripe(stripe)?.holders[index] ?? []).length > 0,
      onBreach: components.onBreach,
      onMoved: (peer, stripe, index) => this.background(this.#look(peer, stripe, index)),
    })
  }

  /** A machine more, not booted. */
  add(zone: string): Host {
    const host = new Host(this, { ordinal: this.hosts.length, zone })
    this.hosts.push(host)
    this.#hostOf.set(host.peer, host)
    this.truth.addMachine(host.peer)
    return host
  }

  hostOf(peer: PeerId): Host | undefined {
    return this.#hostOf.get(peer)
  }

  /** Those whose node runs. */
  running(): Host[] {
    return this.hosts.filter(({ node }) => node !== undefined)
  }

  /** Members whose node runs, as they see it themselves. */
  members(): Host[] {
    return this.running().filter(({ peer, table }) => table.member(peer) !== undefined)
  }

  /** One of those that run, by a draw. */
  pick(draw: number): Host {
    const members = this.members()
    const eligible = members.length > 0 ? members : this.running()
    const host = eligible[draw % eligible.length]
    if (host === undefined) throw new CheckError('nothing else fails', 'no node runs')
    return host
  }

  /** The same; rather one that is cut off, if any is. */
  pickApart(draw: number): Host {
    const apart = [...this.apart].filter(({ node }) => node !== undefined)
    return (draw % 2 === 0 ? apart[draw % apart.length] : undefined) ?? this.pick(draw)
  }

  boot(host: Host): void {
    this.background(host.start())
  }

  /**
   * A machine becomes a member that may hold shards; if it is one, it takes part anew. returns
   * false if it is off.
   */
  admit(host: Host): boolean {
    const { peer, zone, node } = host
    if (node === undefined) return false
    this.#submit({ kind: 'member', member: { peer, zone, weight: 1 } })
    return true
  }

  /** It is to give away what it has. */
  drain({ peer, zone }: Host): void {
    this.#submit({ kind: 'member', member: { peer, zone, weight: 0 } })
  }

  isDrained({ peer, table }: Host): boolean {
    if (this.running().length === 0) return false
    return !this.pick(0)
      .table.groups()
      .concat(table.groups())
      .some(
        ({ holders, isCondemned }) =>
          !isCondemned && holders.some((peers) => peers.includes(peer) && peers.length === 1),
      )
  }

  /** It is no member any more. */
  dismiss(peer: PeerId): void {
    this.#submit({ kind: 'remove', peer })
  }

  /**
   * Every member has all entries up to this stamp, and this host all that a member said before it
   * had them.
   */
  stableStamp({ log }: Host): number {
    const members = this.hosts.filter(({ peer }) => this.everything.member(peer) !== undefined)
    const isHeardOut = members.every(({ peer, log: own }) => log.countOf(peer) >= own.countOf(peer))
    if (!isHeardOut) return 0
    const knownOf = new Map<PeerId, number>()
    const isKnown = ({ author, seq }: MapEntry): boolean => {
      const known =
        knownOf.get(author) ?? Math.min(...members.map((other) => other.log.countOf(author)))
      knownOf.set(author, known)
      return known > seq
    }
    let below = Infinity
    for (const entry of log.entries()) if (!isKnown(entry)) below = Math.min(below, entry.stamp)
    let stable = 0
    for (const { stamp } of log.entries()) if (stamp < below) stable = Math.max(stable, stamp)
    return stable
  }

  /** Runs work that nobody waits for; its failure is a breach. */
  background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#c.onBreach(error))
  }

  broken(error: Error): void {
    this.#c.onBreach(error)
  }

  /** Reports an action on machines. */
  say(line: string): void {
    this.scheduler.note(line)
    this.#c.tell(`day ${(this.scheduler.nowMs / DAY_MS).toFixed(2)}: ${line}`)
  }

  /** Reports a log line of a node. */
  note(host: Host, message: string, fields: Record<string, unknown>): void {
    this.say(`${host.name}: ${message} ${JSON.stringify(fields)}`)
  }

  /** Both run, and nothing is cut between them. */
  reaches(from: Host, to: Host): boolean {
    if (from === to) return true
    if (from.node === undefined || to.node === undefined) return false
    return this.apart.size === 0 || this.network.connected(from.peer, to.peer)
  }

  /** Its node runs: it connects, catches up, and beats from now on. */
  started(host: Host): void {
    this.connect(host)
    const { process } = host.machine
    const beat = (): void => {
      this.#beat(host)
      process.after(this.beatMs, 'beats', beat)
    }
    process.after(this.beatMs * this.random.number(), 'beats', beat)
    process.after(CATCH_UP_MS, 'catches up', () => {
      const others = this.#heardBy(host)
      for (const other of others.slice(0, CATCH_UP_PEERS)) host.pull(other)
      // It knows by now who its members are.
      for (const other of others) host.node?.detector.heard(other.peer)
      this.#beat(host)
    })
  }

  /** An entry of this host is on its way. */
  appended(host: Host, entry: MapEntry): void {
    this.everything.apply(entry)
    try {
      this.#onEntry(host, entry)
    } catch (error) {
      this.#c.onBreach(error)
    }
    for (const other of this.#heardBy(host)) this.#planPull(other, host)
  }

  /** Is a shard that was damaged whole? */
  async #look(peer: PeerId, stripe: StripeId, index: number): Promise<void> {
    const state = await this.hostOf(peer)?.node?.store.shards.verify(stripe, index)
    if (state === 'whole') this.truth.mend(peer, stripe, index)
  }

  #submit(op: MapOp): void {
    const admin = this.pick(0)
    this.background(admin.node?.map.submit(op) ?? Promise.resolve())
  }

  /** Everybody who runs hears it, and it hears them. */
  #beat(host: Host): void {
    this.connect(host)
    const others = this.#heardBy(host)
    for (const other of others) other.node?.detector.heard(host.peer)
    if (others.length > 0) host.pull(this.random.pick(others))
  }

  /** Dial everybody it is not connected with. */
  connect(host: Host): void {
    const { network } = host.machine.world
    const connected = new Set(network.peers())
    for (const other of this.running()) {
      if (connected.has(other.peer) || other === host || !this.reaches(host, other)) continue
      const signal = host.machine.world.clock.timeout(HOUR_MS)
      network.dial(this.network.addressesOf(other.peer), { signal }).catch(() => undefined)
    }
  }

  /** Running hosts that what this one sends reaches. */
  #heardBy(host: Host): Host[] {
    return host.machine.world.network
      .peers()
      .flatMap((peer) => this.#hostOf.get(peer) ?? [])
      .filter((other) => this.reaches(host, other))
  }

  #planPull(host: Host, source: Host): void {
    const key = `${host.name} ${source.name}`
    if (this.#pulls.has(key)) return
    this.#pulls.add(key)
    const delayMs = this.#newsMs * Math.exp(NEWS_SPREAD * this.random.normal())
    this.scheduler.after(delayMs, `pull ${key}`, () => {
      this.#pulls.delete(key)
      if (this.reaches(host, source)) host.pull(source)
    })
  }
}
