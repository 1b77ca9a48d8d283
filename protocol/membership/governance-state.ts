// The state of a volume that follows from a set of governing acts: its members, their roles and
// keys, and its policies. A function of the acts alone: replicas that know the same acts, or speak
// of the same part of them, have the same state.
import type { EntryHash, PeerId } from '../ids.ts'
import { STAMP_ZERO } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import type { GoverningOp } from '../op/op.ts'
import { stampOf } from './governance.ts'
import type { ActSet, GoverningAct, GoverningDag, Grant } from './governance.ts'
import { isAppender } from '../roles.ts'
import { RELIEF_POLICY } from '../tree/retention.ts'
import type { PolicyChange, RuleHistory } from '../tree/retention.ts'
import type { MemberRole } from './members.ts'
import { effectiveRevocations, isRevoked, revokes } from './revocations.ts'
import type { ActedUnder, Effective, Revocation } from './revocations.ts'

/**
 * In place of an epoch, for keys that were begun by an act that does not count, of a member that
 * had been removed: what was sealed with them in whatever epoch is opened, and nothing is sealed
 * with them.
 */
export const OPEN_ONLY = 0

/** A key of an epoch, sealed to a member. */
export interface GivenKey {
  readonly epoch: number
  readonly sealed: Uint8Array
}

export class GovernanceState {
  readonly #dag: GoverningDag
  readonly #within: ActSet | undefined
  readonly #effective: Effective
  readonly #members = new Map<PeerId, MemberRole>()
  /** Grants that count, by peer, oldest first. */
  readonly #grants = new Map<PeerId, Grant[]>()
  readonly #policies = new Map<string, readonly [value: string, stamp: Stamp]>()
  /** By key all values that it had, one after the other. */
  readonly #changes = new Map<string, PolicyChange[]>()
  readonly #void = new Set<EntryHash>()
  #hadAppender = false
  readonly #keys = new Map<PeerId, GivenKey[]>()
  /** How often an epoch was begun. The first begins with the volume, without an op. */
  readonly #begun = new Map<number, number>([[1, 1]])

  private constructor(
    dag: GoverningDag,
    acts: readonly GoverningAct[],
    within: ActSet | undefined,
  ) {
    this.#dag = dag
    this.#within = within
    this.#effective = effectiveRevocations(dag, acts)
    const holders = new Set([...this.#effective.values()].flat().map(({ act }) => act.id))
    for (const act of acts) {
      if (!holders.has(act.id) && this.#standsVoid(act)) this.#void.add(act.id)
      for (const [index, op] of act.ops.entries())
        if (op !== undefined) this.#take(op, act, stampOf(act, index))
    }
  }

  /**
   * Computes the state from all acts of `dag`, or those in `within`. cost: O(acts + those that take
   * roles away ** 2).
   */
  static of(dag: GoverningDag, within?: ActSet): GovernanceState {
    const acts = [...dag.all()].filter(({ id }) => within === undefined || within.has(id))
    return new GovernanceState(dag, acts.sort(byClock), within)
  }

  /** Every peer that was given a role by a valid act, active or not. */
  members(): Iterable<MemberRole> {
    return this.#members.values()
  }

  member(peer: PeerId): MemberRole | undefined {
    return this.#members.get(peer)
  }

  /** The revocations that have effect. */
  get revocations(): readonly Revocation[] {
    return [...this.#effective.values()].flat()
  }

  /** Was the role of an appender ever given to anybody, whether or not that counts? */
  get hadAppender(): boolean {
    return this.#hadAppender
  }

  /** Those that take from a peer what it was granted then. */
  revocationsOf(granted: Grant): readonly Revocation[] {
    return (this.#effective.get(granted.peer) ?? []).filter((one) => revokes(one, granted))
  }

  /** The grant of a role to a peer by an act, if the act counts. */
  grant(id: EntryHash, peer: PeerId): Grant | undefined {
    const isKnown = this.#within === undefined || id === this.#volume || this.#within.has(id)
    return isKnown && !this.#void.has(id) ? this.#dag.grant(id, peer) : undefined
  }

  /** Grants to a peer that count and are newer. */
  newerGrants({ peer, stamp }: Grant): readonly Grant[] {
    return (this.#grants.get(peer) ?? []).filter((other) => other.stamp > stamp)
  }

  act(id: EntryHash): GoverningAct | undefined {
    return this.#dag.get(id)
  }

  /** True for an act that does not count. */
  isVoid(id: EntryHash): boolean {
    return this.#void.has(id)
  }

  policy(key: string): string | undefined {
    return this.#policies.get(key)?.[0]
  }

  /** All that was said of how long the past is kept. */
  get retention(): RuleHistory {
    const [changes = [], reliefs = []] = ['versions', RELIEF_POLICY].map((key) =>
      this.#changes.get(key),
    )
    return { changes, reliefs, createdMs: this.#dag.origins.created }
  }

  /** All that was ever set, by key, in no order. */
  policies(): readonly (readonly [key: string, value: string])[] {
    return Array.from(this.#policies, ([key, [value]]) => [key, value])
  }

  /** Keys that were sealed to a peer, those of void acts as OPEN_ONLY. */
  keysOf(peer: PeerId): readonly GivenKey[] {
    return this.#keys.get(peer) ?? []
  }

  /** How often an epoch was begun; of OPEN_ONLY, how often one was by void acts. */
  begun(epoch: number): number {
    return this.#begun.get(epoch) ?? 0
  }

  get #volume(): EntryHash {
    return this.#dag.origins.volume as string as EntryHash
  }

  /** Its author had no right to it, or not any more. */
  #standsVoid(act: ActedUnder): boolean {
    const granted = this.grant(act.grant, act.author)
    if (granted === undefined || isRevoked(this.#dag, act, this.#effective)) return true
    // An author that has seen that it has a newer role writes under that one.
    return this.newerGrants(granted).some(({ id }) => this.#dag.past(act.id).has(id))
  }

  #take(op: GoverningOp, act: GoverningAct, stamp: Stamp): void {
    const isVoid = this.#void.has(act.id)
    if (op.kind === 'member' && isAppender(op.role)) this.#hadAppender = true
    if (op.kind === 'epoch') return this.#beginEpoch(op, isVoid)
    if (isVoid) return
    switch (op.kind) {
      case 'member': {
        const { peer, role } = op
        const grant = { id: act.id, peer, role, stamp }
        this.#grants.set(peer, [...(this.#grants.get(peer) ?? []), grant])
        for (const { epoch, sealed } of op.keys) this.#give(peer, { epoch, sealed })
        const known = this.#members.get(peer)
        if (known !== undefined && stamp <= known.granted) return
        const removed = known?.removed
        this.#members.set(peer, { peer, role, grant: act.id, granted: stamp, removed })
        return
      }
      case 'remove-member': {
        const known = this.#members.get(op.peer) ?? this.#creatorOf(op.peer)
        if (known === undefined || stamp <= (known.removed ?? STAMP_ZERO)) return
        this.#members.set(op.peer, { ...known, removed: stamp })
        return
      }
      case 'policy': {
        const known = this.#policies.get(op.key)
        if (known !== undefined && stamp <= known[1]) return
        if (known?.[0] !== op.value) this.#note(op.key, [op.value, stamp])
        this.#policies.set(op.key, [op.value, stamp])
      }
    }
  }

  #note(key: string, change: PolicyChange): void {
    const known = this.#changes.get(key)
    if (known === undefined) this.#changes.set(key, [change])
    else known.push(change)
  }

  /**
   * The creator of a volume, of whom nothing else has been said yet; or a peer that has no role,
   * and is to have none.
   */
  #creatorOf(peer: PeerId): MemberRole {
    const role = peer === this.#dag.origins.creator ? 'admin' : 'keeper'
    return { peer, role, grant: this.#volume, granted: STAMP_ZERO, removed: undefined }
  }

  #beginEpoch({ epoch, keys }: Extract<GoverningOp, { kind: 'epoch' }>, isVoid: boolean): void {
    const at = isVoid ? OPEN_ONLY : epoch
    this.#begun.set(at, this.begun(at) + 1)
    for (const { peer, sealed } of keys) this.#give(peer, { epoch: at, sealed })
  }

  #give(peer: PeerId, key: GivenKey): void {
    const known = this.#keys.get(peer)
    if (known === undefined) this.#keys.set(peer, [key])
    else known.push(key)
  }
}

/** Each after all that it names, whose clocks are behind. */
function byClock(a: GoverningAct, b: GoverningAct): number {
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1
  return a.id < b.id ? -1 : 1
}
