// The StripeMap of one run of a simulated node: a table that outlives the run, and whoever listens in this one. What the
// node says is durable after a moment, and then on its way to others.
import { ShoalError } from '../../protocol/errors.ts'
import { chunkSizes } from '../../protocol/chunk/fastcdc.ts'
import { stripeIdOf } from '../../protocol/stripe/stripe.ts'
import type {
  GroupId,
  Holders,
  MapEvent,
  MappedStripe,
  StripeGroup,
  StripeMap,
} from '../../node/data/stripe-map.ts'
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../protocol/chunk/seal.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Candidate } from '../../protocol/placement/rendezvous.ts'
import type { ShardChange } from '../../protocol/tree/op.ts'
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
  readonly nameOf: (peer: PeerId) => string
}

export class MapReplica implements StripeMap {
  readonly #parts: MapReplicaParts
  readonly #listeners = new Set<(event: MapEvent) => void>()

  constructor(parts: MapReplicaParts) {
    this.#parts = parts
  }

  /** Say that entries of others were applied. */
  tell(events: readonly MapEvent[]): void {
    for (const event of events) for (const listener of this.#listeners) listener(event)
  }

  locate(chunk: ChunkId): { stripe: StripeId; index: number } | undefined {
    return this.#parts.table.locate(chunk)
  }

  isPlaced(chunk: ChunkId, cls: RedundancyClass | undefined): boolean {
    return this.#parts.table.isPlaced(chunk, cls)
  }

  stripe(id: StripeId): MappedStripe | undefined {
    return this.#parts.table.stripe(id)
  }

  groups(): readonly StripeGroup[] {
    return this.#parts.table.groups()
  }

  group(id: GroupId): StripeGroup | undefined {
    return this.#parts.table.group(id)
  }

  async *stripesOf(
    group: GroupId,
    { after = '' }: { after?: string } = {},
  ): AsyncIterable<StripeId> {
    for (const stripe of this.#parts.table.stripesOf(group)) if (stripe > after) yield stripe
  }

  async *stripes({ after = '' }: { after?: string } = {}): AsyncIterable<StripeId> {
    for (const stripe of this.#parts.table.stripes()) if (stripe > after) yield stripe
  }

  recordStripe(headerBytes: Uint8Array, holders: Holders): Promise<void> {
    const stripe = stripeIdOf(headerBytes)
    return this.submit({ kind: 'stripe', stripe, headerBytes, holders })
  }

  recordShards(stripe: StripeId, changes: readonly ShardChange[]): Promise<void> {
    return this.submit({ kind: 'shards', stripe, changes })
  }

  condemn(stripes: readonly StripeId[]): Promise<void> {
    return this.submit({ kind: 'condemn', stripes })
  }

  async sweep(stripes: readonly StripeId[]): Promise<void> {
    const { table } = this.#parts
    for (const [condemned, same] of Map.groupBy(stripes, (id) => table.condemnedAt(id)))
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
