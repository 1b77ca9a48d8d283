// A node: its parts put together in order, stopped in reverse.
// It takes everything outside from World, so a simulation runs this same code.
import { ShoalError, asShoalError } from '../protocol/errors.ts'
import type { PeerId } from '../protocol/ids.ts'
import type { Identity } from '../protocol/signed.ts'
import { DAY_MS } from '../protocol/units.ts'
import { ownersApi } from './api/owner.ts'
import { Space } from './api/space.ts'
import type { NodeApi, LocalNode } from './control/api.ts'
import { cacheBytesOnDisk } from './data/cache.ts'
import { Exchange } from './exchange/exchange.ts'
import type { PeersKnown } from './files/hosted-volume.ts'
import { HostedVolumes } from './files/hosted-volumes.ts'
import { Mounts } from './mount/mounts.ts'
import type { Mounter } from './mount/mounts.ts'
import { readDeviceMarker } from './namespace/device-marker.ts'
import { graceMsOf } from './namespace/settings.ts'
import type { CheckpointOptions } from './namespace/checkpoint-schedule.ts'
import { Volumes } from './namespace/volumes.ts'
import type { RecordSecurity } from './observe/security.ts'
import { Detector } from './peers/detector.ts'
import type { Watched } from './peers/detector.ts'
import { Joining } from './peers/join.ts'
import { RoundTrips } from './peers/round-trips.ts'
import { ShardServer } from './peers/shard-protocol-server.ts'
import { Swarm } from './namespace/swarm.ts'
import { Distrust } from './upkeep/distrust.ts'
import { NodeCold } from './tier/node-cold.ts'
import { NodeUpkeep } from './upkeep/node-upkeep.ts'
import type { NodeUpkeepOptions } from './upkeep/node-upkeep.ts'
import type { Kv } from './store/kv.ts'
import { Store } from './store/store.ts'
import type { World } from './world/world.ts'

const BEACON_MS = 10_000
const CHECKPOINTS: CheckpointOptions = { entries: Infinity, everyMs: DAY_MS }

/** An open way in for the owner. */
export interface Door {
  close(): Promise<void>
}

export interface NodeComponents {
  readonly world: World
  readonly kv: Kv
  readonly identity: Identity
  /** How to make a kernel mount; absent where there is none (a simulation). */
  readonly mounter?: Mounter | undefined
  /** Opens the control socket; absent where nobody knocks. Last to open, first to close: it answers = the node is up. */
  readonly openDoor?: ((api: NodeApi) => Promise<Door>) | undefined
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export interface NodeOptions {
  readonly name: string
  readonly zone: string | undefined
  readonly capacityBytes: number | undefined
  /** As Config has it; without, what is fetched is kept in memory alone. */
  readonly cacheBytes?: number | undefined
  readonly home: string
  readonly version: string
  readonly pid: number
  /** Mean time between two beacons, 10 s by default; exchanges and dials that go by time follow it. */
  readonly beaconMs?: number | undefined
  /** When the log is due for a checkpoint: by default as its settings say, or after a day. */
  readonly checkpoints?: CheckpointOptions | undefined
  readonly upkeep?: NodeUpkeepOptions | undefined
}

export class Node implements LocalNode {
  readonly api: NodeApi
  readonly stopped: Promise<void>
  readonly #c: NodeComponents
  readonly #store: Store
  readonly #volumes: Volumes
  readonly #joining: Joining
  readonly #detector: Detector
  readonly #swarm: Swarm
  readonly #shards: ShardServer
  readonly #mounts: Mounts
  readonly #hosted: HostedVolumes
  readonly #upkeep: NodeUpkeep
  readonly #cold: NodeCold
  readonly #exchange: Exchange
  readonly #space: Space
  readonly #stop = new AbortController()
  readonly #stopped = Promise.withResolvers<void>()
  #door: Door | undefined
  #stopping: Promise<void> | undefined

  private constructor(
    components: NodeComponents,
    options: NodeOptions,
    store: Store,
    volumes: Volumes,
  ) {
    this.#c = components
    this.#store = store
    this.#volumes = volumes
    const { world, kv, log } = components
    const { name, zone, home, version, pid } = options
    const { beaconMs = BEACON_MS, checkpoints = CHECKPOINTS } = options
    this.stopped = this.#stopped.promise
    this.stopped.catch(() => undefined)
    const space = (this.#space = new Space({ store }))
    const joining = (this.#joining = new Joining({
      world,
      kv,
      admit: (volume, peer, role) => volumes.admit(volume, peer, role),
      isMember: (volume, peer, role) => volumes.isMember(volume, peer, role),
    }))
    const { clock, network } = world
    const detector = (this.#detector = new Detector(
      { clock, self: network.self, watched: () => watched(volumes) },
      { beatMs: beaconMs },
    ))
    const swarm = (this.#swarm = new Swarm({
      world,
      volumes,
      joining,
      detector,
      freeBytes: () => space.forBeacon(),
      beaconMs,
      checkpoints,
      onPeersChanged: () => this.#peersChanged(),
      log,
    }))
    const distrust = new Distrust(clock)
    const peers = this.#peersKnown(distrust)
    const security: RecordSecurity = ({ message, ...event }) => log(message, event)
    const ofHosted = { world, store, volumes, log, swarm, joining, peers, security }
    const hosted = new HostedVolumes(ofHosted)
    this.#hosted = hosted
    const upkeep = (this.#upkeep = new NodeUpkeep(
      { world, store, volumes, hosted, detector, distrust, security, log },
      options.upkeep,
    ))
    const isOnline = (peer: PeerId): boolean => peers.isOnline(peer)
    const cold = (this.#cold = new NodeCold({ world, store, hosted, isOnline, upkeep, security, log }))
    this.#shards = this.#shardServer()
    const mounts = (this.#mounts = new Mounts({ clock, mounter: components.mounter, store, log }))
    const roundTrips = new RoundTrips(world)
    const exchange = (this.#exchange = new Exchange({ world, hosted, log }))
    const ofPeers = { joining, detector, roundTrips, swarm }
    const ofData = { space, volumes, hosted, upkeep, cold, mounts, exchange }
    this.api = ownersApi(
      { world, ...ofPeers, ...ofData, until: (signal) => this.#until(signal) },
      { name, zone, home, version, pid, startedMs: world.clock.wall() },
      () => this.stop(),
    )
  }

  #shardServer(): ShardServer {
    const { network, clock } = this.#c.world
    return new ShardServer(
      { network, clock, store: this.#store },
      {
        accessTo: (volume) => this.#hosted.get(volume)?.map,
        sign: (volume, shards) => this.#hosted.get(volume)?.sign(shards) ?? [],
        onKept: (volume, stripe) => this.#hosted.get(volume)?.announce(stripe),
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

  #peersKnown(distrust: Distrust): PeersKnown {
    const { self } = this.#c.world.network
    return {
      freeBytesOf: (peer) =>
        peer === self ? this.#space.freeBytes : this.#swarm.news(peer)?.freeBytes,
      isAvoided: (peer) => distrust.isAvoided(peer),
      isOnline: (peer) => this.#detector.liveness(peer, Infinity) === 'online',
      doubtOwn: (stripe, index) => this.#upkeep.scrub.suspect(stripe, index),
    }
  }

  /** Open the store and the volumes. Nothing runs until start(). */
  static async open(components: NodeComponents, options: NodeOptions): Promise<Node> {
    const { world, kv, identity } = components
    const { name, zone, capacityBytes, cacheBytes } = options
    const { disk, clock } = world
    const store = await Store.open(
      { disk, clock, kv },
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
    if (isCopy) {
      const message = 'this home was copied or restored: writing on as a new incarnation'
      components.log(message, { home: options.home })
    }
    const volumes = await Volumes.open({ world, store, identity }, self, { isCopy })
    await record()
    return new Node(components, options, store, volumes)
  }

  async start(): Promise<void> {
    await this.#space.measure()
    await this.#hosted.open()
    await this.#shards.start()
    await this.#joining.start()
    this.#detector.start()
    await this.#swarm.start()
    this.#hosted.start()
    this.#upkeep.start()
    this.#cold.start()
    await this.#exchange.start(this.#stop.signal)
    this.#door = await this.#c.openDoor?.(this.api)
  }

  /** Stop in reverse order. Idempotent; every step is tried, the first failure is thrown at the end. */
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
    await step(() => this.#mounts.stop())
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    await step(() => this.#cold.stop())
    await step(() => this.#upkeep.stop())
    await step(() => this.#hosted.stop())
    await step(() => this.#shards.stop())
    await step(() => this.#swarm.stop())
    this.#detector.stop()
    await step(() => this.#volumes.close())
    await step(() => this.#store.close())
    await step(() => this.#c.kv.close())
    if (failures.length > 0) throw asShoalError(failures[0])
  }
}

/** Who is waited for, and how long. */
function watched(volumes: Volumes): readonly Watched[] {
  return volumes.all().map(({ volume }) => ({
    peers: volume.membership.nodes().map(({ peer }) => peer),
    graceMs: graceMsOf(volume),
  }))
}
