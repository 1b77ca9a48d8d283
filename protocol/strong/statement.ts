// A voter's signed statement about itself, which its receivers can show to others: what it has
// promised, and accepted last. Of an honest voter both only grow, and it accepts nothing below its
// promise; so of any two statements one is the later, whatever the order in which they are heard.
// Two of one time in office of which neither can be are proof that the voter lied, or went back to
// an old copy of itself.
import { fromHex, toHex } from '../bytes.ts'
import { Fields, encodeCbor } from '../cbor.ts'
import { HASH_BYTES } from '../hash.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { PeerId, VolumeId } from '../ids.ts'
import { SIGNATURE_BYTES, verifySignature } from '../signed.ts'
import type { Identity } from '../signed.ts'
import { compareBallots, decodeBallot, encodeBallot } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Digest } from './value.ts'

/** A value that was accepted, by its digest. */
export interface Mark {
  readonly ballot: Ballot
  readonly digest: Digest
}

export function isSameMark(a: Mark | undefined, b: Mark | undefined): boolean {
  return compareBallots(a?.ballot, b?.ballot) === 0 && a?.digest === b?.digest
}

export interface Standing {
  /** As who it speaks: the number of the naming that took it into office. */
  readonly term: number
  readonly promised: Ballot
  readonly accepted: Mark | undefined
}

export interface Statement extends Standing {
  readonly voter: PeerId
  readonly signature: Uint8Array
}

/** Two statements of a voter of which neither can be the later. */
export type Proof = readonly [Statement, Statement]

const DOMAIN = 'shoal/vote/1'
const KEY_BYTES = 32

export function signStatement(identity: Identity, volume: VolumeId, standing: Standing): Statement {
  const signature = identity.sign(DOMAIN, signedBytes(volume, standing))
  return { voter: identity.peer, ...standing, signature }
}

/** Is it the voter's? cost: one signature. */
export function isSigned(volume: VolumeId, statement: Statement): boolean {
  const { voter, signature } = statement
  return verifySignature(publicKeyOf(voter), DOMAIN, signedBytes(volume, statement), signature)
}

/** Can an honest voter not have said both? */
export function excludeEachOther(a: Statement, b: Statement): boolean {
  if (a.voter !== b.voter || a.term !== b.term) return false
  return !isFollowedBy(a, b) && !isFollowedBy(b, a)
}

/** True if the signatures are right as well. */
export function isProof(volume: VolumeId, [a, b]: Proof): boolean {
  return excludeEachOther(a, b) && isSigned(volume, a) && isSigned(volume, b)
}

function isFollowedBy(early: Standing, late: Standing): boolean {
  const step = compareBallots(late.promised, early.promised)
  const grown = compareBallots(late.accepted?.ballot, early.accepted?.ballot)
  if (step < 0 || grown < 0) return false
  if (grown === 0) return isSameMark(late.accepted, early.accepted)
  // To accept a value is to promise something above it.
  return step > 0 && compareBallots(late.accepted?.ballot, early.promised) >= 0
}

/**
 * Wire form: {w: key of the voter, t: term, p: promised, a: accepted ballot, d: its digest, z:
 * signature}.
 */
export function encodeStatement(statement: Statement): unknown {
  const { voter, signature } = statement
  return { w: publicKeyOf(voter), ...encodeStanding(statement), z: signature }
}

/** Inverse of encodeStatement. throws ShoalError 'malformed'. */
export function decodeStatement(value: unknown): Statement {
  const f = new Fields(value, 'statement of a voter')
  const accepted = (): Mark => ({
    ballot: decodeBallot(f.raw('a')),
    digest: toHex(f.bytes('d', HASH_BYTES, HASH_BYTES)) as Digest,
  })
  return {
    voter: peerIdFromPublicKey(f.bytes('w', KEY_BYTES, KEY_BYTES)),
    term: f.integer('t'),
    promised: decodeBallot(f.raw('p')),
    accepted: f.has('a') ? accepted() : undefined,
    signature: f.bytes('z', SIGNATURE_BYTES, SIGNATURE_BYTES),
  }
}

function signedBytes(volume: VolumeId, standing: Standing): Uint8Array {
  return encodeCbor({ vol: fromHex(volume), ...encodeStanding(standing) })
}

function encodeStanding({ term, promised, accepted }: Standing): Readonly<Record<string, unknown>> {
  const of = accepted && { a: encodeBallot(accepted.ballot), d: fromHex(accepted.digest) }
  return { t: term, p: encodeBallot(promised), ...of }
}
