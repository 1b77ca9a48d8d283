// The data paths of the first node of a group, over the real shard map and state of a volume but without a log: what a
// stripe op would tell is applied at once, and durable together with the packer's marks.
import { Cutter, chunkSizes } from '../../../protocol/chunk/fastcdc.ts'
import { STAMP_ZERO } from '../../../protocol/log/dot.ts'
import { parseClass } from '../../../protocol/placement/redundancy.ts'
import { stripeIdBytes } from '../../../protocol/ids.ts'
import { stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { MIB } from '../../../protocol/units.ts'
import { chunkCache, nodeCache } from '../../../node/data/cache.ts'
import { ChunkIo } from '../../../node/data/chunk-io.ts'
import { Gatherer } from '../../../node/data/gather.ts'
import { Packer } from '../../../node/data/packer.ts'
import { StateView } from '../../../node/namespace/state-view.ts'
import { StripeTable } from '../../../node/namespace/stripes.ts'
import { VOLUME } from './peer-group.ts'
import type { ChunkSizes } from '../../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../../protocol/chunk/seal.ts'
import type { ChunkId, PeerId, StripeId } from '../../../protocol/ids.ts'
import type { Stamp } from '../../../protocol/log/dot.ts'
import type { RedundancyClass } from '../../../protocol/placement/redundancy.ts'
import type { Candidate } from '../../../protocol/placement/rendezvous.ts'
import type { EditorParts } from '../../../node/data/editor.ts'
import type { Holders, StripeMap } from '../../../node/data/stripe-map.ts'
import type { PlacedStripe } from '../../../node/namespace/stripes.ts'
import type { PeerGroup } from './peer-group.ts'

const KEYS: ChunkKeys = {
  volume: VOLUME,
  chunkSecret: new Uint8Array(32).fill(7),
  epoch: 0,
  hash: 'blake3',
}
const TAG = '\0\0'

/** Time goes on when a volume is opened again. */
let stampCount = 0

export interface VolumeOptions {
  readonly redundancy?: string
  readonly sizes?: ChunkSizes
  /** Zone of a peer; each its own without. */
  readonly zoneOf?: (peer: PeerId) => string
}

/** A shard map whose ops are not logged. */
export class MemoryStripeMap implements StripeMap {
  readonly view: StateView
  /** Ids of recorded stripes, in order, once for each record. */
  readonly recorded: StripeId[] = []
  /** Members that store; a test may change them. */
  members: readonly PeerId[]
  className: string
  /** Fails the next record when set. */
  failure: Error | undefined
  /** Called when a record is durable. */
  onRecorded: () => void = () => undefined
  readonly #group: PeerGroup
  readonly #table: StripeTable
  readonly #options: VolumeOptions
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
    this.className = options.redundancy ?? 'auto'
  }

  static async open(group: PeerGroup, options: VolumeOptions): Promise<MemoryStripeMap> {
    const view = new StateView(group.store.kv, TAG)
    return new MemoryStripeMap(group, view, await StripeTable.open(view), options)
  }

  locate(chunk: ChunkId): { stripe: StripeId; index: number } | undefined {
    return this.#table.locate(chunk)
  }

  stripe(id: StripeId): PlacedStripe | undefined {
    return this.#table.get(id)
  }

  async recordStripe(headerBytes: Uint8Array, holders: Holders): Promise<void> {
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
    this.#table.apply(headerBytes, holders, nextStamp())
    this.recorded.push(stripeIdOf(headerBytes))
    await this.commit()
    this.onRecorded()
  }

  /** What was changed so far is durable then. */
  commit(): Promise<void> {
    this.#commits = this.#commits.then(async () => {
      await this.#group.store.commit(this.view.take())
      this.view.settle()
    })
    return this.#commits
  }

  candidates(): readonly Candidate[] {
    const { zoneOf = (peer) => peer } = this.#options
    return this.members.map((peer) => ({ peer, zone: zoneOf(peer), weight: 1 }))
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
  /** Messages of the packer. */
  readonly logged: string[]
  /** `<index> <holder>` of shards found bad. */
  readonly badShards: string[] = []

  private constructor(group: PeerGroup, map: MemoryStripeMap, packer: Packer, logged: string[]) {
    this.group = group
    this.map = map
    this.packer = packer
    this.logged = logged
    const { store, client, network, clock } = group
    const gatherer = new Gatherer({
      store,
      map,
      client,
      network,
      clock,
      onBadShard: (_stripe, index, holder) => this.badShards.push(`${index} ${holder}`),
    })
    this.chunks = new ChunkIo({ store, map, packer, gatherer, cache: chunkCache(1 * MIB) })
    this.editing = {
      reader: { chunks: this.chunks.reader([]), nodes: nodeCache(1000) },
      writer: {
        chunks: this.chunks,
        sizes: map.chunkSizes(),
        cutter: new Cutter(map.chunkSizes(), KEYS.chunkSecret),
      },
    }
  }

  static async open(group: PeerGroup, options: VolumeOptions = {}): Promise<VolumeState> {
    const map = await MemoryStripeMap.open(group, options)
    const { store, client, network, clock } = group
    const logged: string[] = []
    const packer = await Packer.open({
      store,
      map,
      marks: map.view,
      client,
      network,
      clock,
      log: (message) => logged.push(message),
      gatherer: new Gatherer({ store, map, client, network, clock, onBadShard: () => undefined }),
      onKept: (stripe) => group.provided.push(stripeIdBytes(stripe)),
    })
    return new VolumeState(group, map, packer, logged)
  }

  /** The stripes recorded, each once. */
  stripes(): PlacedStripe[] {
    return [...new Set(this.map.recorded)].flatMap((id) => this.map.stripe(id) ?? [])
  }

  /** Forget what can be read without peers: chunks here, and what was decoded. */
  async forgetLocal(): Promise<VolumeState> {
    for (const { header } of this.stripes()) this.group.dropChunks(header.chunks)
    await this.map.commit()
    const { map } = this
    return new VolumeState(this.group, map, this.packer, this.logged)
  }
}

function nextStamp(): Stamp {
  return String(stampCount++).padStart(STAMP_ZERO.length, '0') as Stamp
}
