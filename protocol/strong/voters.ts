// Groups of voters, and their quorums. A register has one group of voters; while they change it has
// two, the old and the new, and nothing counts without a majority of each (joint consensus: Ongaro
// and Ousterhout, "In search of an understandable consensus algorithm", ATC 2014, section 6).
import { compareBytes } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { PeerId } from '../ids.ts'
import { VOTERS_MAX } from '../limits.ts'

/** Sorted, each once, 1 to VOTERS_MAX. */
export type Voters = readonly PeerId[]

/** One group; two while one takes the place of the other. */
export type Groups = readonly [Voters] | readonly [from: Voters, to: Voters]

/** The group that stays. */
export function lastGroup(groups: Groups): Voters {
  return groups.length === 2 ? groups[1] : groups[0]
}

/** Everyone in them, each once. */
export function everyVoter(groups: readonly Voters[]): PeerId[] {
  return [...new Set(groups.flat())].sort()
}

/** True if `peers` hold a majority of each group. */
export function isQuorum(groups: readonly Voters[], peers: ReadonlySet<PeerId>): boolean {
  return groups.every(
    (voters) => voters.filter((peer) => peers.has(peer)).length > voters.length / 2,
  )
}

export function sameGroups(a: Groups, b: Groups): boolean {
  return a.length === b.length && a.every((voters, at) => sameVoters(voters, b[at] ?? []))
}

export function sameVoters(a: Voters, b: readonly PeerId[]): boolean {
  return a.length === b.length && a.every((peer, at) => peer === b[at])
}

/** Voters of peers in any order. throws ShoalError 'usage'. */
export function makeVoters(peers: readonly PeerId[]): Voters {
  const voters = everyVoter([peers])
  if (voters.length === 0 || voters.length > VOTERS_MAX) {
    throw new ShoalError('usage', `${voters.length} voters: a volume has 1 to ${VOTERS_MAX}`)
  }
  return voters
}

/** Peer ids, comma between. */
export function formatVoters(voters: Voters): string {
  return voters.join(',')
}

/** Wire form: a list of groups, each a list of public keys in their order. */
export function encodeGroups(groups: Groups): unknown {
  return groups.map((voters) => voters.map(publicKeyOf).sort(compareBytes))
}

/** Inverse of encodeGroups. throws ShoalError 'malformed'. */
export function decodeGroups(value: unknown): Groups {
  const [first, second, ...more] = Array.isArray(value) ? (value as readonly unknown[]) : []
  if (first === undefined || more.length > 0)
    throw new ShoalError('malformed', 'voters are not one group or two')
  return second === undefined ? [decodeVoters(first)] : [decodeVoters(first), decodeVoters(second)]
}

function decodeVoters(value: unknown): Voters {
  const keys = Array.isArray(value) && value.length <= VOTERS_MAX ? (value as unknown[]) : []
  const peers = keys.map((key) => {
    if (!(key instanceof Uint8Array)) throw new ShoalError('malformed', 'a voter is not a key')
    return peerIdFromPublicKey(key)
  })
  const voters = everyVoter([peers])
  if (voters.length === 0 || voters.length !== keys.length)
    throw new ShoalError('malformed', `a group is not of 1 to ${VOTERS_MAX} voters`)
  return voters
}
