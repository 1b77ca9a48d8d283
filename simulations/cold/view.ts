// The stripes as known to a node that has taken some entries of the log: registers as
// node/shard-map/stripe-record.ts merges them, for a node or for all entries there ever were. Order
// does not matter. It is fed by the watch on the writes of stores (watch.ts), so it can be asked in
// the midst of a write.
import type { ByteString } from '../../protocol/bytes.ts'
import type { Keep } from '../../protocol/cold/definition.ts'
import type { StripeId } from '../../protocol/ids.ts'
import { STAMP_ZERO, stampHlc } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { formatClass } from '../../protocol/placement/redundancy.ts'
import { decodeStripeHeader, stripeIdOf } from '../../protocol/stripe/stripe.ts'
import type { Op } from '../../protocol/op/op.ts'
import {
  UNKNOWN,
  coldCopiesOf,
  holdersOf,
  isCondemned,
  isLive,
  isSwept,
  oblivionOf,
  withCold,
  withCondemned,
  withRecorded,
  withSweep,
  withWords,
  wordOf,
} from '../../node/shard-map/stripe-record.ts'
import type { ColdCopy, StripeRecord } from '../../node/shard-map/stripe-record.ts'

/** The setting of a volume, unless somebody set it (node/log/settings.ts). */
const DEFAULT_KEEP: Keep = 'copies1'

export class StripeView {
  readonly #records = new Map<StripeId, StripeRecord>()
  #keep: { readonly value: Keep; readonly stamp: Stamp } = {
    value: DEFAULT_KEEP,
    stamp: STAMP_ZERO,
  }
  /** The greatest that was ever heard. */
  #newest: Stamp = STAMP_ZERO

  get keep(): Keep {
    return this.#keep.value
  }

  apply(op: Op, stamp: Stamp): void {
    if (stamp > this.#newest) this.#newest = stamp
    switch (op.kind) {
      case 'stripe': {
        const { k, m, shardBytes, class: cls } = decodeStripeHeader(op.header)
        const facts = { k, m, shardBytes, class: cls === undefined ? '' : formatClass(cls) }
        const words = op.holders.map((holding) => wordOf({ ...holding, isHeld: true }, stamp))
        return this.#change(stripeIdOf(op.header), (record) =>
          withWords(withRecorded(record, facts, stamp), words),
        )
      }
      case 'shards': {
        const words = op.changes.map((change) => wordOf(change, stamp))
        return this.#change(op.stripe, (record) => withWords(record, words))
      }
      case 'condemn':
        for (const id of op.stripes) this.#change(id, (record) => withCondemned(record, stamp))
        return
      case 'sweep':
        for (const id of op.stripes)
          this.#change(id, (record) => withSweep(record, { stamp, condemned: op.condemned }))
        return
      case 'cold':
        for (const { stripe, offset } of op.stripes)
          this.#change(stripe, (record) =>
            withCold(record, { tier: op.tier, pack: op.pack, offset }, stamp),
          )
        return
      case 'policy':
        if (op.key === 'keep' && stamp > this.#keep.stamp)
          this.#keep = { value: op.value as Keep, stamp }
        return
      default:
      // Of no concern to stripes.
    }
  }

  /** Per shard the public keys of those who are said to hold it. */
  holders(id: StripeId): readonly (readonly ByteString[])[] {
    return holdersOf(this.#record(id))
  }

  coldCopies(id: StripeId): readonly ColdCopy[] {
    return coldCopiesOf(this.#record(id))
  }

  /** Was anything ever said of whether a tier holds it? */
  hasHeardOfTier(id: StripeId): boolean {
    return this.#record(id).cold.size > 0
  }

  isLive(id: StripeId): boolean {
    return isLive(this.#record(id))
  }

  /** Somebody looked, and said that nobody needs it; nobody objected. */
  isSwept(id: StripeId): boolean {
    return isSwept(this.#record(id))
  }

  /**
   * Was it swept so long ago that a node may have forgotten all that was said of it? That takes a
   * log that is stable up to a clock that allows it: here the newest clock is taken for that.
   */
  isForgotten(id: StripeId): boolean {
    return oblivionOf(this.#record(id), stampHlc(this.#newest))?.isGone === true
  }

  isCondemned(id: StripeId): boolean {
    return isCondemned(this.#record(id))
  }

  /** All that were ever told of. */
  stripes(): Iterable<StripeId> {
    return this.#records.keys()
  }

  #record(id: StripeId): StripeRecord {
    return this.#records.get(id) ?? UNKNOWN
  }

  #change(id: StripeId, change: (record: StripeRecord) => StripeRecord): void {
    this.#records.set(id, change(this.#record(id)))
  }
}
