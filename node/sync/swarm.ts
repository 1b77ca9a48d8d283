// The other nodes, seen from here: who is connected, what each was last heard to hold; and the
// exchanges that keep the logs of all volumes equal: on connection, on gossip, and periodically.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { mayRead } from '../../protocol/roles.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import type { WallTime } from '../../protocol/units.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import { CatchUp } from './catch-up.ts'
import { CheckpointFetches } from './checkpoint-fetches.ts'
import type { Reason } from './catch-up.ts'
import { CheckpointTransfer } from '../checkpoint/checkpoint-transfer.ts'
import type { FetchRoom } from '../checkpoint/checkpoint-transfer.ts'
import { Checkpoints } from '../checkpoint/checkpoints.ts'
import { Snapshots } from '../checkpoint/snapshots.ts'
import type { CheckpointOptions } from '../checkpoint/checkpoint-schedule.ts'
import { ConnectionGater } from './connection-gater.ts'
import { Gossip } from './gossip.ts'
import { HeardPeers } from './heard-peers.ts'
import type { Heard, PeerNews } from './heard-peers.ts'
import { HeldElsewhere } from '../log/held-elsewhere.ts'
import { hasAgreedSince } from '../log/log-summary.ts'
import { Inbox } from '../log/inbox.ts'
import { recordVolume } from '../log/security-records.ts'
import { InboxBudget } from '../log/inbox-budget.ts'
import type { SwarmSecurity } from '../log/security-records.ts'
import { Refusals } from './refusals.ts'
import { LogSync } from './anti-entropy.ts'
import type { SyncComponents } from './anti-entropy.ts'
import type { Volume } from '../log/volume.ts'
import type { Volumes } from '../log/volumes.ts'
import type { Timer, World } from '../world/world.ts'
import type { Detector } from '../peers/detector.ts'
import type { Joining } from '../peers/join.ts'
import type { PeerBudgets } from '../peers/budget.ts'
import { Reconnect } from '../peers/reconnect.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Beacons between two exchanges that nothing but time asks for. */
const ANTI_ENTROPY_BEACONS = 6
/** A member that stays away is dialled again at least this often, in beacons. */
const DIAL_BEACONS = 3

export interface SwarmComponents extends Pick<SyncComponents, 'tracer'> {
  readonly world: World
  readonly volumes: Volumes
  readonly joining: Joining
  /** Told whom this node hears. */
  readonly detector: Pick<Detector, 'heard' | 'hungUp'>
  readonly freeBytes: () => number
  readonly usedBytes?: (() => number) | undefined
  readonly budgets?: Pick<PeerBudgets, 'take'> | undefined
  readonly security?: SwarmSecurity | undefined
  /** Mean time between two beacons of this node. */
  readonly beaconMs: number
  readonly checkpoints: CheckpointOptions
  /** Members came or went, or peers that may hold shards became reachable. */
  readonly onPeersChanged: () => void
  readonly log: WriteLog
}

interface Hosted {
  readonly gossip: Gossip
  readonly checkpoints: Checkpoints
  readonly snapshots: Snapshots
}

export class Swarm {
  readonly #c: SwarmComponents
  readonly #sync: LogSync
  readonly #catchUp: CatchUp
  readonly #reconnect: Reconnect
  readonly #transfer: CheckpointTransfer
  readonly #hosted = new Map<VolumeId, Hosted>()
  readonly #inboxes = new Map<VolumeId, Inbox>()
  readonly #parking = new InboxBudget()
  readonly #heard: HeardPeers
  /** Confirmations of own entries by peers. */
  readonly heldElsewhere: HeldElsewhere
  readonly #fetches: CheckpointFetches
  readonly #gater: ConnectionGater
  readonly #refusals: Refusals
  #antiEntropy: Timer | undefined
  #stopped = false

  constructor(components: SwarmComponents) {
    this.#c = components
    const { world, volumes, log } = components
    this.#refusals = new Refusals({ world, joining: components.joining })
    this.#heard = new HeardPeers({ clock: world.clock, security: components.security?.record })
    this.heldElsewhere = new HeldElsewhere({
      clock: world.clock,
      connectedMembers: (volume) => this.connectedMembers(volume),
      sync: (volume, peer) => this.sync(volume, peer),
    })
    this.#gater = new ConnectionGater({
      world,
      volumes: () => volumes.all().map(({ volume }) => volume),
      isOpen: () => components.joining.isOpen(),
      wasTold: (peer) => components.joining.wasTold(peer),
    })
    const access = {
      world,
      volumeOf: (id: VolumeId) => volumes.get(id),
      isMember: (volume: Volume, peer: PeerId) => volume.membership.member(peer) !== undefined,
      roleOf: ({ membership }: Volume, peer: PeerId) => membership.member(peer)?.role,
    }
    this.#transfer = new CheckpointTransfer(access)
    this.#fetches = new CheckpointFetches({
      world,
      transfer: this.#transfer,
      checkpointsOf: (volume) =>
        this.#hosted.get(volume.id)?.checkpoints ?? this.#checkpointsOf(volume, new SerialQueue()),
      isAsked: (peer) => this.#gater.isAsked(peer),
      onNew: (volume, peer) => this.syncSoon(volume, peer),
      log: (message, fields) => {
        if (!this.#stopped) components.log(message, fields)
      },
    })
    this.#sync = new LogSync({
      ...access,
      tracer: components.tracer,
      inboxOf: (volume) => this.#inboxOf(volume),
      onTruncated: (volume, peer) => this.#fetches.start(volume, peer),
      onRefused: ({ id }, { message }) => log('sync.entry-refused', { volume: id, error: message }),
      onForked: (volume, peer) => this.syncSoon(volume, peer),
      onBusy: (volume, peer, waitMs) => this.heldElsewhere.heardBusy(volume, peer, waitMs),
      onTime: (volume, peer, aheadMs) => this.#heard.compared(volume, peer, aheadMs),
      onWhole: (volume) => volume.strand(undefined),
      onDurable: (volume, peer, vector) => {
        this.#refusals.clear(volume.id, peer)
        this.#hosted.get(volume.id)?.gossip.exchanged(peer)
        this.heldElsewhere.heard(volume, peer, vector)
      },
    })
    this.#catchUp = new CatchUp(world, {
      exchange: (volume, peer) => this.sync(volume, peer),
      onFailed: (volume, peer, error, againMs) => {
        const fields = { peer, volume: volume.id, error: String(error), againMs }
        if (!this.#stopped) components.log('sync.failed', fields)
      },
    })
    this.#reconnect = new Reconnect(
      { world: components.world, wanted: () => this.#wanted() },
      { longestPauseMs: DIAL_BEACONS * components.beaconMs },
    )
  }

  async start(): Promise<void> {
    const { network } = this.#c.world
    this.#gater.watch()
    network.onConnect((peer) => this.#connected(peer))
    network.onDisconnect((peer) => this.#disconnected(peer))
    await this.#sync.start()
    await this.#transfer.start()
    await network.start()
    for (const { volume } of this.#c.volumes.all()) this.addVolume(volume)
    this.#reconnect.start()
    this.#planAntiEntropy()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#antiEntropy?.cancel()
    this.#catchUp.stop()
    for (const { gossip } of this.#hosted.values()) gossip.stop()
    for (const inbox of this.#inboxes.values()) inbox.stop()
    this.#reconnect.stop()
    this.#transfer.stop()
    const hosted = [...this.#hosted.values()]
    await Promise.all(hosted.map(({ snapshots }) => snapshots.stop()))
    await Promise.all(hosted.map(({ checkpoints }) => checkpoints.stop()))
    await this.#sync.stop()
    await this.#c.world.network.stop()
  }

  /** Begin to exchange a volume with its members. */
  addVolume(volume: Volume): void {
    if (this.#hosted.has(volume.id)) return
    const { world, beaconMs, freeBytes, usedBytes, security, log } = this.#c
    const gossip = new Gossip({
      world,
      volume,
      inbox: this.#inboxOf(volume),
      freeBytes,
      usedBytes,
      security,
      beaconMs,
      budgets: this.#c.budgets,
      onMissing: (from, isMissing) => this.syncSoon(volume, from, isMissing),
      onBeacon: (beacon) => this.#heardBeacon(volume, beacon),
      onTime: (peer, sentMs) => this.#heard.time(volume, peer, sentMs),
    })
    const queue = new SerialQueue()
    const checkpoints = this.#checkpointsOf(volume, queue)
    const snapshots = this.#snapshotsOf(volume, queue)
    this.#hosted.set(volume.id, { gossip, checkpoints, snapshots })
    gossip.start()
    checkpoints.start()
    snapshots.start()
    volume.events.members.add(() => this.#membersChanged())
    if (security !== undefined) recordVolume(volume, security.record)
    volume.events.note.add((event, fields) => log(event, { volume: volume.id, ...fields }))
    this.#reconnect.refresh()
  }

  /** Exchange a volume no more: it is none of this node's any more, or soon. */
  async removeVolume({ id }: Volume): Promise<void> {
    const { gossip, checkpoints, snapshots } = this.#hosted.get(id) ?? {}
    gossip?.stop()
    this.#inboxes.get(id)?.stop()
    for (const known of [this.#hosted, this.#inboxes]) known.delete(id)
    this.#membersChanged()
    await snapshots?.stop()
    await checkpoints?.stop()
  }

  /** Every other node that is a member of any volume here. */
  members(): readonly PeerId[] {
    const all = new Set<PeerId>()
    for (const { volume } of this.#c.volumes.all()) {
      for (const { peer } of volume.membership.nodes()) all.add(peer)
    }
    all.delete(this.#c.world.network.self)
    return [...all].sort()
  }

  news(peer: PeerId): PeerNews | undefined {
    return this.#heard.of(peer)
  }

  heardOf(volume: Volume): Heard {
    const isMember = (peer: PeerId): boolean => volume.membership.member(peer) !== undefined
    const refusedBy = this.#refusals.by(volume.id).filter(isMember)
    const { clocksAhead } = this.#heard
    return { refusedBy, clocksAhead, future: this.#inboxOf(volume).future() }
  }

  /** Members to be connected to. */
  #wanted(): readonly PeerId[] {
    const volumes = this.#c.volumes.all().map(({ volume }) => volume)
    const mayWelcome = ({ id, membership }: Volume, peer: PeerId): boolean =>
      membership.member(peer) !== undefined && !this.#refusals.isRecent(id, peer)
    return this.members().filter((peer) => volumes.some((volume) => mayWelcome(volume, peer)))
  }

  /** Membership of a volume has changed: dial who is new, cut off who is gone. */
  #membersChanged(): void {
    this.#gater.watch()
    this.#reconnect.refresh()
    this.#c.onPeersChanged()
  }

  /** As ConnectionGater has it. */
  askedOf<Result>(peers: readonly PeerId[], run: () => Promise<Result>): Promise<Result> {
    return this.#gater.askedOf(peers, run)
  }

  /** Exchange logs with a peer and wait for the end. throws 'unreachable', 'not-a-member', ... */
  async sync(volume: Volume, peer: PeerId): Promise<void> {
    if (volume.membership.member(peer) === undefined && !this.#gater.isAsked(peer)) {
      throw new ShoalError('not-a-member', `${peer} is not a member of the volume`)
    }
    await this.#exchange(volume, peer)
    const fetching = this.#fetches.running(volume, peer)
    if (fetching === undefined) return
    await fetching
    await this.#exchange(volume, peer)
  }

  async #exchange(volume: Volume, peer: PeerId): Promise<void> {
    try {
      await this.#sync.sync(volume, peer)
    } catch (error) {
      if (!this.#stopped) await this.#refusals.consider(volume.id, peer, error)
      throw error
    }
  }

  /** The same in the background, when it is its turn and if there is still a reason. */
  syncSoon(volume: Volume, peer: PeerId, reason?: Reason): void {
    if (!this.#stopped) this.#catchUp.soon(volume, peer, reason)
  }

  /**
   * Start from the checkpoint of a peer, whoever attests it: the owner of this node vouches for it.
   * throws ShoalError 'EEXIST' if there is no need to, 'unreachable', 'unsupported', 'corrupt'.
   */
  async acceptCheckpoint(volume: Volume, peer: PeerId): Promise<void> {
    await this.#fetches.fetch(volume, peer, true)
    this.syncSoon(volume, peer)
  }

  #inboxOf(volume: Volume): Inbox {
    const known = this.#inboxes.get(volume.id)
    if (known !== undefined) return known
    const inbox = new Inbox({ volume, clock: this.#c.world.clock, room: this.#parking })
    this.#inboxes.set(volume.id, inbox)
    return inbox
  }

  /** As Checkpoints has it. */
  differsMs(volume: VolumeId): WallTime | undefined {
    return this.#hosted.get(volume)?.checkpoints.differsMs
  }

  /** throws 'ENOENT' for a volume that is not exchanged. */
  snapshots({ id }: Volume): Snapshots {
    const found = this.#hosted.get(id)?.snapshots
    if (found !== undefined) return found
    throw new ShoalError('ENOENT', 'the volume is none of this node any more')
  }

  #snapshotsOf(volume: Volume, queue: SerialQueue): Snapshots {
    const { world, log } = this.#c
    const peers = (): readonly PeerId[] =>
      this.connectedMembers(volume).filter((peer) => {
        const role = volume.membership.member(peer)?.role
        return role !== undefined && mayRead(role)
      })
    const fetch = (root: NodeHash, from: PeerId, room: FetchRoom): Promise<void> =>
      this.#transfer.fetchTree(volume, from, root, room)
    return new Snapshots({ world, volume, queue, peers, fetch, log })
  }

  #checkpointsOf(volume: Volume, queue: SerialQueue): Checkpoints {
    const { world, log } = this.#c
    const onNew = (): void => this.#hosted.get(volume.id)?.gossip.beacon()
    const onBehind = (): void => {
      const peer = this.#someMember(volume)
      if (peer !== undefined) this.#fetches.start(volume, peer)
    }
    const onAttested = (attestation: Attestation): void =>
      this.#hosted.get(volume.id)?.gossip.attested(attestation)
    const components = { world, volume, queue, onNew, onAttested, onBehind, log }
    return new Checkpoints(components, this.#c.checkpoints)
  }

  /** One of the connected members of a volume, each as likely. */
  #someMember(volume: Volume): PeerId | undefined {
    const members = this.connectedMembers(volume)
    return members[Math.floor(this.#c.world.random.number() * members.length)]
  }

  /** Connected members of a volume. */
  connectedMembers(volume: Volume): readonly PeerId[] {
    return this.#c.world.network
      .peers()
      .filter((peer) => volume.membership.member(peer) !== undefined)
      .toSorted()
  }

  #connected(peer: PeerId): void {
    this.#c.detector.heard(peer)
    const now = this.#c.world.clock.wall()
    this.#heard.connected(peer)
    if (!this.#gater.isMember(peer)) return
    for (const { volume } of this.#c.volumes.all()) {
      if (volume.membership.member(peer) === undefined) continue
      this.syncSoon(volume, peer, () => !hasAgreedSince(volume, peer, now))
      this.#hosted.get(volume.id)?.gossip.beaconSoon()
    }
    this.#c.onPeersChanged()
  }

  #disconnected(peer: PeerId): void {
    this.#c.detector.hungUp(peer)
    if (!this.#gater.isMember(peer)) this.#heard.forget(peer)
    this.#c.onPeersChanged()
  }

  #heardBeacon(volume: Volume, beacon: Beacon): void {
    const { network } = this.#c.world
    this.#c.detector.heard(beacon.peer)
    this.#heard.beacon(volume, beacon)
    this.#c.security?.heard(beacon)
    // A beacon may leave actors out.
    if (beacon.vector.has(volume.actor))
      this.heldElsewhere.heard(volume, beacon.peer, beacon.vector)
    if (beacon.peer === network.self || network.peers().includes(beacon.peer)) return
    network.learn(beacon.peer, beacon.addresses).then(
      () => this.#reconnect.hurry(beacon.peer),
      () => undefined,
    )
  }

  #planAntiEntropy(): void {
    const { clock, random } = this.#c.world
    const pauseMs = ANTI_ENTROPY_BEACONS * this.#c.beaconMs * (0.5 + random.number())
    this.#antiEntropy = clock.timer(pauseMs, () => {
      for (const { volume } of this.#c.volumes.all()) {
        const peer = this.#someMember(volume)
        if (peer !== undefined && !random.unlucky('sync.leaves-out')) this.syncSoon(volume, peer)
      }
      this.#planAntiEntropy()
    })
  }
}
