// Plans this node's work for the redundancy of a volume, the most urgent first, decided for whole
// groups of stripes:
//   rebuild what is lost: the first online holder in rank does; each of the others does in case
//     those before it have let some time pass without any progress
//   code anew what is outdated: the first online member in rank that may
//   give away what belongs elsewhere, and let go what another holds, too: the holder itself, when
//     the log is stable up to where it said so
// Of stripes that are condemned only what has no shard to spare is rebuilt: until it is swept
// somebody may need it again. Nobody asks anybody. Two nodes that see the swarm otherwise may do
// the same, which costs traffic and no more.
import { coordinators } from '../../protocol/placement/plan.ts'
import { formatClass } from '../../protocol/placement/redundancy.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Plan } from '../../protocol/placement/plan.ts'
import type { Instant } from '../../protocol/units.ts'
import type { GroupId, StripeGroup, StripeMap } from '../shard-map/stripe-map.ts'
import type { Clock, Network } from '../world/world.ts'
import type { ClusterView, ClusterObserver } from './cluster-view.ts'
import { GroupPlans } from './group-plans.ts'
import { isOutdated } from './recode.ts'

export type RepairTaskKind = 'repair' | 'drop' | 'recode' | 'give'

/** One thing to do for each stripe of a group. */
export interface RepairTask {
  readonly kind: RepairTaskKind
  readonly group: StripeGroup
}

export interface RepairPlannerParts {
  readonly map: Pick<StripeMap, 'groups' | 'redundancy' | 'progress'>
  readonly network: Pick<Network, 'self'>
  readonly clock: Pick<Clock, 'now'>
  readonly clusterView: Pick<ClusterObserver, 'take'>
  /** May a member code stripes anew? */
  readonly mayRecode: (peer: PeerId) => boolean
}

export interface RepairPlannerOptions {
  /**
   * New stripes lack holders until their writer has found some: it gets so long before others do.
   */
  readonly settleMs?: number | undefined
  /** After so long without progress the next in rank takes over. */
  readonly takeOverMs?: number | undefined
  /**
   * Shards that two hold stay so long: one of them may be there for some of the members only, or
   * leave again.
   */
  readonly surplusMs?: number | undefined
  /** How long until stripes are looked at again that others may not have heard of yet. */
  readonly stableAgainMs?: number | undefined
  /**
   * Members that come and go are waited for so long before stripes are moved, or coded anew, for
   * them.
   */
  readonly calmMs?: number | undefined
}

const SETTLE_MS: number = 5 * SECOND_MS
const TAKE_OVER_MS: number = 3 * MINUTE_MS
const SURPLUS_MS: number = HOUR_MS
const CALM_MS: number = MINUTE_MS
const STABLE_AGAIN_MS: number = MINUTE_MS
/** Most stripes that are condemned are swept within this time: they need not be rebuilt before. */
const CONDEMNED_MS: number = HOUR_MS
/**
 * Small stripes may hide a large one that is outdated: a group in which there was none is looked
 * through again then.
 */
const LOOK_AGAIN_MS: number = HOUR_MS

interface Need {
  readonly since: Instant
  count: number
  progressAt: Instant
}

interface Surplus {
  readonly since: Instant
  /** Up to where the log was taken when the last stripe of the group came to be so. */
  readonly taken: Hlc
  readonly count: number
}

interface Urgency {
  readonly task: RepairTask
  readonly rank: number
}

/** The facts that the due tasks depend on, but for time. */
interface LookedAt {
  readonly clusterView: ClusterView
  readonly groups: readonly StripeGroup[]
  readonly codeFacts: string
  readonly isHurried: boolean
}

export class RepairPlanner {
  readonly #parts: RepairPlannerParts
  readonly #settleMs: number
  readonly #takeOverMs: number
  readonly #surplusMs: number
  readonly #stableAgainMs: number
  readonly #calmMs: number
  /** The facts that the code of a stripe depends on beside its size and its own class. */
  #codeFacts = ''
  readonly #plans = new GroupPlans()
  /** Groups with missing shards. */
  #needs = new Map<GroupId, Need>()
  /** Groups of which some shards need not be held. */
  #surplus = new Map<GroupId, Surplus>()
  /** Groups without outdated stripes, the facts by which that is so, and when it was found. */
  #upToDate = new Map<GroupId, { readonly by: string; readonly at: Instant }>()
  #nextAt: Instant | undefined
  /** When a group that was up to date is looked at again, if anybody looks. */
  #againAt = Infinity
  /** The tasks due at the last look, and the facts that they follow from. */
  #last: { readonly by: LookedAt; readonly due: readonly RepairTask[] } | undefined
  #isHurried = false
  /** Up to where the log is stable at this look, once that matters. */
  #stable: Hlc | undefined

  constructor(
    parts: RepairPlannerParts,
    {
      settleMs = SETTLE_MS,
      takeOverMs = TAKE_OVER_MS,
      surplusMs = SURPLUS_MS,
      stableAgainMs = STABLE_AGAIN_MS,
      calmMs = CALM_MS,
    }: RepairPlannerOptions = {},
  ) {
    this.#parts = parts
    this.#settleMs = settleMs
    this.#takeOverMs = takeOverMs
    this.#surplusMs = surplusMs
    this.#stableAgainMs = stableAgainMs
    this.#calmMs = calmMs
  }

  /** When something will be due that is not yet, if nothing changes. */
  get nextAt(): Instant | undefined {
    return this.#nextAt
  }

  /**
   * All stripes of a group were looked at, and none was outdated: that need not be done again soon.
   */
  foundUpToDate(group: GroupId): void {
    this.#upToDate.set(group, { by: this.#codeFacts, at: this.#parts.clock.now() })
    this.#last = undefined
  }

  /** Plans again, since the rights of members have changed. */
  lookAnew(): void {
    this.#last = undefined
  }

  /**
   * Tasks that are due, in order. cost: O(members) while nothing changes, else O(groups), and a
   * plan for each group that is new or sees other peers.
   *
   * isHurried: waits neither for writers nor for calm.
   */
  due({ isHurried = false }: { isHurried?: boolean } = {}): readonly RepairTask[] {
    const { map, clusterView: taker, clock } = this.#parts
    const clusterView = taker.take()
    const eligible = clusterView.peers.filter(({ weight }) => weight > 0).length
    const codeFacts = `${formatClass(map.redundancy())} ${eligible}`
    const by = { clusterView, groups: map.groups(), codeFacts, isHurried }
    const isOver = clock.now() >= Math.min(this.#nextAt ?? Infinity, this.#againAt)
    if (this.#last === undefined || isOver || !isSame(this.#last.by, by))
      this.#last = { by, due: this.#look(by) }
    return this.#last.due
  }

  #look({ clusterView, groups, codeFacts, isHurried }: LookedAt): RepairTask[] {
    this.#isHurried = isHurried
    this.#stable = undefined
    this.#codeFacts = codeFacts
    this.#nextAt = undefined
    const plans = this.#plans.of(groups, clusterView)
    const needs = new Map<GroupId, Need>()
    const surplus = new Map<GroupId, Surplus>()
    const urgencies: Urgency[] = []
    for (const group of groups) {
      const plan = plans.get(group.id)
      if (plan === undefined || group.isSwept || (group.isCondemned && !plan.isUrgent)) continue
      if (plan.missing.length > 0) needs.set(group.id, this.#needOf(group))
      if (plan.drops.some(({ peer }) => peer === this.#parts.network.self))
        surplus.set(group.id, this.#surplusOf(group))
      const since = { need: needs.get(group.id), surplus: surplus.get(group.id) }
      urgencies.push(...this.#tasksOf(group, plan, clusterView, since))
    }
    this.#needs = needs
    this.#surplus = surplus
    for (const group of this.#upToDate.keys()) if (!plans.has(group)) this.#upToDate.delete(group)
    return urgencies.toSorted((a, b) => a.rank - b.rank).map(({ task }) => task)
  }

  #tasksOf(
    group: StripeGroup,
    plan: Plan,
    clusterView: ClusterView,
    { need, surplus }: { need: Need | undefined; surplus: Surplus | undefined },
  ): Urgency[] {
    const { network } = this.#parts
    const isNeeded = need !== undefined
    const order = isNeeded ? coordinators(group, clusterView.ranked(group.placementGroup)) : []
    const place = order.indexOf(network.self)
    const tasks: Urgency[] = []
    const add = (kind: RepairTaskKind, rank: number): void =>
      void tasks.push({ task: { kind, group }, rank })
    if (need !== undefined && place >= 0 && plan.repairs.length > 0) {
      const settleMs = group.isCondemned ? CONDEMNED_MS : this.#settleMs
      const settledAt = this.#isHurried ? 0 : need.since + settleMs
      const dueAt = Math.max(
        settledAt,
        place === 0 ? 0 : need.progressAt + place * this.#takeOverMs,
      )
      const rank = plan.isUrgent ? 0 : 1 + plan.spares
      if (this.#isDue(dueAt)) add('repair', group.isCondemned ? RANK_CONDEMNED : rank)
    }
    if (group.isCondemned) return tasks
    const isDraining = clusterView.peers.some(({ weight }) => weight === 0)
    if (surplus !== undefined) {
      const dueAt = isDraining || this.#isHurried ? 0 : surplus.since + this.#surplusMs
      this.#stable ??= this.#parts.map.progress().stable
      const isStable = surplus.taken <= this.#stable
      if (this.#isDue(isStable ? dueAt : this.#parts.clock.now() + this.#stableAgainMs))
        add('drop', RANK_DROP)
    }
    const calmAt = isDraining || this.#isHurried ? 0 : clusterView.settledSince + this.#calmMs
    if (clusterView.isBraked && !isDraining) return tasks
    const isOld = this.#isOutdated(group, clusterView)
    if (isOld && this.#isRecoder(group, clusterView) && this.#isDue(calmAt))
      add('recode', RANK_RECODE)
    const isMine = plan.moves.some(({ from }) => from === network.self)
    // A stripe that is recoded soon need not move before.
    if (isMine && !isOld && this.#isDue(calmAt)) add('give', RANK_GIVE)
    return tasks
  }

  #isOutdated(group: StripeGroup, clusterView: ClusterView): boolean {
    const known = this.#upToDate.get(group.id)
    const againAt = known?.by === this.#codeFacts ? known.at + LOOK_AGAIN_MS : 0
    if (this.#parts.clock.now() >= againAt)
      return isOutdated(group, this.#parts.map.redundancy(), clusterView)
    this.#againAt = Math.min(this.#againAt, againAt)
    return false
  }

  /** The one of those online that codes the stripes of a group anew: a holder if one may. */
  #isRecoder({ placementGroup }: StripeGroup, clusterView: ClusterView): boolean {
    const first = clusterView
      .ranked(placementGroup)
      .find(({ peer, presence }) => presence === 'online' && this.#parts.mayRecode(peer))
    return first?.peer === this.#parts.network.self
  }

  #needOf({ id, count }: StripeGroup): Need {
    const now = this.#parts.clock.now()
    const need = this.#needs.get(id) ?? { since: now, count, progressAt: now }
    if (count < need.count) need.progressAt = now
    need.count = count
    return need
  }

  #surplusOf({ id, count }: StripeGroup): Surplus {
    const { map, clock } = this.#parts
    const known = this.#surplus.get(id)
    if (known !== undefined && count <= known.count) return known
    return { since: known?.since ?? clock.now(), taken: map.progress().taken, count }
  }

  #isDue(atMs: number): boolean {
    const isDue = atMs <= this.#parts.clock.now()
    if (!isDue) this.#nextAt = Math.min(atMs, this.#nextAt ?? Infinity) as Instant
    return isDue
  }
}

function isSame(a: LookedAt, b: LookedAt): boolean {
  const isSameMap = a.groups === b.groups && a.codeFacts === b.codeFacts
  return isSameMap && a.clusterView === b.clusterView && a.isHurried === b.isHurried
}

/** After all repairs: m is far below. */
const RANK_CONDEMNED = 99
const RANK_DROP = 100
const RANK_RECODE = 200
const RANK_GIVE = 300
