// Which acts take a role away with effect. Two admins who remove each other without knowing cannot
// both have their way: the senior has it, by who was granted the role first. A member that is given
// a role which may less loses what the other allowed in the same way: else it could go on in that,
// and pretend not to have heard.
import type { EntryHash, PeerId } from '../ids.ts'
import type { Stamp } from '../clock/dot.ts'
import type { GoverningAct, GoverningDag, Grant } from './governance.ts'
import { stampOf } from './governance.ts'
import { includesRole } from '../roles.ts'
import type { Role } from '../roles.ts'

/** An op that takes a role away, or gives one that may less; whether with effect or not. */
export interface Revocation {
  readonly act: GoverningAct
  readonly target: PeerId
  readonly stamp: Stamp
  /** The role that is left; undefined: none. */
  readonly left: Role | undefined
}

/** As far as an act's standing goes by its author's rights. */
export type ActedUnder = Pick<GoverningAct, 'id' | 'author' | 'grant'>

/** Revocations with effect, by target. */
export type Effective = ReadonlyMap<PeerId, readonly Revocation[]>

/**
 * The revocations with effect among these acts. cost: O(revocations ** 2 * those of one peer *
 * length of a chain of grants).
 */
export function effectiveRevocations(dag: GoverningDag, acts: readonly GoverningAct[]): Effective {
  return new Election(dag, withoutRepeats(dag, acts).flatMap(revocationsOf)).effective()
}

/**
 * Leaves out all but the first departure of one who may not govern, under one grant: there are more
 * only where it lied about its past, and each would cost time.
 */
function withoutRepeats(dag: GoverningDag, acts: readonly GoverningAct[]): readonly GoverningAct[] {
  const first = new Map<string, GoverningAct>()
  for (const act of acts.filter((one) => dag.isLoneDeparture(one))) {
    const known = first.get(act.grant + act.author)
    if (known === undefined || stampOf(act, 0) < stampOf(known, 0))
      first.set(act.grant + act.author, act)
  }
  return acts.filter(
    (act) => !dag.isLoneDeparture(act) || first.get(act.grant + act.author) === act,
  )
}

/** Does this revocation take away the role that a peer was granted then? */
export function revokes({ stamp, left }: Revocation, granted: Grant): boolean {
  return stamp > granted.stamp && (left === undefined || !includesRole(left, granted.role))
}

/** Was an act's author's role taken away by one of these, whose author had not seen the act? */
export function isRevoked(dag: GoverningDag, act: ActedUnder, effective: Effective): boolean {
  const granted = dag.grant(act.grant, act.author)
  if (granted === undefined) return true
  return (effective.get(act.author) ?? []).some(
    (revocation) =>
      revokes(revocation, granted) &&
      revocation.act.id !== act.id &&
      !dag.past(revocation.act.id).has(act.id),
  )
}

function revocationsOf(act: GoverningAct): Revocation[] {
  return act.ops.flatMap((op, index) => {
    if (op?.kind !== 'remove-member' && op?.kind !== 'member') return []
    const left = op.kind === 'member' ? op.role : undefined
    return [{ act, target: op.peer, stamp: stampOf(act, index), left }]
  })
}

class Election {
  readonly #dag: GoverningDag
  readonly #all: readonly Revocation[]

  constructor(dag: GoverningDag, all: readonly Revocation[]) {
    this.#dag = dag
    // A grant to who had none, or less, takes nothing away.
    this.#all = all.filter((one) => one.left === undefined || this.#lessens(all, one))
  }

  effective(): Effective {
    return this.#effectiveOf(this.#all)
  }

  /** revocations: with each all in its past. */
  #effectiveOf(revocations: readonly Revocation[]): Map<PeerId, Revocation[]> {
    const effective = new Map<PeerId, Revocation[]>()
    const acts = new Set<EntryHash>()
    for (const revocation of revocations.toSorted((a, b) => this.#bySeniority(a, b))) {
      const { act, target } = revocation
      if (!this.#isLegitimate(act) || !this.#hasRole(act, effective, acts)) continue
      acts.add(act.id)
      effective.set(target, [...(effective.get(target) ?? []), revocation])
    }
    return effective
  }

  /**
   * Could its author make it, by what that had seen? No seniority lets one who knows of its own
   * removal go on.
   */
  #isLegitimate(act: GoverningAct): boolean {
    const known = this.#dag.legitimate.get(act.id)
    if (known !== undefined) return known
    const past = this.#dag.past(act.id)
    const seen = this.#all.filter((other) => past.has(other.act.id))
    const effective = this.#effectiveOf(seen)
    const found = this.#hasRole(act, effective, actsOf(effective))
    this.#dag.legitimate.set(act.id, found)
    return found
  }

  /**
   * Does it, and do all the acts that its author's role comes of, stand in view of these
   * revocations?
   */
  #hasRole(act: GoverningAct, effective: Effective, acts: ReadonlySet<EntryHash>): boolean {
    for (let at: GoverningAct | undefined = act; at !== undefined; at = this.#dag.get(at.grant)) {
      if (!acts.has(at.id) && isRevoked(this.#dag, at, effective)) return false
    }
    return true
  }

  /** Is there a grant to the same peer before it that it takes something of? */
  #lessens(all: readonly Revocation[], one: Revocation): boolean {
    const { creator } = this.#dag.origins
    if (one.target === creator && one.left !== undefined && !includesRole(one.left, 'admin'))
      return true
    return all.some(
      ({ target, stamp, left, act }) =>
        target === one.target &&
        stamp < one.stamp &&
        left !== undefined &&
        revokes(one, { id: act.id, peer: target, role: left, stamp }),
    )
  }

  #bySeniority(a: Revocation, b: Revocation): number {
    const [one, other] = [this.#seniorityOf(a), this.#seniorityOf(b)]
    if (one !== other) return one < other ? -1 : 1
    return a.stamp < b.stamp ? -1 : 1
  }

  #seniorityOf({ act }: Revocation): Stamp {
    return this.#dag.grant(act.grant, act.author)?.stamp ?? ('\xff' as Stamp)
  }
}

function actsOf(effective: Effective): ReadonlySet<EntryHash> {
  return new Set([...effective.values()].flat().map(({ act }) => act.id))
}
