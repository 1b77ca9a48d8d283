// The peers and members that the owner of a node means by a name, and how they are told apart.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { meantBy } from '../../protocol/membership/names.ts'
import type { Nameable } from '../../protocol/membership/names.ts'
import type { NamedVolume, Volumes } from '../log/volumes.ts'

/** A peer that may be meant, with its roles. */
interface Candidate extends Nameable {
  readonly roles: readonly string[]
}

/**
 * The peer a person means: by id, a name it has in a volume, or the unique beginning or end of an
 * id. throws ShoalError 'no-such-peer', listing those that could be meant.
 */
export function findPeer(text: string, peers: readonly PeerId[], volumes: Volumes): PeerId {
  const candidates = peers.map((peer) => candidateOf(peer, volumes.all()))
  return theOne(text, candidates, `there is no peer "${text}"`).peer
}

/** The same among the members of a volume, by the names that they have there. */
export function findMember(text: string, named: NamedVolume): Member {
  const members = named.volume.membership.members()
  const candidates = members.map((member) => ({ ...candidateOf(member.peer, [named]), member }))
  return theOne(text, candidates, `volume "${named.name}" has no member "${text}"`).member
}

export function peerName(peer: PeerId, volumes: Volumes): string {
  for (const { volume } of volumes.all()) {
    const member = volume.membership.member(peer)
    if (member !== undefined) return member.name
  }
  return peer
}

function candidateOf(peer: PeerId, volumes: readonly NamedVolume[]): Candidate {
  const found = volumes.flatMap(({ name, volume }) => {
    const member = volume.membership.member(peer)
    return member === undefined ? [] : [{ member, role: `${member.role} of ${name}` }]
  })
  // Also the name that it says it has, where another is shown by that.
  const names = new Set(found.flatMap(({ member }) => [member.name, member.said]))
  return { peer, names: [...names], roles: found.map(({ role }) => role) }
}

function theOne<Some extends Candidate>(
  text: string,
  candidates: readonly Some[],
  none: string,
): Some {
  const found = meantBy(text, candidates)
  const [first] = found
  if (first !== undefined && found.length === 1) return first
  const all = found.map(({ peer, names, roles }) => {
    const name = names[0] ?? 'no name'
    return `${name} (${[peer, ...roles].join(', ')})`
  })
  throw new ShoalError(
    'no-such-peer',
    found.length === 0
      ? `${none}; see shoal peer ls`
      : `"${text}" may be ${all.join(' or ')}; use the id, or its last 8 characters`,
  )
}
