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
  | '9 acknowledged writes are durable'
  | '11 tolerated losses lose nothing'
  | '12 no silent overwrite'
  | '13 each content once'
  | '14 no number twice'
  | '15 logs have no gaps'
  | '16 clocks advance'
  | '18 no live chunk is swept'
  | '19 garbage is gone in the end'
  | '23 stripes are full in the end'
  | '27 a session sees its own writes'
  | '28 strong calls are one sequence'
  | '30 nodes agree in the end'
  | '38 what is counted is there'
  | 'what is kept of the past can be read'
  | 'snapshots are kept, and the same everywhere'
  | 'a clone outlives its source'
  | 'placed stripes are lost only with more than m shards at once'
  | 'nothing is dropped before its replacement is durable'
  | 'nothing is given up before a tier surely holds it'
  | 'a tier holds what the map says'
  | 'the floor stays with peers'
  | 'due stripes are in the tier in the end'
  | 'a tier and a key restore the volume'
  | 'nobody is falsely accused'
  | 'the map lists only durable shards'
  | 'placement limits hold once quiet'
  | 'repair traffic is at most 1.3 times the least'
  | 'nothing is repaired needlessly'
  | 'shards moved are at most 1.3 times the least'
  | 'a peer that keeps nothing is seldom given the same shard again'
  | 'a drain ends'
  | 'operations end'
  | 'operations fail as documented'
  | 'contents are true'
  | 'removed members write nothing more'
  | 'nobody gains a right'
  | 'no lie is believed'
  | 'the cost of a liar is bounded'
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
