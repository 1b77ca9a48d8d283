// What becomes of the shards and copies of stripes that a tier holds: peers give up what is above the floor of the volume
// (its setting `keep`), and copies of chunks in this node's own store go. Only where the log is stable up to the word that
// the tier holds the stripe: nobody can come and say that this word counts for nothing. The first writer in rank that is
// online gives up for all; holders let go as they do of any shard that the map does not ascribe to them (releases.ts).
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ShardChange } from '../../protocol/tree/op.ts'
import type { GroupId, MappedStripe, StripeGroup, StripeMap } from '../data/stripe-map.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'

/** Stripes looked at before others have their turn. */
const PACE = 64

export interface SettleParts {
  readonly map: Pick<StripeMap, 'groups' | 'stripesOf' | 'stripe' | 'recordShards'>
  readonly store: Pick<Store, 'chunks' | 'commit' | 'usage'>
  readonly clock: Clock
  /** Up to where the log is stable. */
  readonly stable: () => Hlc
  /** Is this node the one that gives up the shards of a group? */
  readonly isMine: (group: StripeGroup) => boolean
  readonly isOnline: (peer: PeerId) => boolean
  /** Is a chunk in this node's store wanted there? */
  readonly isNeededHere: (chunk: ChunkId) => boolean
}

export class Settlement {
  readonly #parts: SettleParts
  /** Groups of which nothing is left to be done, by what of them may change. */
  #settled: ReadonlyMap<GroupId, string> = new Map()

  constructor(parts: SettleParts) {
    this.#parts = parts
  }

  /** returns how many stripes have to wait until the log is stable. */
  async run(signal: AbortSignal): Promise<number> {
    const { map, store } = this.#parts
    const settled = new Map<GroupId, string>()
    let waiting = 0
    for (const group of map.groups()) {
      if (group.tiers.length === 0 || group.isCondemned) continue
      const isSurplus = group.holders.filter(isHeld).length > (group.floor ?? Infinity)
      const gives = isSurplus && this.#parts.isMine(group)
      const facts = `${group.count} ${gives}`
      const left =
        this.#settled.get(group.id) === facts ? 0 : await this.#settle(group, gives, signal)
      if (left === 0) settled.set(group.id, facts)
      waiting += left
    }
    await store.commit([])
    this.#settled = settled
    return waiting
  }

  async #settle(group: StripeGroup, gives: boolean, signal: AbortSignal): Promise<number> {
    const { map, store, clock } = this.#parts
    if (!gives && store.usage().chunkBytes === 0) return 0
    const stable = this.#parts.stable()
    let waiting = 0
    let steps = 0
    for await (const id of map.stripesOf(group.id)) {
      signal.throwIfAborted()
      if (++steps % PACE === 0) await clock.sleep(1, { signal })
      const stripe = map.stripe(id)
      if (stripe === undefined || stripe.isCondemned || stripe.cold.length === 0) continue
      if (!stripe.cold.some(({ since }) => since <= stable)) {
        waiting++
        continue
      }
      dropCopies(this.#parts, stripe)
      if (gives) await giveUp(this.#parts, id, stripe)
    }
    return waiting
  }
}

/** What is above the floor: parity first, since data shards are read without decoding; those first whose holder is away. */
async function giveUp(
  { map, isOnline }: SettleParts,
  id: StripeId,
  { holders, floor = Infinity }: MappedStripe,
): Promise<void> {
  const held = [...holders.keys()].filter((index) => isHeld(holders[index] ?? []))
  const isAway = (index: number): boolean => !(holders[index] ?? []).some(isOnline)
  const surplus = held
    .toSorted((a, b) => Number(isAway(b)) - Number(isAway(a)) || b - a)
    .slice(0, Math.max(0, held.length - floor))
  const changes: ShardChange[] = surplus.flatMap((index) =>
    (holders[index] ?? []).map((peer) => ({ index, peer, isHeld: false })),
  )
  if (changes.length > 0) await map.recordShards(id, changes)
}

function dropCopies({ store, isNeededHere }: SettleParts, { header }: MappedStripe): void {
  for (const { id } of header.chunks)
    if (store.chunks.has(id) && !isNeededHere(id)) store.chunks.delete(id)
}

function isHeld(peers: readonly PeerId[]): boolean {
  return peers.length > 0
}
