// Stripes by what decides what becomes of them: placement group, code, class, holders, cold tiers,
// and whether they are condemned, or swept. Counts and sums are in memory, so that health needs no
// scan; which stripes they are is an index in the store. Both follow from the records of the
// stripes alone, and lie in checkpoints like these.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { compareBytes, fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { blake3 } from '../../protocol/hash.ts'
import { peerIdFromPublicKey, stripeIdBytes, stripeIdFromCid } from '../../protocol/ids.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import { parseClass } from '../../protocol/placement/redundancy.ts'
import { prefixEnd } from '../state/state-view.ts'
import type { ReplicaView } from '../state/state-view.ts'
import { coldCopiesOf, holdersOf, isCondemned, isLive, isSwept } from './stripe-record.ts'
import type { GroupId, StripeGroup } from './stripe-map.ts'
import type { StripeRecord } from './stripe-record.ts'

/** Hex of the first bytes of the hash of what its stripes share. */
const GROUP: ByteString = STATE_PREFIXES.stripeGroup
const MEMBER: ByteString = STATE_PREFIXES.groupMember
const GROUP_ID_BYTES = 16

/** In use, condemned, or swept. */
type End = 0 | 1 | 2

/**
 * The fields that stripes of a group share: placement group, k, m, class, end, holders, and cold
 * tiers if any.
 */
type Shared = readonly [
  number,
  number,
  number,
  string,
  End,
  readonly (readonly Uint8Array[])[],
  (readonly string[])?,
]

export class StripeGroups {
  readonly #view: ReplicaView
  readonly #groups = new Map<GroupId, StripeGroup>()
  readonly #peers = new Map<ByteString, PeerId>()
  #all: readonly StripeGroup[] | undefined

  private constructor(view: ReplicaView) {
    this.#view = view
  }

  static async open(view: ReplicaView): Promise<StripeGroups> {
    const groups = new StripeGroups(view)
    for await (const [key, value] of view.scan(GROUP, prefixEnd(GROUP))) {
      const id = toHex(fromByteString(key.slice(GROUP.length))) as GroupId
      const [shared, count, shardBytes] = decodeCbor(value, 'stripe group') as [
        Shared,
        number,
        number,
      ]
      groups.#groups.set(id, groups.#group(id, shared, count, shardBytes))
    }
    return groups
  }

  /** The same array as long as nothing changes. */
  all(): readonly StripeGroup[] {
    return (this.#all ??= [...this.#groups.values()])
  }

  get(id: GroupId): StripeGroup | undefined {
    return this.#groups.get(id)
  }

  /** The peer of a public key: one text for each, however many groups it is in. */
  peerOf(publicKey: ByteString): PeerId {
    const peer = this.#peers.get(publicKey) ?? peerIdFromPublicKey(fromByteString(publicKey))
    this.#peers.set(publicKey, peer)
    return peer
  }

  /** The stripes of a group in order of id. */
  async *stripesOf(id: GroupId, after?: StripeId): AsyncGenerator<StripeId> {
    const prefix = MEMBER + toByteString(fromHex(id))
    const from = after === undefined ? prefix : `${memberKey(id, after)}\0`
    for await (const [key] of this.#view.scan(from, prefixEnd(prefix)))
      yield stripeIdFromCid(fromByteString(key.slice(prefix.length)))
  }

  /** The record of a stripe has changed. */
  move(stripe: StripeId, before: StripeRecord, after: StripeRecord): void {
    const [left, joined] = [sharedBy(stripe, before), sharedBy(stripe, after)]
    if (left?.id === joined?.id) return
    if (left !== undefined) this.#count(left, stripe, before, -1)
    if (joined !== undefined) this.#count(joined, stripe, after, 1)
  }

  #count(
    { id, shared }: { id: GroupId; shared: Shared },
    stripe: StripeId,
    { facts }: StripeRecord,
    by: 1 | -1,
  ): void {
    this.#all = undefined
    const known = this.#groups.get(id)
    const count = (known?.count ?? 0) + by
    const shardBytes = (known?.shardBytes ?? 0) + by * (facts?.shardBytes ?? 0)
    const key = GROUP + toByteString(fromHex(id))
    if (by > 0) this.#view.put(memberKey(id, stripe), NOTHING)
    else this.#view.delete(memberKey(id, stripe))
    if (count > 0) {
      const group = known ?? this.#group(id, shared, count, shardBytes)
      this.#groups.set(id, { ...group, count, shardBytes })
      this.#view.put(key, encodeCbor([shared, count, shardBytes]))
    } else {
      this.#groups.delete(id)
      this.#view.delete(key)
    }
  }

  #group(
    id: GroupId,
    [placement, k, m, cls, end, holders, tiers = []]: Shared,
    count: number,
    shardBytes: number,
  ): StripeGroup {
    return {
      id,
      placementGroup: placement,
      k,
      m,
      class: cls === '' ? undefined : parseClass(cls),
      isCondemned: end > 0,
      isSwept: end > 1,
      holders: holders.map((peers) => peers.map((key) => this.peerOf(toByteString(key)))),
      tiers,
      count,
      shardBytes,
    }
  }
}

const NOTHING: Uint8Array = new Uint8Array(0)

/** The group of a stripe; undefined while it is in none. */
export function groupOf(stripe: StripeId, record: StripeRecord): GroupId | undefined {
  return sharedBy(stripe, record)?.id
}

function sharedBy(
  stripe: StripeId,
  record: StripeRecord,
): { readonly id: GroupId; readonly shared: Shared } | undefined {
  const { facts } = record
  if (facts === undefined || !isLive(record)) return undefined
  // Which index a peer holds does not matter to health: sort, so that rotations share a group.
  const holders = holdersOf(record)
    .map((peers) => peers.map(fromByteString))
    .sort((a, b) => compareBytes(Buffer.concat(a), Buffer.concat(b)))
  const tiers = coldCopiesOf(record).map(({ tier }) => tier)
  const { k, m, class: cls } = facts
  const end: End = isSwept(record) ? 2 : isCondemned(record) ? 1 : 0
  const common = [placementGroup(stripe), k, m, cls, end, holders] as const
  const shared: Shared = tiers.length === 0 ? common : [...common, tiers]
  const hash = blake3(encodeCbor(shared)).subarray(0, GROUP_ID_BYTES)
  return { id: toHex(hash) as GroupId, shared }
}

function memberKey(id: GroupId, stripe: StripeId): ByteString {
  return MEMBER + toByteString(fromHex(id)) + toByteString(stripeIdBytes(stripe))
}
