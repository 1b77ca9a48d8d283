// The true whereabouts of the bytes of stripes: which shards the disks of all machines hold, trash
// apart, and which packs in the tier are whole, whatever any log says.
import { toHex } from '../../protocol/bytes.ts'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { chunkRange, packKey } from '../../protocol/cold/pack.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import type { PackId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
import { SHARD_PREFIX, decodePointers, stripeOfKey } from '../../node/store/keys.ts'
import type { KvWrite } from '../../node/store/kv.ts'
import type { ColdStore, StoredObject } from '../object-tier.ts'

/** The position of a stripe's first block in a pack. */
export interface Place {
  readonly pack: PackId
  readonly offset: number
}

/** A shard that a machine held, and holds no more. */
export interface LostShard {
  readonly stripe: StripeId
  readonly index: number
}

export class Truth {
  readonly #store: ColdStore
  #volume: VolumeId | undefined
  readonly #headers = new Map<StripeId, StripeHeader>()
  /** By machine, indices of the shards that it holds. */
  readonly #held = new Map<string, Map<StripeId, readonly number[]>>()
  /** Places of a stripe that were ever told of. */
  readonly #places = new Map<StripeId, Map<string, Place>>()
  /** Whether a stripe is whole in an object, by its place. */
  readonly #checked = new WeakMap<StoredObject, Map<string, boolean>>()

  constructor(store: ColdStore) {
    this.#store = store
  }

  set volume(volume: VolumeId) {
    this.#volume = volume
  }

  learnStripe(id: StripeId, header: StripeHeader): void {
    this.#headers.set(id, header)
  }

  learnPlace(id: StripeId, place: Place): void {
    const places = this.#places.get(id) ?? new Map<string, Place>()
    this.#places.set(id, places.set(`${place.pack} ${place.offset}`, place))
  }

  header(id: StripeId): StripeHeader | undefined {
    return this.#headers.get(id)
  }

  /**
   * The store of a machine is written to, or is all there is of it. returns the shards that it held
   * until then.
   */
  written(machine: string, batch: readonly KvWrite[], isAll: boolean): readonly LostShard[] {
    const held = this.#held.get(machine) ?? new Map<StripeId, readonly number[]>()
    this.#held.set(machine, held)
    if (isAll) held.clear()
    const lost: LostShard[] = []
    for (const write of batch) {
      if (!write.key.startsWith(SHARD_PREFIX)) continue
      const stripe = stripeOfKey(write.key)
      const now = write.kind === 'put' ? decodePointers(write.value).map(({ index }) => index) : []
      const before = held.get(stripe) ?? []
      lost.push(
        ...before.filter((index) => !now.includes(index)).map((index) => ({ stripe, index })),
      )
      held.set(stripe, now)
    }
    return lost
  }

  /** A machine is no more. */
  forget(machine: string): void {
    this.#held.delete(machine)
  }

  holds(machine: string, id: StripeId, index: number): boolean {
    return this.#held.get(machine)?.get(id)?.includes(index) === true
  }

  /** How many different shards there are. */
  shardCount(id: StripeId): number {
    const indices = new Set<number>()
    for (const held of this.#held.values())
      for (const index of held.get(id) ?? []) indices.add(index)
    return indices.size
  }

  /** Could it be read from disks? */
  isOnDisks(id: StripeId): boolean {
    return this.shardCount(id) >= (this.#headers.get(id)?.k ?? Infinity)
  }

  /** Does the tier hold all its bytes in any place that was ever told of? */
  isInTier(id: StripeId): boolean {
    return [...(this.#places.get(id)?.values() ?? [])].some((place) => this.isAt(id, place))
  }

  /** Does the tier hold all its bytes there? */
  isAt(id: StripeId, place: Place): boolean {
    const object =
      this.#volume === undefined
        ? undefined
        : this.#store.objects.get(packKey(this.#volume, place.pack))
    return object !== undefined && this.isIn(object, id, place.offset)
  }

  isIn(object: StoredObject, id: StripeId, offset: number): boolean {
    const header = this.#headers.get(id)
    if (header === undefined) return false
    const checked = this.#checked.get(object) ?? new Map<string, boolean>()
    this.#checked.set(object, checked)
    const key = `${id} ${offset}`
    const known = checked.get(key)
    if (known !== undefined) return known
    const isWhole = header.chunks.every(({ id: chunk, length }, index) => {
      const { from, to } = chunkRange(header, index, offset)
      const bytes = object.content.subarray(from, to)
      return bytes.length === length && verifyChunk(chunk, bytes)
    })
    checked.set(key, isWhole)
    return isWhole
  }
}

/** The hash of the entry in the value of its record. */
export function entryHashIn(value: Uint8Array): string {
  return toHex(value.subarray(0, HASH_BYTES))
}
