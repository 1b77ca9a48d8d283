// A node: its parts put together in order, stopped in reverse, and what its owner may ask of it (control/api.ts).
// It takes everything outside from World, so a simulation runs this same code.
import { ShoalError, asShoalError } from '../protocol/errors.ts'
import type { PeerId } from '../protocol/ids.ts'
import { parseTicket } from '../protocol/membership/ticket.ts'
import type { Identity } from '../protocol/signed.ts'
import { DAY_MS } from '../protocol/units.ts'
import type { WallTime } from '../protocol/units.ts'
import type {
  Ack,
  CallOptions,
  CreateVolumeRequest,
  FileAttributes,
  FileContent,
  FileStat,
  Invitation,
  InviteRequest,
  LocalNode,
  MakeFolderOptions,
  MountRequest,
  MountStatus,
  NewFile,
  NodeApi,
  NodeStatus,
  PeerStatus,
  ReadRange,
  Settings,
  VolumeInfo,
  VolumeStatus,
  WriteOptions,
} from './control/api.ts'
import { HostedVolumes } from './files/hosted-volumes.ts'
import { Mounts } from './mount/mounts.ts'
import type { Mounter } from './mount/mounts.ts'
import { Volumes } from './namespace/volumes.ts'
import type { NamedVolume } from './namespace/volumes.ts'
import { Joining } from './peers/join.ts'
import { ShardServer } from './peers/shard-protocol-server.ts'
import { Swarm } from './namespace/swarm.ts'
import { applySettings, settingsOf } from './namespace/settings.ts'
import { describePeer, describeVolume, describeVolumeInfo, findPeer } from './describe.ts'
import type { Kv } from './store/kv.ts'
import { Store } from './store/store.ts'
import type { World } from './world/world.ts'

const DIAL_MS = 10_000

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
  readonly home: string
  readonly version: string
  readonly pid: number
}

export class Node implements LocalNode {
  readonly stopped: Promise<void>
  readonly #c: NodeComponents
  readonly #options: NodeOptions
  readonly #store: Store
  readonly #volumes: Volumes
  readonly #joining: Joining
  readonly #swarm: Swarm
  readonly #shards: ShardServer
  readonly #mounts: Mounts
  readonly #hosted: HostedVolumes
  readonly #stop = new AbortController()
  readonly #stopped = Promise.withResolvers<void>()
  #door: Door | undefined
  readonly #startedMs: WallTime
  #freeBytes = 0
  #stopping: Promise<void> | undefined

  private constructor(
    components: NodeComponents,
    options: NodeOptions,
    store: Store,
    volumes: Volumes,
  ) {
    this.#c = components
    this.#options = options
    this.#store = store
    this.#volumes = volumes
    const { world, kv, log } = components
    this.#startedMs = world.clock.wall()
    this.stopped = this.#stopped.promise
    this.stopped.catch(() => undefined)
    this.#joining = new Joining({
      world,
      kv,
      admit: (volume, peer, role) => volumes.admit(volume, peer, role),
    })
    this.#swarm = new Swarm({
      world,
      volumes,
      joining: this.#joining,
      freeBytes: () => this.#freeBytes,
      onPeersChanged: () => {
        for (const hosted of this.#hosted.all()) hosted.peersChanged()
      },
      log,
    })
    this.#hosted = new HostedVolumes({
      world,
      store,
      volumes,
      log,
      swarm: this.#swarm,
      joining: this.#joining,
    })
    this.#shards = new ShardServer(
      { network: world.network, clock: world.clock, store },
      {
        accessTo: (volume) => this.#hosted.get(volume)?.map,
        onKept: (volume, stripe) => this.#hosted.get(volume)?.announce(stripe),
      },
    )
    this.#mounts = new Mounts({ mounter: components.mounter, disk: world.disk })
  }

  /** Open the store and the volumes. Nothing runs until start(). */
  static async open(components: NodeComponents, options: NodeOptions): Promise<Node> {
    const { world, kv, identity } = components
    const store = await Store.open({ disk: world.disk, kv })
    const { name, zone, capacityBytes } = options
    const self = {
      name,
      zone: zone ?? '',
      capacityBytes: capacityBytes ?? (await world.disk.space()).totalBytes,
    }
    const volumes = await Volumes.open({ world, store, identity }, self)
    return new Node(components, options, store, volumes)
  }

  async start(): Promise<void> {
    await this.#measureSpace()
    await this.#hosted.open()
    await this.#shards.start()
    await this.#joining.start()
    await this.#swarm.start()
    this.#hosted.start()
    this.#door = await this.#c.openDoor?.(this)
  }

  /** Stop in reverse order. Idempotent; every step is tried, the first failure is thrown at the end. */
  stop(): Promise<void> {
    this.#stopping ??= this.#doStop()
    this.#stopping.then(this.#stopped.resolve, this.#stopped.reject)
    return this.#stopping
  }

  async status(): Promise<NodeStatus> {
    await this.#measureSpace()
    const { capacityBytes: _, ...identity } = this.#options
    const { network } = this.#c.world
    return {
      node: {
        id: network.self,
        addresses: network.addresses(),
        ...identity,
        startedMs: this.#startedMs,
        usedBytes: this.#store.usage().segmentBytes,
        freeBytes: this.#freeBytes,
      },
      peers: await this.listPeers(),
      volumes: await this.listVolumes(),
      mounts: await this.listMounts(),
    }
  }

  async listPeers(): Promise<readonly PeerStatus[]> {
    return Promise.all(this.#swarm.members().map((peer) => this.#describePeer(peer)))
  }

  async addPeer(address: string, { signal }: CallOptions = {}): Promise<PeerStatus> {
    const { clock, network } = this.#c.world
    if (!address.startsWith('/')) {
      throw new ShoalError(
        'usage',
        `"${address}" is not an address; write /ip4/192.168.1.7/tcp/4100/p2p/12D3Koo...`,
      )
    }
    const peer = await network.dial([address], { signal: clock.timeout(DIAL_MS, signal) })
    await network.learn(peer, [address.includes('/p2p/') ? address : `${address}/p2p/${peer}`])
    return this.#describePeer(peer)
  }

  async removePeer(peer: string, { volume }: { volume?: string | undefined } = {}): Promise<void> {
    const named = this.#volumes.find(volume)
    await this.#volumes.remove(named.volume, this.#findPeer(peer))
  }

  async peerInfo(peer: string): Promise<PeerStatus> {
    return this.#describePeer(this.#findPeer(peer))
  }

  async pingPeer(peer: string, { signal }: CallOptions = {}): Promise<number> {
    const { clock, network } = this.#c.world
    return network.ping(this.#findPeer(peer), { signal: clock.timeout(DIAL_MS, signal) })
  }

  async invite({
    volume,
    role = 'writer',
    uses = 1,
    expiresInMs = DAY_MS,
  }: InviteRequest): Promise<Invitation> {
    const named = await this.#hosted.findOrCreate(volume)
    this.#volumes.checkAdmin(named.volume)
    const expiresMs = (this.#c.world.clock.wall() + expiresInMs) as WallTime
    const ticket = await this.#joining.invite(named.volume.id, role, uses, expiresMs)
    return { ticket, volume: named.name, role, uses, expiresMs }
  }

  async join(ticket: string, { signal }: CallOptions = {}): Promise<VolumeInfo> {
    return this.#describeInfo(await this.#hosted.join(parseTicket(ticket), signal))
  }

  async createVolume({ name, chunk, hash, settings }: CreateVolumeRequest): Promise<VolumeInfo> {
    const named = await this.#hosted.create(name, chunk, hash)
    if (settings !== undefined) await applySettings(named.volume, settings)
    return this.#describeInfo(named)
  }

  async listVolumes(): Promise<readonly VolumeStatus[]> {
    return this.#volumes.all().map((named) => this.#describe(named))
  }

  async volumeInfo(volume: string): Promise<VolumeInfo> {
    return this.#describeInfo(this.#volumes.find(volume))
  }

  async setVolume(volume: string, settings: Settings): Promise<VolumeInfo> {
    const named = this.#volumes.find(volume)
    this.#volumes.checkAdmin(named.volume)
    await applySettings(named.volume, settings)
    return this.#describeInfo(named)
  }

  async stat(path: string): Promise<FileStat> {
    const { hosted, parts } = this.#hosted.at(path)
    return hosted.files.stat(parts)
  }

  async *list(path: string): AsyncGenerator<readonly FileStat[]> {
    const { hosted, parts } = this.#hosted.at(path)
    yield* hosted.files.list(parts)
  }

  async makeFolder(path: string, options: CallOptions & MakeFolderOptions = {}): Promise<void> {
    const { hosted, parts } = await this.#hosted.atForWriting(path)
    hosted.files.makeFolder(parts, options)
    await hosted.acknowledge(options.ack, this.#until(options.signal))
  }

  async remove(
    path: string,
    { recursive = false, signal }: CallOptions & { recursive?: boolean | undefined } = {},
  ): Promise<void> {
    const { hosted, parts } = await this.#hosted.atForWriting(path)
    await hosted.files.remove(parts, recursive, this.#until(signal))
    await hosted.volume.commit()
  }

  async move(from: string, to: string): Promise<void> {
    const source = await this.#hosted.atForWriting(from)
    const target = await this.#hosted.atForWriting(to)
    if (source.hosted !== target.hosted) {
      throw new ShoalError(
        'usage',
        'a move stays in one volume; use shoal get and shoal put between volumes',
      )
    }
    source.hosted.files.move(source.parts, target.parts)
    await source.hosted.volume.commit()
  }

  async writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes: NewFile = {},
    { signal, ack }: CallOptions & WriteOptions = {},
  ): Promise<void> {
    const { hosted, parts } = await this.#hosted.atForWriting(path)
    await hosted.files.writeFile(parts, content, attributes, this.#until(signal))
    await hosted.acknowledge(ack, this.#until(signal))
  }

  async makeSymlink(
    path: string,
    target: string,
    { signal, ack }: CallOptions & WriteOptions = {},
  ): Promise<void> {
    const { hosted, parts } = await this.#hosted.atForWriting(path)
    hosted.files.makeSymlink(parts, target)
    await hosted.acknowledge(ack, this.#until(signal))
  }

  async readFile(
    path: string,
    { signal, ...range }: CallOptions & ReadRange = {},
  ): Promise<FileContent> {
    const { hosted, parts } = this.#hosted.at(path)
    return hosted.files.readFile(parts, range, this.#until(signal))
  }

  async setAttributes(path: string, attributes: FileAttributes): Promise<void> {
    const { hosted, parts } = await this.#hosted.atForWriting(path)
    hosted.files.setAttributes(parts, attributes)
    await hosted.volume.makeRoom()
  }

  async settle(ack?: Ack, { signal }: CallOptions = {}): Promise<void> {
    for (const hosted of this.#hosted.all()) await hosted.acknowledge(ack, this.#until(signal))
  }

  async mount(
    folder: string,
    { volume, readOnly = false, allowOther }: CallOptions & MountRequest = {},
  ): Promise<MountStatus> {
    const named = await this.#hosted.findOrCreate(volume)
    const hosted = this.#hosted.of(named)
    hosted.checkMayRead()
    return this.#mounts.mount(folder, hosted, { volumeName: named.name, readOnly, allowOther })
  }

  async unmount(folder: string, how: { force?: boolean | undefined } = {}): Promise<void> {
    await this.#mounts.unmount(folder, how.force ?? false)
  }

  async listMounts(): Promise<readonly MountStatus[]> {
    return this.#mounts.list()
  }

  async #doStop(): Promise<void> {
    const failures: unknown[] = []
    const step = async (run: () => Promise<void>): Promise<void> => {
      await run().catch((error: unknown) => failures.push(error))
    }
    await step(async () => this.#door?.close())
    await step(() => this.#mounts.stop())
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    await step(() => this.#hosted.stop())
    await step(() => this.#shards.stop())
    await step(() => this.#swarm.stop())
    await step(() => this.#volumes.close())
    await step(() => this.#store.close())
    await step(() => this.#c.kv.close())
    if (failures.length > 0) throw asShoalError(failures[0])
  }

  #until(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
  }

  #findPeer(text: string): PeerId {
    return findPeer(text, this.#swarm.members(), this.#volumes)
  }

  #describePeer(peer: PeerId): Promise<PeerStatus> {
    return describePeer(peer, {
      network: this.#c.world.network,
      volumes: this.#volumes,
      news: this.#swarm.news(peer),
    })
  }

  #describe(named: NamedVolume): VolumeStatus {
    const { unplacedBytes } = this.#hosted.of(named)
    const { network } = this.#c.world
    return describeVolume(named, { volumes: this.#volumes, network, unplacedBytes })
  }

  #describeInfo(named: NamedVolume): VolumeInfo {
    return describeVolumeInfo(named, this.#describe(named), settingsOf(named.volume))
  }

  async #measureSpace(): Promise<void> {
    const { freeBytes } = await this.#c.world.disk.space()
    const left = (this.#options.capacityBytes ?? Infinity) - this.#store.usage().segmentBytes
    this.#freeBytes = Math.max(0, Math.min(freeBytes, left))
  }
}
