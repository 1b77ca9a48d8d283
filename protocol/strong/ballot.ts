// The number of a round of consensus: one proposer makes each, and any two differ.
import { Fields } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { PeerId } from '../ids.ts'
import { BALLOT_MAX } from '../limits.ts'

/** Orders by counter, then by peer. */
export interface Ballot {
  /** 1 to BALLOT_MAX. */
  readonly counter: number
  /**
   * The proposer that owns the ballot, for one round in its life. A voter has it from the
   * connection, never from a message.
   */
  readonly peer: PeerId
}

const PUBLIC_KEY_BYTES = 32

/** Negative if `a` is before `b`, 0 if they are one; none is before all. */
export function compareBallots(a: Ballot | undefined, b: Ballot | undefined): number {
  if (a === undefined || b === undefined)
    return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1)
  if (a.counter !== b.counter) return a.counter - b.counter
  return a.peer === b.peer ? 0 : a.peer < b.peer ? -1 : 1
}

/** A ballot of `peer` above one it has seen. throws ShoalError 'unsupported' if there is none. */
export function ballotAbove(seen: Ballot | undefined, peer: PeerId): Ballot {
  const counter = (seen?.counter ?? 0) + 1
  if (counter > BALLOT_MAX)
    throw new ShoalError('unsupported', 'the ballots of this volume are used up: make another one')
  return { counter, peer }
}

/** The one that whoever accepts `ballot` promises with that. */
export function nextBallot({ counter, peer }: Ballot): Ballot {
  return ballotAbove({ counter, peer }, peer)
}

/** Wire form: {n: counter, p: public key}. */
export function encodeBallot({ counter, peer }: Ballot): unknown {
  return { n: counter, p: publicKeyOf(peer) }
}

/** Inverse of encodeBallot. throws ShoalError 'malformed'. */
export function decodeBallot(value: unknown): Ballot {
  const f = new Fields(value, 'ballot')
  return {
    counter: f.integer('n', 1, BALLOT_MAX),
    peer: peerIdFromPublicKey(f.bytes('p', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)),
  }
}
