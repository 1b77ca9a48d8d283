// The number of a round of consensus: one proposer makes each, and any two differ.
import { Fields } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { PeerId } from '../ids.ts'

/** Orders by counter, then by peer. */
export interface Ballot {
  readonly counter: number
  /** Who made it, and no other: for one round in its life. */
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

/** A ballot of `peer` above one it has seen. */
export function ballotAbove(seen: Ballot | undefined, peer: PeerId): Ballot {
  return { counter: (seen?.counter ?? 0) + 1, peer }
}

/** Wire form: {n: counter, p: public key}. */
export function encodeBallot({ counter, peer }: Ballot): unknown {
  return { n: counter, p: publicKeyOf(peer) }
}

/** Inverse of encodeBallot. throws ShoalError 'malformed'. */
export function decodeBallot(value: unknown): Ballot {
  const f = new Fields(value, 'ballot')
  const counter = f.integer('n', 1)
  // The next one must be a number too.
  if (!Number.isSafeInteger(counter + 1)) throw new ShoalError('malformed', 'a ballot is too high')
  return {
    counter,
    peer: peerIdFromPublicKey(f.bytes('p', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)),
  }
}
