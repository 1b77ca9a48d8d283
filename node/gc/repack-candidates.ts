// Which stripes are to be packed anew, and which of them together: those of which less than half is
// needed, those whose chunks belong into another class by now, and of small ones as many as fill
// one, or a few. So packing anew writes no more than it frees, but for what small writes left. In
// memory are the names of the chunks of a stripe or two of each class.
import { STRIPE_CHUNKS_MAX, STRIPE_DATA_TARGET } from '../../protocol/limits.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import { formatClass } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { MappedStripe } from '../shard-map/stripe-map.ts'
import { bytesOf } from './repacking.ts'

const NEEDED_SHARE_MIN = 0.5
const SMALL_BYTES: number = STRIPE_DATA_TARGET / 4
/** Fewer small stripes of a class than this stay as they are. */
const SMALL_COUNT_MIN = 4

/** Undefined: the volume's class. */
export type ClassOf = RedundancyClass | undefined

/** A chunk for which a stripe is needed, its sealed bytes, and the class that it lives in. */
export interface Need {
  readonly id: ChunkId
  readonly length: number
  readonly class: ClassOf
}

/** Chunks packed into one stripe of each class, and the stripes that are condemned then. */
export interface Batch {
  readonly packs: readonly Need[]
  readonly retires: readonly StripeId[]
}

interface OpenBatch {
  readonly kind: 'small' | 'other'
  packs: Map<string, Need>
  retires: StripeId[]
  bytes: number
  count: number
}

export class RepackCandidates {
  readonly #open = new Map<string, OpenBatch>()

  /**
   * See what a stripe that is needed for something is good for. returns a batch that is full by
   * now.
   */
  add(id: StripeId, stripe: MappedStripe, needs: readonly Need[]): Batch | undefined {
    const own = needs.filter((need) => isSameClass(need.class, stripe.class))
    const dataBytes = bytesOf(stripe.header.chunks)
    if (bytesOf(own) < NEEDED_SHARE_MIN * dataBytes)
      return this.#put('other', stripe.class, needs, [id])
    if (own.length < needs.length) {
      const foreign = needs.filter((need) => !isSameClass(need.class, stripe.class))
      return this.#put('other', stripe.class, foreign, [])
    }
    const isWhole = stripe.holders.every((peers) => peers.length > 0)
    if (dataBytes >= SMALL_BYTES || !isWhole) return undefined
    return this.#put('small', stripe.class, needs, [id])
  }

  /** The batches left at the end. */
  rest(): Batch[] {
    const left = [...this.#open.values()]
    this.#open.clear()
    return left.filter(isWorthIt).map(closed)
  }

  #put(
    kind: OpenBatch['kind'],
    cls: ClassOf,
    packs: readonly Need[],
    retires: readonly StripeId[],
  ): Batch | undefined {
    const key = `${kind} ${classText(cls)}`
    const open = this.#open.get(key)
    const bytes = bytesOf(packs)
    const fits =
      open !== undefined &&
      open.bytes + bytes <= STRIPE_DATA_TARGET &&
      open.packs.size + packs.length <= STRIPE_CHUNKS_MAX
    const batch = fits ? open : newBatch(kind)
    for (const need of packs) batch.packs.set(`${need.id}${classText(need.class)}`, need)
    batch.retires.push(...retires)
    batch.bytes += bytes
    batch.count++
    this.#open.set(key, batch)
    return open !== undefined && !fits && isWorthIt(open) ? closed(open) : undefined
  }
}

export function isSameClass(a: ClassOf, b: ClassOf): boolean {
  return classText(a) === classText(b)
}

/** Empty for the volume's. */
export function classText(cls: ClassOf): string {
  return cls === undefined ? '' : formatClass(cls)
}

function newBatch(kind: OpenBatch['kind']): OpenBatch {
  return { kind, packs: new Map(), retires: [], bytes: 0, count: 0 }
}

/** A few small stripes make another small one. */
function isWorthIt({ kind, count }: OpenBatch): boolean {
  return kind === 'other' || count >= SMALL_COUNT_MIN
}

function closed({ packs, retires }: OpenBatch): Batch {
  return { packs: [...packs.values()], retires }
}
