// Which members of a volume may be its voters, and how people name them.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { meantBy } from '../../protocol/membership/names.ts'
import { VOTERS_MAX } from '../../protocol/limits.ts'
import { aRole, mayAdminister, mayGiveUp } from '../../protocol/roles.ts'
import { parseVoters } from '../../protocol/strong/office.ts'
import type { Volume } from './volume.ts'

/** All who may vote; of more than VOTERS_MAX the admins first. */
export function defaultVoters({ membership }: Volume): readonly PeerId[] {
  const able = membership.members().filter(({ role }) => mayGiveUp(role))
  const admins = able.filter(({ role }) => mayAdminister(role))
  const others = able.filter(({ role }) => !mayAdminister(role))
  return [...admins, ...others].slice(0, VOTERS_MAX).map(({ peer }) => peer)
}

/**
 * Peers of a list of names or ids with commas between. throws ShoalError 'usage' naming the one
 * that is none.
 */
export function findVoters(volume: Volume, text: string): readonly PeerId[] {
  const members = volume.membership.members()
  const candidates = members.map(({ peer, name, said }) => ({ peer, names: [name, said], name }))
  return text.split(',').map((part) => {
    const wanted = part.trim()
    const found = meantBy(wanted, candidates)
    const [member] = found
    if (member !== undefined && found.length === 1) return member.peer
    const all = found.map(({ peer, name }) => `${name} (${peer})`).join(' or ')
    const problem =
      member === undefined
        ? 'is not a member of the volume; see "shoal volume info"'
        : `may be ${all}; use the id`
    throw new ShoalError('usage', `voters: "${wanted}" ${problem}`)
  })
}

/** Inverse of findVoters, of what the policy "voters" says. */
export function nameVoters({ membership }: Volume, policy: string): string {
  return parseVoters(policy)
    .map((peer) => membership.nameOf(peer))
    .join(',')
}

/** throws ShoalError 'usage'. */
export function checkMayVote({ membership }: Volume, peer: PeerId): void {
  const role = membership.member(peer)?.role
  if (role !== undefined && mayGiveUp(role)) return
  const is = role === undefined ? 'no member' : aRole(role)
  throw new ShoalError(
    'usage',
    `voters: ${membership.nameOf(peer)} is ${is} of the volume; only admins and writers vote`,
  )
}
