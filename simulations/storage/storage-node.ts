// One run of a node that stores, without a namespace: the real store, shard server, detector,
// upkeep, scrub and audit, over a simulated machine and a replica of the simulated shard map.
import { ShardServer } from '../../node/peers/shard-protocol-server.ts'
import { Detector } from '../../node/peers/detector.ts'
import { Store } from '../../node/store/store.ts'
import { DedupCheck } from '../../node/stripes/dedup-check.ts'
import { VerifiedStripes } from '../../node/stripes/verified-stripes.ts'
import { Audit } from '../../node/repair/audit.ts'
import type { AuditParts } from '../../node/repair/audit.ts'
import { Doubts } from '../../node/repair/doubts.ts'
import { Budget } from '../../node/world/budget.ts'
import { Quarantine } from '../../node/repair/quarantine.ts'
import { Job } from '../../node/jobs/background-job.ts'
import { Scrub } from '../../node/repair/scrub.ts'
import { RepairLoop } from '../../node/repair/repair-loop.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { DAY_MS, KIB } from '../../protocol/units.ts'
import { Collection } from './collection.ts'
import { MapReplica } from './map-replica.ts'
import { MeteredClient } from './traffic.ts'
import { MemoryMarks } from './memory-marks.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Host } from './host.ts'
import type { Swarm } from './swarm.ts'

/** Small, so that a year fills many and compaction has something to do. */
const SEGMENT_BYTES: number = 256 * KIB
/** Slower than real ones, or a year would be nothing but looking after itself. */
const SCRUB_EVERY_MS: number = 2 * DAY_MS
const AUDIT_EVERY_MS: number = 6 * DAY_MS
const COLLECT_EVERY_MS: number = 2 * DAY_MS
const COMPACT_EVERY_MS: number = 10 * DAY_MS
/** Each audits so many of those that follow it in the order of ids. */
const AUDITED_PEERS = 4
const TRASH_MS: number = 7 * DAY_MS

export class StorageNode {
  readonly store: Store
  readonly map: MapReplica
  readonly detector: Detector
  readonly dedupCheck: DedupCheck
  readonly #host: Host
  readonly #swarm: Swarm
  readonly #server: ShardServer
  readonly #upkeep: RepairLoop
  readonly #jobs: readonly Job[]
  readonly #connected = new Set<PeerId>()

  private constructor(host: Host, swarm: Swarm, store: Store) {
    this.#host = host
    this.#swarm = swarm
    this.store = store
    const { process, world } = host.machine
    const { network, clock, random } = world
    const quarantine = new Quarantine(clock)
    const map = new MapReplica({
      process,
      table: host.table,
      class: swarm.class,
      commit: () => store.commit([]),
      append: (op) => host.append(op),
      isAvoided: (peer) => quarantine.isAvoided(peer),
      progress: () => ({ taken: host.log.clock, stable: swarm.stableStamp(host) }),
      nameOf: (peer) => swarm.hostOf(peer)?.name ?? peer,
    })
    this.map = map
    const watched = (): readonly { peers: readonly PeerId[]; graceMs: number }[] => [
      { peers: map.candidates().map(({ peer }) => peer), graceMs: swarm.graceMs },
    ]
    this.detector = new Detector({ clock, self: network.self, watched }, { beatMs: swarm.beatMs })
    const suspect = (stripe: StripeId, index: number): void => scrub.suspect(stripe, index)
    this.#server = new ShardServer(
      { network, clock, random, store },
      {
        accessTo: (volume) => (volume === swarm.volume ? map : undefined),
        sign: (volume, shards) => host.sign(volume, shards),
        onDamaged: suspect,
      },
    )
    const log = (message: string, fields: Record<string, unknown>): void =>
      swarm.note(host, message, fields)
    const { volume, traffic } = swarm
    const graceMs = (): number => swarm.graceMs
    const client = new MeteredClient(world, { volume, traffic })
    const budget = new Budget(clock, { bytesPerSecond: swarm.upkeepBytesPerSecond })
    const ofPeers = { store, map, client, network, clock, random, budget, log }
    const onFalse = (stripe: StripeId): void =>
      swarm.broken(new Error(`${stripe} is found to be false`))
    const verified = new VerifiedStripes({ ...ofPeers, marks: new MemoryMarks(), onFalse })
    const onBadShard = (): void => undefined
    this.dedupCheck = new DedupCheck({ ...ofPeers, verified, onBadShard })
    this.#upkeep = new RepairLoop(
      {
        store,
        map,
        client,
        network,
        clock,
        random,
        detector: this.#promptDetector(),
        budget,
        quarantine,
        dedupCheck: this.dedupCheck,
        graceMs,
        mayCondemn: () => true,
        log,
      },
      swarm.upkeep,
    )
    const { self } = network
    const scrubbed = { id: volume, name: 'main', map, isUnplaced: () => false, fetch: notFetched }
    const scrubbing = { volumes: () => [scrubbed], keepsOthers: () => false }
    const scrub = new Scrub({ store, clock, network, ...scrubbing, log })
    const audited = { self, peers: () => this.#audited() }
    const proofs = { map, client, network: audited, clock, random, quarantine, graceMs, log }
    this.#jobs = this.#jobsOf({ ...proofs, store, map, client }, scrub)
  }

  /** The periodic jobs of a node. */
  #jobsOf(
    parts: AuditParts & { store: Store; map: MapReplica; client: MeteredClient },
    scrub: Scrub,
  ): readonly Job[] {
    const { map, client, log, store } = parts
    const { clock, random } = this.#host.machine.world
    const { dedupCheck } = this
    const audit = new Audit(parts)
    const [host, swarm] = [this.#host, this.#swarm]
    const collection = new Collection({ host, swarm, map, store, dedupCheck })
    const onRefuted = (): void => undefined
    const doubted = new Doubts({ ...host.machine.world, map, client, store, onRefuted })
    const job = (name: string, everyMs: number, run: (signal: AbortSignal) => Promise<void>): Job =>
      new Job({ clock, random, log, name, everyMs, run })
    const doubts = job('doubts', AUDIT_EVERY_MS, (signal) => doubted.run(signal))
    map.onChange((event) => {
      if (doubted.changed(event)) doubts.wake()
    })
    return [
      doubts,
      job('scrub', SCRUB_EVERY_MS, (signal) => scrub.run(signal)),
      job('audit', AUDIT_EVERY_MS, (signal) => audit.run(signal)),
      job('collect', COLLECT_EVERY_MS, (signal) => collection.run(signal)),
      job('compact', COMPACT_EVERY_MS, async (signal) => {
        await store.shards.emptyTrash(TRASH_MS)
        await store.compact({ signal })
      }),
    ]
  }

  static async open(host: Host, swarm: Swarm): Promise<StorageNode> {
    const { disk, kv, world } = host.machine
    const options = { segmentBytesMax: SEGMENT_BYTES }
    const { clock, random } = world
    const store = await Store.open({ disk, kv, clock, random }, options)
    return new StorageNode(host, swarm, store)
  }

  async start(): Promise<void> {
    const { network } = this.#host.machine.world
    network.onConnect((peer) => {
      this.#connected.add(peer)
      this.detector.heard(peer)
      this.#upkeep.peersChanged()
    })
    network.onDisconnect((peer) => {
      this.#connected.delete(peer)
      // Its last beacon came just before, were they as close together as real ones.
      this.detector.heard(peer)
      this.detector.hungUp(peer)
      this.#upkeep.peersChanged()
    })
    await this.#server.start()
    await network.start()
    this.detector.start()
    if (this.#host.lie !== undefined) return
    this.#upkeep.start()
    for (const job of this.#jobs) job.start()
  }

  /** Look after nothing any more, but go on to serve. */
  neglect(): void {
    void this.#upkeep.stop()
    for (const job of this.#jobs) void job.stop()
  }

  /** Keep a shard no more, and tell nobody. */
  drop(stripe: StripeId, index: number): void {
    this.store.shards.delete(stripe, index)
    this.#swarm.background(this.store.commit([]))
  }

  /**
   * Beacons are hours apart here, so who is not connected is late at once: with real beacons it is
   * within half a minute.
   */
  #promptDetector(): Pick<Detector, 'liveness' | 'silentMs' | 'onChange'> {
    const { detector } = this
    const self = this.#host.peer
    return {
      liveness: (peer, graceMs) => {
        const liveness = detector.liveness(peer, graceMs)
        const isAway = peer !== self && !this.#connected.has(peer)
        return liveness === 'online' && isAway ? 'late' : liveness
      },
      silentMs: (peer) => detector.silentMs(peer),
      onChange: (listener) => detector.onChange(listener),
    }
  }

  /** Connected members that are this one's to audit. */
  #audited(): readonly PeerId[] {
    const { network } = this.#host.machine.world
    const ring = [...network.peers(), network.self].toSorted()
    const at = ring.indexOf(network.self)
    return [...ring.slice(at + 1), ...ring.slice(0, at)].slice(0, AUDITED_PEERS)
  }
}

function notFetched(): Promise<never> {
  return Promise.reject(
    new ShoalError('chunk-unavailable', 'no chunks are kept in this simulation'),
  )
}
