// Plans the shards of a stripe, given its holders and the peers: rebuilt where nobody holds them
// any more, moved where they lie better, forgotten where another holds them too. A pure decision,
// the same on every node that sees the same. Of every plan:
//   a peer gets a shard only if it is online, not full, not draining, and holds no other shard of
//     the stripe
//   a holder that is wanted keeps its shard: only what is missing or out of place moves
//   a peer counts for one shard of a stripe, however many it says that it holds
//   carried out, and planned again, nothing is left to do; after a few times where a peer has two
//     shards, or a shard two holders
// Wanted are the best by rendezvous within the bound of a zone (choose-placement.ts): so a newcomer
// draws its share and no more.
// Source: Chun et al., "Efficient Replica Maintenance for Distributed Storage Systems" (NSDI 2006),
// for what a peer that returns still holds.
import { placeRanked } from './choose-placement.ts'
import { rankPeers } from './rendezvous.ts'
import type { PeerId } from '../ids.ts'
import type { Candidate } from './rendezvous.ts'
import { isPlanted } from '../planted-faults.ts'

/**
 * absent: late for so long that it counts as lost where no shard can be spared. gone: lost, until
 * it returns.
 */
export type Presence = 'online' | 'late' | 'absent' | 'gone'

/** A member that may hold shards. weight 0: it is draining, which is to give its shards away. */
export interface PlacePeer extends Candidate {
  readonly presence: Presence
  /** Gets no more shards, and keeps those it has. */
  readonly isFull: boolean
}

/** All that may hold shards, the best first. */
export type RankedPeers = readonly PlacePeer[]

/**
 * The subject of a plan: a stripe, or any of a group whose holders are the same in another order.
 */
export interface Shards {
  readonly k: number
  readonly m: number
  /** Per shard the peers that hold it. */
  readonly holders: readonly (readonly PeerId[])[]
  /**
   * For data that is also in a cold tier, the number of shards that peers must hold: only missing
   * ones up to that number are rebuilt, and nothing is urgent. Undefined: all, of what lies nowhere
   * else.
   */
  readonly floor?: number | undefined
}

export interface Plan {
  /**
   * Shards held by peers that are not lost, less k. Below 0 the data can't be read until some
   * return.
   */
  readonly spares: number
  /** No shard more can be spared: what is absent counts as lost. */
  readonly isUrgent: boolean
  /** Shards that nobody holds and somebody should. */
  readonly missing: readonly number[]
  /** Targets for missing shards: fewer than are missing if too few peers take them. */
  readonly repairs: readonly { readonly index: number; readonly to: PeerId }[]
  readonly moves: readonly {
    readonly index: number
    readonly from: PeerId
    readonly to: PeerId
  }[]
  /**
   * Shards that another, who is online, is to hold, and holds: for their other holders to let go.
   */
  readonly drops: readonly { readonly index: number; readonly peer: PeerId }[]
  /** Once carried out there are shards without a holder, or more in some zone than may be lost. */
  readonly isDegraded: boolean
  /**
   * All lies with just those that are wanted, within the bound of zones: the plan stays as long as
   * nothing of a holder changes and nobody that ranks before the last of them begins to count.
   */
  readonly isFirm: boolean
}

/** Members of any weight in the order of rank for a placement group. cost: a hash for each. */
export function rankForGroup<Peer extends Candidate>(
  placementGroup: number,
  peers: readonly Peer[],
): Peer[] {
  const byId = new Map(peers.map((peer) => [peer.peer, peer]))
  // A peer that takes nothing ranks all the same, since it may still coordinate.
  const weighted = peers.map(({ peer, zone, weight }) => ({
    peer,
    zone,
    weight: Math.max(weight, Number.MIN_VALUE),
  }))
  const group = placementGroup + (isPlanted('rank-by-count') ? 2000 * peers.length : 0)
  return rankPeers(group, weighted).flatMap(({ peer }) => byId.get(peer) ?? [])
}

/**
 * Holders that are online, in the order in which they see to a group: the first does, the others in
 * case it fails to. Of what lies in a tier, too, whoever is online.
 */
export function coordinators({ holders, floor }: Shards, ranked: RankedPeers): PeerId[] {
  const holding = new Set(holders.flat())
  return ranked
    .filter(({ presence }) => presence === 'online')
    .filter(({ peer }) => floor !== undefined || holding.has(peer))
    .map(({ peer }) => peer)
}

/** See the head of the file. cost: O(peers + holders). */
export function planShards(shards: Shards, ranked: RankedPeers): Plan {
  const { k, m, holders, floor } = shards
  const reaching = new Set(
    ranked.filter(({ presence }) => REACHING.includes(presence)).map(({ peer }) => peer),
  )
  const reachable = eachOnce(
    holders.map((peers) => peers.filter((peer) => reaching.has(peer))),
  ).filter((peers) => peers.length > 0).length
  const isUrgent = floor === undefined && m > 0 && reachable <= k
  const isLost = ({ presence }: PlacePeer): boolean =>
    presence === 'gone' || (isUrgent && presence === 'absent')
  const alive = new Map(ranked.filter((peer) => !isLost(peer)).map((peer) => [peer.peer, peer]))
  const layout = new Layout(shards, alive)
  layout.keepWanted()
  layout.repair()
  layout.move()
  const spares = floor === undefined ? layout.heldCount - k : m
  return {
    spares,
    isUrgent,
    missing: layout.missing,
    repairs: layout.repairs,
    moves: layout.moves,
    drops: layout.drops,
    isDegraded: layout.isDegraded(),
    isFirm: layout.isFirm(),
  }
}

/**
 * Holders, each of them for one shard: as many shards as can be have a holder then. The same object
 * where nobody has two. cost: O(shards * holders) where somebody has. source: augmenting paths
 * (Berge 1957).
 */
function eachOnce(holders: readonly (readonly PeerId[])[]): readonly (readonly PeerId[])[] {
  const all = holders.flat()
  if (new Set(all).size === all.length) return holders
  const indexOf = new Map<PeerId, number>()
  const give = (index: number, tried: Set<PeerId>): boolean =>
    (holders[index] ?? []).some((peer) => {
      if (tried.has(peer)) return false
      tried.add(peer)
      const taken = indexOf.get(peer)
      if (taken !== undefined && !give(taken, tried)) return false
      indexOf.set(peer, index)
      return true
    })
  for (const index of holders.keys()) give(index, new Set())
  return holders.map((peers, index) =>
    peers.filter(
      (peer) => (indexOf.get(peer) ?? holders.findIndex((one) => one.includes(peer))) === index,
    ),
  )
}

/** True if there is nothing to do that can be done. */
export function isSettled({ repairs, moves, drops }: Plan): boolean {
  return repairs.length === 0 && moves.length === 0 && drops.length === 0
}

const REACHING: readonly Presence[] = ['online', 'late']

/** A plan in the making. */
class Layout {
  readonly missing: readonly number[]
  /** Shards that somebody who is there holds. */
  readonly heldCount: number
  readonly repairs: { index: number; to: PeerId }[] = []
  readonly moves: { index: number; from: PeerId; to: PeerId }[] = []
  readonly drops: { index: number; peer: PeerId }[] = []
  readonly #k: number
  readonly #m: number
  readonly #floor: number
  readonly #isElsewhere: boolean
  readonly #alive: ReadonlyMap<PeerId, PlacePeer>
  /** Per shard who is there of its holders, the best first. */
  readonly #allHolders: readonly (readonly PlacePeer[])[]
  /** The same, each for one shard. */
  readonly #holders: readonly (readonly PlacePeer[])[]
  readonly #holding: ReadonlySet<PeerId>
  readonly #wanted: readonly PlacePeer[]
  /** Per shard who will hold it. */
  readonly #final: (PlacePeer | undefined)[]
  /** Peers that are to hold some shard in the end. */
  readonly #taken = new Set<PeerId>()
  #misplaced: number[] = []

  constructor({ k, m, holders, floor }: Shards, alive: ReadonlyMap<PeerId, PlacePeer>) {
    this.#k = k
    this.#m = m
    this.#floor = floor ?? k + m
    this.#isElsewhere = floor !== undefined
    this.#alive = alive
    const ranked = [...alive.values()]
    const there = holders.map((peers) => peers.filter((peer) => alive.has(peer)))
    const rankedOf = (peers: readonly PeerId[]): PlacePeer[] =>
      ranked.filter(({ peer }) => peers.includes(peer))
    this.#allHolders = there.map(rankedOf)
    const once = eachOnce(there)
    this.#holders = once === there ? this.#allHolders : once.map(rankedOf)
    const notHeld = indices(this.#holders, (peers) => peers.length === 0)
    this.heldCount = holders.length - notHeld.length
    this.missing = notHeld.slice(0, Math.max(0, this.#floor - this.heldCount))
    this.#holding = new Set(holders.flat())
    const eligible = ranked.filter(
      ({ peer, weight, isFull }) => weight > 0 && (!isFull || this.#holding.has(peer)),
    )
    this.#wanted = placeRanked(eligible, k + m, isPlanted('zone-limit-forgotten') ? 0 : m).chosen
    this.#final = holders.map(() => undefined)
  }

  /**
   * Let each shard stay with a wanted holder of it where that can be, with any other where it
   * can't.
   */
  keepWanted(): void {
    const wanted = new Set(this.#wanted)
    const held = indices(this.#holders, (peers) => peers.length > 0)
    // The shard with the fewest candidates chooses first.
    const byChoice = held.toSorted((a, b) => this.#held(a).length - this.#held(b).length || a - b)
    for (const index of byChoice) {
      const free = this.#held(index).filter((peer) => wanted.has(peer) && !this.#isTaken(peer))
      this.#keep(index, onlineFirst(free))
    }
    this.#misplaced = held.filter((index) => this.#final[index] === undefined)
    for (const index of this.#misplaced) this.#keep(index, this.#bestOf(index))
    for (const index of held) {
      if (this.#final[index]?.presence !== 'online') continue
      for (const { peer, presence } of this.#allHolders[index] ?? [])
        if (presence === 'online' && peer !== this.#final[index]?.peer)
          this.drops.push({ index, peer })
    }
  }

  /**
   * Plans the rebuilding of what can be rebuilt, from other shards or a tier, where a peer takes
   * it.
   */
  repair(): void {
    if (this.heldCount < this.#k && !this.#isElsewhere) return
    for (const index of this.missing) {
      const to = this.#opening() ?? this.#substitute()
      if (to === undefined) return
      this.#keep(index, to)
      this.repairs.push({ index, to: to.peer })
    }
  }

  /**
   * A draining peer gives its shard to anyone; what else is out of place waits until who is wanted
   * takes it.
   */
  move(): void {
    const draining = this.#misplaced.filter((index) => this.#final[index]?.weight === 0)
    const others = this.#misplaced.filter((index) => !draining.includes(index))
    for (const index of [...draining, ...others]) {
      const from = this.#final[index]
      if (from?.presence !== 'online') continue
      const to = this.#opening() ?? (from.weight === 0 ? this.#substitute() : undefined)
      if (to === undefined) continue
      this.#keep(index, to)
      this.moves.push({ index, from: from.peer, to: to.peer })
    }
  }

  /** Each shard has one holder that is there, who is wanted. */
  isFirm(): boolean {
    const isOne = this.#allHolders.every((peers) => peers.length <= 1)
    return (
      isOne && this.heldCount >= this.#floor && this.#misplaced.length === 0 && !this.isDegraded()
    )
  }

  isDegraded(): boolean {
    const held = this.#final.filter((peer) => peer !== undefined)
    if (held.length < this.#floor || new Set(held).size < held.length) return true
    return this.#m > 0 && Math.max(...this.#perZone().values()) > this.#m
  }

  /** The best of those wanted that takes a shard now. */
  #opening(): PlacePeer | undefined {
    return this.#wanted.find((peer) => this.#takes(peer))
  }

  /** The best that takes a shard now, of a zone that has room for one. */
  #substitute(): PlacePeer | undefined {
    const perZone = this.#perZone()
    const excess = ({ zone }: PlacePeer): number =>
      this.#m === 0 ? 0 : Math.max(0, (perZone.get(zone) ?? 0) + 1 - this.#m)
    const takers = [...this.#alive.values()].filter((peer) => this.#takes(peer))
    const least = Math.min(...takers.map(excess))
    return takers.find((peer) => excess(peer) === least)
  }

  #takes(peer: PlacePeer): boolean {
    const { presence, isFull, weight } = peer
    const isReady = presence === 'online' && !isFull && weight > 0
    return isReady && !this.#holding.has(peer.peer) && !this.#isTaken(peer)
  }

  /** The holder that keeps a shard until another takes it, if none of its holders is wanted. */
  #bestOf(index: number): PlacePeer | undefined {
    const held = this.#held(index)
    const free = held.filter((peer) => !this.#isTaken(peer))
    const staying = free.filter(({ weight }) => weight > 0)
    return onlineFirst(staying) ?? onlineFirst(free) ?? onlineFirst(held)
  }

  #keep(index: number, peer: PlacePeer | undefined): void {
    if (peer === undefined) return
    this.#final[index] = peer
    this.#taken.add(peer.peer)
  }

  #isTaken({ peer }: PlacePeer): boolean {
    return this.#taken.has(peer)
  }

  #held(index: number): readonly PlacePeer[] {
    return this.#holders[index] ?? []
  }

  #perZone(): Map<string, number> {
    const perZone = new Map<string, number>()
    for (const peer of this.#final) {
      if (peer === undefined || peer.zone === '') continue
      perZone.set(peer.zone, (perZone.get(peer.zone) ?? 0) + 1)
    }
    return perZone
  }
}

function onlineFirst(peers: readonly PlacePeer[]): PlacePeer | undefined {
  return peers.find(({ presence }) => presence === 'online') ?? peers[0]
}

function indices<Item>(items: readonly Item[], isOne: (item: Item) => boolean): number[] {
  return items.flatMap((item, index) => (isOne(item) ? [index] : []))
}
