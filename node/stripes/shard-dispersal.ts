// Brings the shards of one stripe onto distinct peers: the ones that placement chooses among those
// that can be reached now. What a peer refuses is offered to the next in rank that holds no shard
// of the stripe, until all have a holder or nobody is left to ask.
import { ShoalError, asShoalError, assert } from '../../protocol/errors.ts'
import { choosePlacement } from '../../protocol/placement/choose-placement.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import { rankPeers } from '../../protocol/placement/rendezvous.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Candidate } from '../../protocol/placement/rendezvous.ts'
import type { CodedStripe } from '../../protocol/stripe/stripe.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Receipt } from '../../protocol/stripe/receipt.ts'
import type { Holding } from '../../protocol/op/op.ts'
import type { Clock, Network, Random } from '../world/world.ts'
import type { Tracer } from '../traces/span.ts'
import { challenge, randomLeaf } from './challenge.ts'
import type { Holders, StripeMap } from '../shard-map/stripe-map.ts'

export interface DisperseParts {
  readonly store: Store
  readonly map: StripeMap
  readonly client: ShardClient
  readonly network: Network
  readonly random: Pick<Random, 'number' | 'unlucky'>
  readonly tracer?: Tracer | undefined
}

/** The parts needed to ask holders. */
export interface ProvenParts {
  readonly clock: Pick<Clock, 'timeout'>
}

export interface DisperseOptions {
  /** Peers not to be asked now. */
  readonly isAvoided: (peer: PeerId) => boolean
  readonly onRefused: (peer: PeerId, error: Error) => void
  readonly signal: AbortSignal
}

/**
 * Give each shard that `held` names no holder of to a peer. returns who took which, with their
 * receipts: fewer than are missing if too few can be reached. A shard that this node keeps is
 * durable with the store's next commit.
 * throws only the signal's reason.
 */
export async function disperse(
  parts: DisperseParts,
  stripe: CodedStripe,
  held: Holders,
  { isAvoided, onRefused, signal }: DisperseOptions,
): Promise<readonly Holding[]> {
  const given: Holding[] = []
  const holders = stripe.shards.map((_, index) => [...(held[index] ?? [])])
  const refused = new Set<PeerId>()
  for (;;) {
    signal.throwIfAborted()
    const missing = [...holders.keys()].filter((index) => holders[index]?.length === 0)
    const willing = reachable(parts).filter(({ peer }) => !refused.has(peer) && !isAvoided(peer))
    const targets = chooseTargets(parts.map, stripe, holders, willing).slice(0, missing.length)
    if (targets.length === 0) return given
    const giving = targets.map(async (peer, n) => {
      const index = missing[n] ?? 0
      try {
        const receipt = await give(parts, stripe, index, peer, signal)
        holders[index]?.push(peer)
        given.push({ index, peer, receipt })
      } catch (error) {
        refused.add(peer)
        if (!signal.aborted) onRefused(peer, asShoalError(error))
      }
    })
    await Promise.all(giving)
  }
}

/** Candidates that a shard can be given to now: connected ones, and this node. */
export function reachable({ map, network }: Pick<DisperseParts, 'map' | 'network'>): Candidate[] {
  const connected = new Set(network.peers())
  return map
    .candidates()
    .filter(({ peer, weight }) => weight > 0 && !map.isAvoided(peer))
    .filter(({ peer }) => peer === network.self || connected.has(peer))
}

/** The holders of a stripe with those that took a shard just now. */
export function withGiven(holders: Holders, given: readonly Holding[]): Holders {
  return holders.map((peers, index) => {
    const taken = given.filter((one) => one.index === index).map(({ peer }) => peer)
    return [...new Set([...peers, ...taken])]
  })
}

/**
 * For each shard of a stripe, the holders that prove it now. Where something else is let go for it,
 * or nobody has looked after it, no others count: its holders may be lost long since. throws only
 * the signal's reason.
 */
export async function provenHolders(
  parts: DisperseParts & ProvenParts,
  { id, header }: Pick<CodedStripe, 'id' | 'header'>,
  signal: AbortSignal,
): Promise<Holders> {
  const { map, network, store, random } = parts
  const there = new Set([network.self, ...network.peers()])
  const here = store.shards.indices(id)
  const holders = map.stripe(id)?.holders ?? header.shardRoots.map(() => [])
  const isProven = async (index: number, peer: PeerId): Promise<boolean> => {
    if (peer === network.self) return here.includes(index)
    const leaf = randomLeaf(random, header)
    const shard = { stripe: id, index, peer }
    return (await challenge(parts, shard, header, leaf, { signal })) === 'proven'
  }
  return Promise.all(
    holders.map(async (peers, index) => {
      const asked = peers.filter((peer) => there.has(peer))
      const proven = await Promise.all(asked.map((peer) => isProven(index, peer)))
      return asked.filter((_, n) => proven[n])
    }),
  )
}

/** True if someone who can be reached holds no shard of the stripe. */
export function hasFreePeer(parts: DisperseParts, holders: Holders): boolean {
  const holding = new Set(holders.flat())
  return reachable(parts).some(({ peer }) => !holding.has(peer))
}

/** Those of `willing` that hold no shard of the stripe: the chosen first, then the rest by rank. */
function chooseTargets(
  map: StripeMap,
  { id, header }: { id: StripeId; header: CodedStripe['header'] },
  holders: Holders,
  willing: readonly Candidate[],
): PeerId[] {
  const holding = new Set(holders.flat())
  const free = willing.filter(({ peer }) => !holding.has(peer))
  // Holders count too, so that a zone does not get more than its share.
  const pool = [...map.candidates().filter(({ peer }) => holding.has(peer)), ...free]
  const group = placementGroup(id)
  const chosen = choosePlacement(group, pool, header.k + header.m, header.m).peers
  const ranked = rankPeers(group, free).map(({ peer }) => peer)
  return [...new Set([...chosen.filter((peer) => !holding.has(peer)), ...ranked])]
}

async function give(
  { store, client, network, random }: DisperseParts,
  { id, headerBytes, shards }: CodedStripe,
  index: number,
  peer: PeerId,
  signal: AbortSignal,
): Promise<Receipt | undefined> {
  const shard = shards[index]
  assert(shard !== undefined, 'a shard of the stripe')
  if (random.unlucky('stripes.shard-refused'))
    throw new ShoalError('ENOSPC', 'there is no room for a shard now')
  if (peer !== network.self)
    return client.put(peer, { header: headerBytes, index, shard }, { signal })
  await store.shards.put(id, index, headerBytes, shard)
  return undefined
}
