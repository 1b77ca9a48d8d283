// The data paths' view of a volume (node/shard-map/stripe-map.ts), told by its log.
import { tierOfPolicy, floorOf } from '../../protocol/cold/definition.ts'
import type { Keep } from '../../protocol/cold/definition.ts'
import { chunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../protocol/chunk/seal.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ChunkId, PackId, PeerId, StripeId } from '../../protocol/ids.ts'
import { OP_SHARDS_MAX, OP_STRIPES_MAX, STRIPE_DATA_TARGET } from '../../protocol/limits.ts'
import { NO_CAPACITY_BYTES, chunkSecret } from '../../protocol/membership/members.ts'
import { mayRead, mayStore, mayWrite } from '../../protocol/roles.ts'
import type { Code, RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Candidate } from '../../protocol/placement/rendezvous.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { ColdPlace, Holding, ShardChange } from '../../protocol/op/op.ts'
import { DisbelievedShards } from '../shard-map/disbelieved-shards.ts'
import type { BelievedShard, Disbelieved } from '../shard-map/disbelieved-shards.ts'
import type {
  ChunkLocation,
  GroupId,
  MapEvent,
  MappedStripe,
  StripeGroup,
  StripeMap,
} from '../shard-map/stripe-map.ts'
import { slicesOf } from '../world/paging.ts'
import { classOf, keepOf } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'

/** Weight of a member that has not said how much it offers, in bytes. */
const UNSAID_CAPACITY_BYTES = 100e9

/** A peer with less room is full: the largest shard has so much. */
const ROOM_MIN = STRIPE_DATA_TARGET
/** Maximum of reports about others' shards in a minute: more is found again. */
const DOUBTS_MAX = 60
/** Ids read at once, so that a slow pass keeps no snapshot of the store. */
const PAGE_IDS = 256

/** The facts that this node knows of peers. */
export interface PeerHooks {
  /** The free room that a peer reported last. */
  readonly freeBytesOf: (peer: PeerId) => number | undefined
  /** Is it to be given no new shards? */
  readonly isAvoided: (peer: PeerId) => boolean
}

export interface MapHooks extends PeerHooks {
  /** Up to where the volume's log is stable. */
  readonly stable: () => Hlc
}

const NOTHING_KNOWN: MapHooks = {
  freeBytesOf: () => undefined,
  isAvoided: () => false,
  stable: () => HLC_ZERO,
}

/** The policy that is `1` while a member gives its shards away before it is removed. */
export function drainPolicy(peer: PeerId): string {
  return `drain:${peer}`
}

export class VolumeStripeMap implements StripeMap {
  readonly #volume: Volume
  readonly #hooks: MapHooks
  readonly #disbelieved: DisbelievedShards
  /** Told of in the minute that began then. */
  #doubts = { count: 0, fromMs: 0 }
  /** The last result of groups(), and its sources. */
  #groups:
    | {
        readonly all: readonly StripeGroup[]
        readonly keep: Keep
        readonly withFloors: readonly StripeGroup[]
      }
    | undefined
  /** Per epoch the secrets and what is made of them. */
  readonly #keys = new Map<number, readonly [secrets: readonly Uint8Array[], keys: ChunkKeys]>()

  constructor(volume: Volume, hooks: MapHooks = NOTHING_KNOWN) {
    this.#volume = volume
    this.#hooks = hooks
    this.#disbelieved = new DisbelievedShards({
      stripe: (id) => volume.stripes.get(id),
      groupOf: (id) => volume.stripes.groupOf(id),
      mayStore: (peer) => this.mayStore(peer),
      onChange: (stripe) => volume.events.stripes.tell({ kind: 'shards', stripe }),
    })
    volume.events.members.add(() => this.#disbelieved.membersChanged())
  }

  locations(chunk: ChunkId): readonly ChunkLocation[] {
    return this.#volume.stripes.locations(chunk)
  }

  stripe(id: StripeId): MappedStripe | undefined {
    const stripe = this.#disbelieved.stripe(id)
    if (stripe === undefined || stripe.cold.length === 0) return stripe
    return { ...stripe, floor: this.#floorOf(stripe.header) }
  }

  groups(): readonly StripeGroup[] {
    const all = this.#disbelieved.groups(this.#volume.stripes.groups.all())
    const keep = keepOf(this.#volume)
    if (this.#groups?.all !== all || this.#groups.keep !== keep)
      this.#groups = { all, keep, withFloors: all.map((group) => this.#withFloor(group)) }
    return this.#groups.withFloors
  }

  #withFloor(group: StripeGroup): StripeGroup {
    return group.tiers.length === 0 ? group : { ...group, floor: this.#floorOf(group) }
  }

  /** A node that cannot read the settings rebuilds nothing of what is in a tier. */
  #floorOf(code: Code): number {
    const { membership, identity } = this.#volume
    const role = membership.member(identity.peer)?.role
    return role !== undefined && mayRead(role) ? floorOf(keepOf(this.#volume), code) : 0
  }

  async *stripesOf(group: GroupId, options: { after?: StripeId } = {}): AsyncGenerator<StripeId> {
    const alone = this.#disbelieved.stripeAlone(group)
    if (alone === undefined)
      yield* paged((after) => this.#volume.stripes.groups.stripesOf(group, after), options)
    else if (options.after === undefined) yield alone
  }

  stripes(options: { after?: StripeId } = {}): AsyncGenerator<StripeId> {
    return paged((after) => this.#volume.stripes.all(after), options)
  }

  async recordStripe(headerBytes: Uint8Array, holders: readonly Holding[]): Promise<void> {
    this.#volume.submit({ kind: 'stripe', header: headerBytes, holders })
    await this.#volume.commit()
  }

  async recordShards(stripe: StripeId, changes: readonly ShardChange[]): Promise<void> {
    for (const some of slicesOf(changes, OP_SHARDS_MAX))
      this.#volume.submit({ kind: 'shards', stripe, changes: some })
    await this.#volume.commit()
  }

  disbelieve(shard: BelievedShard, { isTold = false }: { isTold?: boolean } = {}): void {
    const { identity, membership } = this.#volume
    const role = membership.member(identity.peer)?.role
    const isNews = this.#disbelieved.disbelieve(shard) && !isTold
    if (!isNews || role === undefined || !mayWrite(role) || !this.#mayDoubt()) return
    const { stripe, index, peer } = shard
    this.#volume.submit({ kind: 'doubt', stripe, shards: [{ index, peer }] })
  }

  believe(shard: BelievedShard): void {
    this.#disbelieved.believe(shard)
  }

  disbelieved(of: Disbelieved): readonly BelievedShard[] {
    return this.#disbelieved.of(of)
  }

  /** In a minute, so that a node whose disk or network is broken does not fill the log. */
  #mayDoubt(): boolean {
    const now = this.#volume.time.wall()
    if (now - this.#doubts.fromMs >= MINUTE_MS) this.#doubts = { count: 0, fromMs: now }
    return ++this.#doubts.count <= DOUBTS_MAX
  }

  /**
   * Say that a tier holds stripes, verified, or none of them any more; resolves when the entry is
   * durable here.
   */
  async recordCold(
    tier: string,
    pack: PackId | undefined,
    places: readonly ColdPlace[],
  ): Promise<void> {
    for (const some of slicesOf(places, OP_STRIPES_MAX))
      this.#volume.submit({ kind: 'cold', tier, pack, stripes: some })
    await this.#volume.commit()
  }

  /**
   * Say at once who holds a stripe, and that tiers do no more; resolves when the entry is durable
   * here.
   */
  async recordRecalled(
    headerBytes: Uint8Array,
    holders: readonly Holding[],
    gone: readonly { readonly tier: string; readonly stripe: StripeId }[],
  ): Promise<void> {
    this.#volume.atomically(() => {
      this.#volume.submit({ kind: 'stripe', header: headerBytes, holders })
      for (const { tier, stripe } of gone) {
        const stripes = [{ stripe, offset: 0 }]
        this.#volume.submit({ kind: 'cold', tier, pack: undefined, stripes })
      }
    })
    await this.#volume.commit()
  }

  /** Say that somebody has read of these by now. */
  async recordRead(stripes: readonly StripeId[]): Promise<void> {
    for (const some of slicesOf(stripes, OP_STRIPES_MAX))
      this.#volume.submit({ kind: 'read', stripes: some })
    await this.#volume.commit()
  }

  async condemn(stripes: readonly StripeId[]): Promise<void> {
    const inUse = stripes.filter((id) => this.stripe(id)?.isCondemned === false)
    for (const some of slicesOf(inUse, OP_STRIPES_MAX))
      this.#volume.submit({ kind: 'condemn', stripes: some })
    await this.#volume.commit()
  }

  async sweep(stripes: readonly StripeId[]): Promise<void> {
    const left = stripes.filter((id) => this.stripe(id)?.isSwept === false)
    const byClock = Map.groupBy(left, (id) => this.#volume.stripes.condemnedAt(id))
    for (const [condemned, ids] of byClock) {
      if (condemned === undefined) continue
      for (const some of slicesOf(ids, OP_STRIPES_MAX))
        this.#volume.submit({ kind: 'sweep', condemned, stripes: some })
    }
    await this.#volume.commit()
  }

  progress(): { taken: Hlc; stable: Hlc } {
    return { taken: this.#volume.actors.hlc, stable: this.#hooks.stable() }
  }

  onChange(listener: (event: MapEvent) => void): () => void {
    return this.#volume.events.stripes.add(listener)
  }

  candidates(): readonly Candidate[] {
    const { membership } = this.#volume
    return membership
      .members()
      .filter(({ role }) => mayStore(role))
      .map(({ peer, zone, capacityBytes }) => ({
        peer,
        // A member that names no zone is a failure domain of its own.
        zone: zone === '' ? peer : zone,
        weight: this.#isLeaving(peer, capacityBytes) ? 0 : capacityBytes || UNSAID_CAPACITY_BYTES,
      }))
  }

  /** Is a peer about to be removed, or does it say that it goes? */
  #isLeaving(peer: PeerId, capacityBytes: number): boolean {
    const isDraining = this.#volume.membership.policy(drainPolicy(peer)) === '1'
    return isDraining || capacityBytes === NO_CAPACITY_BYTES
  }

  isAvoided(peer: PeerId): boolean {
    const { freeBytesOf, isAvoided } = this.#hooks
    return isAvoided(peer) || (freeBytesOf(peer) ?? Infinity) < ROOM_MIN
  }

  redundancy(): RedundancyClass {
    return classOf(this.#volume)
  }

  hasTier(): boolean {
    const policies = this.#volume.membership.policies()
    return policies.some(([key, value]) => value !== '' && tierOfPolicy(key) !== undefined)
  }

  keys(epoch: number = this.#volume.membership.epoch): ChunkKeys {
    const { membership } = this.#volume
    const secrets = membership.secrets(epoch)
    const lacksSome = membership.lacksSecret(epoch)
    const known = this.#keys.get(epoch)
    if (known !== undefined && areSame(known[0], secrets) && known[1].lacksSome === lacksSome)
      return known[1]
    const [secret, ...others] = secrets
    if (secret === undefined && !lacksSome && !membership.isKeeper())
      throw new ShoalError('contradiction', `no key of the volume has the epoch ${epoch}`)
    if (secret === undefined) {
      throw new ShoalError(
        'EACCES',
        `this node has no key of epoch ${epoch} of the volume; ask an admin to invite it as a reader or writer`,
      )
    }
    const keys: ChunkKeys = {
      volume: this.#volume.id,
      chunkSecret: chunkSecret(secret),
      otherSecrets: others.map(chunkSecret),
      lacksSome,
      epoch,
      hash: this.#volume.genesis.hash,
    }
    this.#keys.set(epoch, [secrets, keys])
    return keys
  }

  chunkSizes(): ChunkSizes {
    return chunkSizes(this.#volume.genesis.chunk)
  }

  nameOf(peer: PeerId): string {
    return this.#volume.membership.nameOf(peer)
  }

  isMember(peer: PeerId): boolean {
    return this.#volume.membership.member(peer) !== undefined
  }

  mayStore(peer: PeerId): boolean {
    const member = this.#volume.membership.member(peer)
    return member !== undefined && mayStore(member.role)
  }
}

/** Ids in order, from what reads them after one. */
async function* paged(
  read: (after: StripeId | undefined) => AsyncIterable<StripeId>,
  { after }: { after?: StripeId },
): AsyncGenerator<StripeId> {
  for (let last = after; ;) {
    const page: StripeId[] = []
    for await (const id of read(last)) if (page.push(id) === PAGE_IDS) break
    yield* page
    if (page.length < PAGE_IDS) return
    last = page.at(-1)
  }
}

/** The very same, one by one. */
function areSame(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((secret, i) => secret === b[i])
}
