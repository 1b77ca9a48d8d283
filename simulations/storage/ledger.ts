// The work that the entries of the shard map record, beside the least that was needed: the traffic
// of each repair, and how many shards moved beside those that had to move for members that came or
// went.
//
// The least for a code of k data shards, with one machine to rebuild a stripe: it fetches k shards
// less those it has, and gives away the rebuilt ones less those it keeps. (Codes that are not
// Reed-Solomon over whole shards need less: Dimakis et al., "Network Coding for Distributed Storage
// Systems", 2010.)
import { choosePlacement } from '../../protocol/placement/choose-placement.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import { DAY_MS } from '../../protocol/units.ts'
import { CheckError } from '../check-error.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Holders } from '../../node/shard-map/stripe-map.ts'
import type { Holding, ShardChange } from '../../protocol/op/op.ts'
import type { Host } from './host.ts'
import type { MapEntry } from './map-log.ts'
import type { StorageNode } from './storage-node.ts'
import type { Swarm } from './swarm.ts'

/**
 * The cost that upkeep may have, as a multiple of the least; and by how many standard deviations
 * chance may raise a count.
 */
const COST_MAX = 1.3
const DEVIATIONS_MAX = 4
/** Nodes that see the swarm otherwise may repair one thing twice. */
const NEEDLESS_MAX = 10
const NEEDLESS_SHARE_MAX = 0.1
/**
 * A node gives the same shard to a peer that does not keep it so often at first, and then once in
 * so many days. When it restarts it begins anew.
 */
const VAIN_MAX = 4
const VAIN_EVERY_DAYS = 3

export class Ledger {
  readonly #swarm: Swarm
  /** Shards that have to travel for the repairs that were needed. */
  leastRepairShards = 0
  /**
   * Shards that were rebuilt for want of a holder, and those of which a machine that was there had
   * one.
   */
  repairedCount = 0
  needlessCount = 0
  /** Those that moved, but for the next. */
  movedCount = 0
  /** Those that moved to a peer that keeps nothing whole. */
  #vainCount = 0
  /** For each node as long as it runs, by `<stripe> <index> <peer>`, how often and since when. */
  readonly #vain = new WeakMap<StorageNode, Map<string, { count: number; sinceMs: number }>>()
  /**
   * Shards that a newcomer is to get, that who leaves has to give away, and that were written where
   * they don't belong.
   */
  movesDue = 0

  constructor(swarm: Swarm) {
    this.#swarm = swarm
  }

  /** An entry that a host has just logged. throws CheckError if the map says more than is so. */
  note(host: Host, { op }: MapEntry): void {
    if (op.kind === 'stripe') {
      for (const holding of op.holders) this.#checkGiven(op.stripe, holding)
      const holders = [op.holders.map(({ peer }) => peer)]
      this.movesDue += this.#misplaced(op.stripe, holders)
    }
    if (op.kind === 'sweep') for (const stripe of op.stripes) this.#checkDead(stripe)
    if (op.kind !== 'shards') return
    for (const change of op.changes) if (change.isHeld) this.#checkGiven(op.stripe, change)
    const added = op.changes.filter(({ isHeld }) => isHeld)
    const held = this.#swarm.everything.stripe(op.stripe)?.holders ?? []
    // Who has a shard, and tells that another has it, too, gives it away.
    const isMoved = ({ index, peer }: ShardChange): boolean =>
      peer !== host.peer && held[index]?.includes(host.peer) === true
    const moved = added.filter(isMoved)
    const vain = moved.filter(({ peer }) => this.#swarm.hostOf(peer)?.lie !== undefined)
    this.movedCount += moved.length - vain.length
    this.#vainCount += vain.length
    for (const change of vain) this.#checkVain(host, op.stripe, change)
    const rebuilt = added.filter((change) => !isMoved(change))
    if (rebuilt.length === 0) return
    this.#noteRepair(host, op.stripe, rebuilt)
    // Whom it belongs to is away: it goes there when that one is back.
    this.movesDue += this.#misplaced(op.stripe, [rebuilt.map(({ peer }) => peer)])
  }

  /** A member more, of so many: its share is to move to it. */
  joined(memberCount: number): void {
    const { everything, class: cls } = this.#swarm
    const shards = cls.kind === 'rs' ? cls.k + cls.m : 1
    this.movesDue += (everything.stripes().length * shards) / memberCount
  }

  /** A member is to give away what it has. */
  retired(host: Host): void {
    this.movesDue += this.#swarm.truth.shardsOf(host.peer).length
  }

  /** Shards that travelled for repairs: those that move are read where they lie. */
  get repairShards(): number {
    const { fetched, given } = this.#swarm.traffic
    return fetched + given - this.movedCount - this.#vainCount
  }

  /** throws CheckError. */
  checkCosts(): void {
    const repairs = atMost(this.leastRepairShards)
    if (this.repairShards > repairs)
      throw new CheckError(
        'repair traffic is at most 1.3 times the least',
        `${this.repairShards} shards in place of ${this.leastRepairShards}`,
      )
    if (this.needlessCount > NEEDLESS_MAX + NEEDLESS_SHARE_MAX * this.repairedCount)
      throw new CheckError(
        'nothing is repaired needlessly',
        `${this.needlessCount} shards of machines that were there or soon back`,
      )
    const moves = atMost(this.movesDue)
    if (this.movedCount > moves)
      throw new CheckError(
        'shards moved are at most 1.3 times the least',
        `${this.movedCount} shards in place of ${this.movesDue.toFixed(1)}`,
      )
  }

  #checkVain(host: Host, stripe: StripeId, { index, peer }: ShardChange): void {
    if (host.node === undefined) return
    const now = this.#swarm.scheduler.nowMs
    const given = this.#vain.get(host.node) ?? new Map<string, { count: number; sinceMs: number }>()
    this.#vain.set(host.node, given)
    const key = `${stripe} ${index} ${peer}`
    const known = given.get(key) ?? { count: 0, sinceMs: now }
    given.set(key, known)
    known.count++
    if (known.count <= VAIN_MAX + (now - known.sinceMs) / (VAIN_EVERY_DAYS * DAY_MS)) return
    throw new CheckError(
      'a peer that keeps nothing is seldom given the same shard again',
      `${host.name} gave ${peer} shard ${index} of ${stripe} ${known.count} times`,
    )
  }

  /**
   * Shards that went elsewhere than they belong, since who is to hold them could not be reached.
   */
  #misplaced(stripe: StripeId, holders: Holders): number {
    const { everything, hosts, class: cls } = this.#swarm
    const [count, m] = cls.kind === 'rs' ? [cls.k + cls.m, cls.m] : [1, 0]
    const lost = new Set(hosts.flatMap(({ peer, isLost }) => (isLost ? [peer] : [])))
    const members = everything.members().filter(({ peer }) => !lost.has(peer))
    const { peers } = choosePlacement(placementGroup(stripe), members, count, m)
    return holders.flat().filter((peer) => !peers.includes(peer)).length
  }

  /** No file of any log, whoever knows it yet, needs what is given up. */
  #checkDead(stripe: StripeId): void {
    if (!this.#swarm.everything.isNeeded(stripe)) return
    throw new CheckError('18 no live chunk is swept', `${stripe} is swept and needed`)
  }

  #checkGiven(stripe: StripeId, { index, peer }: Holding): void {
    if (this.#swarm.truth.wasGiven(peer, stripe, index)) return
    throw new CheckError(
      'the map lists only durable shards',
      `${peer} is said to hold shard ${index} of ${stripe}`,
    )
  }

  #noteRepair(host: Host, stripe: StripeId, rebuilt: readonly ShardChange[]): void {
    const { truth, class: cls } = this.#swarm
    const k = cls.kind === 'rs' ? cls.k : 1
    const needed = rebuilt.filter(({ index }) => !this.#isNeedless(host, stripe, index, rebuilt))
    for (const change of rebuilt)
      if (!needed.includes(change))
        this.#swarm.say(`${host.name} rebuilds shard ${change.index} of ${stripe} needlessly`)
    this.repairedCount += needed.length
    this.needlessCount += rebuilt.length - needed.length
    if (needed.length === 0) return
    const own = truth
      .shardsOf(host.peer)
      .filter(([id, index]) => id === stripe && needed.every((each) => each.index !== index)).length
    const kept = needed.filter(({ peer }) => peer === host.peer).length
    this.leastRepairShards += k - Math.min(own, k) + needed.length - kept
  }

  /**
   * No repair was due: somebody had it whole who was there for this host, or not away for long
   * where one can be spared.
   */
  #isNeedless(
    host: Host,
    stripe: StripeId,
    index: number,
    rebuilt: readonly ShardChange[],
  ): boolean {
    const { truth, graceMs, scheduler, class: cls } = this.#swarm
    const k = cls.kind === 'rs' ? cls.k : 1
    const shards = cls.kind === 'rs' ? k + cls.m : 1
    const isNew = (each: number, peer: PeerId): boolean =>
      rebuilt.some((change) => change.index === each && change.peer === peer)
    const others = (each: number): Host[] =>
      [...truth.holders(stripe, each)]
        .filter((peer) => !isNew(each, peer))
        .flatMap((peer) => this.#swarm.hostOf(peer) ?? [])
    const isThere = (other: Host): boolean => this.#swarm.reaches(host, other)
    if (others(index).some(isThere)) return true
    const readable = Array.from({ length: shards }, (_, each) => each).filter((each) =>
      others(each).some(isThere),
    )
    const isUrgent = readable.length <= k
    return !isUrgent && others(index).some(({ leftAtMs }) => scheduler.nowMs - leftAtMs < graceMs)
  }
}

function atMost(least: number): number {
  return COST_MAX * least + DEVIATIONS_MAX * Math.sqrt(least + 1)
}
