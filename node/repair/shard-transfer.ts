// Whole shards from and to peers, for work in the background: what is read matches the root in its
// stripe's header, and the map is told of a holder that turns out not to have it. Bytes that cross
// the network wait for the budget.
import { equalBytes } from '../../protocol/bytes.ts'
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { shardRoot } from '../../protocol/stripe/shard-tree.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { ShardChange } from '../../protocol/op/op.ts'
import type { PlacePeer } from '../../protocol/placement/plan.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Luck, Network } from '../world/world.ts'
import type { Budget } from '../world/budget.ts'
import type { ClusterView } from './cluster-view.ts'
import type { WriteLog } from '../observe/log-events.ts'

export interface TransferParts {
  readonly store: Pick<Store, 'shards'>
  readonly map: Pick<StripeMap, 'recordShards' | 'believe' | 'disbelieve'>
  readonly client: Pick<ShardClient, 'get' | 'put' | 'expectedMs'>
  readonly network: Pick<Network, 'self'>
  readonly random: Luck
  readonly budget: Pick<Budget, 'take'>
  readonly log: WriteLog
}

export interface TransferOptions {
  /** Does not wait for the budget. */
  readonly isUrgent: boolean
  readonly signal: AbortSignal
}

/** A source of a shard. */
interface Source {
  readonly index: number
  readonly holder: PeerId
}

export class ShardTransfer {
  readonly #parts: TransferParts

  constructor(parts: TransferParts) {
    this.#parts = parts
  }

  /**
   * A shard as its header says. throws ShoalError 'corrupt' or 'ENOENT' of a holder that does not
   * have it so.
   */
  async read(
    id: StripeId,
    { header }: MappedStripe,
    index: number,
    holder: PeerId,
    { isUrgent, signal }: TransferOptions,
  ): Promise<Uint8Array> {
    const { store, client, network, budget } = this.#parts
    const { shardBytes } = header
    try {
      if (holder !== network.self && !isUrgent) await budget.take(shardBytes, signal)
      const range = { stripe: id, index, offset: 0, length: shardBytes }
      const bytes =
        holder === network.self
          ? await store.shards.read(id, index, 0, shardBytes)
          : (await client.get(holder, range, { proof: false, signal })).bytes
      if (bytes === undefined) throw new ShoalError('ENOENT', `shard ${index} of ${id} is not here`)
      const root = header.shardRoots[index]
      if (root !== undefined && equalBytes(shardRoot(bytes), root)) return bytes
      throw new ShoalError('corrupt', `${holder} has other bytes of shard ${index} of ${id}`)
    } catch (error) {
      signal.throwIfAborted()
      if (hasCode(error, 'corrupt') || hasCode(error, 'ENOENT')) {
        await this.#disown(id, index, holder, error)
      }
      throw error
    }
  }

  /**
   * Any k shards, each in its place: those that are here, then from peers that are online, then
   * from whoever may answer.
   * throws ShoalError 'stripe-unrecoverable'.
   */
  async readAny(
    id: StripeId,
    stripe: MappedStripe,
    { peers }: Pick<ClusterView, 'peers'>,
    options: TransferOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    const { k, m } = stripe.header
    const shards: (Uint8Array | undefined)[] = Array.from({ length: k + m })
    const left = this.#sourcesOf(stripe, peers)
    const taken = new Set<number>()
    const readNext = async (): Promise<void> => {
      for (;;) {
        const at = left.findIndex(({ index }) => !taken.has(index))
        const [source] = at < 0 ? [] : left.splice(at, 1)
        if (source === undefined) {
          throw new ShoalError(
            'stripe-unrecoverable',
            `fewer than ${k} shards of ${id} are available`,
          )
        }
        taken.add(source.index)
        shards[source.index] = await this.#tryRead(id, stripe, source, options)
        if (shards[source.index] !== undefined) return
        taken.delete(source.index)
      }
    }
    const ends = await Promise.allSettled(Array.from({ length: k }, readNext))
    options.signal.throwIfAborted()
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    return shards
  }

  /**
   * Resolves when the shard is durable there, with what to record; one that stays here is so with
   * the map's next record.
   */
  async put(
    id: StripeId,
    { headerBytes: header }: MappedStripe,
    { index, to, shard }: { index: number; to: PeerId; shard: Uint8Array },
    { isUrgent, signal }: TransferOptions,
  ): Promise<ShardChange> {
    const { store, map, client, network, budget } = this.#parts
    const taken = { index, peer: to, isHeld: true }
    if (to === network.self) {
      await store.shards.put(id, index, header, shard, { verify: true })
      return taken
    }
    if (!isUrgent) await budget.take(shard.length, signal)
    const receipt = await client.put(to, { header, index, shard }, { signal })
    // Whatever it lacked before: else it would be given the same again and again.
    map.believe({ stripe: id, index, peer: to })
    return { ...taken, receipt }
  }

  async #tryRead(
    id: StripeId,
    stripe: MappedStripe,
    { index, holder }: Source,
    options: TransferOptions,
  ): Promise<Uint8Array | undefined> {
    try {
      return await this.read(id, stripe, index, holder, options)
    } catch (error) {
      options.signal.throwIfAborted()
      const { code, message } = asShoalError(error)
      this.#parts.log('transfer.shard-not-had', { stripe: id, index, holder, code, message })
      return undefined
    }
  }

  /** The holder does not have the shard, or not as it should be: then it counts as missing. */
  async #disown(id: StripeId, index: number, holder: PeerId, error: Error): Promise<void> {
    const { map, network, log } = this.#parts
    log('transfer.no-such-shard', { stripe: id, index, holder, message: error.message })
    if (holder === network.self)
      return map.recordShards(id, [{ index, peer: holder, isHeld: false }])
    map.disbelieve({ stripe: id, index, peer: holder })
  }

  /**
   * The soonest first: a disk that hangs costs its time once in a while, and not for each stripe.
   */
  #sourcesOf({ holders }: MappedStripe, peers: readonly PlacePeer[]): Source[] {
    const { network, client, random } = this.#parts
    const order = ['online', 'late', 'absent', 'gone']
    const bySpeed = peers.toSorted(
      (a, b) =>
        Number(b.peer === network.self) - Number(a.peer === network.self) ||
        order.indexOf(a.presence) - order.indexOf(b.presence) ||
        client.expectedMs(a.peer) - client.expectedMs(b.peer),
    )
    if (random.unlucky('repair.sources-reversed')) bySpeed.reverse()
    return bySpeed.flatMap(({ peer: holder }) =>
      holders.flatMap((held, index) => (held.includes(holder) ? [{ index, holder }] : [])),
    )
  }
}
