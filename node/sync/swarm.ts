// The other nodes, seen from here: who is connected, what each was last heard to hold; and the
// exchanges that keep the logs of all volumes equal: on connection, on gossip, and periodically.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { BackoffTable } from '../jobs/backoff.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import { CatchUp, exchangeKey } from './catch-up.ts'
import type { Reason } from './catch-up.ts'
import { isSame } from '../replica/kept-checkpoint.ts'
import { examine } from '../checkpoint/announcement.ts'
import { CheckpointTransfer } from '../checkpoint/checkpoint-transfer.ts'
import { Checkpoints } from '../checkpoint/checkpoints.ts'
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
import type { Volume } from '../log/volume.ts'
import type { Volumes } from '../log/volumes.ts'
import type { Timer, World } from '../world/world.ts'
import type { Detector } from '../peers/detector.ts'
import type { Joining } from '../peers/join.ts'
import type { PeerBudgets } from '../peers/budget.ts'
import { Reconnect } from '../peers/reconnect.ts'

/** Beacons between two exchanges that nothing but time asks for. */
const ANTI_ENTROPY_BEACONS = 6
/** A member that stays away is dialled again at least this often, in beacons. */
const DIAL_BEACONS = 3

/** Why a checkpoint that was offered was of no use. */
const IN_VAIN_FALSE = ['corrupt', 'malformed', 'bad-signature', 'EACCES'] as const
const IN_VAIN = [...IN_VAIN_FALSE, 'EEXIST'] as const

export interface SwarmComponents {
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
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export class Swarm {
  readonly #c: SwarmComponents
  readonly #sync: LogSync
  readonly #catchUp: CatchUp
  readonly #reconnect: Reconnect
  readonly #transfer: CheckpointTransfer
  readonly #hosted = new Map<VolumeId, { gossip: Gossip; checkpoints: Checkpoints }>()
  readonly #inboxes = new Map<VolumeId, Inbox>()
  readonly #parking = new InboxBudget()
  readonly #heard: HeardPeers
  /** Confirmations of own entries by peers. */
  readonly heldElsewhere: HeldElsewhere
  /** By volume and peer the checkpoints that are being fetched. */
  readonly #fetching = new Map<string, Promise<boolean>>()
  /** The same of those that were of no use. */
  readonly #backoff: BackoffTable<string>
  readonly #gater: ConnectionGater
  readonly #refusals: Refusals
  #antiEntropy: Timer | undefined
  #stopped = false

  constructor(components: SwarmComponents) {
    this.#c = components
    const { world, volumes } = components
    this.#backoff = new BackoffTable(world.clock, { firstMs: MINUTE_MS, longestMs: 10 * MINUTE_MS })
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
    this.#sync = new LogSync({
      ...access,
      inboxOf: (volume) => this.#inboxOf(volume),
      onTruncated: (volume, peer) => this.#startFromCheckpoint(volume, peer),
      onRefused: (volume, error) =>
        components.log('an entry was refused', { volume: volume.id, error: error.message }),
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
        if (!this.#stopped) components.log('a log exchange failed', fields)
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
    await Promise.all([...this.#hosted.values()].map(({ checkpoints }) => checkpoints.stop()))
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
    const checkpoints = this.#checkpointsOf(volume)
    this.#hosted.set(volume.id, { gossip, checkpoints })
    gossip.start()
    checkpoints.start()
    volume.events.members.add(() => this.#membersChanged())
    if (security !== undefined) recordVolume(volume, security.record)
    volume.events.note.add((message, fields) => log(message, { volume: volume.id, ...fields }))
    this.#reconnect.refresh()
  }

  /** Exchange a volume no more: it is none of this node's any more, or soon. */
  async removeVolume({ id }: Volume): Promise<void> {
    const { gossip, checkpoints } = this.#hosted.get(id) ?? {}
    gossip?.stop()
    this.#inboxes.get(id)?.stop()
    for (const known of [this.#hosted, this.#inboxes]) known.delete(id)
    this.#membersChanged()
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
    const fetching = this.#fetching.get(exchangeKey(volume, peer))
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

  /** Starts from a peer's checkpoint: entries missing here are not in its log any more. */
  #startFromCheckpoint(volume: Volume, peer: PeerId): void {
    const key = exchangeKey(volume, peer)
    if (this.#fetching.has(key) || !(this.#gater.isAsked(peer) || this.#backoff.isDue(key))) return
    const work = this.#fetchCheckpoint(volume, peer).finally(() => this.#fetching.delete(key))
    this.#fetching.set(key, work)
    work.then(
      (isNew) => {
        if (!isNew) return void this.#backoff.failed(key)
        this.#backoff.succeeded(key)
        this.syncSoon(volume, peer)
      },
      (error: unknown) => {
        if (IN_VAIN.some((code) => hasCode(error, code))) this.#backoff.failed(key)
        if (IN_VAIN_FALSE.some((code) => hasCode(error, code)))
          volume.events.security.tell({ kind: 'checkpoint-refused', peer, message: String(error) })
        if (!this.#stopped)
          this.#c.log('a checkpoint cannot be had', { peer, error: String(error) })
      },
    )
  }

  /** returns whether this node has another checkpoint by that. */
  async #fetchCheckpoint(volume: Volume, peer: PeerId, accepted = false): Promise<boolean> {
    const before = volume.checkpoint
    const hosted = this.#hosted.get(volume.id)?.checkpoints ?? this.#checkpointsOf(volume)
    await volume.orphanNodes.fetch(async () => {
      const fetched = await this.#transfer.fetch(volume, peer, (found) =>
        examine(volume, found, { from: peer, accepted }),
      )
      await hosted.install(fetched)
      return isSame(volume.checkpoint, fetched)
    })
    const isNew = !isSame(volume.checkpoint, before)
    if (isNew) volume.strand(undefined)
    return isNew
  }

  /**
   * Start from the checkpoint of a peer, whoever attests it: the owner of this node vouches for it.
   * throws ShoalError 'EEXIST' if there is no need to, 'unreachable', 'unsupported', 'corrupt'.
   */
  async acceptCheckpoint(volume: Volume, peer: PeerId): Promise<void> {
    await this.#fetchCheckpoint(volume, peer, true)
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

  #checkpointsOf(volume: Volume): Checkpoints {
    const { world, log } = this.#c
    const onNew = (): void => this.#hosted.get(volume.id)?.gossip.beacon()
    const onBehind = (): void => {
      const peer = this.#someMember(volume)
      if (peer !== undefined) this.#startFromCheckpoint(volume, peer)
    }
    const onAttested = (attestation: Attestation): void =>
      this.#hosted.get(volume.id)?.gossip.attested(attestation)
    const components = { world, volume, onNew, onAttested, onBehind, log }
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
