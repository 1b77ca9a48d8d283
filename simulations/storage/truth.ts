// The true state of the disks, from every write to the machines' indexes and from what the run does
// to the machines: which shard is whole where, when each was lost and why. It alone decides whether
// a loss is the fault of the code. A shard of a stripe counts as lost while no machine that is not
// dead for good has it whole.
//
// A stripe that can no longer be read is excused only if more than m of its shards were lost, each
// of them so recently that it could not have been repaired yet (repairMs of its cause).
import {
  decodePointers,
  prefixRange,
  SHARD_PREFIX,
  stripeOfKey,
  trashKey,
  TRASH_PREFIX,
} from '../../node/store/keys.ts'
import { CheckError } from '../check-error.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Code } from '../../protocol/placement/redundancy.ts'
import type { KvWrite } from '../../node/store/kv.ts'
import type { SimulatedKv } from '../kv.ts'

/**
 * failure: its machine is gone. rot: a bit flipped. lie: its machine lied. never: it was not
 * placed.
 */
export type Cause = 'failure' | 'rot' | 'lie' | 'never' | 'dropped'

export interface TruthOptions {
  readonly nowMs: () => number
  /** Within which time a loss must be repaired, given when it happened. */
  readonly repairMs: (cause: Cause, atMs: number) => number
  /** Does any entry of the map, whoever knows it yet, ascribe the shard to somebody? */
  readonly isAscribed: (stripe: StripeId, index: number) => boolean
  /** A stripe was lost, excusably. */
  readonly onLost: (stripe: StripeId) => void
  /** Given a CheckError when something is the fault of the code. */
  readonly onBreach: (error: CheckError) => void
  /**
   * A damaged shard is elsewhere on the disk now: moved as it was, or put anew. Whoever looks calls
   * mend() if it is whole.
   */
  readonly onMoved: (peer: PeerId, stripe: StripeId, index: number) => void
}

interface Loss {
  readonly atMs: number
  readonly cause: Cause
}

interface Stripe {
  readonly code: Code
  /** By shard index: who has it whole. */
  readonly whole: readonly Set<PeerId>[]
  /** By shard index: who was given it, and has it no more through no decision of its own. */
  readonly betrayed: readonly Set<PeerId>[]
  readonly losses: Map<number, Loss>
  /** Acknowledged as placed: what is promised of it holds from then on, until it is given up. */
  isPromised: boolean
  isLost: boolean
}

interface Machine {
  /** stripe -> by index, where its record is. */
  readonly shards: Map<StripeId, Map<number, string>>
  /** `<stripe> <index> <record>` of what is damaged. */
  readonly damaged: Set<string>
  /** Keys of what is in its trash. */
  readonly trash: Set<string>
  isHonest: boolean
  isAlive: boolean
}

export class Truth {
  readonly #options: TruthOptions
  readonly #machines = new Map<PeerId, Machine>()
  readonly #stripes = new Map<StripeId, Stripe>()

  constructor(options: TruthOptions) {
    this.#options = options
  }

  addMachine(peer: PeerId): void {
    this.#machines.set(peer, {
      shards: new Map(),
      damaged: new Set(),
      trash: new Set(),
      isHonest: true,
      isAlive: true,
    })
  }

  /** A stripe that is being placed. */
  addStripe(stripe: StripeId, code: Code): void {
    if (this.#stripes.has(stripe)) return
    const sets = (): Set<PeerId>[] => Array.from({ length: code.k + code.m }, () => new Set())
    const [whole, betrayed] = [sets(), sets()]
    const losses = new Map<number, Loss>()
    this.#stripes.set(stripe, { code, whole, betrayed, losses, isPromised: false, isLost: false })
    for (const [peer, { shards }] of this.#machines)
      for (const index of shards.get(stripe)?.keys() ?? []) this.#gain(peer, stripe, index)
  }

  /** From now on the stripe must be kept. */
  promise(stripe: StripeId): void {
    const known = this.#get(stripe)
    if (known.isPromised) return
    known.isPromised = true
    for (const [index, peers] of known.whole.entries())
      if (peers.size === 0) this.#lose(stripe, known, index, 'never')
  }

  /** Nobody needs it any more. */
  release(stripe: StripeId): void {
    this.#get(stripe).isPromised = false
  }

  /** Stripes that must be kept, and are not lost. */
  promised(): StripeId[] {
    return [...this.#stripes].flatMap(([id, { isPromised, isLost }]) =>
      isPromised && !isLost ? [id] : [],
    )
  }

  get lostCount(): number {
    return [...this.#stripes.values()].filter(({ isLost }) => isLost).length
  }

  /** The peers that have a shard whole. */
  holders(stripe: StripeId, index: number): ReadonlySet<PeerId> {
    return this.#get(stripe).whole[index] ?? new Set()
  }

  /** More of its shards were lost than may be. */
  isLost(stripe: StripeId): boolean {
    return this.#stripes.get(stripe)?.isLost === true
  }

  /**
   * It has the shard whole, or in its trash, from where it comes back; or had it and did not give
   * it up by itself.
   */
  wasGiven(peer: PeerId, stripe: StripeId, index: number): boolean {
    const known = this.#stripes.get(stripe)
    const { trash, isHonest } = this.#machine(peer)
    // A liar says that it has it, whatever it has.
    if (!isHonest) return true
    const isInTrash = trash.has(trashKey(stripe, index))
    const isHere = known?.whole[index]?.has(peer) === true
    return isHere || isInTrash || known?.betrayed[index]?.has(peer) === true
  }

  /** Shards that a machine has, whole or not. */
  shardsOf(peer: PeerId): readonly (readonly [stripe: StripeId, index: number])[] {
    const shards = this.#machines.get(peer)?.shards ?? new Map<StripeId, Map<number, string>>()
    return [...shards].flatMap(([stripe, indices]) =>
      [...indices.keys()].map((index) => [stripe, index] as const),
    )
  }

  /** Shards of a promised stripe that nobody has whole. */
  missing(stripe: StripeId): number[] {
    return [...this.#get(stripe).losses.keys()]
  }

  /** Records a machine's writes to its ordered store. */
  written(peer: PeerId, batch: readonly KvWrite[]): void {
    for (const write of batch) {
      if (write.key.startsWith(TRASH_PREFIX)) {
        const { trash } = this.#machine(peer)
        if (write.kind === 'put') trash.add(write.key)
        else trash.delete(write.key)
      }
      if (!write.key.startsWith(SHARD_PREFIX)) continue
      const pointers = write.kind === 'put' ? decodePointers(write.value) : []
      this.#index(peer, stripeOfKey(write.key), new Map(pointers.map(recordOf)))
    }
  }

  /** Records the state of a machine after a power loss, which may have undone writes. */
  async recovered(peer: PeerId, kv: SimulatedKv): Promise<void> {
    const left = new Set<StripeId>()
    for await (const [key, value] of kv.readable().scan(prefixRange(SHARD_PREFIX))) {
      const stripe = stripeOfKey(key)
      left.add(stripe)
      this.#index(peer, stripe, new Map(decodePointers(value).map(recordOf)))
    }
    for (const stripe of this.#machine(peer).shards.keys())
      if (!left.has(stripe)) this.#index(peer, stripe, new Map())
  }

  /** The machine is gone for good. */
  died(peer: PeerId): void {
    this.#machine(peer).isAlive = false
    this.#betray(peer, 'failure')
  }

  /** From now on nothing that the machine has is whole. */
  lies(peer: PeerId): void {
    this.#machine(peer).isHonest = false
    this.#betray(peer, 'lie')
  }

  /** A shard on a machine's disk is no longer what it was. */
  damage(peer: PeerId, stripe: StripeId, index: number): void {
    const { shards, damaged } = this.#machine(peer)
    damaged.add(nameOf(stripe, index, shards.get(stripe)?.get(index)))
    this.#forfeit(peer, stripe, index, 'rot')
  }

  /** A shard that was damaged has been found whole. */
  mend(peer: PeerId, stripe: StripeId, index: number): void {
    const { shards, damaged } = this.#machine(peer)
    damaged.delete(nameOf(stripe, index, shards.get(stripe)?.get(index)))
    if (shards.get(stripe)?.has(index) === true) this.#gain(peer, stripe, index)
  }

  #index(peer: PeerId, stripe: StripeId, now: ReadonlyMap<number, string>): void {
    const { shards, damaged } = this.#machine(peer)
    const before = shards.get(stripe) ?? new Map<number, string>()
    if (now.size === 0) shards.delete(stripe)
    else shards.set(stripe, new Map(now))
    for (const [index, record] of now) {
      const last = before.get(index)
      if (last === record) continue
      if (last !== undefined && damaged.delete(nameOf(stripe, index, last))) {
        damaged.add(nameOf(stripe, index, record))
        this.#options.onMoved(peer, stripe, index)
      } else this.#gain(peer, stripe, index)
    }
    for (const index of before.keys()) if (!now.has(index)) this.#drop(peer, stripe, index)
  }

  #gain(peer: PeerId, stripe: StripeId, index: number): void {
    const known = this.#stripes.get(stripe)
    const { shards, damaged, isHonest } = this.#machine(peer)
    if (known === undefined) return
    const isDamaged = damaged.has(nameOf(stripe, index, shards.get(stripe)?.get(index)))
    if (!isHonest || isDamaged) {
      known.betrayed[index]?.add(peer)
      // Made good as far as anybody can know, and lost again at once.
      if (known.losses.has(index)) this.#lose(stripe, known, index, isHonest ? 'rot' : 'lie')
      return
    }
    known.betrayed[index]?.delete(peer)
    known.whole[index]?.add(peer)
    known.losses.delete(index)
  }

  /** A machine gave a shard up by itself. */
  #drop(peer: PeerId, stripe: StripeId, index: number): void {
    const known = this.#stripes.get(stripe)
    if (known === undefined) return
    known.betrayed[index]?.delete(peer)
    if (known.whole[index]?.delete(peer) !== true || !known.isPromised) return
    if (known.whole[index].size > 0) return
    // Whoever else was given it may have lost it meanwhile, unknown to this one; what it puts into
    // the trash before it hears that it is its own comes back when it does.
    if (known.betrayed[index]?.size === 0 && !this.#options.isAscribed(stripe, index))
      this.#options.onBreach(
        new CheckError(
          'nothing is dropped before its replacement is durable',
          `${peer} dropped shard ${index} of ${stripe}, which nobody else has`,
        ),
      )
    this.#lose(stripe, known, index, 'dropped')
  }

  #betray(peer: PeerId, cause: Cause): void {
    for (const [stripe, index] of this.shardsOf(peer)) this.#forfeit(peer, stripe, index, cause)
  }

  #forfeit(peer: PeerId, stripe: StripeId, index: number, cause: Cause): void {
    const known = this.#stripes.get(stripe)
    if (known?.whole[index]?.delete(peer) !== true) return
    known.betrayed[index]?.add(peer)
    if (known.whole[index].size === 0) this.#lose(stripe, known, index, cause)
  }

  #lose(id: StripeId, stripe: Stripe, index: number, cause: Cause): void {
    const { code, losses } = stripe
    if (!stripe.isPromised) return
    losses.set(index, { atMs: this.#options.nowMs(), cause })
    if (losses.size <= code.m || stripe.isLost) return
    stripe.isLost = true
    const overdue = [...losses.values()].filter((loss) => this.#isOverdue(loss))
    if (losses.size - overdue.length > code.m) return this.#options.onLost(id)
    this.#options.onBreach(
      new CheckError('placed stripes are lost only with more than m shards at once', this.tell(id)),
    )
  }

  #isOverdue({ atMs, cause }: Loss): boolean {
    const { nowMs, repairMs } = this.#options
    return nowMs() - atMs > repairMs(cause, atMs)
  }

  /** For people: what became of a stripe's shards. */
  tell(id: StripeId): string {
    const lines = [...this.#get(id).losses].map(([index, { atMs, cause }]) => {
      const hours = (this.#options.nowMs() - atMs) / 3_600_000
      return `shard ${index}: ${cause} ${hours.toFixed(1)} h ago`
    })
    return `${id}: ${lines.join(', ')}`
  }

  #machine(peer: PeerId): Machine {
    const known = this.#machines.get(peer)
    if (known === undefined) throw new RangeError(`no machine ${peer}`)
    return known
  }

  #get(stripe: StripeId): Stripe {
    const known = this.#stripes.get(stripe)
    if (known === undefined) throw new RangeError(`no stripe ${stripe}`)
    return known
  }
}

function nameOf(stripe: StripeId, index: number, record: string | undefined): string {
  return `${stripe} ${index} ${record ?? ''}`
}

function recordOf({
  index,
  address,
}: ReturnType<typeof decodePointers>[number]): readonly [number, string] {
  return [index, `${address.segment}:${address.offset}`]
}
