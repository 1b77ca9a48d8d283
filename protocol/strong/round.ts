// What the replies of voters mean for the proposer: CASPaxos (D. Rystsov, arXiv:1802.07000), with two changes.
//   What is found but perhaps not chosen is never built upon: it is accepted again first. So a value is chosen before
//   the entry of the log that it names is applied anywhere, and each voter holds the past of what it accepts.
//   The voters are part of the value. A round counts only under the groups of the newest value that it finds, and a value
//   that changes them needs a quorum of both, so that neighbours in the chain of values always share a quorum.
import { compareBallots } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Accepted, StrongReply } from './acceptor.ts'
import { everyVoter, isQuorum, sameGroups } from './voters.ts'
import type { Groups, Voters } from './voters.ts'
import type { PeerId } from '../ids.ts'

/** What has come in of a round so far. */
export interface Tally {
  readonly replies: ReadonlyMap<PeerId, StrongReply>
  /** Voters that will not answer. */
  readonly failed: ReadonlySet<PeerId>
}

/** Why a round ends without what it was for. */
export type Setback =
  /** Too few can answer. */
  | { readonly kind: 'no-quorum' }
  /** Too many have promised to another proposer; the highest of those promises. */
  | { readonly kind: 'outbid'; readonly by: Ballot }

/** What a quorum says of a register. */
export type Finding =
  | {
      readonly kind: 'found'
      /** The newest value, undefined for a register nobody ever wrote to. */
      readonly accepted: Accepted | undefined
      /** The quorum agrees on it. If not it may be chosen, or never be. */
      readonly isChosen: boolean
      /** Who has it. */
      readonly holders: readonly PeerId[]
    }
  /** Other groups decide than the round asked: those of the newest value. */
  | { readonly kind: 'moved'; readonly accepted: Accepted | undefined; readonly groups: Groups }

/** Where a search for the newest value stands. */
export interface Search {
  readonly groups: Groups
  /**
   * The newest value that was come upon otherwise. It counts like a reply: what a voter accepted at some ballot descends
   * from all that was chosen below it. Without it two groups could each point to the other for ever.
   */
  readonly known: Accepted | undefined
}

/** The replies to 'query' or 'prepare'. `first`: the groups of a register nobody ever wrote to. */
export function findValue(
  { groups, known }: Search,
  first: Groups,
  tally: Tally,
): Finding | Setback | undefined {
  const states = [...tally.replies].flatMap(([peer, reply]) =>
    reply.kind === 'state' ? [{ peer, accepted: reply.accepted }] : [],
  )
  const newest = states.reduce(
    (best, { accepted }) => (compareBallots(accepted?.ballot, best?.ballot) > 0 ? accepted : best),
    known,
  )
  const deciding = newest?.value.groups ?? first
  const moved = { kind: 'moved', accepted: newest, groups: deciding } as const
  if (!isQuorum(groups, new Set(states.map(({ peer }) => peer)))) {
    const why = setback(groups, tally)
    // Others may have taken over from those who are missing.
    const isOld = newest !== undefined && !sameGroups(deciding, groups)
    return why?.kind === 'no-quorum' && isOld ? moved : why
  }
  if (!sameGroups(deciding, groups)) return moved
  const holders = states
    .filter(({ accepted }) => compareBallots(accepted?.ballot, newest?.ballot) === 0)
    .map(({ peer }) => peer)
  return { kind: 'found', accepted: newest, isChosen: isQuorum(groups, new Set(holders)), holders }
}

/** The replies to 'accept' of a value after one that `groups` includes the groups of. */
export function countAccepts(
  groups: readonly Voters[],
  tally: Tally,
): { readonly kind: 'chosen'; readonly holders: readonly PeerId[] } | Setback | undefined {
  const holders = [...tally.replies].flatMap(([peer, reply]) =>
    reply.kind === 'accepted' ? [peer] : [],
  )
  if (isQuorum(groups, new Set(holders))) return { kind: 'chosen', holders }
  return setback(groups, tally)
}

/** Undefined while a quorum can still be had of those who have not answered. */
function setback(groups: readonly Voters[], { replies, failed }: Tally): Setback | undefined {
  const up = everyVoter(groups).filter((peer) => !failed.has(peer))
  if (!isQuorum(groups, new Set(up))) return { kind: 'no-quorum' }
  const refusals = up.flatMap((peer) => {
    const reply = replies.get(peer)
    return reply?.kind === 'refused' ? [{ peer, promised: reply.promised }] : []
  })
  const willing = up.filter((peer) => !refusals.some((refusal) => refusal.peer === peer))
  if (isQuorum(groups, new Set(willing))) return undefined
  const [first, ...others] = refusals.map(({ promised }) => promised)
  if (first === undefined) return undefined
  return { kind: 'outbid', by: others.reduce((a, b) => (compareBallots(a, b) > 0 ? a : b), first) }
}
