// The voters in office, as named by an admin with the policy "voters". Each naming says whom it
// takes the place of, so that an entry tells by itself between which two groups the say passes; and
// for which time each of them is in office, since whoever is taken in anew, after a loss or a lie,
// has said nothing yet that it could be held to.
import { ShoalError } from '../errors.ts'
import { parsePeerId } from '../ids.ts'
import type { PeerId } from '../ids.ts'
import type { Op } from '../op/op.ts'
import { formatVoters, makeVoters } from './voters.ts'
import type { Voters } from './voters.ts'

export const VOTERS_POLICY = 'voters'

export interface Office {
  /** How often voters were named. */
  readonly number: number
  readonly voters: Voters
  /** The voters that they replaced; the same, if nobody was named. */
  readonly before: Voters
  /** The number of the naming that took each of them in, for both groups. */
  readonly terms: ReadonlyMap<PeerId, number>
}

/**
 * Before anyone is named the volume's creator decides: the one member that nobody can disagree on.
 */
export function firstOffice(creator: PeerId): Office {
  const voters = makeVoters([creator])
  return { number: 0, voters, before: voters, terms: new Map([[creator, 0]]) }
}

/** An admin names `voters` in place of `before`, where `office` was the last naming. */
export function nextOffice(office: Office, before: Voters, voters: Voters): Office {
  const number = office.number + 1
  const termOf = (peer: PeerId): number => office.terms.get(peer) ?? office.number
  const terms = new Map(before.map((peer) => [peer, termOf(peer)]))
  for (const peer of voters) if (!before.includes(peer)) terms.set(peer, number)
  return { number, voters, before, terms }
}

/** Text of the policy: voters; number; their terms; those before; their terms. */
export function formatOffice({ number, voters, before, terms }: Office): string {
  const termsOf = (peers: Voters): string => peers.map((peer) => terms.get(peer) ?? 0).join(',')
  const lists = [termsOf(voters), formatVoters(before), termsOf(before)]
  return [formatVoters(voters), number, ...lists].join(';')
}

/** Inverse of formatOffice. throws ShoalError 'malformed', 'usage'. */
export function parseOffice(text: string): Office {
  const [voters = '', number = '', terms = '', before = '', termsBefore = '', ...more] =
    text.split(';')
  if (more.length > 0) throw new ShoalError('malformed', 'voters are not named as they should be')
  return {
    number: parseTerm(number),
    voters: parseNamed(voters),
    before: parseNamed(before),
    terms: new Map([...parseTerms(before, termsBefore), ...parseTerms(voters, terms)]),
  }
}

/** Parses the policy's text. throws ShoalError 'malformed', 'usage'. */
export function parseVoters(text: string): Voters {
  return parseNamed(text.split(';', 1).join())
}

/** The last naming among ops, if there is one. throws as parseOffice. */
export function officeNamedBy(ops: readonly (Op | undefined)[]): Office | undefined {
  const named = ops.findLast((op) => op?.kind === 'policy' && op.key === VOTERS_POLICY)
  return named?.kind === 'policy' ? parseOffice(named.value) : undefined
}

function parseNamed(text: string): Voters {
  return makeVoters(text.split(',').map(parsePeerId))
}

function parseTerms(peers: string, terms: string): (readonly [PeerId, number])[] {
  const numbers = terms.split(',').map(parseTerm)
  const named = parseNamed(peers)
  if (numbers.length !== named.length)
    throw new ShoalError('malformed', 'voters and their terms are not as many')
  return named.map((peer, at) => [peer, numbers[at] ?? 0])
}

function parseTerm(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new ShoalError('malformed', `"${text}" is no term of a voter`)
  return Number(text)
}
