// Governing entries: those about members, roles, keys and policies. They form a DAG of their own
// inside the log: each names the newest ones that its author knew, and carries its author's key, so
// that all of them can be verified one by one from the genesis when the rest of the log is gone.
// Every member keeps them for good; no checkpoint is believed about them.
import { ShoalError, assert } from '../errors.ts'
import type { Hlc } from '../clock/hlc.ts'
import type { ActorId, EntryHash, PeerId, VolumeId } from '../ids.ts'
import { STAMP_ZERO, makeStamp } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import type { GoverningOp } from '../op/op.ts'
import { enforces } from '../trust.ts'
import { divCeil } from '../units.ts'
import type { WallTime } from '../units.ts'
import { aRole, mayAdminister, mayLeave } from '../roles.ts'
import type { Role } from '../roles.ts'

/** A governing entry whose author, signature and bounds are checked. */
export interface GoverningAct {
  readonly id: EntryHash
  readonly author: PeerId
  /** The position in the log. */
  readonly actor: ActorId
  readonly seq: number
  readonly hlc: Hlc
  /** The act that gave the role it is written under; the volume id for that of the creator. */
  readonly grant: EntryHash
  /** Acts that its author knew, and with them all before those. */
  readonly parents: readonly EntryHash[]
  /**
   * By index; undefined where this version knows no op, or the role allows none. None where they
   * cannot be read.
   */
  readonly ops: readonly (GoverningOp | undefined)[]
}

/** Does an act say that its author is no member any more, and nothing else? */
function isDeparture({ author, ops }: Pick<GoverningAct, 'author' | 'ops'>): boolean {
  const [op] = ops
  return ops.length === 1 && op?.kind === 'remove-member' && op.peer === author
}

/** A role given to a peer by an act, whether that counts or not. */
export interface Grant {
  readonly id: EntryHash
  readonly peer: PeerId
  readonly role: Role
  readonly stamp: Stamp
}

/** The genesis: what needs no act. */
export interface Origins {
  readonly volume: VolumeId
  readonly creator: PeerId
  readonly created: WallTime
}

/** Names an op of an act in time. Label-free: the same whatever forked. */
export function stampOf({ id, hlc }: Pick<GoverningAct, 'id' | 'hlc'>, index: number): Stamp {
  return makeStamp(hlc, id.slice(0, 32) as ActorId, index)
}

/** Some acts of a DAG, with all before them. */
export interface ActSet {
  has(id: EntryHash): boolean
}

/** The acts that are known. One is added after all that it names. */
export class GoverningDag {
  readonly origins: Origins
  /**
   * For acts that revoke roles: whether their authors had the right to by what they had seen, which
   * never changes.
   */
  readonly legitimate: Map<EntryHash, boolean> = new Map()
  readonly #acts = new Map<EntryHash, GoverningAct>()
  /** By act and peer. An act that grants to a peer several times grants the last. */
  readonly #grants = new Map<string, Grant>()
  /** The departures of who may not govern, by grant and author. */
  readonly #departures = new Map<string, EntryHash[]>()
  readonly #heads = new Set<EntryHash>()
  /** Numbers of acts, in the order in which they were added. */
  readonly #numbers = new Map<EntryHash, number>()
  readonly #pasts = new Map<EntryHash, ActSet>()

  constructor(origins: Origins) {
    this.origins = origins
    const { volume, creator } = origins
    const id = volume as string as EntryHash
    this.#grants.set(volume + creator, { id, peer: creator, role: 'admin', stamp: STAMP_ZERO })
  }

  get size(): number {
    return this.#acts.size
  }

  get(id: EntryHash): GoverningAct | undefined {
    return this.#acts.get(id)
  }

  /** Is an act under a role that governs nothing? Then it may be its author's departure alone. */
  isOfNoGovernor({ grant, author }: Pick<GoverningAct, 'grant' | 'author'>): boolean {
    const role = this.grant(grant, author)?.role
    return role !== undefined && !mayAdminister(role)
  }

  isLoneDeparture(act: GoverningAct): boolean {
    return isDeparture(act) && this.isOfNoGovernor(act)
  }

  /** In the order in which they were added, each after all that it names. */
  all(): Iterable<GoverningAct> {
    return this.#acts.values()
  }

  /** Acts that no other names, sorted. */
  heads(): EntryHash[] {
    return [...this.#heads].sort()
  }

  /** The role that an act gave a peer; by the volume id, the creator's. */
  grant(id: EntryHash, peer: PeerId): Grant | undefined {
    return this.#grants.get(id + peer)
  }

  /** The first that an act names and that is not known. */
  missingOf(parents: readonly EntryHash[]): EntryHash | undefined {
    return parents.find((parent) => !this.#acts.has(parent))
  }

  /**
   * Refuse what nobody may add. Whether an act counts is another question (GovernanceState).
   * throws ShoalError 'not-a-member' unless it is under a role that its author was given before,
   * and that governs, or it is the author's only departure; 'malformed' if its clock is not above
   * those of all that it names.
   */
  check(act: GoverningAct): void {
    const { author, grant, hlc, parents } = act
    const known = this.grant(grant, author)
    if (known === undefined)
      throw new ShoalError('not-a-member', `${author} wrote under a grant it does not have`)
    if (enforces('op-by-role') && !mayAdminister(known.role)) this.#checkDeparture(act, known)
    if (known.stamp !== STAMP_ZERO && !this.#closure(parents).has(grant))
      throw new ShoalError('not-a-member', `${author} governed before it was granted its role`)
    if (parents.some((parent) => (this.#acts.get(parent)?.hlc ?? hlc) >= hlc))
      throw new ShoalError('malformed', `a governing entry of ${author} has a clock that is behind`)
  }

  /**
   * Lets one who may not govern go, once. Whoever hides that it went, to go again, is heard once
   * all the same (revocations.ts).
   */
  #checkDeparture(act: GoverningAct, { role }: Grant): void {
    const { author, grant, parents } = act
    if (!isDeparture(act) || !mayLeave(role))
      throw new ShoalError('not-a-member', `${author} is ${aRole(role)} and may not govern`)
    const before = this.#departures.get(grant + author) ?? []
    const past = before.length > 0 ? this.#closure(parents) : undefined
    if (before.some((id) => past?.has(id)))
      throw new ShoalError('not-a-member', `${author} has left under this grant before`)
  }

  /**
   * Add an act that check() took, or put one in the place of the same whose ops could not be read
   * before.
   */
  add(act: GoverningAct): void {
    assert(this.missingOf(act.parents) === undefined, 'an act comes after those that it names')
    const isNew = !this.#acts.has(act.id)
    this.#acts.set(act.id, act)
    if (this.isLoneDeparture(act)) {
      const key = act.grant + act.author
      const before = this.#departures.get(key) ?? []
      if (!before.includes(act.id)) this.#departures.set(key, [...before, act.id])
    }
    for (const [index, op] of act.ops.entries()) {
      if (op?.kind !== 'member') continue
      const { peer, role } = op
      this.#grants.set(act.id + peer, { id: act.id, peer, role, stamp: stampOf(act, index) })
    }
    if (!isNew) return
    this.#numbers.set(act.id, this.#numbers.size)
    for (const parent of act.parents) this.#heads.delete(parent)
    this.#heads.add(act.id)
  }

  /** All acts before one. cost: O(acts), once for each act that is asked of. */
  past(id: EntryHash): ActSet {
    const known = this.#pasts.get(id)
    if (known !== undefined) return known
    const past = this.#closure(this.#acts.get(id)?.parents ?? [])
    this.#pasts.set(id, past)
    return past
  }

  /** These and all before them, as far as they are known. */
  upTo(heads: readonly EntryHash[]): ActSet {
    return this.#closure(heads)
  }

  /** A bit an act, since this is kept for each that takes a role away. */
  #closure(from: readonly EntryHash[]): ActSet {
    const bits = new Uint8Array(divCeil(this.#numbers.size, 8))
    const has = (id: EntryHash): boolean => {
      const number = this.#numbers.get(id)
      return number !== undefined && ((bits[number >> 3] ?? 0) & (1 << (number & 7))) !== 0
    }
    const open = [...from]
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const number = this.#numbers.get(id)
      if (number === undefined || has(id)) continue
      bits[number >> 3] = (bits[number >> 3] ?? 0) | (1 << (number & 7))
      open.push(...(this.#acts.get(id)?.parents ?? []))
    }
    return { has }
  }
}
