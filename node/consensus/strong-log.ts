// The register of a volume according to its log: who is in office, who may propose, and which entry
// follows which.
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { mayGiveUp, mayWrite } from '../../protocol/roles.ts'
import {
  VOTERS_POLICY,
  firstOffice,
  officeNamedBy,
  parseOffice,
} from '../../protocol/strong/office.ts'
import type { Office } from '../../protocol/strong/office.ts'
import type { EntryName } from '../../protocol/strong/value.ts'
import { sameGroups } from '../../protocol/strong/voters.ts'
import type { Groups, Voters } from '../../protocol/strong/voters.ts'
import type { Volume } from '../log/volume.ts'

export class StrongLog {
  readonly #volume: Volume
  /** Before anyone is named. */
  readonly #first: Office
  /** The last naming that was read. */
  #read: { readonly text: string; readonly office: Office } | undefined

  constructor(volume: Volume) {
    this.#volume = volume
    this.#first = firstOffice(volume.genesis.creator)
  }

  get first(): Voters {
    return this.#first.voters
  }

  /** The voters in office. A naming that nobody can read names nobody. */
  get office(): Office {
    const text = this.#volume.membership.policy(VOTERS_POLICY)
    if (text === undefined) return this.#first
    if (this.#read?.text !== text) this.#read = { text, office: this.#officeOf(text) }
    return this.#read.office
  }

  #officeOf(text: string): Office {
    try {
      return parseOffice(text)
    } catch (error) {
      if (error instanceof ShoalError) return this.#first
      throw error
    }
  }

  /**
   * The office after an entry whose past is held. groups: who is to decide after it, as its value
   * says.
   * throws ShoalError 'malformed' for one that names voters as they cannot be named.
   */
  officeAfter(entry: Entry, groups: Groups): Office {
    const { office } = this
    // Most name nobody, and need not be opened to know that.
    if (sameGroups(groups, [office.voters]) || this.#volume.tentative.holds(nameOf(entry)))
      return office
    const named = this.#namedBy(entry)
    if (named === undefined) return office
    if (named.number <= office.number)
      throw new ShoalError('malformed', 'an entry names voters who were named before')
    return named
  }

  /**
   * Does an entry, whose past is held, take a peer into office, and did its writer know of this
   * incarnation of it?
   */
  takesIn(entry: Entry, peer: PeerId, actor: ActorId): boolean {
    const named = this.#namedBy(entry)
    if (named === undefined || named.terms.get(peer) !== named.number) return false
    return this.#sees(entry, actor, 1)
  }

  /** The voters that an entry names, by an op that its writer had a right to. */
  #namedBy(entry: Entry): Office | undefined {
    const { replica, removals } = this.#volume
    const reading = replica.read(entry)
    const named = reading.kind === 'ops' ? officeNamedBy(reading.ops) : undefined
    if (named === undefined) return undefined
    const place = replica.ancestry.placeOf(entry)
    if (typeof place === 'string') return named
    return replica.standingOf(entry, place, removals.judge) === 'counts' ? named : undefined
  }

  /**
   * Is an entry, whose past is held, this one, or was it written after it by somebody who knew it?
   */
  follows(entry: Entry, base: EntryName): boolean {
    if (entry.hash === base.hash) return true
    const { ancestry } = this.#volume.replica
    const label = ancestry.locate(base.actor, base.seq, base.hash)
    if (label !== undefined) return this.#sees(entry, label, base.seq)
    // Dropped: whoever can still write knows it.
    return ancestry.isDropped(base.actor, base.seq) && !ancestry.isDropped(...placeIn(entry))
  }

  #sees(entry: Entry, label: ActorId, seq: number): boolean {
    const { ancestry, branches } = this.#volume.replica
    const place = ancestry.placeOf(entry)
    if (typeof place !== 'string') return ancestry.sees(place, label, seq)
    const [actor, at] = placeIn(entry)
    const own = ancestry.locate(actor, at, entry.hash)
    if (own === undefined) return false
    if (at > seq && branches.labelAt(own, seq) === label) return true
    return (ancestry.recordAt(own, at)?.seen.get(label) ?? 0) >= seq
  }

  /** May a peer have values accepted? */
  mayWrite(peer: PeerId): boolean {
    const role = this.#volume.membership.roleOf(peer)
    return role !== undefined && mayWrite(role)
  }

  /** May it be one of those who accept? */
  mayVote(peer: PeerId): boolean {
    const role = this.#volume.membership.roleOf(peer)
    return role !== undefined && mayGiveUp(role)
  }
}

export function nameOf({ header: { actor, seq }, hash }: Entry): EntryName {
  return { actor, seq, hash }
}

function placeIn({ header: { actor, seq } }: Entry): [ActorId, number] {
  return [actor, seq]
}
