// Receipts for what peers put: all that is put at the same time is made durable by one commit, and
// signed for by one signature a volume (protocol/stripe/receipt.ts).
import { assert } from '../../protocol/errors.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { RECEIPT_SHARDS_MAX } from '../../protocol/limits.ts'
import type { Receipt, ShardName } from '../../protocol/stripe/receipt.ts'
import { groupCommit } from '../store/group-commit.ts'
import type { KvWrite } from '../store/kv.ts'
import type { Store } from '../store/store.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/**
 * Signs, in the name of this node, for shards of a volume that are durable here; in their order.
 */
export type SignReceipts = (volume: VolumeId, shards: readonly ShardName[]) => readonly Receipt[]

interface Waiting {
  readonly volume: VolumeId
  readonly shard: ShardName
  readonly writes: readonly KvWrite[]
  receipt: Receipt | undefined
}

export class ShardReceipts {
  readonly #store: Pick<Store, 'commit'>
  readonly #sign: SignReceipts
  #waiting: Waiting[] = []
  readonly #round: () => Promise<void> = groupCommit(() => this.#commit())

  constructor(store: Pick<Store, 'commit'>, sign: SignReceipts) {
    this.#store = store
    this.#sign = sign
  }

  /** Resolves when the shard, which was put before, is durable, and these writes with it. */
  async take(volume: VolumeId, shard: ShardName, writes: readonly KvWrite[]): Promise<Receipt> {
    const waiting: Waiting = { volume, shard, writes, receipt: undefined }
    this.#waiting.push(waiting)
    await this.#round()
    assert(waiting.receipt !== undefined, 'a round serves all who wait')
    return waiting.receipt
  }

  async #commit(): Promise<void> {
    const all = this.#waiting
    this.#waiting = []
    if (!isPlanted('shard-acknowledged-early'))
      await this.#store.commit(all.flatMap(({ writes }) => writes))
    for (const [volume, ofVolume] of Map.groupBy(all, (one) => one.volume)) {
      for (let at = 0; at < ofVolume.length; at += RECEIPT_SHARDS_MAX) {
        const some = ofVolume.slice(at, at + RECEIPT_SHARDS_MAX)
        const receipts = this.#sign(
          volume,
          some.map(({ shard }) => shard),
        )
        for (const [n, one] of some.entries()) one.receipt = receipts[n]
      }
    }
  }
}
