// A volume at work on this node: its namespace over its log, the contents of its files over the
// data paths, and when a write counts as acknowledged.
import { ShoalError, assertNever } from '../../protocol/errors.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import { aRole, mayRead, mayWrite } from '../../protocol/roles.ts'
import { nextHlc } from '../../protocol/clock/hlc.ts'
import { codeFor } from '../../protocol/placement/redundancy.ts'
import { signReceipts } from '../../protocol/stripe/receipt.ts'
import type { Receipt, ShardName } from '../../protocol/stripe/receipt.ts'
import type { StrongReply, StrongRequest } from '../../protocol/strong/acceptor.ts'
import type { LockHolder } from '../../protocol/locks/lock-voter.ts'
import type { LockReply, LockRequest } from '../../protocol/wire/lock.ts'
import { STRIPE_DATA_MAX } from '../../protocol/limits.ts'
import type { Ack } from '../control/files.ts'
import { ProviderAnnouncer } from '../stripes/provider-announcer.ts'
import { nodeCache } from '../content/decoded-cache.ts'
import type { ChunkCache } from '../content/decoded-cache.ts'
import { ChunkIo } from '../content/chunk-io.ts'
import { ColdReader } from '../stripes/cold-reader.ts'
import { DedupCheck } from '../stripes/dedup-check.ts'
import { ChunkFetcher } from '../stripes/chunk-fetcher.ts'
import type { ChunkState } from '../stripes/chunk-fetcher.ts'
import { Packer } from '../stripes/packer.ts'
import { PlacedCopies } from '../stripes/placed-copies.ts'
import type { DirtyBudget } from '../content/dirty-budget.ts'
import type { ReadAheadBudget } from '../content/read-ahead.ts'
import { ReadFaults } from '../stripes/read-faults.ts'
import { RecentReads } from '../stripes/recent-reads.ts'
import { InFlightReferences } from '../content/in-flight-references.ts'
import { VerifiedStripes } from '../stripes/verified-stripes.ts'
import { Namespace } from '../tree/namespace.ts'
import { LockClaims } from '../consensus/lock-claims.ts'
import type { LockProtocol, StrongProtocol } from '../consensus/voter-protocol.ts'
import { waitForSeen } from '../sync/sessions.ts'
import { StrongVolume } from '../consensus/strong.ts'
import { awaitsGrant } from '../log/author.ts'
import type { Volume } from '../log/volume.ts'
import { ShardClient } from '../peers/shards.ts'
import type { Swarm } from '../sync/swarm.ts'
import { ackOf, hasStrongLocks, isStrong } from '../log/settings.ts'
import type { RecordSecurity } from '../observe/security.ts'
import { isInTouch, stableHlc } from '../log/stability.ts'
import type { Store } from '../store/store.ts'
import type { Budget } from '../world/budget.ts'
import type { ObjectTier, World } from '../world/world.ts'
import { FileContents } from './file-contents.ts'
import { FileLocks } from './file-locks.ts'
import { Files } from './files.ts'
import type { Change } from './files.ts'
import { MassLossWatch } from './mass-loss-watch.ts'
import { BringBack } from './bring-back.ts'
import { PastFiles } from './past-files.ts'
import { RollBack } from './roll-back.ts'
import { SnapshotMaker } from './snapshot-maker.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import { PinnedClasses } from './pinned-classes.ts'
import { VolumeStripeMap } from './volume-stripe-map.ts'
import type { PeerHooks } from './volume-stripe-map.ts'
import { VolumeTiers } from './volume-tiers.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { Tracer } from '../traces/span.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Extents and children of manifest nodes kept, per volume. */
const NODE_CACHE_ITEMS = 100_000

export interface HostedVolumeComponents {
  readonly world: World
  readonly store: Store
  readonly swarm: Swarm
  readonly volume: Volume
  /** A path in it as messages have it. */
  readonly shownPath: (path: string) => string
  readonly strong: StrongProtocol
  readonly lock: LockProtocol
  readonly peers: PeersKnown
  /** The cache shared by all volumes of the node. */
  readonly cache: ChunkCache
  readonly ahead: ReadAheadBudget
  readonly dirty: DirtyBudget
  /** For stripes of others that are looked through, of all volumes of the node. */
  readonly looking: Budget
  readonly log: WriteLog
  readonly tracer?: Tracer | undefined
  /** Without one, what concerns security is logged. */
  readonly security?: RecordSecurity | undefined
}

/** The facts about peers beside their membership, and their listeners. */
export interface PeersKnown extends PeerHooks {
  /** Is a peer heard of as usual? */
  isOnline(peer: PeerId): boolean
  /** A shard that this node holds seems to be damaged. */
  doubtOwn(stripe: StripeId, index: number): void
}

interface DataParts {
  readonly map: VolumeStripeMap
  readonly client: ShardClient
  readonly cold: ColdReader
  readonly fetcher: ChunkFetcher
  readonly dedupCheck: DedupCheck
  readonly tiers: VolumeTiers
  readonly announcer: ProviderAnnouncer
  readonly packer: Packer
  readonly placedCopies: PlacedCopies
}

export class HostedVolume {
  readonly volume: Volume
  readonly namespace: Namespace
  readonly contents: FileContents
  readonly files: Files
  readonly past: PastFiles
  readonly snapshots: SnapshotFiles
  readonly rollBack: RollBack
  readonly bringBack: BringBack
  readonly massLosses: MassLossWatch
  readonly #snapshotMaker: SnapshotMaker
  readonly map: VolumeStripeMap
  readonly client: ShardClient
  readonly fetcher: ChunkFetcher
  readonly dedupCheck: DedupCheck
  readonly cold: ColdReader
  readonly tiers: VolumeTiers
  readonly announcer: ProviderAnnouncer
  readonly packer: Packer
  /** Copies of placed chunks in the store here. */
  readonly placedCopies: PlacedCopies
  readonly strong: StrongVolume
  readonly chunks: ChunkIo
  readonly classes: PinnedClasses
  /** References of its open operations. */
  readonly inFlight: InFlightReferences = new InFlightReferences()
  /** Recent reads by users. */
  readonly reads: RecentReads
  readonly #claims: LockClaims
  readonly #locks: FileLocks
  readonly #swarm: Swarm
  readonly #parts: DataParts
  readonly #self: PeerId

  private constructor(components: HostedVolumeComponents, parts: DataParts) {
    const { world, store, swarm, volume, strong, lock, log, cache, ahead, dirty } = components
    const {
      security = ({ kind, ...fields }) => log('security.event', { security: kind, ...fields }),
    } = components
    const { map, fetcher, packer, dedupCheck } = parts
    this.volume = volume
    this.map = map
    this.client = parts.client
    this.announcer = parts.announcer
    this.fetcher = fetcher
    this.dedupCheck = dedupCheck
    this.cold = parts.cold
    this.tiers = parts.tiers
    this.packer = packer
    this.placedCopies = parts.placedCopies
    this.#swarm = swarm
    this.#parts = parts
    this.#self = world.network.self
    this.reads = new RecentReads(map, world.clock)
    const { shownPath } = components
    this.namespace = new Namespace({ volume, random: world.random, shownPath })
    this.classes = new PinnedClasses(volume)
    const { inFlight, classes, namespace } = this
    const hears = (): boolean =>
      isInTouch(
        volume,
        world.clock,
        world.network.peers().filter((peer) => map.isMember(peer)),
      )
    const onRead = (chunk: ChunkId): void => this.reads.note(chunk)
    const io = { store, map, packer, dedupCheck, fetcher, cache, inFlight, hears, onRead }
    const chunks = (this.chunks = new ChunkIo({ ...io, volume: volume.id }))
    const nodes = nodeCache(NODE_CACHE_ITEMS)
    const stateOf = (chunk: ChunkId): ChunkState => fetcher.stateOf(chunk)
    const parted = { namespace, map, chunks, nodes, ahead, dirty, inFlight, classes, stateOf }
    this.contents = new FileContents(parted)
    const { owner } = world.disk
    const { contents } = this
    this.files = new Files({ namespace, contents, owner })
    const snapshots = (this.snapshots = new SnapshotFiles(namespace))
    const past = (this.past = new PastFiles({ namespace, contents, snapshots }))
    this.bringBack = new BringBack({ namespace, contents, past, snapshots })
    const { bringBack } = this
    this.rollBack = new RollBack({ namespace, snapshots, bringBack })
    this.massLosses = new MassLossWatch({ volume, world })
    const changing = (signal: AbortSignal): Change => this.changing(signal)
    this.#snapshotMaker = new SnapshotMaker({ volume, world, swarm, changing, log })
    this.strong = new StrongVolume({
      world,
      volume,
      ask: (peer, request, signal) => strong.ask(volume.id, peer, request, signal),
      sync: (peer) => swarm.sync(volume, peer),
      security,
    })
    const claims = new LockClaims({
      world,
      volume,
      strong: this.strong,
      ask: (peer, request, signal) => lock.ask(volume.id, peer, request, signal),
      sync: (peer) => swarm.sync(volume, peer),
      waitFor: (seen, signal) => waitForSeen({ world, swarm }, volume, seen, signal),
      log,
    })
    this.#claims = claims
    this.#locks = new FileLocks({ world, claims })
  }

  static async open(components: HostedVolumeComponents): Promise<HostedVolume> {
    const { world, store, volume, peers, looking, security, log, tracer } = components
    const { network, clock, random } = world
    const map = new VolumeStripeMap(volume, {
      freeBytesOf: (peer) => peers.freeBytesOf(peer),
      isAvoided: (peer) => peers.isAvoided(peer),
      stable: () => stableHlc(volume, clock),
    })
    const client = new ShardClient({ network, clock }, { volume: volume.id, time: volume.time })
    const onOwn = (stripe: StripeId, index: number): void => peers.doubtOwn(stripe, index)
    const doubts = new ReadFaults({ map, clock, self: network.self, log, onOwn })
    const onBadShard = doubts.report.bind(doubts)
    const tiers = new VolumeTiers({ volume, tiers: world.tiers })
    const open = (name: string): ObjectTier => tiers.open(name)
    const cold = new ColdReader({ volume: volume.id, clock, open })
    const marks = volume.view
    const shared = { store, map, marks, client, network, clock, random, log, tracer }
    const onFalse = (stripe: StripeId): void => {
      const message =
        `stripe ${stripe} does not contain the chunks that it lists: its author lied, ` +
        'or has a broken machine; it is not used here'
      security?.({ kind: 'stripe-false', volume: volume.id, message })
    }
    const verified = new VerifiedStripes({ ...shared, budget: looking, onFalse })
    const dedupCheck = new DedupCheck({ ...shared, verified, cold, onBadShard })
    const isOnline = (peer: PeerId): boolean => peers.isOnline(peer)
    const reading = { ...shared, cold, verified, isOnline, onBadShard }
    const fetcher = new ChunkFetcher({ ...reading, volume: volume.id })
    const announcer = new ProviderAnnouncer({ network, clock, map, store, volume: volume.id, log })
    const onKept = (stripe: StripeId): void => announcer.add(stripe)
    const placedCopies = new PlacedCopies(marks, clock)
    const packing = { ...shared, dedupCheck, fetcher, onKept, placedCopies }
    const packer = await Packer.open(packing)
    const ofShards = { map, client, cold, fetcher, dedupCheck }
    const parts = { ...ofShards, tiers, announcer, packer, placedCopies }
    return new HostedVolume(components, parts)
  }

  /** Take up what the last run left unplaced. */
  start(): void {
    this.#parts.packer.start()
    this.strong.start()
    this.massLosses.start()
    this.#snapshotMaker.start()
  }

  async stop(): Promise<void> {
    await this.massLosses.stop()
    await this.#snapshotMaker.stop()
    await this.#claims.stop()
    await this.strong.stop()
    await this.#parts.packer.stop()
    this.announcer.stop()
    this.#parts.client.close()
    this.#parts.cold.stop()
    await this.tiers.close()
  }

  /**
   * Answer a peer that asks this node as a voter; undefined unless it is a member that may read.
   */
  answer(from: PeerId, request: StrongRequest): Promise<StrongReply> | undefined {
    const role = this.volume.membership.member(from)?.role
    return role !== undefined && mayRead(role) ? this.strong.answer(request, from) : undefined
  }

  /** The same about locks. */
  answerLock(from: PeerId, request: LockRequest): Promise<LockReply> | undefined {
    const role = this.volume.membership.member(from)?.role
    return role !== undefined && mayRead(role) ? this.#claims.answer(request, from) : undefined
  }

  /** The holders of locks between nodes, as this node knows as a voter. */
  lockHolders(): readonly LockHolder[] {
    return this.#claims.holders()
  }

  /** Sign for shards of this volume that are durable here. */
  sign(shards: readonly ShardName[]): readonly Receipt[] {
    const { volume } = this
    const hlc = nextHlc(volume.actors.hlc, volume.time.now())
    return signReceipts(volume.identity, { volume: volume.id, hlc }, shards)
  }

  /** Locks between all nodes, if the volume has such; else each machine has its own. */
  get locks(): FileLocks | undefined {
    return hasStrongLocks(this.volume) ? this.#locks : undefined
  }

  /** This node has begun to hold a shard of a stripe, for whoever. */
  announce(stripe: StripeId): void {
    this.announcer.add(stripe)
  }

  /** Bytes written here that no other node has yet. */
  get unplacedBytes(): number {
    return this.#parts.packer.unplacedBytes
  }

  /** How changes are made here unless a call says: at once, or by the voters. */
  changing(signal: AbortSignal): Change {
    return async (make) => {
      if (!isStrong(this.volume)) return make()
      // Without a quorum nothing is begun then, of which nobody could tell whether it was done.
      await this.strong.read(() => undefined, signal)
      return this.strong.write(make, signal)
    }
  }

  /** Peers came or went: what lacks holders may find some now. */
  peersChanged(): void {
    this.#parts.packer.peersChanged()
  }

  /** throws ShoalError 'EPERM' for keepers: the names and contents are sealed for them. */
  checkMayRead(): void {
    const role = this.volume.membership.member(this.#self)?.role
    if (role === undefined || mayRead(role)) return
    throw new ShoalError(
      'EPERM',
      `this node is a keeper of the volume and cannot read it; a new home can join with a reader's ticket`,
    )
  }

  /**
   * throws ShoalError 'EPERM' for members that may only read or keep, 'ESTALE' before the log here
   * tells what it is.
   */
  checkMayWrite(): void {
    const { membership } = this.volume
    const role = membership.member(this.#self)?.role
    if (role !== undefined && mayWrite(role)) return
    if (membership.isAwaited()) throw awaitsGrant()
    throw new ShoalError(
      'EPERM',
      `this node is ${role === undefined ? 'no member' : aRole(role)} of the volume and may ` +
        "not write; ask an admin for a writer's ticket",
    )
  }

  /**
   * Wait until what was written here is durable as `ack` says; undefined: as the volume's policy
   * says.
   * throws ShoalError 'not-placed': it is durable here, and goes on to spread.
   */
  async acknowledge(ack: Ack | undefined, signal: AbortSignal): Promise<void> {
    const asked = ack ?? ackOf(this.volume)
    switch (asked) {
      case 'none':
        return this.volume.makeRoom()
      case 'local':
        if (isPlanted('acknowledged-before-commit')) return this.volume.makeRoom()
        return this.volume.commit()
      case 'copied':
        // Data on another node means its stripe is: a stripe of any class with parity lies on two
        // nodes or more.
        await this.#place(signal)
        return this.#swarm.heldElsewhere.on(this.volume, 1, signal)
      case 'placed':
        await this.#place(signal)
        return this.#swarm.heldElsewhere.on(this.volume, this.#logCopies(), signal)
      default:
        return assertNever(asked)
    }
  }

  async #place(signal: AbortSignal): Promise<void> {
    await this.volume.commit()
    await this.#parts.packer.settle({ signal })
  }

  /** Other nodes that must have the log for m losses to be survived: m + 1 with this one. */
  #logCopies(): number {
    return codeFor(this.map.redundancy(), this.map.candidates().length, STRIPE_DATA_MAX)?.m ?? 0
  }
}
