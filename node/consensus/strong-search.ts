// Asks the voters of a register for its state. Only what a majority of a trusted group claims is
// believed; what fewer claim is to be accounted for, so that a voter that lies leads nobody
// anywhere.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Ask, StrongReply } from '../../protocol/strong/acceptor.ts'
import { compareBallots } from '../../protocol/strong/ballot.ts'
import type { Ballot } from '../../protocol/strong/ballot.ts'
import type { Grounds } from '../../protocol/strong/grounds.ts'
import { findValue } from '../../protocol/strong/round.ts'
import type { Finding, Newest, Setback } from '../../protocol/strong/round.ts'
import { isSameMark } from '../../protocol/strong/statement.ts'
import type { Mark, Statement } from '../../protocol/strong/statement.ts'
import { LEAP_MAX } from '../../protocol/strong/turns.ts'
import { digestOf } from '../../protocol/strong/value.ts'
import type { Value } from '../../protocol/strong/value.ts'
import { isQuorum, lastGroup, sameVoters } from '../../protocol/strong/voters.ts'
import type { Groups, Voters } from '../../protocol/strong/voters.ts'
import { Poll } from './strong-poll.ts'

/** For which time each voter is in office. */
export type Terms = ReadonlyMap<PeerId, number>

/** A value that perhaps was not chosen, with the grounds it takes to have it accepted again. */
export interface Grounded {
  readonly value: Value
  readonly grounds: Grounds
  /** The terms of those who decide after it. */
  readonly terms: Terms
}

export interface SearchComponents {
  /** Ask a voter. throws ShoalError when it does not answer. */
  readonly ask: (peer: PeerId, request: Ask, signal: AbortSignal) => Promise<StrongReply>
  /**
   * Can what some voters claim be true? Get what the others need for it, too. returns undefined if
   * it cannot, or if nobody has what it takes to tell.
   */
  readonly account: (newest: Newest, signal: AbortSignal) => Promise<Grounded | undefined>
  /** The voters in office, as far as the log here tells. */
  readonly office: () => { readonly voters: Voters; readonly terms: Terms }
  /** The groups that decided after the value accepted by this node itself. */
  readonly accepted: () => Groups | undefined
  /** A voter said something, signed. */
  readonly heard: (statement: Statement) => void
  /** Why the answers of a voter do not count, if they do not. */
  readonly isOut: (peer: PeerId) => ShoalError | undefined
  /** Is a promise signed as it should be? */
  readonly isRight: (statement: Statement) => boolean
  readonly nameOf: (peer: PeerId) => string
  /** The groups of the register before its first value. */
  readonly first: Groups
}

export interface Found {
  readonly kind: 'found'
  readonly newest: Newest | undefined
  /** A quorum agrees on it. */
  readonly isChosen: boolean
  /** A value with good grounds. */
  readonly grounded: Grounded | undefined
  /** Those of who is in office. */
  readonly promises: readonly Statement[]
}

export type Outbid = Extract<Setback, { kind: 'outbid' }>

/** The beliefs in the course of a search. */
interface Belief {
  /** Groups of which a majority is. */
  readonly trusted: Voters[]
  /** Values that fewer had accepted, with good grounds. */
  readonly grounded: (readonly [Mark, Grounded])[]
}

export class Search {
  readonly #c: SearchComponents
  /** Somebody makes promises that do not count: each is looked at. */
  isWary = false

  constructor(components: SearchComponents) {
    this.#c = components
  }

  /**
   * The newest value among those who decide, wherever that leads. groups: those who do as far as
   * the caller knows. ballot: to be promised; undefined: they are only asked.
   * throws ShoalError 'NO_QUORUM' saying who did not answer, and the reason of `signal`.
   */
  async find(
    groups: Groups,
    ballot: Ballot | undefined,
    signal: AbortSignal,
  ): Promise<Found | Outbid> {
    const accepted = this.#c.accepted() ?? []
    const belief: Belief = { trusted: [this.#c.office().voters, ...accepted], grounded: [] }
    let { terms } = this.#c.office()
    for (let isDoubtful = ballot !== undefined; ; isDoubtful = true) {
      const request = (peer: PeerId): Ask =>
        ballot === undefined
          ? { kind: 'query', grounds: isDoubtful }
          : { kind: 'prepare', counter: ballot.counter, term: terms.get(peer) ?? 0 }
      const poll = this.ask(groups, request, (reply) => isState(reply, ballot), signal)
      let outcome = await this.#judge(poll, belief, isDoubtful, signal)
      while (outcome.kind === 'moved') {
        terms = groundedOf(belief, outcome.newest)?.terms ?? terms
        poll.widen(outcome.groups)
        outcome = await this.#judge(poll, belief, isDoubtful, signal)
      }
      if (outcome.kind === 'doubt') continue
      // The one before us need not have promised more.
      if (outcome.kind === 'outbid')
        return {
          ...outcome,
          by: compareBallots(outcome.by, ballot) < 0 && ballot ? ballot : outcome.by,
        }
      const grounded = groundedOf(belief, outcome.newest)
      terms = grounded?.terms ?? terms
      const promises = statementsOf(poll).filter(({ voter, term }) => terms.get(voter) === term)
      return { ...outcome, grounded, promises }
    }
  }

  /** Ask voters. isRight: is it an answer to that? */
  ask(
    groups: readonly Voters[],
    requestTo: (peer: PeerId) => Ask,
    isRight: (reply: StrongReply) => boolean,
    signal: AbortSignal,
  ): Poll {
    signal.throwIfAborted()
    return new Poll(groups, async (peer) => {
      const out = this.#c.isOut(peer)
      if (out !== undefined) throw out
      const request = requestTo(peer)
      const reply = await this.#c.ask(peer, request, signal)
      const statement = statementOf(reply)
      if (!isRight(reply) || (statement !== undefined && statement.voter !== peer))
        throw new ShoalError('malformed', 'its answer does not match the question')
      if (reply.kind === 'refused') checkBearable(reply.promised, request)
      if (statement === undefined) return reply
      this.#c.heard(statement)
      if (!this.isWary || this.#c.isRight(statement)) return reply
      throw new ShoalError('bad-signature', 'its promise is not valid')
    })
  }

  /** Decides how to go on with the replies. canAccount: who claims something was asked why. */
  async #judge(
    poll: Poll,
    belief: Belief,
    canAccount: boolean,
    signal: AbortSignal,
  ): Promise<Finding | Outbid | { readonly kind: 'doubt' }> {
    for (;;) {
      const outcome = await poll.outcome((tally) => findValue(this.#c.first, tally), signal)
      signal.throwIfAborted()
      if (outcome.kind === 'no-quorum') throw poll.noQuorum(this.#c.nameOf)
      if (outcome.kind === 'outbid' || outcome.newest === undefined) return outcome
      const { newest } = outcome
      if (this.#isTrusted(newest, belief) || groundedOf(belief, newest) !== undefined) {
        belief.trusted.push(...newest.claim.groups)
        return outcome
      }
      if (!canAccount) return { kind: 'doubt' }
      const account = await this.#c.account(newest, signal)
      if (account !== undefined) {
        belief.grounded.push([markOf(newest), account])
        continue
      }
      for (const peer of newest.holders)
        poll.drop(peer, new ShoalError('malformed', 'it claims a value without evidence'))
    }
  }

  /** Does a majority say so of a group that is trusted, and tells the log here who decides then? */
  #isTrusted({ claim, holders }: Newest, { trusted }: Belief): boolean {
    if (!sameVoters(lastGroup(claim.groups), this.#c.office().voters)) return false
    return trusted.some((voters) => isQuorum([voters], new Set(holders)))
  }
}

/** The statements of voters in their replies. */
export function statementsOf({ replies, failed }: Poll): readonly Statement[] {
  return [...replies].flatMap(([peer, reply]) => {
    const statement = failed.has(peer) ? undefined : statementOf(reply)
    return statement === undefined ? [] : [statement]
  })
}

function statementOf(reply: StrongReply): Statement | undefined {
  return reply.kind === 'state' || reply.kind === 'accepted' ? reply.statement : undefined
}

/**
 * An answer to a query, or to one who wants this promise, which agrees with what the voter signed?
 */
function isState(reply: StrongReply, ballot: Ballot | undefined): boolean {
  if (reply.kind === 'refused') return ballot !== undefined
  if (reply.kind !== 'state') return false
  const { accepted, statement } = reply
  if (ballot === undefined) return statement === undefined
  const mark = accepted && { ballot: accepted.ballot, digest: digestOf(accepted) }
  return compareBallots(statement?.promised, ballot) === 0 && isSameMark(statement?.accepted, mark)
}

/** One that lies would have others run out of ballots. */
function checkBearable({ counter }: Ballot, request: Ask): void {
  if (request.kind !== 'query' && counter - request.counter > LEAP_MAX)
    throw new ShoalError('unsupported', 'it has promised a ballot that is too far away')
}

function markOf({ claim: { ballot }, digest }: Newest): Mark {
  return { ballot, digest }
}

function groundedOf({ grounded }: Belief, newest: Newest | undefined): Grounded | undefined {
  return newest && grounded.find(([mark]) => isSameMark(mark, markOf(newest)))?.[1]
}
