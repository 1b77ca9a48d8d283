// The shard map of a replica, from the entries it knows, in whatever causal order they came: as
// node/shard-map/stripe-table.ts has it, but in memory (test/simulations/storage-map.test.ts
// compares the two). Of each (stripe, shard, peer) the newest word of the peer counts, by its own
// clock. A stripe is condemned if that is newer than its last record, and swept if a sweep follows
// that.
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import { decodeStripeHeader } from '../../protocol/stripe/stripe.ts'
import { formatClass } from '../../protocol/placement/redundancy.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import type {
  ChunkLocation,
  GroupId,
  MapEvent,
  MappedStripe,
  StripeGroup,
} from '../../node/shard-map/stripe-map.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Receipt } from '../../protocol/stripe/receipt.ts'
import type { ShardChange } from '../../protocol/op/op.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
import { SIMULATION_START } from '../clock.ts'
import type { MapEntry, MapMember, MapOp } from './map-log.ts'

interface Cell {
  readonly stamp: number
  readonly isHeld: boolean
}

interface Known {
  readonly id: StripeId
  readonly header: StripeHeader
  readonly headerBytes: Uint8Array
  readonly placementGroup: number
  /** By shard index, what was said of each peer. */
  readonly cells: readonly Map<PeerId, Cell>[]
  added: number
  condemned: number
  /** The newest sweep, and what it goes on from. */
  swept: { readonly stamp: number; readonly condemned: number; readonly author: PeerId }
  /** As it stands; undefined while it must be made anew. */
  mapped: MappedStripe | undefined
  group: Group | undefined
}

interface Group extends StripeGroup {
  count: number
  shardBytes: number
  readonly members: Set<StripeId>
}

/** Headers are the same everywhere: decoded once. */
const decoded = new WeakMap<Uint8Array, StripeHeader>()

export class MapTable {
  readonly #stripes = new Map<StripeId, Known>()
  readonly #groups = new Map<GroupId, Group>()
  #all: readonly StripeGroup[] | undefined
  readonly #chunks = new Map<ChunkId, Set<StripeId>>()
  /** Entries on stripes that are not known yet. */
  readonly #early = new Map<StripeId, MapEntry[]>()
  readonly #members = new Map<PeerId, MapMember>()
  #sorted: readonly MapMember[] = []
  /** Files that there are, by name, with their stripe; and those that were deleted. */
  readonly #files = new Map<string, StripeId>()
  readonly #deleted = new Set<string>()

  /** Applies an entry. returns the changes. */
  apply(entry: MapEntry): MapEvent[] {
    const { op } = entry
    switch (op.kind) {
      case 'stripe':
        return this.#applyStripe(entry, op)
      case 'shards': {
        const known = this.#knownOr(op.stripe, entry)
        if (known === undefined) return []
        for (const change of op.changes) this.#setCell(known, change, entry)
        this.#refresh(known)
        return [{ kind: 'shards', stripe: op.stripe }]
      }
      case 'doubt':
        return [{ kind: 'doubted', stripe: op.stripe, shards: op.shards, by: entry.author }]
      case 'condemn':
      case 'sweep':
        return this.#applyEnd(entry, op)
      default:
        this.#applyRest(op)
        return []
    }
  }

  stripe(id: StripeId): MappedStripe | undefined {
    const known = this.#stripes.get(id)
    return known === undefined ? undefined : mappedOf(known)
  }

  /** When it was condemned, as it still is. */
  condemnedAt(id: StripeId): number | undefined {
    const known = this.#stripes.get(id)
    return known === undefined || !isCondemned(known) ? undefined : known.condemned
  }

  /** When it was swept, as it still is, and by whom. */
  sweptBy(id: StripeId): { readonly stamp: number; readonly author: PeerId } | undefined {
    const known = this.#stripes.get(id)
    return known === undefined || !isSwept(known) ? undefined : known.swept
  }

  groupOf(id: StripeId): GroupId | undefined {
    return this.#stripes.get(id)?.group?.id
  }

  groups(): readonly StripeGroup[] {
    return (this.#all ??= [...this.#groups.values()])
  }

  stripesOf(group: GroupId): StripeId[] {
    return [...(this.#groups.get(group)?.members ?? [])].toSorted()
  }

  /** All that are not swept, in order of id. */
  stripes(): StripeId[] {
    const left = [...this.#groups.values()].filter(({ isSwept: isGone }) => !isGone)
    return left.flatMap(({ members }) => [...members]).toSorted()
  }

  locations(chunk: ChunkId): readonly ChunkLocation[] {
    const rankOf = (known: Known): number => Number(isCondemned(known)) + Number(isSwept(known))
    return [...(this.#chunks.get(chunk) ?? [])]
      .flatMap((id) => this.#stripes.get(id) ?? [])
      .toSorted((a, b) => rankOf(a) - rankOf(b) || a.added - b.added)
      .map((known) => ({
        stripe: known.id,
        index: known.header.chunks.findIndex(({ id }) => id === chunk),
        class: textOf(known.header.class),
        isCondemned: isCondemned(known),
        isSwept: isSwept(known),
      }))
  }

  /** In order of id. */
  members(): readonly MapMember[] {
    return this.#sorted
  }

  member(peer: PeerId): MapMember | undefined {
    return this.#members.get(peer)
  }

  /** Does a file need the stripe? */
  isNeeded(stripe: StripeId): boolean {
    return [...this.#files.values()].includes(stripe)
  }

  /** Chunks of all files. */
  liveChunks(): ChunkId[] {
    return [...this.#files.values()].flatMap((stripe) =>
      (this.#stripes.get(stripe)?.header.chunks ?? []).map(({ id }) => id),
    )
  }

  #applyStripe(entry: MapEntry, op: Extract<MapOp, { kind: 'stripe' }>): MapEvent[] {
    const known = this.#stripes.get(op.stripe) ?? this.#addStripe(op, entry)
    known.added = Math.max(known.added, entry.stamp)
    for (const holding of op.holders) this.#setCell(known, { ...holding, isHeld: true }, entry)
    const early = this.#early.get(op.stripe) ?? []
    this.#early.delete(op.stripe)
    this.#refresh(known)
    return [{ kind: 'shards', stripe: op.stripe }, ...early.flatMap((other) => this.apply(other))]
  }

  #addStripe(
    { stripe, headerBytes }: Extract<MapOp, { kind: 'stripe' }>,
    { author }: MapEntry,
  ): Known {
    const header = decoded.get(headerBytes) ?? decodeStripeHeader(headerBytes)
    decoded.set(headerBytes, header)
    const known: Known = {
      id: stripe,
      header,
      headerBytes,
      placementGroup: placementGroup(stripe),
      cells: header.shardRoots.map(() => new Map()),
      added: 0,
      condemned: 0,
      swept: { stamp: 0, condemned: 0, author },
      mapped: undefined,
      group: undefined,
    }
    this.#stripes.set(stripe, known)
    for (const { id } of header.chunks)
      this.#chunks.set(id, (this.#chunks.get(id) ?? new Set()).add(stripe))
    return known
  }

  #applyEnd(entry: MapEntry, op: Extract<MapOp, { kind: 'condemn' | 'sweep' }>): MapEvent[] {
    const stripes: StripeId[] = []
    for (const stripe of op.stripes) {
      const known = this.#knownOr(stripe, { ...entry, op: { ...op, stripes: [stripe] } })
      if (known === undefined) continue
      const { stamp } = entry
      if (op.kind === 'condemn') known.condemned = Math.max(known.condemned, stamp)
      else if (stamp > known.swept.stamp)
        known.swept = { stamp, condemned: op.condemned, author: entry.author }
      this.#refresh(known)
      if (op.kind === 'condemn' || isSwept(known)) stripes.push(stripe)
    }
    if (stripes.length === 0) return []
    return [{ kind: op.kind === 'condemn' ? 'condemned' : 'swept', stripes }]
  }

  #applyRest(op: Extract<MapOp, { kind: 'member' | 'remove' | 'file' | 'delete' }>): void {
    if (op.kind === 'member' || op.kind === 'remove') {
      if (op.kind === 'member') this.#members.set(op.member.peer, op.member)
      else this.#members.delete(op.peer)
      this.#sorted = [...this.#members.values()].toSorted((a, b) => (a.peer < b.peer ? -1 : 1))
    }
    if (op.kind === 'delete') {
      this.#files.delete(op.file)
      this.#deleted.add(op.file)
    } else if (op.kind === 'file' && !this.#deleted.has(op.file))
      this.#files.set(op.file, op.stripe)
  }

  #setCell(known: Known, { index, peer, isHeld, receipt }: ShardChange, entry: MapEntry): void {
    const stamp = receipt === undefined ? entry.stamp : stampOf(receipt)
    const cells = known.cells[index]
    if ((cells?.get(peer)?.stamp ?? 0) < stamp) cells?.set(peer, { stamp, isHeld })
  }

  #knownOr(stripe: StripeId, entry: MapEntry): Known | undefined {
    const known = this.#stripes.get(stripe)
    if (known === undefined) this.#early.set(stripe, [...(this.#early.get(stripe) ?? []), entry])
    return known
  }

  /** It has changed: it may be of another group now. */
  #refresh(known: Known): void {
    known.mapped = undefined
    this.#all = undefined
    const { group: before, header } = known
    if (before !== undefined) {
      before.members.delete(known.id)
      before.count--
      before.shardBytes -= header.shardBytes
      if (before.count === 0) this.#groups.delete(before.id)
    }
    known.group = this.#groupFor(known)
    known.group.members.add(known.id)
    known.group.count++
    known.group.shardBytes += header.shardBytes
  }

  #groupFor(known: Known): Group {
    const { header } = known
    const cls = header.class
    const { holders } = mappedOf(known)
    const sorted = holders.map((peers) => peers.join(',')).toSorted()
    const code = `${known.placementGroup} ${header.k}+${header.m} ${textOf(cls)}`
    const id = `${code} ${isCondemned(known)} ${isSwept(known)} ${sorted.join(' ')}` as GroupId
    const group = this.#groups.get(id) ?? {
      id,
      placementGroup: known.placementGroup,
      k: header.k,
      m: header.m,
      class: cls,
      isCondemned: isCondemned(known),
      isSwept: isSwept(known),
      holders: sorted.map((peers) => (peers === '' ? [] : (peers.split(',') as PeerId[]))),
      tiers: [],
      count: 0,
      shardBytes: 0,
      members: new Set<StripeId>(),
    }
    this.#groups.set(id, group)
    return group
  }
}

function isCondemned({ added, condemned }: Known): boolean {
  return condemned > added
}

function isSwept({ added, condemned, swept }: Known): boolean {
  return swept.condemned > added && condemned > added
}

function mappedOf(known: Known): MappedStripe {
  const { header, headerBytes, cells } = known
  known.mapped ??= {
    header,
    headerBytes,
    holders: cells.map((said) =>
      [...said].flatMap(([peer, { isHeld }]) => (isHeld ? [peer] : [])).toSorted(),
    ),
    class: header.class,
    isCondemned: isCondemned(known),
    isSwept: isSwept(known),
    cold: [],
    usedAt: HLC_ZERO,
  }
  return known.mapped
}

/** As a stamp of the log: a receipt has the true time in its clock. */
function stampOf({ hlc }: Receipt): number {
  return Number(hlc - (BigInt(SIMULATION_START) << 16n))
}

function textOf(cls: RedundancyClass | undefined): string {
  return cls === undefined ? '' : formatClass(cls)
}
