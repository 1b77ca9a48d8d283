// Why a value may be accepted at a ballot: a quorum has promised that ballot to its proposer, in
// signed statements, and the value is the newest that those had accepted, once more, or one that
// comes after it. A voter accepts nothing without, and who hears of a value that one voter alone
// claims believes it by its grounds alone. So no proposer can pass over what was chosen, and no
// voter can make up a value; a voter that hides one that it had accepted contradicts a statement of
// its own (statement.ts).
import { ShoalError } from '../errors.ts'
import type { PeerId } from '../ids.ts'
import { GROUNDS_MAX, VOTERS_MAX } from '../limits.ts'
import { enforces } from '../trust.ts'
import { compareBallots } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Office } from './office.ts'
import { isSameMark } from './statement.ts'
import type { Mark, Statement } from './statement.ts'
import { digestOf, isSameValue } from './value.ts'
import type { Claim, Content } from './value.ts'
import { isQuorum, lastGroup, sameGroups, sameVoters } from './voters.ts'
import type { Groups, Voters } from './voters.ts'

/** The replies of those that promised a ballot, and the newest value that they had accepted. */
export interface Ground {
  readonly promises: readonly Statement[]
  readonly base: Claim | undefined
}

/**
 * The first is of the ballot at which the value is to be accepted. If the value is the newest of
 * those who promised it, and they do not agree on that, the next is of the ballot that they had
 * accepted it at; and so on.
 */
export type Grounds = readonly Ground[]

/** The judge's knowledge of the register, all of it from its own log. */
export interface GroundsContext {
  /** The voters before the first value. */
  readonly first: Voters
  /** The office once the value's entry is applied. */
  readonly office: Office
  /** The groups that decide, as accepted by the judge itself. */
  readonly accepted: Groups | undefined
  /**
   * May it vote now? Asked of those who promise the ballot: what they promised before they were
   * removed stands.
   */
  readonly mayVote: (peer: PeerId) => boolean
  /** Is a statement signed, by one that has not lied? */
  readonly isSigned: (statement: Statement) => boolean
  /** Does the value's entry follow this one, or is it this one? */
  readonly follows: (base: Claim) => boolean
}

/**
 * May what is claimed have been accepted? throws ShoalError 'bad-signature' for a statement that
 * does not count, 'missing-past' if by the log here others are in office than the proposer knew,
 * 'malformed' for all else.
 */
export function checkGrounds(claim: Claim, grounds: Grounds, context: GroundsContext): void {
  if (!enforces('votes-have-grounds')) return
  let at = claim.ballot
  let judging = context
  for (const { promises, base } of grounds.slice(0, GROUNDS_MAX)) {
    checkPromises(at, promises, judging)
    judging = { ...context, mayVote: () => true }
    const isChosen = checkBase(promises, base, context)
    if (base === undefined || !isSameValue(base, claim)) {
      if (!isChosen) throw wrong('it comes after a value that perhaps was not chosen')
      return checkSuccession(base, claim, context)
    }
    checkOffice(claim.groups, context)
    if (isChosen) return
    at = base.ballot
  }
  throw wrong('nobody tells where it comes from')
}

/** Do the promises prove that what they come after was chosen? throws as checkGrounds. */
export function isBaseChosen(
  { promises, base }: Ground,
  context: Omit<GroundsContext, 'follows'>,
): boolean {
  const [first] = promises
  if (first === undefined || base === undefined) return false
  checkPromises(first.promised, promises, context)
  return checkBase(promises, base, context)
}

/** Those who decide on a value after `base`. */
export function groupsAfter(base: Content | undefined, first: Voters, { voters }: Office): Groups {
  const from = base === undefined ? first : lastGroup(base.groups)
  return sameVoters(from, voters) ? [voters] : [from, voters]
}

/**
 * Whether a value at the newest ballot is the one to go on with, among these. groups: of the value.
 */
export function isDecided(
  mark: Mark,
  groups: Groups,
  heard: ReadonlyMap<PeerId, Mark | undefined>,
): boolean {
  const newest = [...heard.values()].filter(
    (other) => other !== undefined && compareBallots(other.ballot, mark.ballot) === 0,
  )
  const others = new Set(newest.map((other) => other?.digest).filter((one) => one !== mark.digest))
  if (others.size === 0) return true
  const mayBeChosen = (digest: Mark['digest'] | undefined): boolean =>
    groups.some((voters) => {
      const able = voters.filter((peer) => !heard.has(peer) || heard.get(peer)?.digest === digest)
      return able.length > voters.length / 2
    })
  for (const digest of others) if (mayBeChosen(digest)) return false
  if (mayBeChosen(mark.digest)) return true
  return [...others].every((digest) => digest === undefined || digest < mark.digest)
}

function checkPromises(
  at: Ballot,
  promises: readonly Statement[],
  { office, mayVote, isSigned }: Omit<GroundsContext, 'follows'>,
): void {
  const voters = new Set(promises.map(({ voter }) => voter))
  if (voters.size !== promises.length || voters.size > 2 * VOTERS_MAX)
    throw wrong('its promises are not one of each voter')
  for (const statement of promises) {
    const { voter, term, promised } = statement
    if (compareBallots(promised, at) !== 0) throw wrong('its promises are of another ballot')
    if (office.terms.get(voter) !== term || !mayVote(voter))
      throw new ShoalError('missing-past', `${voter} is not in office so by the log here`)
    if (!isSigned(statement))
      throw new ShoalError('bad-signature', `the promise of ${voter} does not count`)
  }
}

/** returns whether the base is chosen, as all is that nothing came before. */
function checkBase(
  promises: readonly Statement[],
  base: Claim | undefined,
  { first }: Pick<GroundsContext, 'first'>,
): boolean {
  const heard = new Map(promises.map(({ voter, accepted }) => [voter, accepted]))
  const groups: Groups = base?.groups ?? [first]
  if (!isQuorum(groups, new Set(heard.keys()))) throw wrong('too few have promised its ballot')
  const newer = promises.some(({ accepted }) => compareBallots(accepted?.ballot, base?.ballot) > 0)
  if (newer) throw wrong('it passes over a newer value')
  if (base === undefined) return true
  const mark = { ballot: base.ballot, digest: digestOf(base) }
  const holders = promises.filter(
    ({ accepted }) => accepted !== undefined && isSameMark(accepted, mark),
  )
  if (holders.length === 0 || !isDecided(mark, groups, heard))
    throw wrong('it passes over a value that may have been chosen')
  return isQuorum(groups, new Set(holders.map(({ voter }) => voter)))
}

function checkSuccession(base: Claim | undefined, claim: Claim, context: GroundsContext): void {
  checkOffice(claim.groups, context)
  const groups = groupsAfter(base, context.first, context.office)
  if (enforces('voters-are-named') && !sameGroups(claim.groups, groups))
    throw wrong('those who are to decide are not those that were, or that an admin named')
  if (base !== undefined && !context.follows(base))
    throw wrong('its entry does not follow the newest')
}

/** Did an admin name them, and those that they take the place of? */
function checkOffice(groups: Groups, { office, accepted }: GroundsContext): void {
  if (!enforces('voters-are-named')) return
  if (!sameVoters(lastGroup(groups), office.voters))
    throw new ShoalError('missing-past', 'others are in office by the log here')
  if (groups.length === 1 || sameVoters(groups[0], office.before)) return
  if (accepted?.some((voters) => sameVoters(voters, groups[0])) === true) return
  throw wrong('nobody named those that decide with the voters')
}

function wrong(why: string): ShoalError {
  return new ShoalError('malformed', `a value is not to be accepted: ${why}`)
}
