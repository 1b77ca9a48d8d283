// What a replica of the shard map says, from the entries it knows, in whatever causal order they came: as
// node/namespace/stripes.ts says it, but in memory (test/simulations/storage-map.test.ts compares the two).
// Of each (stripe, shard, peer) the newest entry counts. A stripe is condemned if that is newer than its last record, and
// gone if a sweep goes on from that; what was said of its holders before then is void.
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import { decodeStripeHeader } from '../../protocol/stripe/stripe.ts'
import { formatClass } from '../../protocol/placement/redundancy.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import type { GroupId, MapEvent, MappedStripe, StripeGroup } from '../../node/data/stripe-map.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
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
  swept: { readonly stamp: number; readonly condemned: number }
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
  /** What was said of stripes before they were known. */
  readonly #early = new Map<StripeId, MapEntry[]>()
  readonly #members = new Map<PeerId, MapMember>()
  #sorted: readonly MapMember[] = []
  /** Files that there are, by name, with their stripe; and those that were deleted. */
  readonly #files = new Map<string, StripeId>()
  readonly #deleted = new Set<string>()

  /** What it changed. */
  apply(entry: MapEntry): MapEvent[] {
    const { op } = entry
    switch (op.kind) {
      case 'stripe':
        return this.#applyStripe(entry, op)
      case 'shards': {
        const known = this.#knownOr(op.stripe, entry)
        if (known === undefined) return []
        for (const { index, peer, isHeld } of op.changes)
          setCell(known, index, peer, { stamp: entry.stamp, isHeld })
        this.#refresh(known)
        return [{ kind: 'shards', stripe: op.stripe }]
      }
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
    return known === undefined || isSwept(known) ? undefined : mappedOf(known)
  }

  /** When it was condemned, as it still is. */
  condemnedAt(id: StripeId): number | undefined {
    const known = this.#stripes.get(id)
    if (known === undefined || !isCondemned(known) || isSwept(known)) return undefined
    return known.condemned
  }

  groups(): readonly StripeGroup[] {
    return (this.#all ??= [...this.#groups.values()])
  }

  group(id: GroupId): StripeGroup | undefined {
    return this.#groups.get(id)
  }

  stripesOf(group: GroupId): StripeId[] {
    return [...(this.#groups.get(group)?.members ?? [])].toSorted()
  }

  stripes(): StripeId[] {
    return [...this.#groups.values()].flatMap(({ members }) => [...members]).toSorted()
  }

  locate(chunk: ChunkId): { stripe: StripeId; index: number } | undefined {
    const places = [...(this.#chunks.get(chunk) ?? [])]
      .flatMap((id) => this.#stripes.get(id) ?? [])
      .filter((known) => !isSwept(known))
      .toSorted((a, b) => Number(isCondemned(a)) - Number(isCondemned(b)) || (a.id < b.id ? -1 : 1))
    const [first] = places
    if (first === undefined) return undefined
    return { stripe: first.id, index: first.header.chunks.findIndex(({ id }) => id === chunk) }
  }

  isPlaced(chunk: ChunkId, cls: RedundancyClass | undefined): boolean {
    return [...(this.#chunks.get(chunk) ?? [])].some((id) => {
      const known = this.#stripes.get(id)
      if (known === undefined || isSwept(known) || isCondemned(known)) return false
      return textOf(known.header.class) === textOf(cls)
    })
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
    const known = this.#stripes.get(op.stripe) ?? this.#addStripe(op)
    known.added = Math.max(known.added, entry.stamp)
    for (const [index, peers] of op.holders.entries())
      for (const peer of peers) setCell(known, index, peer, { stamp: entry.stamp, isHeld: true })
    const early = this.#early.get(op.stripe) ?? []
    this.#early.delete(op.stripe)
    this.#refresh(known)
    return [{ kind: 'shards', stripe: op.stripe }, ...early.flatMap((other) => this.apply(other))]
  }

  #addStripe({ stripe, headerBytes }: Extract<MapOp, { kind: 'stripe' }>): Known {
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
      swept: { stamp: 0, condemned: 0 },
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
      else if (stamp > known.swept.stamp) known.swept = { stamp, condemned: op.condemned }
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
    known.group = isSwept(known) ? undefined : this.#groupFor(known)
    if (known.group === undefined) return
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
    const id = `${code} ${isCondemned(known)} ${sorted.join(' ')}` as GroupId
    const group = this.#groups.get(id) ?? {
      id,
      placementGroup: known.placementGroup,
      k: header.k,
      m: header.m,
      class: cls,
      isCondemned: isCondemned(known),
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

function setCell(known: Known, index: number, peer: PeerId, cell: Cell): void {
  const cells = known.cells[index]
  if ((cells?.get(peer)?.stamp ?? 0) < cell.stamp) cells?.set(peer, cell)
}

function isCondemned({ added, condemned }: Known): boolean {
  return condemned > added
}

function isSwept({ added, swept }: Known): boolean {
  return swept.condemned > added
}

function mappedOf(known: Known): MappedStripe {
  const { header, headerBytes, cells, swept } = known
  known.mapped ??= {
    header,
    headerBytes,
    holders: cells.map((said) =>
      [...said]
        .flatMap(([peer, { stamp, isHeld }]) => (isHeld && stamp > swept.condemned ? [peer] : []))
        .toSorted(),
    ),
    class: header.class,
    isCondemned: isCondemned(known),
    cold: [],
    usedAt: HLC_ZERO,
  }
  return known.mapped
}

function textOf(cls: RedundancyClass | undefined): string {
  return cls === undefined ? '' : formatClass(cls)
}
