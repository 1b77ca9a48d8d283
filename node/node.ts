// A node: its parts put together in order, stopped in reverse.
// It takes everything outside from World, so a simulation runs this same code.
import { ShoalError, asShoalError } from '../protocol/errors.ts'
import type { PeerId, VolumeId } from '../protocol/ids.ts'
import { DAY_MS } from '../protocol/units.ts'
import type { Door, NodeComponents, NodeOptions } from './components.ts'
import { lastSeenMs } from './handlers/describe.ts'
import { ownersApi } from './handlers/owner.ts'
import { Space } from './handlers/space.ts'
import type { NodeApi, LocalNode } from './control/api.ts'
import { cacheBytesOnDisk } from './content/decoded-cache.ts'
import { Exchange } from './exchange/exchange.ts'
import type { PeersKnown } from './volume/hosted-volume.ts'
import { HostedVolumes } from './volume/hosted-volumes.ts'
import { Mounts } from './mount/mounts.ts'
import { readDeviceMarker } from './log/device-marker.ts'
import { graceMsOf } from './log/settings.ts'
import type { CheckpointOptions } from './checkpoint/checkpoint-schedule.ts'
import { UncleanStarts } from './log/unclean-starts.ts'
import { Volumes } from './log/volumes.ts'
import { Detector } from './peers/detector.ts'
import type { Watched } from './peers/detector.ts'
import { PeerBudgets } from './peers/budget.ts'
import { BudgetedNetwork } from './peers/budgeted-network.ts'
import { CountedTiers } from './observe/counted-tiers.ts'
import { Traffic } from './observe/traffic.ts'
import { SecurityLog } from './observe/security-log.ts'
import { Joining } from './peers/join.ts'
import { RoundTrips } from './peers/round-trips.ts'
import { SecurityWitness } from './peers/security-witness.ts'
import { ShardServer } from './peers/shard-protocol-server.ts'
import { Tickets } from './peers/tickets.ts'
import { Swarm } from './sync/swarm.ts'
import type { SwarmComponents } from './sync/swarm.ts'
import { Quarantine } from './repair/quarantine.ts'
import { NodeAccounts } from './accounts/node-accounts.ts'
import { AlertRecords } from './alerts/alert-records.ts'
import { NodeAlerts } from './alerts/node-alerts.ts'
import type { NodeAlertsComponents } from './alerts/node-alerts.ts'
import { NodeDoors } from './doors/doors.ts'
import { NO_METER } from './metrics/meter.ts'
import { BackupJobs } from './backup/backup-jobs.ts'
import { NodeBackups } from './backup/node-backups.ts'
import type { NodeBackupsComponents, RunHook } from './backup/node-backups.ts'
import { NodeCold } from './cold/node-cold.ts'
import { NodeUpkeep } from './upkeep.ts'
import { Store } from './store/store.ts'
import { PLAIN_LINES } from './world/home-key.ts'
import { ignoreFailure } from './world/ignore-failure.ts'

const BEACON_MS = 10_000
const CHECKPOINTS: CheckpointOptions = { entries: Infinity, everyMs: DAY_MS }

/** The parts that are open before a node is made of them. */
interface Opened {
  readonly store: Store
  readonly volumes: Volumes
  readonly starts: UncleanStarts
  readonly budgets: PeerBudgets
  readonly security: SecurityLog
  readonly witness: SecurityWitness
  readonly backupJobs: BackupJobs
  readonly alertRecords: AlertRecords
  readonly traffic: Traffic
}

export class Node implements LocalNode {
  readonly api: NodeApi
  readonly stopped: Promise<void>
  readonly #c: NodeComponents
  readonly #store: Store
  readonly #volumes: Volumes
  readonly #starts: UncleanStarts
  readonly #security: SecurityLog
  readonly #witness: SecurityWitness
  readonly #joining: Joining
  readonly #budgets: PeerBudgets
  readonly #detector: Detector
  readonly #swarm: Swarm
  readonly #shards: ShardServer
  readonly #mounts: Mounts
  readonly #hosted: HostedVolumes
  readonly #upkeep: NodeUpkeep
  readonly #cold: NodeCold
  readonly #backups: NodeBackups
  readonly #alerts: NodeAlerts
  readonly #doors: NodeDoors
  readonly #exchange: Exchange
  readonly #space: Space
  readonly #stop = new AbortController()
  readonly #stopped = Promise.withResolvers<void>()
  #door: Door | undefined
  #stopping: Promise<void> | undefined

  private constructor(
    components: NodeComponents,
    options: NodeOptions,
    { backupJobs, alertRecords, traffic, ...opened }: Opened,
  ) {
    const { store, volumes, starts, budgets, security, witness } = opened
    this.#c = components
    this.#store = store
    this.#volumes = volumes
    this.#starts = starts
    this.#budgets = budgets
    this.#security = security
    this.#witness = witness
    const { world, kv, memory, log, tracer } = components
    const { clock, network } = world
    const { name, zone, home, version, pid } = options
    const { beaconMs = BEACON_MS, checkpoints = CHECKPOINTS } = options
    this.stopped = this.#stopped.promise
    void ignoreFailure(this.stopped, 'it is thrown where it is awaited')
    const space = (this.#space = new Space({ store, clock }))
    const tickets = new Tickets({ kv, clock })
    const joining = (this.#joining = this.#joiningBy(tickets))
    const detector = (this.#detector = new Detector(
      { clock, self: network.self, watched: () => watched(volumes) },
      { beatMs: beaconMs },
    ))
    const swarm = (this.#swarm = this.#swarmOf({ beaconMs, checkpoints, tracer }))
    const quarantine = new Quarantine(clock)
    const peers = this.#peersKnown(quarantine)
    const shared = { world, store, security: security.record, log, tracer }
    const hosted = (this.#hosted = new HostedVolumes({ ...shared, volumes, swarm, joining, peers }))
    const upkeep = (this.#upkeep = new NodeUpkeep(
      { ...shared, volumes, hosted, detector, quarantine },
      options.upkeep,
    ))
    traffic.repaired = () => upkeep.writtenBytes
    const isOnline = peers.isOnline.bind(peers)
    const cold = (this.#cold = new NodeCold({ ...shared, hosted, isOnline, upkeep }))
    const backups = (this.#backups = this.#backupsOf(backupJobs, name))
    this.#shards = this.#shardServer()
    const mounts = (this.#mounts = new Mounts({ clock, mounter: components.mounter, store, log }))
    const roundTrips = new RoundTrips(world)
    const exchange = (this.#exchange = new Exchange({ world, hosted, log }))
    const accounts = this.#accountsOf(swarm)
    const doors = (this.#doors = this.#doorsOf(options, accounts))
    const alerts = (this.#alerts = this.#alertsBy(alertRecords, name))
    const ofPeers = { tickets, joining, detector, budgets, roundTrips, swarm, security, witness }
    const ofData = { space, volumes, hosted, upkeep, cold, backups, mounts, exchange }
    const forPeople = { accounts, alerts, doors, traffic }
    this.api = ownersApi(
      {
        world,
        ...ofPeers,
        ...ofData,
        ...forPeople,
        memory,
        logs: components.logs,
        until: (signal) => this.#until(signal),
      },
      { name, zone, home, version, pid, startedMs: world.clock.wall() },
      () => this.stop(),
    )
  }

  #joiningBy(tickets: Tickets): Joining {
    const volumes = this.#volumes
    return new Joining({
      world: this.#c.world,
      tickets,
      record: this.#security.record,
      admit: (volume, peer, role) => volumes.admit(volume, peer, role),
      isMember: (volume, peer, role) => volumes.isMember(volume, peer, role),
      wasRemoved: (volume, peer) => volumes.get(volume)?.membership.wasRemoved(peer) === true,
    })
  }

  #swarmOf(options: Pick<SwarmComponents, 'beaconMs' | 'checkpoints' | 'tracer'>): Swarm {
    const { world, log } = this.#c
    const [security, witness] = [this.#security, this.#witness]
    return new Swarm({
      world,
      volumes: this.#volumes,
      joining: this.#joining,
      detector: this.#detector,
      freeBytes: () => this.#space.forBeacon(),
      usedBytes: () => this.#space.ownBytes,
      budgets: this.#budgets,
      security: {
        record: security.record,
        head: () => security.head,
        heard: (beacon) => witness.heard(beacon),
      },
      ...options,
      onPeersChanged: () => this.#peersChanged(),
      log,
    })
  }

  #backupsOf(jobs: BackupJobs, name: string): NodeBackups {
    const { world, log, runHook = noHook } = this.#c
    const volumeOf = hostedBy(this.#volumes, this.#hosted)
    const snapshotsOf: NodeBackupsComponents['snapshotsOf'] = (volume) =>
      this.#swarm.snapshots(volume)
    return new NodeBackups({ world, jobs, volumeOf, snapshotsOf, runHook, log }, { name })
  }

  #accountsOf(swarm: Swarm): NodeAccounts {
    return new NodeAccounts({
      ...this.#c.world,
      volumes: this.#volumes,
      heardMs: (volume, peer) => lastSeenMs({ swarm }, peer, [volume]) ?? 0,
    })
  }

  #doorsOf({ version }: NodeOptions, accounts: NodeAccounts): NodeDoors {
    const { doors: settings, lines = PLAIN_LINES, ...rest } = this.#c
    const [security, volumes] = [this.#security.record, this.#volumes]
    return new NodeDoors({ ...rest, lines, security, version, settings, accounts, volumes })
  }

  #alertsBy(records: AlertRecords, name: string): NodeAlerts {
    const { world, alerting, log } = this.#c
    const facts = async (): ReturnType<NodeAlertsComponents['facts']> => ({
      status: await this.api.status(),
      tickets: await this.api.listTickets(),
    })
    return new NodeAlerts({ world, records, facts, alerting, name, log })
  }

  #shardServer(): ShardServer {
    const { network, clock, random } = this.#c.world
    return new ShardServer(
      { network, clock, random, store: this.#store, tracer: this.#c.tracer },
      {
        accessTo: (volume) => this.#hosted.get(volume)?.map,
        isForeign: (volume, what) => this.#hosted.isForeign(volume, what),
        sign: (volume, shards) => this.#hosted.get(volume)?.sign(shards) ?? [],
        onKept: (volume, stripe) => this.#hosted.get(volume)?.announce(stripe),
        onRefused: (peer, bytes) => this.#budgets.spend(peer, 'bytes', bytes),
        onDamaged: (stripe, index) => this.#upkeep.scrub.suspect(stripe, index),
      },
    )
  }

  #peersChanged(): void {
    for (const hosted of this.#hosted.all()) hosted.peersChanged()
    this.#upkeep.peersChanged()
  }

  #until(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
  }

  #peersKnown(quarantine: Quarantine): PeersKnown {
    const { self } = this.#c.world.network
    return {
      freeBytesOf: (peer) =>
        peer === self ? this.#space.freeBytes : this.#swarm.news(peer)?.freeBytes,
      isAvoided: (peer) => quarantine.isAvoided(peer),
      isOnline: (peer) => this.#detector.liveness(peer, Infinity) === 'online',
      doubtOwn: (stripe, index) => this.#upkeep.scrub.suspect(stripe, index),
    }
  }

  /** Open the store and the volumes. Nothing runs until start(). */
  static async open(components: NodeComponents, options: NodeOptions): Promise<Node> {
    const { world, kv, identity } = components
    const { name, zone, capacityBytes, cacheBytes } = options
    const { disk, clock, random } = world
    const store = await Store.open(
      { disk, clock, random, kv },
      {
        capacityBytes: capacityBytes ?? Infinity,
        fetchedBytesMax: cacheBytes === undefined ? undefined : cacheBytesOnDisk(cacheBytes),
      },
    )
    const self = {
      name,
      zone: zone ?? '',
      capacityBytes: capacityBytes ?? (await world.disk.space()).totalBytes,
    }
    const { isCopy, record } = await readDeviceMarker({ disk: world.disk, kv })
    const named: { volumes?: Volumes } = {}
    const security = await SecurityLog.open({
      world,
      kv,
      identity,
      lines: components.lines ?? PLAIN_LINES,
      nameOf: (peer, volume) => nameIn(named.volumes, peer, volume),
      log: components.log,
      onEvent: components.onSecurity,
    })
    for (const event of components.found ?? []) security.record(event)
    const budgets = new PeerBudgets({ clock, security: security.record })
    const traffic = new Traffic(clock)
    const network = new BudgetedNetwork({
      network: world.network,
      budgets,
      clock,
      meter: traffic.meter(components.meter ?? NO_METER),
    })
    if (isCopy) {
      const message = 'this home was copied or restored: writing on as a new incarnation'
      security.record({ kind: 'home-copied', message })
    }
    const starts = await UncleanStarts.count({ kv, clock })
    const program = { version: options.version, isCareful: starts.isCareful }
    const volumes = await Volumes.open({ world, store, identity, ...program }, self, { isCopy })
    named.volumes = volumes
    const witness = await SecurityWitness.open({
      world,
      kv,
      record: security.record,
      isMember: (peer) => volumes.all().some(({ volume }) => volume.membership.member(peer)),
    })
    await record()
    const tiers = new CountedTiers(world.tiers, traffic.coldMeter(components.onCold))
    const budgeted = { ...components, world: { ...world, network, tiers } }
    const backupJobs = await BackupJobs.load(kv)
    const alertRecords = await AlertRecords.load(kv)
    const records = { security, witness, backupJobs, alertRecords, traffic }
    return new Node(budgeted, options, { store, volumes, starts, budgets, ...records })
  }

  async start(): Promise<void> {
    await this.#space.measure()
    await this.#hosted.open()
    await this.#shards.start()
    await this.#joining.start()
    await this.#witness.start()
    this.#detector.start()
    await this.#swarm.start()
    this.#hosted.start()
    this.#upkeep.start()
    this.#cold.start()
    this.#backups.start()
    this.#alerts.start()
    await this.#exchange.start(this.#stop.signal)
    await this.#doors.start(this.api)
    this.#door = await this.#c.openDoor?.(this.api)
  }

  /**
   * Stop in reverse order. Idempotent; every step is tried, the first failure is thrown at the end.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#doStop()
    this.#stopping.then(this.#stopped.resolve, this.#stopped.reject)
    return this.#stopping
  }

  async #doStop(): Promise<void> {
    const failures: unknown[] = []
    const step = async (run: () => Promise<void>): Promise<void> => {
      await run().catch((error: unknown) => failures.push(error))
    }
    await step(async () => this.#door?.close())
    await step(() => this.#doors.stop())
    await step(() => this.#mounts.stop())
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    await step(() => this.#alerts.stop())
    await step(() => this.#backups.stop())
    await step(() => this.#cold.stop())
    await step(() => this.#upkeep.stop())
    await step(() => this.#hosted.stop())
    await step(() => this.#shards.stop())
    await step(() => this.#swarm.stop())
    this.#detector.stop()
    await step(() => this.#volumes.close())
    await step(() => this.#starts.stop())
    await step(() => this.#security.close())
    await step(() => this.#store.close())
    await step(() => this.#c.kv.close())
    if (failures.length > 0) throw asShoalError(failures[0])
  }
}

/** The name of a member of a volume, or of any. */
function nameIn(
  volumes: Volumes | undefined,
  peer: PeerId,
  id: VolumeId | undefined,
): string | undefined {
  const all = (volumes?.all() ?? []).filter(({ volume }) => id === undefined || volume.id === id)
  const name = all.flatMap(({ volume }) => volume.membership.member(peer)?.name ?? [])[0]
  // Until it tells one, it is called by its id.
  return name === undefined || peer.endsWith(name) ? undefined : name
}

const noHook: RunHook = () => Promise.resolve()

function hostedBy(volumes: Volumes, hosted: HostedVolumes): NodeBackupsComponents['volumeOf'] {
  return (id) => {
    const named = volumes.find(id)
    const found = hosted.of(named)
    found.checkMayRead()
    return { named, hosted: found }
  }
}

function watched(volumes: Volumes): readonly Watched[] {
  return volumes.all().map(({ volume }) => ({
    peers: volume.membership.nodes().map(({ peer }) => peer),
    graceMs: graceMsOf(volume),
  }))
}
