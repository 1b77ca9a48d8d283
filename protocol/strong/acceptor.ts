// One voter of one register: CASPaxos (D. Rystsov, arXiv:1802.07000). Whoever runs it makes the new
// state durable before the reply leaves, answers one request after the other, and asks for the
// grounds of what it is to accept (grounds.ts).
// Invariants:
//   a voter promises each ballot at most once, so that a proposer that forgot a ballot of its own
//     cannot use it again
//   it accepts nothing below its promise; what it accepted has always a lower ballot than its
//     promise
//   at one ballot it accepts one value
import type { PeerId } from '../ids.ts'
import { compareBallots, nextBallot } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Grounds } from './grounds.ts'
import type { Proof, Statement } from './statement.ts'
import { isSameValue } from './value.ts'
import type { Claim, Value } from './value.ts'

/** A value, the ballot it was accepted at, and why it could be. */
export interface Accepted {
  readonly ballot: Ballot
  readonly value: Value
  readonly grounds: Grounds
}

export interface Vote {
  readonly promised: Ballot | undefined
  readonly accepted: Accepted | undefined
}

export type StrongRequest =
  /** Asks for the last accepted value; changes nothing. With its grounds, for who doubts it. */
  | { readonly kind: 'query'; readonly grounds: boolean }
  /**
   * Promise to accept nothing below this ballot of the asker, as who is in office for this time.
   */
  | { readonly kind: 'prepare'; readonly counter: number; readonly term: number }
  /** Accept a value at this ballot of the asker, and promise to accept nothing below its next. */
  | {
      readonly kind: 'accept'
      readonly counter: number
      readonly value: Value
      readonly grounds: Grounds
    }
  /** These voters have lied. Of whom do you know that? */
  | { readonly kind: 'proofs'; readonly proofs: readonly Proof[] }

export type Ask = Extract<StrongRequest, { kind: 'query' | 'prepare' | 'accept' }>

/** The last accepted value of a voter, as reported to others. */
export interface Report extends Claim {
  /** Left out where the asker may only see what was chosen. */
  readonly entry: Uint8Array | undefined
  readonly grounds: Grounds | undefined
}

export type StrongReply =
  /** To 'query', and the promise to 'prepare', which is signed. */
  | {
      readonly kind: 'state'
      readonly accepted: Report | undefined
      readonly statement: Statement | undefined
    }
  | { readonly kind: 'accepted'; readonly statement: Statement }
  /** Promised to another. */
  | { readonly kind: 'refused'; readonly promised: Ballot }
  | { readonly kind: 'proofs'; readonly proofs: readonly Proof[] }

/** The state before anything was asked. */
export const NO_VOTE: Vote = { promised: undefined, accepted: undefined }

/** The state of a vote after a request of a proposer; undefined if it is promised to another. */
export function vote(
  state: Vote,
  request: Exclude<Ask, { kind: 'query' }>,
  proposer: PeerId,
): Vote | undefined {
  const { promised, accepted } = state
  const ballot = { counter: request.counter, peer: proposer }
  if (request.kind === 'prepare')
    return compareBallots(ballot, promised) > 0 ? { promised: ballot, accepted } : undefined
  const { value, grounds } = request
  // Once more what was just accepted: the reply was lost.
  if (accepted !== undefined && compareBallots(ballot, accepted.ballot) === 0)
    return isSameValue(value, accepted.value) ? state : undefined
  if (compareBallots(ballot, promised) < 0) return undefined
  return { promised: nextBallot(ballot), accepted: { ballot, value, grounds } }
}

export function claimOf({ ballot, value: { groups, name } }: Accepted): Claim {
  return { ballot, groups, name }
}
