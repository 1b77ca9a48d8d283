// The failure of a check, with the name of the invariant. Its number is cited where it is checked.

/** Names of what is checked. */
export type InvariantId =
  | '1 equal logs make equal trees'
  | '2 equal cuts make equal roots'
  | '3 the order of arrival does not matter'
  | '4 entries twice change nothing'
  | '6 folders are a tree'
  | '7 names and counts are true'
  | '8 no name twice in a folder'
  | '9 acknowledged is durable'
  | '11 losses that are tolerated lose nothing'
  | '12 no silent overwrite'
  | '13 each content once'
  | '14 no number twice'
  | '15 logs have no gaps'
  | '16 clocks advance'
  | '18 no chunk that lives is swept'
  | '19 what is dead is gone in the end'
  | '23 stripes are full in the end'
  | '27 a session sees what it wrote'
  | '28 strong calls are one sequence'
  | '30 nodes agree in the end'
  | '38 what is counted is there'
  | 'what was placed is lost only with more than m shards at once'
  | 'nothing is dropped before its replacement is durable'
  | 'nothing is given up before a tier surely holds it'
  | 'what a tier is said to hold is there'
  | 'the floor stays with peers'
  | 'what is due lies in the tier in the end'
  | 'a tier and a key make the volume anew'
  | 'nobody is accused of what nobody did'
  | 'the map ascribes only what is durable'
  | 'placement limits hold once quiet'
  | 'no more travels for repairs than 1.3 times the least'
  | 'nothing is repaired needlessly'
  | 'no more moves than 1.3 times what has to'
  | 'a drain ends'
  | 'operations end'
  | 'operations fail as said'
  | 'contents are true'
  | 'who was removed says nothing more'
  | 'nobody gains a right'
  | 'no lie is believed'
  | 'what a liar may cost is bounded'
  | 'nothing else fails'

export class CheckError extends Error {
  override readonly name: string = 'CheckError'
  readonly invariant: InvariantId

  constructor(invariant: InvariantId, what: string, options: { cause?: unknown } = {}) {
    super(`${invariant}: ${what}`, options)
    this.invariant = invariant
  }
}

/** The invariant that an error of a run says is broken. */
export function invariantOf(error: unknown): InvariantId {
  return error instanceof CheckError ? error.invariant : 'nothing else fails'
}
