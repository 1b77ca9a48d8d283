// Evaluates the replies of voters for the proposer: CASPaxos (D. Rystsov, arXiv:1802.07000), with
// two changes.
//   What is found but perhaps not chosen is never built upon: it is accepted again first. So a
//     value is chosen before the entry of the log that it names is applied anywhere, and each voter
//     holds the past of what it accepts.
//   The voters are part of the value. A round counts only under the groups of the newest value that
//     it finds, and a value that changes them needs a quorum of both, so that neighbours in the
//     chain of values always share a quorum.
import { compareBallots } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Report, StrongReply } from './acceptor.ts'
import { isDecided } from './grounds.ts'
import { digestOf, isSameValue } from './value.ts'
import type { Claim, Digest } from './value.ts'
import { everyVoter, isQuorum } from './voters.ts'
import type { Groups, Voters } from './voters.ts'
import type { PeerId } from '../ids.ts'

/** The replies to a round so far. */
export interface Tally {
  /** The groups that were asked: those that decide, as far as was known. */
  readonly groups: readonly Voters[]
  readonly replies: ReadonlyMap<PeerId, StrongReply>
  /** Voters that will not answer, or whose answer does not count. */
  readonly failed: ReadonlySet<PeerId>
}

/** Why a round ends without what it was for. */
export type Setback =
  /** Too few can answer. */
  | { readonly kind: 'no-quorum' }
  /**
   * Too many have promised to another proposer; what it takes to outbid so many of those that a
   * quorum is left.
   */
  | { readonly kind: 'outbid'; readonly by: Ballot }

/** The newest value, as those report it who say that they have accepted it. */
export interface Newest {
  readonly claim: Claim
  readonly digest: Digest
  readonly holders: readonly PeerId[]
  /** One of each. */
  readonly reports: readonly Report[]
}

/** The conclusion from a quorum about a register. */
export type Finding =
  | {
      readonly kind: 'found'
      /** Undefined for a register nobody ever wrote to. */
      readonly newest: Newest | undefined
      /** The quorum agrees on it. If not it may be chosen, or never be. */
      readonly isChosen: boolean
    }
  /** Others decide than were asked. */
  | { readonly kind: 'moved'; readonly newest: Newest | undefined; readonly groups: Groups }

/** The replies to 'query' or 'prepare'. first: the groups of a register nobody ever wrote to. */
export function findValue(first: Groups, tally: Tally): Finding | Setback | undefined {
  const heard = new Map<PeerId, Report | undefined>()
  for (const [peer, reply] of tally.replies)
    if (reply.kind === 'state' && !tally.failed.has(peer)) heard.set(peer, reply.accepted)
  const voters = new Set(heard.keys())
  const newest = newestOf(heard)
  if (newest === 'undecided') return isOver(tally) ? { kind: 'no-quorum' } : undefined
  const groups = newest?.claim.groups ?? first
  if (isQuorum(groups, voters)) {
    const isChosen = newest !== undefined && isQuorum(groups, new Set(newest.holders))
    return { kind: 'found', newest, isChosen }
  }
  const why = setback(tally.groups, tally)
  if (why?.kind === 'outbid') return why
  // Those who decide may have taken over from some who are missing.
  if (!isQuorum(tally.groups, voters) && !isOver(tally)) return undefined
  const asked = new Set(everyVoter(tally.groups))
  const isAsked = everyVoter(groups).every((peer) => asked.has(peer))
  return isAsked ? setback(groups, tally) : { kind: 'moved', newest, groups }
}

/** The replies to 'accept' of a value after one that `groups` includes the groups of. */
export function countAccepts(
  groups: readonly Voters[],
  tally: Tally,
): { readonly kind: 'chosen'; readonly holders: readonly PeerId[] } | Setback | undefined {
  const holders = [...tally.replies].flatMap(([peer, reply]) =>
    reply.kind === 'accepted' && !tally.failed.has(peer) ? [peer] : [],
  )
  if (isQuorum(groups, new Set(holders))) return { kind: 'chosen', holders }
  return setback(groups, tally)
}

/** All have answered or failed. */
function isOver({ groups, replies, failed }: Tally): boolean {
  return everyVoter(groups).every((peer) => replies.has(peer) || failed.has(peer))
}

function newestOf(
  heard: ReadonlyMap<PeerId, Report | undefined>,
): Newest | undefined | 'undecided' {
  const reports = [...heard.values()].filter((report) => report !== undefined)
  const { ballot } = reports.reduce<Partial<Report>>(
    (a, b) => (compareBallots(a.ballot, b.ballot) >= 0 ? a : b),
    {},
  )
  if (ballot === undefined) return undefined
  const newest = reports.filter((report) => compareBallots(report.ballot, ballot) === 0)
  const digests = digestsOf(newest)
  const marks = new Map(
    Array.from(heard, ([peer, report]) => {
      const digest = report && digests.get(report)
      return [peer, digest && { ballot, digest }] as const
    }),
  )
  for (const [report, digest] of digests) {
    if (!isDecided({ ballot, digest }, report.groups, marks)) continue
    const holders = [...marks.keys()].filter((peer) => marks.get(peer)?.digest === digest)
    const theirs = newest.filter((one) => digests.get(one) === digest)
    return { claim: report, digest, holders, reports: theirs }
  }
  return 'undecided'
}

/** Computed once a value: most say the same. */
function digestsOf(reports: readonly Report[]): ReadonlyMap<Report, Digest> {
  const digests = new Map<Report, Digest>()
  for (const report of reports) {
    const same = [...digests.keys()].find((other) => isSameValue(other, report))
    digests.set(report, (same && digests.get(same)) ?? digestOf(report))
  }
  return digests
}

/** Undefined while a quorum can still be had of those who have not answered. */
function setback(groups: readonly Voters[], { replies, failed }: Tally): Setback | undefined {
  const up = everyVoter(groups).filter((peer) => !failed.has(peer))
  if (!isQuorum(groups, new Set(up))) return { kind: 'no-quorum' }
  const willing = new Set(up)
  const refusals = up.flatMap((peer) => {
    const reply = replies.get(peer)
    if (reply?.kind !== 'refused') return []
    willing.delete(peer)
    return [{ peer, promised: reply.promised }]
  })
  // Not the highest: one that lies would have its way.
  for (const { peer, promised } of refusals.sort((a, b) =>
    compareBallots(a.promised, b.promised),
  )) {
    if (isQuorum(groups, willing)) return undefined
    willing.add(peer)
    if (isQuorum(groups, willing)) return { kind: 'outbid', by: promised }
  }
  return undefined
}
