// One voter of one register: CASPaxos (D. Rystsov, arXiv:1802.07000). Whoever runs it makes the new state durable before
// the reply leaves, and answers one request after the other. Invariants:
//   a voter promises each ballot at most once, so that a proposer that forgot a ballot of its own cannot use it again
//   it accepts nothing below its promise; what it accepted has never a higher ballot than its promise
//   at one ballot it accepts one value
import { equalBytes } from '../bytes.ts'
import { compareBallots } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import { sameGroups } from './voters.ts'
import type { Groups } from './voters.ts'

export interface Value {
  /** Who decides on what comes after this value. */
  readonly groups: Groups
  /** The entry of the log that made it, in wire form: who reads the value must hold it. */
  readonly entry: Uint8Array
}

/** A value and the ballot it was accepted at. */
export interface Accepted {
  readonly ballot: Ballot
  readonly value: Value
}

export interface Vote {
  readonly promised: Ballot | undefined
  readonly accepted: Accepted | undefined
}

export type StrongRequest =
  /** What did you accept last? Changes nothing. */
  | { readonly kind: 'query' }
  /** Promise to accept nothing below `ballot`. */
  | { readonly kind: 'prepare'; readonly ballot: Ballot }
  /** Accept, and promise to accept nothing below `next`, a ballot of the same proposer above this one. */
  | {
      readonly kind: 'accept'
      readonly ballot: Ballot
      readonly value: Value
      readonly next: Ballot
    }

export type StrongReply =
  /** To 'query', and the promise to 'prepare'. */
  | { readonly kind: 'state'; readonly accepted: Accepted | undefined }
  | { readonly kind: 'accepted' }
  /** Promised to another. */
  | { readonly kind: 'refused'; readonly promised: Ballot }

/** The state before anything was asked. */
export const NO_VOTE: Vote = { promised: undefined, accepted: undefined }

/** What a voter does and says. */
export function vote(state: Vote, request: StrongRequest): readonly [Vote, StrongReply] {
  const { promised, accepted } = state
  switch (request.kind) {
    case 'query':
      return [state, { kind: 'state', accepted }]
    case 'prepare':
      if (promised !== undefined && compareBallots(request.ballot, promised) <= 0)
        return [state, refused(promised)]
      return [
        { promised: request.ballot, accepted },
        { kind: 'state', accepted },
      ]
    case 'accept': {
      const { ballot, value, next } = request
      // Once more what was just accepted: the reply was lost.
      if (accepted !== undefined && compareBallots(ballot, accepted.ballot) === 0) {
        if (!isSame(value, accepted.value)) return [state, refused(promised ?? ballot)]
        if (compareBallots(next, promised) <= 0) return [state, { kind: 'accepted' }]
        return [{ promised: next, accepted }, { kind: 'accepted' }]
      }
      if (promised !== undefined && compareBallots(ballot, promised) < 0)
        return [state, refused(promised)]
      return [{ promised: next, accepted: { ballot, value } }, { kind: 'accepted' }]
    }
  }
}

function refused(promised: Ballot): StrongReply {
  return { kind: 'refused', promised }
}

function isSame(a: Value, b: Value): boolean {
  return sameGroups(a.groups, b.groups) && equalBytes(a.entry, b.entry)
}
