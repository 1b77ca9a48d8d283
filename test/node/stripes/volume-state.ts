// The data paths of the first node of a group, over the real shard map and state of a volume but
// without a log: what a stripe op would tell is applied at once, and durable together with the
// packer's marks.
import { Cutter, chunkSizes } from '../../../protocol/chunk/fastcdc.ts'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import { parseClass } from '../../../protocol/placement/redundancy.ts'
import { stripeIdBytes } from '../../../protocol/ids.ts'
import { stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { MIB } from '../../../protocol/units.ts'
import { chunkCache, nodeCache } from '../../../node/content/decoded-cache.ts'
import { ChunkIo } from '../../../node/content/chunk-io.ts'
import { ChunkFetcher } from '../../../node/stripes/chunk-fetcher.ts'
import { DirtyBudget } from '../../../node/content/dirty-budget.ts'
import { ReadAheadBudget } from '../../../node/content/read-ahead.ts'
import { Packer } from '../../../node/stripes/packer.ts'
import { InFlightReferences } from '../../../node/content/in-flight-references.ts'
import { StateView } from '../../../node/state/state-view.ts'
import { StripeTable } from '../../../node/shard-map/stripe-table.ts'
import { DisbelievedShards } from '../../../node/shard-map/disbelieved-shards.ts'
import { DedupCheck } from '../../../node/stripes/dedup-check.ts'
import { VerifiedStripes } from '../../../node/stripes/verified-stripes.ts'
import type { BelievedShard, Disbelieved } from '../../../node/shard-map/disbelieved-shards.ts'
import { VOLUME, nextHlc } from './peer-group.ts'
import type { Tracer } from '../../../node/traces/span.ts'
import type { ChunkSizes } from '../../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../../protocol/chunk/seal.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId, ChunkId, PeerId, StripeId } from '../../../protocol/ids.ts'
import type { Stamp } from '../../../protocol/clock/dot.ts'
import type { RedundancyClass } from '../../../protocol/placement/redundancy.ts'
import type { Candidate } from '../../../protocol/placement/rendezvous.ts'
import type { Holding, ShardChange } from '../../../protocol/op/op.ts'
import type { EditorParts } from '../../../node/content/editor.ts'
import type {
  ChunkLocation,
  GroupId,
  Holders,
  MapEvent,
  MappedStripe,
  StripeGroup,
  StripeMap,
} from '../../../node/shard-map/stripe-map.ts'
import type { StripeOp } from '../../../node/shard-map/stripe-table.ts'
import type { PeerGroup } from './peer-group.ts'

const KEYS: ChunkKeys = {
  volume: VOLUME,
  chunkSecret: new Uint8Array(32).fill(7),
  epoch: 0,
  hash: 'blake3',
}
const TAG = '\0\0'

const RANDOM = { number: () => 0.5, unlucky: () => false }

export interface VolumeOptions {
  readonly redundancy?: string
  readonly sizes?: ChunkSizes
  /** Zone of a peer; each its own without. */
  readonly zoneOf?: (peer: PeerId) => string
  readonly tracer?: Tracer
}

/** A shard map whose ops are not logged. */
export class MemoryStripeMap implements StripeMap {
  readonly view: StateView
  /** Ids of stripes of which something was recorded, in order, once for each record. */
  readonly recorded: StripeId[] = []
  /** Members that store; a test may change them. */
  members: readonly PeerId[]
  className: string
  /** Members that give their shards away. */
  readonly draining: Set<PeerId> = new Set()
  /** Members to be given nothing. */
  readonly avoided: Set<PeerId> = new Set()
  /** Fails the next record when set. */
  failure: Error | undefined
  /** Called when a record is durable. */
  onRecorded: () => void = () => undefined
  readonly #group: PeerGroup
  readonly #table: StripeTable
  readonly #options: VolumeOptions
  readonly #disbelieved: DisbelievedShards
  readonly #listeners = new Set<(event: MapEvent) => void>()
  #commits: Promise<void> = Promise.resolve()

  private constructor(
    group: PeerGroup,
    view: StateView,
    table: StripeTable,
    options: VolumeOptions,
  ) {
    this.#group = group
    this.view = view
    this.#table = table
    this.#options = options
    this.members = group.peers
    this.#disbelieved = new DisbelievedShards({
      stripe: (id) => table.get(id),
      groupOf: (id) => table.groupOf(id),
      mayStore: () => true,
      onChange: (stripe) => this.#tell({ kind: 'shards', stripe }),
    })
    this.className = options.redundancy ?? 'auto'
  }

  static async open(group: PeerGroup, options: VolumeOptions): Promise<MemoryStripeMap> {
    const view = new StateView(group.store.kv, TAG)
    return new MemoryStripeMap(group, view, await StripeTable.open(view), options)
  }

  locations(chunk: ChunkId): readonly ChunkLocation[] {
    return this.#table.locations(chunk)
  }

  stripe(id: StripeId): MappedStripe | undefined {
    return this.#disbelieved.stripe(id)
  }

  groups(): readonly StripeGroup[] {
    return this.#disbelieved.groups(this.#table.groups.all())
  }

  disbelieve(shard: BelievedShard): void {
    this.#disbelieved.disbelieve(shard)
  }

  believe(shard: BelievedShard): void {
    this.#disbelieved.believe(shard)
  }

  disbelieved(of: Disbelieved): readonly BelievedShard[] {
    return this.#disbelieved.of(of)
  }

  /** All is stable at once. */
  progress(): { taken: Hlc; stable: Hlc } {
    const now = nextHlc()
    return { taken: now, stable: now }
  }

  group(id: GroupId): StripeGroup | undefined {
    return this.#table.groups.get(id)
  }

  async *stripesOf(group: GroupId, { after }: { after?: StripeId } = {}): AsyncGenerator<StripeId> {
    const alone = this.#disbelieved.stripeAlone(group)
    if (alone === undefined) yield* this.#table.groups.stripesOf(group, after)
    else if (after === undefined) yield alone
  }

  stripes({ after }: { after?: StripeId } = {}): AsyncIterable<StripeId> {
    return this.#table.all(after)
  }

  async recordStripe(headerBytes: Uint8Array, holders: readonly Holding[]): Promise<void> {
    const stripe = stripeIdOf(headerBytes)
    await this.#log({ kind: 'stripe', header: headerBytes, holders }, { kind: 'shards', stripe })
    this.recorded.push(stripe)
    this.onRecorded()
  }

  async recordShards(stripe: StripeId, changes: readonly ShardChange[]): Promise<void> {
    await this.#log({ kind: 'shards', stripe, changes }, { kind: 'shards', stripe })
    this.recorded.push(stripe)
    this.onRecorded()
  }

  condemn(stripes: readonly StripeId[]): Promise<void> {
    return this.#log({ kind: 'condemn', stripes }, { kind: 'condemned', stripes })
  }

  async sweep(stripes: readonly StripeId[]): Promise<void> {
    for (const stripe of stripes) {
      const condemned = this.#table.condemnedAt(stripe)
      if (condemned === undefined) continue
      const op: StripeOp = { kind: 'sweep', condemned, stripes: [stripe] }
      await this.#log(op, { kind: 'swept', stripes: [stripe] })
    }
  }

  onChange(listener: (event: MapEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #log(op: StripeOp, event: MapEvent): Promise<void> {
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
    this.#table.apply(op, nextStamp())
    this.#tell(event)
    await this.commit()
  }

  #tell(event: MapEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** Makes the changes so far durable. */
  commit(): Promise<void> {
    this.#commits = this.#commits.then(async () => {
      await this.#group.store.commit(this.view.take())
      this.view.settle()
    })
    return this.#commits
  }

  candidates(): readonly Candidate[] {
    const { zoneOf = (peer) => peer } = this.#options
    return this.members.map((peer) => ({
      peer,
      zone: zoneOf(peer),
      weight: this.draining.has(peer) ? 0 : 1,
    }))
  }

  isAvoided(peer: PeerId): boolean {
    return this.avoided.has(peer)
  }

  hasTier(): boolean {
    return false
  }

  redundancy(): RedundancyClass {
    return parseClass(this.className)
  }

  keys(): ChunkKeys {
    return KEYS
  }

  chunkSizes(): ChunkSizes {
    return this.#options.sizes ?? chunkSizes('64k')
  }

  isMember(peer: PeerId): boolean {
    return this.members.includes(peer)
  }

  nameOf(peer: PeerId): string {
    return peer
  }

  mayStore(peer: PeerId): boolean {
    return this.members.includes(peer)
  }
}

/** A volume on the first node of a group. Open it again after group.crash(). */
export class VolumeState {
  readonly group: PeerGroup
  readonly map: MemoryStripeMap
  readonly packer: Packer
  readonly chunks: ChunkIo
  readonly editing: EditorParts
  readonly dedupCheck: DedupCheck
  readonly inFlight: InFlightReferences = new InFlightReferences()
  /** Messages of the packer. */
  readonly logged: string[]
  /** `<index> <holder>` of shards found bad. */
  readonly badShards: string[] = []

  private constructor(
    group: PeerGroup,
    map: MemoryStripeMap,
    { packer, dedupCheck, logged }: Pick<VolumeState, 'packer' | 'dedupCheck' | 'logged'>,
  ) {
    this.group = group
    this.dedupCheck = dedupCheck
    this.map = map
    this.packer = packer
    this.logged = logged
    const { store, client, network, clock } = group
    const fetcher = new ChunkFetcher({
      store,
      map,
      client,
      network,
      clock,
      random: RANDOM,
      volume: VOLUME,
      isOnline: (peer) => network.peers().includes(peer),
      onBadShard: (_stripe, index, holder) => this.badShards.push(`${index} ${holder}`),
    })
    const cache = chunkCache(1 * MIB)
    this.chunks = new ChunkIo({
      store,
      map,
      packer,
      dedupCheck,
      fetcher,
      cache,
      volume: VOLUME,
      inFlight: this.inFlight,
      hears: () => true,
    })
    this.editing = {
      reader: {
        chunks: this.chunks.reader([]),
        nodes: nodeCache(1000),
        ahead: new ReadAheadBudget(8 * MIB),
      },
      writer: {
        chunks: this.chunks.writer(undefined),
        sizes: map.chunkSizes(),
        cutter: new Cutter(map.chunkSizes(), KEYS.chunkSecret),
      },
      dirty: new DirtyBudget(64 * MIB),
    }
  }

  static async open(group: PeerGroup, options: VolumeOptions = {}): Promise<VolumeState> {
    const map = await MemoryStripeMap.open(group, options)
    const { store, client, network, clock } = group
    const logged: string[] = []
    const dedupCheck = elsewhereOf(map, group)
    const packer = await Packer.open({
      dedupCheck,
      store,
      map,
      marks: map.view,
      client,
      network,
      clock,
      random: RANDOM,
      log: (message) => logged.push(message),
      fetcher: new ChunkFetcher({
        store,
        map,
        client,
        network,
        clock,
        random: RANDOM,
        volume: VOLUME,
        isOnline: () => true,
        onBadShard: () => undefined,
      }),
      onKept: (stripe) => group.provided.push(stripeIdBytes(stripe)),
      placedCopies: { add: () => undefined },
      tracer: options.tracer,
    })
    return new VolumeState(group, map, { packer, dedupCheck, logged })
  }

  /** The stripes recorded, each once. */
  stripes(): MappedStripe[] {
    return [...new Set(this.map.recorded)].flatMap((id) => this.map.stripe(id) ?? [])
  }

  /** Forget what can be read without peers: chunks here, and what was decoded. */
  async forgetLocal(): Promise<VolumeState> {
    for (const { header } of this.stripes()) this.group.dropChunks(header.chunks)
    await this.map.commit()
    return new VolumeState(this.group, this.map, this)
  }
}

function nextStamp(): Stamp {
  return makeStamp(nextHlc(), '0'.repeat(32) as ActorId, 0)
}

/** A node's view of where the chunks of others are. */
export function elsewhereOf(
  map: MemoryStripeMap,
  node: Pick<PeerGroup, 'store' | 'client' | 'network' | 'clock'>,
): DedupCheck {
  const { store, client, network, clock } = node
  const budget = { take: async () => undefined }
  const shared = { store, map, marks: map.view, client, network, clock, random: RANDOM, budget }
  const quiet = { log: () => undefined, onFalse: () => undefined, onBadShard: () => undefined }
  const verified = new VerifiedStripes({ ...shared, ...quiet })
  return new DedupCheck({ ...shared, ...quiet, verified })
}

/** As a map is told of them. */
export function holdings(holders: Holders): Holding[] {
  return holders.flatMap((peers, index) => peers.map((peer) => ({ index, peer })))
}
