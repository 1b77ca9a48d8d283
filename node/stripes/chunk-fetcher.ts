// Finds a sealed chunk: here, or as it was fetched before; on the peers with its data shards (only
// its bytes), from any k shards of its stripe (the same bytes of each, decoded), from holders that
// the DHT knows, whole from a peer that has it in no stripe yet, or from a cold tier, which comes
// first where too few holders are there. Later ways start while earlier ones are slow. What is
// returned matches the chunk's id; when what was gathered does not, it is gathered again with a
// Merkle proof of every range, which names the holder that lies or is damaged.
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { stripeIdBytes } from '../../protocol/ids.ts'
import { placementGroup, groupAnnouncement } from '../../protocol/placement/placement-group.ts'
import { HEDGE_MS, StripeRead } from './stripe-read.ts'
import { firstOf } from './hedge.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { Attempt } from './hedge.ts'
import type { ChunkLocation, Holders, MappedStripe } from '../shard-map/stripe-map.ts'
import type { GatherParts } from './stripe-read.ts'
import { traced } from '../traces/span.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** A whole way to find a chunk gets so long before the next is tried beside it. */
const WAY_HEDGE_MS = 1500
const FIND_MS = 10_000
/**
 * Maximum of stripes that list a chunk: more than one does only where two packed it at a time, or
 * somebody lies.
 */
const STRIPES_MAX = 64
/** Peers from the DHT that are asked what they hold. */
const FOUND_PEERS_MAX = 16

interface FetchOptions {
  /** Peers that may hold the chunk in no stripe: its author. Connected members are asked too. */
  readonly hints: readonly PeerId[]
  /** Keep what other nodes had to be asked for, for the next who asks. */
  readonly keeps?: boolean
  readonly signal: AbortSignal
}

/**
 * From where a chunk would be read: here, peers, a cold tier, or one that gives it in hours only.
 */
export type ChunkState = 'local' | 'placed' | 'cold' | 'archived'

export class ChunkFetcher {
  readonly #parts: GatherParts

  constructor(parts: GatherParts) {
    this.#parts = parts
  }

  /**
   * The sealed chunk. throws ShoalError 'chunk-unavailable' that says what was found and who is
   * missing.
   */
  async fetch(id: ChunkId, { hints, keeps = false, signal }: FetchOptions): Promise<Uint8Array> {
    const { store, random } = this.#parts
    const local = (await this.#local(id)) ?? (await store.fetched.read(id))
    if (local !== undefined) return local
    const { sealed, isFetched } = await traced('chunk.gather', () =>
      this.#gather(id, hints, signal),
    )
    const isKept = keeps && isFetched && !random.unlucky('stripes.fetched-not-kept')
    if (isKept) store.fetched.keep(id, sealed)
    return sealed
  }

  async #gather(
    id: ChunkId,
    hints: readonly PeerId[],
    signal: AbortSignal,
  ): Promise<{ readonly sealed: Uint8Array; readonly isFetched: boolean }> {
    const { clock, random } = this.#parts
    const places = this.#placesOf(id).map((place) => {
      return { ...place, read: new StripeRead(this.#parts, { id: place.stripe, ...place.known }) }
    })
    let isFromTier = false
    const direct = places.map(
      ({ read, index, known }): Attempt<Uint8Array> =>
        (scope) =>
          this.#fromStripe(read, index, known.holders, scope),
    )
    const found = places.map(
      ({ stripe, read, index, known }): Attempt<Uint8Array> =>
        async (scope) =>
          this.#fromStripe(
            read,
            index,
            await this.#findHolders(stripe, known.holders, scope),
            scope,
          ),
    )
    const fromTier = places.flatMap(({ index, known }): Attempt<Uint8Array>[] => {
      const { cold } = this.#parts
      if (cold === undefined || known.cold.length === 0) return []
      const read: Attempt<Uint8Array> = async (scope) => {
        const sealed = await traced('cold.read', () => cold.chunk(known, index, scope))
        isFromTier = true
        return sealed
      }
      return [read]
    })
    const whole: Attempt<Uint8Array> = (scope) => this.#whole(id, hints, scope)
    const [first] = places
    const isOut = first !== undefined && this.#isOutOfReach(first.known)
    const ways = isOut
      ? [...fromTier, ...direct, ...found, whole]
      : [...direct, ...found, whole, ...fromTier]
    if (random.unlucky('stripes.ways-reversed')) ways.reverse()
    let cause: unknown
    try {
      const [sealed] = await firstOf(ways, 1, { clock, hedgeMs: WAY_HEDGE_MS, signal })
      const hasAsked = places.length === 0 || places.some(({ read }) => read.hasAsked)
      if (sealed !== undefined) return { sealed, isFetched: isFromTier || hasAsked }
    } catch (error) {
      if (signal.aborted) throw error
      cause = error
    }
    throw unavailable(id, first?.stripe, first?.read, cause)
  }

  /**
   * The places from which a chunk may be read: rather a stripe that surely holds it than one that
   * only lists it.
   */
  #placesOf(id: ChunkId): (ChunkLocation & { readonly known: MappedStripe })[] {
    const { map, verified } = this.#parts
    const places = map.locations(id).flatMap((location) => {
      const known = map.stripe(location.stripe)
      return known === undefined ? [] : { ...location, known }
    })
    if (places.length < 2) return places
    const rankOf = ({ stripe }: ChunkLocation): number =>
      Number(verified?.isFalse(stripe) === true) - Number(verified?.has(stripe) === true)
    return places.toSorted((a, b) => rankOf(a) - rankOf(b)).slice(0, STRIPES_MAX)
  }

  /** As far as this node knows, asking nobody. */
  stateOf(id: ChunkId): ChunkState {
    const { store, map, cold } = this.#parts
    if (store.chunks.has(id) || store.fetched.has(id)) return 'local'
    const found = map.locations(id)[0]
    const stripe = found === undefined ? undefined : map.stripe(found.stripe)
    if (stripe === undefined || stripe.cold.length === 0 || !this.#isOutOfReach(stripe))
      return 'placed'
    return cold?.isArchived(stripe) === true ? 'archived' : 'cold'
  }

  /** Are fewer shards with holders that are there than it takes to read the stripe? */
  #isOutOfReach({ header, holders }: MappedStripe): boolean {
    const { isOnline, network } = this.#parts
    const isThere = (peer: PeerId): boolean => peer === network.self || isOnline(peer)
    return holders.filter((peers) => peers.some(isThere)).length < header.k
  }

  async #local(id: ChunkId): Promise<Uint8Array | undefined> {
    try {
      const sealed = await this.#parts.store.chunks.read(id)
      // A damaged copy is as good as none; scrub deals with it.
      return sealed !== undefined && verifyChunk(id, sealed) ? sealed : undefined
    } catch (error) {
      if (hasCode(error, 'corrupt')) return undefined
      throw error
    }
  }

  async #fromStripe(
    read: StripeRead,
    index: number,
    holders: Holders,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const chunk = read.header.chunks[index]
    if (chunk === undefined)
      throw new ShoalError('corrupt', `stripe ${read.id} has no chunk ${index}`)
    const sealed = await read.chunk(index, holders, { proof: false, signal })
    if (verifyChunk(chunk.id, sealed)) return sealed
    const proven = await read.chunk(index, holders, { proof: true, signal })
    if (verifyChunk(chunk.id, proven)) return proven
    // Each part is as its root says.
    this.#parts.verified?.refute(read.id)
    throw new ShoalError(
      'corrupt',
      `stripe ${read.id} does not hold chunk ${chunk.id} as its header says`,
    )
  }

  /**
   * The holders, and those that announced the stripe in the DHT, or the placement group it is in.
   */
  async #findHolders(stripe: StripeId, known: Holders, signal: AbortSignal): Promise<Holders> {
    const { network, map, client, clock, random, volume } = this.#parts
    const holders = known.map((peers) => [...peers])
    const asked = new Set<PeerId>([network.self])
    const deadline = clock.timeout(FIND_MS, signal)
    const ask = async (peer: PeerId): Promise<void> => {
      for (const index of await client.have(peer, stripe, { signal: deadline })) {
        if (holders[index]?.includes(peer) === false) holders[index].push(peer)
      }
    }
    const find = async (cid: Uint8Array): Promise<void> => {
      if (random.unlucky('stripes.nobody-found')) return
      const asking: Promise<void>[] = []
      try {
        for await (const peer of network.find(cid, { signal: deadline })) {
          if (asked.has(peer) || !map.isMember(peer) || !map.mayStore(peer)) continue
          if (asked.size > FOUND_PEERS_MAX) break
          asked.add(peer)
          asking.push(ignoreFailure(ask(peer), 'others are asked, too'))
        }
      } catch {
        // The places found so far are better than none.
      }
      await Promise.all(asking)
    }
    await Promise.all([
      find(stripeIdBytes(stripe)),
      find(groupAnnouncement(volume, placementGroup(stripe))),
    ])
    signal.throwIfAborted()
    return holders
  }

  async #whole(id: ChunkId, hints: readonly PeerId[], signal: AbortSignal): Promise<Uint8Array> {
    const { network, map, client, clock } = this.#parts
    const peers = new Set([...hints, ...network.peers()])
    peers.delete(network.self)
    const attempts = [...peers]
      .filter((peer) => map.isMember(peer))
      .map((peer): Attempt<Uint8Array> => async (scope) => {
        const sealed = await client.chunk(peer, id, { signal: scope })
        if (verifyChunk(id, sealed)) return sealed
        throw new ShoalError('corrupt', `${peer} sent other bytes than chunk ${id}`)
      })
    const [sealed] = await firstOf(attempts, 1, { clock, hedgeMs: HEDGE_MS, signal })
    if (sealed === undefined) throw new ShoalError('chunk-unavailable', `no peer has chunk ${id}`)
    return sealed
  }
}

function unavailable(
  id: ChunkId,
  stripe: StripeId | undefined,
  read: StripeRead | undefined,
  cause: unknown,
): ShoalError {
  const where =
    stripe === undefined || read === undefined
      ? 'is in no stripe known here; the node that wrote it must be up'
      : `of stripe ${stripe}: ${read.describe()}`
  const archived = failureOf(cause, ['cold-archived'])
  if (archived !== undefined) return archived
  const cold = failureOf(cause, COLD_CODES)
  const tier = cold === undefined ? '' : `; ${cold.message}`
  return new ShoalError('chunk-unavailable', `chunk ${id} ${where}${tier}`, {
    cause: asShoalError(cause),
  })
}

const COLD_CODES: readonly ErrorCode[] = [
  'cold-unreachable',
  'cold-denied',
  'cold-gone',
  'cold-missing',
  'cold-corrupt',
  'ENOENT',
]

/** One of the failures with such a code. */
function failureOf(cause: unknown, codes: readonly ErrorCode[]): ShoalError | undefined {
  const all: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause]
  return all.filter((one) => one instanceof ShoalError).find(({ code }) => codes.includes(code))
}
