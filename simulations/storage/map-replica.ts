// The StripeMap of one run of a simulated node: a table that outlives the run, and whoever listens
// in this one. What the node says is durable after a moment, and then on its way to others.
import { ShoalError } from '../../protocol/errors.ts'
import { chunkSizes } from '../../protocol/chunk/fastcdc.ts'
import { stripeIdOf } from '../../protocol/stripe/stripe.ts'
import { DisbelievedShards } from '../../node/shard-map/disbelieved-shards.ts'
import type { BelievedShard, Disbelieved } from '../../node/shard-map/disbelieved-shards.ts'
import type {
  ChunkLocation,
  GroupId,
  MapEvent,
  MappedStripe,
  StripeGroup,
  StripeMap,
} from '../../node/shard-map/stripe-map.ts'
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../protocol/chunk/seal.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Candidate } from '../../protocol/placement/rendezvous.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { Holding, ShardChange } from '../../protocol/op/op.ts'
import type { SimulatedProcess } from '../process.ts'
import type { MapOp } from './map-log.ts'
import type { MapTable } from './map-table.ts'

/** An entry is durable after this. */
const COMMIT_MS = 2

export interface MapReplicaParts {
  readonly process: SimulatedProcess
  readonly table: MapTable
  readonly class: RedundancyClass
  /** Make durable what was stored so far. */
  readonly commit: () => Promise<void>
  /** Log an entry of this node and apply it. */
  readonly append: (op: MapOp) => readonly MapEvent[]
  readonly isAvoided: (peer: PeerId) => boolean
  /** Up to where the log is taken here, and stable. */
  readonly progress: () => { readonly taken: number; readonly stable: number }
  readonly nameOf: (peer: PeerId) => string
}

export class MapReplica implements StripeMap {
  readonly #parts: MapReplicaParts
  readonly #listeners = new Set<(event: MapEvent) => void>()
  readonly #disbelieved: DisbelievedShards

  constructor(parts: MapReplicaParts) {
    this.#parts = parts
    const { table } = parts
    this.#disbelieved = new DisbelievedShards({
      stripe: (id) => table.stripe(id),
      groupOf: (id) => table.groupOf(id),
      mayStore: (peer) => this.mayStore(peer),
      onChange: (stripe) => this.tell([{ kind: 'shards', stripe }]),
    })
  }

  /** Members came or went. */
  membersChanged(): void {
    this.#disbelieved.membersChanged()
  }

  /** Say that entries of others were applied. */
  tell(events: readonly MapEvent[]): void {
    for (const event of events) for (const listener of this.#listeners) listener(event)
  }

  locations(chunk: ChunkId): readonly ChunkLocation[] {
    return this.#parts.table.locations(chunk)
  }

  stripe(id: StripeId): MappedStripe | undefined {
    return this.#disbelieved.stripe(id)
  }

  groups(): readonly StripeGroup[] {
    return this.#disbelieved.groups(this.#parts.table.groups())
  }

  async *stripesOf(
    group: GroupId,
    { after = '' }: { after?: string } = {},
  ): AsyncIterable<StripeId> {
    const alone = this.#disbelieved.stripeAlone(group)
    const stripes = alone === undefined ? this.#parts.table.stripesOf(group) : [alone]
    for (const stripe of stripes) if (stripe > after) yield stripe
  }

  async *stripes({ after = '' }: { after?: string } = {}): AsyncIterable<StripeId> {
    for (const stripe of this.#parts.table.stripes()) if (stripe > after) yield stripe
  }

  recordStripe(headerBytes: Uint8Array, holders: readonly Holding[]): Promise<void> {
    const stripe = stripeIdOf(headerBytes)
    return this.submit({ kind: 'stripe', stripe, headerBytes, holders })
  }

  disbelieve(shard: BelievedShard, { isTold = false }: { isTold?: boolean } = {}): void {
    const { stripe, index, peer } = shard
    if (!this.#disbelieved.disbelieve(shard) || isTold) return
    this.tell(this.#parts.append({ kind: 'doubt', stripe, shards: [{ index, peer }] }))
  }

  believe(shard: BelievedShard): void {
    this.#disbelieved.believe(shard)
  }

  disbelieved(of: Disbelieved): readonly BelievedShard[] {
    return this.#disbelieved.of(of)
  }

  progress(): { taken: Hlc; stable: Hlc } {
    const { taken, stable } = this.#parts.progress()
    return { taken: BigInt(taken) as Hlc, stable: BigInt(stable) as Hlc }
  }

  recordShards(stripe: StripeId, changes: readonly ShardChange[]): Promise<void> {
    return this.submit({ kind: 'shards', stripe, changes })
  }

  condemn(stripes: readonly StripeId[]): Promise<void> {
    return this.submit({ kind: 'condemn', stripes })
  }

  async sweep(stripes: readonly StripeId[]): Promise<void> {
    const { table } = this.#parts
    const left = stripes.filter((id) => table.stripe(id)?.isSwept === false)
    for (const [condemned, same] of Map.groupBy(left, (id) => table.condemnedAt(id)))
      if (condemned !== undefined) await this.submit({ kind: 'sweep', condemned, stripes: same })
  }

  async submit(op: MapOp): Promise<void> {
    // As of a node's group commit: what was put before is durable before the entry is.
    await this.#parts.commit()
    await this.#parts.process.wait(COMMIT_MS, `map ${op.kind}`)
    this.tell(this.#parts.append(op))
  }

  onChange(listener: (event: MapEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  candidates(): readonly Candidate[] {
    return this.#parts.table.members()
  }

  isAvoided(peer: PeerId): boolean {
    return this.#parts.isAvoided(peer)
  }

  hasTier(): boolean {
    return false
  }

  redundancy(): RedundancyClass {
    return this.#parts.class
  }

  keys(): ChunkKeys {
    throw new ShoalError('EACCES', 'chunks are not sealed in this simulation')
  }

  chunkSizes(): ChunkSizes {
    return chunkSizes('1m')
  }

  nameOf(peer: PeerId): string {
    return this.#parts.nameOf(peer)
  }

  isMember(peer: PeerId): boolean {
    return this.#parts.table.member(peer) !== undefined
  }

  mayStore(peer: PeerId): boolean {
    return this.isMember(peer)
  }
}
