// Attestations of checkpoints by members (protocol/log/attestation.ts), kept with the cuts that
// they are of: 'wat' cut public key -> the attestation in wire form. Bounds: one a member and cut,
// of the few cuts that are kept.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { dominates } from '../../protocol/clock/vector-clock.ts'
import { blake3Concat } from '../../protocol/hash.ts'
import { publicKeyOf } from '../../protocol/ids.ts'
import type { EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import { decodeAttestation } from '../../protocol/log/attestation.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import type { GovernanceState } from '../../protocol/membership/governance-state.ts'
import { isActive } from '../../protocol/membership/members.ts'
import type { MemberRole } from '../../protocol/membership/members.ts'
import { isQuorum } from '../../protocol/membership/quorum.ts'
import { isNode, mayAdminister, mayRead } from '../../protocol/roles.ts'
import { enforces } from '../../protocol/trust.ts'
import type { Cuts, Proposal } from './cuts.ts'
import type { EntryTable } from '../state/entries.ts'
import type { VolumeEvents } from './listeners.ts'
import type { Membership } from './membership.ts'
import { prefixEnd } from '../state/state-view.ts'
import type { StateView } from '../state/state-view.ts'

const ATTESTATION: ByteString = STATE_PREFIXES.attestation

/** The members that vouch for a checkpoint, of those that may. */
export interface Tally {
  /** Do they make it believed? */
  readonly isEnough: boolean
  readonly agreeing: readonly PeerId[]
  /** Members who have not attested it. */
  readonly missing: readonly PeerId[]
  /** Members who attest another state there. */
  readonly differing: readonly PeerId[]
  readonly hasAdmin: boolean
}

/** The parts of a volume that attestations are about. */
export interface AttestedVolume {
  readonly attestations: Attestations
  readonly cuts: Cuts
  readonly entries: EntryTable
  readonly events: VolumeEvents
  readonly membership: Membership
}

export class Attestations {
  readonly #view: StateView
  readonly #kept = new Map<EntryHash, Map<PeerId, Attestation>>()
  #digest: Uint8Array | undefined

  private constructor(view: StateView) {
    this.#view = view
  }

  static async open(view: StateView, volume: VolumeId): Promise<Attestations> {
    const attestations = new Attestations(view)
    for await (const [, value] of view.scan(ATTESTATION, prefixEnd(ATTESTATION)))
      attestations.#remember(decodeAttestation(value, volume))
    return attestations
  }

  /** The attestations of one cut. */
  of(cut: EntryHash): readonly Attestation[] {
    return [...(this.#kept.get(cut)?.values() ?? [])]
  }

  all(): readonly Attestation[] {
    return [...this.#kept.keys()].flatMap((cut) => this.of(cut))
  }

  /** The same where the same is kept. */
  get digest(): Uint8Array {
    const parts = this.all().map(({ bytes }) => toByteString(bytes))
    return (this.#digest ??= Uint8Array.from(blake3Concat(...parts.sort().map(fromByteString))))
  }

  /**
   * Keep one of a cut that is known. A member has one word: 'other' if it attests another state
   * than it did, of which the first is kept.
   */
  add(attestation: Attestation): 'new' | 'known' | 'other' {
    const { cut, peer, clear, sealed, bytes } = attestation
    const known = this.#kept.get(cut)?.get(peer)
    if (known !== undefined)
      return known.clear === clear && known.sealed === sealed ? 'known' : 'other'
    this.#remember(attestation)
    this.#view.put(keyOf(cut, peer), bytes)
    return 'new'
  }

  /** Forget those of other cuts than these. */
  keepOnly(cuts: readonly { readonly id: EntryHash }[]): void {
    const ids = new Set(cuts.map(({ id }) => id))
    for (const [cut, of] of this.#kept) {
      if (ids.has(cut)) continue
      for (const peer of of.keys()) this.#view.delete(keyOf(cut, peer))
      this.#kept.delete(cut)
      this.#digest = undefined
    }
  }

  #remember(attestation: Attestation): void {
    const of = this.#kept.get(attestation.cut) ?? new Map<PeerId, Attestation>()
    this.#kept.set(attestation.cut, of.set(attestation.peer, attestation))
    this.#digest = undefined
  }
}

function keyOf(cut: EntryHash, peer: PeerId): ByteString {
  return ATTESTATION + toByteString(fromHex(cut)) + toByteString(publicKeyOf(peer))
}

/**
 * Keep what a member attests of a checkpoint, durable with the next commit. returns false where
 * nothing is known of that yet, or any more.
 */
export function hearAttestation(volume: AttestedVolume, attestation: Attestation): boolean {
  const { attestations, cuts, events, membership } = volume
  const { cut, peer } = attestation
  if (cuts.get(cut) === undefined) return false
  if (membership.member(peer) === undefined) return true
  const found = attestations.add(attestation)
  if (found === 'other') {
    const message =
      `${membership.nameOf(peer)} attests two states at cut ${cut}: it is damaged, or lies; ` +
      'neither counts for more than one'
    events.security.tell({ kind: 'attested-twice', peer, message })
  }
  if (found === 'new') events.attested.tell(attestation)
  return true
}

/**
 * Let the cuts of a volume count that enough members attest; also those from which there is no way
 * back here.
 */
export function recount({ attestations, cuts, entries, membership }: AttestedVolume): void {
  cuts.recount(({ id, proposal, vector, counts }) => {
    const isFinal = counts && (proposal === undefined || dominates(entries.dropped, vector))
    const isEnough = (): boolean =>
      proposal !== undefined && tally(proposal, attestations.of(id), membership).isEnough
    return isFinal || isEnough()
  })
}

/**
 * Count those who attest a cut, among those who were members by what its announcer knew and are
 * still: a majority for the state that all may read, and of those who can read for the rest, an
 * admin among each.
 */
export function tally(
  { governed, roots }: Pick<Proposal, 'governed' | 'roots'>,
  attestations: readonly Attestation[],
  membership: Pick<Membership, 'state' | 'stateAt'>,
): Tally {
  const electors = electorsOf(membership.stateAt(governed), membership.state)
  const mayTell = new Map(electors.map((member) => [member.peer, member]))
  const heard = attestations.filter(({ peer }) => mayTell.has(peer))
  const { clear, sealed } = roots
  const [clearly, sealing] = [new Set<PeerId>(), new Set<PeerId>()]
  const differing: PeerId[] = []
  for (const one of heard) {
    const role = mayTell.get(one.peer)?.role ?? 'keeper'
    const isSame = one.clear === clear && (!mayRead(role) || one.sealed === sealed)
    if (isSame) clearly.add(one.peer)
    else differing.push(one.peer)
    if (isSame && mayRead(role)) sealing.add(one.peer)
  }
  const readers = electors.filter(({ role }) => mayRead(role))
  const isAttested = isQuorum(electors, clearly) && isQuorum(readers, sealing)
  return {
    isEnough: isAttested || !enforces('checkpoint-attested'),
    agreeing: [...clearly],
    missing: electors.map(({ peer }) => peer).filter((peer) => !clearly.has(peer)),
    differing,
    hasAdmin: electors.some(({ peer, role }) => clearly.has(peer) && mayAdminister(role)),
  }
}

/** In the roles that they have now. */
function electorsOf(then: GovernanceState, now: GovernanceState): readonly MemberRole[] {
  return [...then.members()].flatMap(({ peer }) => {
    const [was, is] = [then.member(peer), now.member(peer)]
    return isActive(was) && isActive(is) && isNode(was.role) && isNode(is.role) ? [is] : []
  })
}
