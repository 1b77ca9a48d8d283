// Messages of /shoal/strong/1: a proposer asks a voter of a volume, which answers; one request
// after the other on a channel. DAG-CBOR maps, kind in "t".
import { fromHex } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError, assertNever } from '../errors.ts'
import { hexId } from '../ids.ts'
import type { VolumeId } from '../ids.ts'
import { BALLOT_MAX, ENTRY_MAX, GROUNDS_MAX, VOTERS_MAX } from '../limits.ts'
import { KIB } from '../units.ts'
import type { Accepted, Report, StrongReply, StrongRequest } from '../strong/acceptor.ts'
import { claimOf } from '../strong/acceptor.ts'
import { decodeBallot, encodeBallot } from '../strong/ballot.ts'
import type { Ground, Grounds } from '../strong/grounds.ts'
import { decodeStatement, encodeStatement } from '../strong/statement.ts'
import type { Proof, Statement } from '../strong/statement.ts'
import { decodeClaim, decodeContent, encodeClaim, encodeContent } from '../strong/value.ts'
import type { Value } from '../strong/value.ts'
import { decodeVoterError, encodeVoterError } from './voter-error.ts'
import type { VoterError } from './voter-error.ts'

export const STRONG_PROTOCOL = '/shoal/strong/1'
const STATEMENTS_MAX: number = 2 * VOTERS_MAX
/** A frame: an entry, the ballots and voters around it, and statements of voters as its grounds. */
export const STRONG_FRAME_MAX: number = ENTRY_MAX + 256 * KIB
/** Items of a statement, and of a value with its groups of voters; of all that a message has. */
const STATEMENT_ITEMS = 32
const VALUE_ITEMS: number = 32 + 8 * VOTERS_MAX
const GROUNDS_ITEMS: number = GROUNDS_MAX * (STATEMENTS_MAX * STATEMENT_ITEMS + VALUE_ITEMS)
const ITEMS_MAX: number = VALUE_ITEMS + GROUNDS_ITEMS

/** A voter's answer. */
export type StrongAnswer = StrongReply | VoterError

export function encodeStrongRequest(volume: VolumeId, request: StrongRequest): Uint8Array {
  const head = { t: request.kind, vol: fromHex(volume) }
  switch (request.kind) {
    case 'query':
      return encodeCbor({ ...head, why: request.grounds })
    case 'prepare':
      return encodeCbor({ ...head, n: request.counter, k: request.term })
    case 'accept': {
      const { counter, value, grounds } = request
      const y = encodeGrounds(grounds)
      return encodeCbor({ ...head, n: counter, v: encodeValue(value), y })
    }
    case 'proofs':
      return encodeCbor({ ...head, x: request.proofs.map(encodeProof) })
    default:
      return assertNever(request)
  }
}

/** throws ShoalError 'malformed'. */
export function decodeStrongRequest(bytes: Uint8Array): {
  readonly volume: VolumeId
  readonly request: StrongRequest
} {
  const f = new Fields(decodeCbor(bytes, 'strong request', ITEMS_MAX), 'strong request')
  const volume = hexId<VolumeId>(f.bytes('vol', 32), 32, 'volume')
  const kind = f.text('t', 16)
  switch (kind) {
    case 'query':
      return { volume, request: { kind, grounds: f.boolean('why') } }
    case 'prepare': {
      const [counter, term] = [f.integer('n', 1, BALLOT_MAX), f.integer('k')]
      return { volume, request: { kind, counter, term } }
    }
    case 'accept': {
      const counter = f.integer('n', 1, BALLOT_MAX - 1)
      const [value, grounds] = [decodeValue(f.raw('v')), decodeGrounds(f)]
      return { volume, request: { kind, counter, value, grounds } }
    }
    case 'proofs':
      return { volume, request: { kind, proofs: decodeProofs(f) } }
    default:
      throw new ShoalError('malformed', `"${kind}" is not a strong request`)
  }
}

export function encodeStrongAnswer(answer: StrongAnswer): Uint8Array {
  const t = answer.kind
  switch (answer.kind) {
    case 'state': {
      const { accepted, statement } = answer
      return encodeCbor({
        t,
        ...(accepted && { a: encodeReport(accepted) }),
        ...(statement && { s: encodeStatement(statement) }),
      })
    }
    case 'accepted':
      return encodeCbor({ t, s: encodeStatement(answer.statement) })
    case 'refused':
      return encodeCbor({ t, b: encodeBallot(answer.promised) })
    case 'proofs':
      return encodeCbor({ t, x: answer.proofs.map(encodeProof) })
    case 'error':
      return encodeVoterError(answer)
    default:
      return assertNever(answer)
  }
}

/** throws ShoalError 'malformed'. */
export function decodeStrongAnswer(bytes: Uint8Array): StrongAnswer {
  const f = new Fields(decodeCbor(bytes, 'strong answer', ITEMS_MAX), 'strong answer')
  const kind = f.text('t', 16)
  switch (kind) {
    case 'state':
      return {
        kind,
        accepted: f.has('a') ? decodeReport(f.raw('a')) : undefined,
        statement: f.has('s') ? decodeStatement(f.raw('s')) : undefined,
      }
    case 'accepted':
      return { kind, statement: decodeStatement(f.raw('s')) }
    case 'refused':
      return { kind, promised: decodeBallot(f.raw('b')) }
    case 'proofs':
      return { kind, proofs: decodeProofs(f) }
    case 'error':
      return decodeVoterError(f)
    default:
      throw new ShoalError('malformed', `"${kind}" is not a strong answer`)
  }
}

/** Wire form of an accepted value, which is also how a voter keeps it. */
export function encodeAccepted(accepted: Accepted): unknown {
  const { entry } = accepted.value
  return encodeReport({ ...claimOf(accepted), entry, grounds: accepted.grounds })
}

/** Inverse of encodeAccepted. throws ShoalError 'malformed'. */
export function decodeAccepted(bytes: unknown): Accepted {
  const { ballot, groups, name, entry, grounds } = decodeReport(bytes)
  if (entry === undefined || grounds === undefined)
    throw new ShoalError('malformed', 'an accepted value lacks its entry or its grounds')
  return { ballot, value: { groups, name, entry }, grounds }
}

/** {b: ballot, g: groups, a, s, h: name of the entry, e: the entry, y: grounds}. */
function encodeReport({ entry, grounds, ...claim }: Report): unknown {
  return {
    ...encodeClaim(claim),
    ...(entry && { e: entry }),
    ...(grounds && { y: encodeGrounds(grounds) }),
  }
}

function decodeReport(value: unknown): Report {
  const f = new Fields(value, 'accepted value')
  const entry = f.has('e') ? f.bytes('e', ENTRY_MAX, 1) : undefined
  return { ...decodeClaim(value), entry, grounds: f.has('y') ? decodeGrounds(f) : undefined }
}

function encodeValue({ entry, ...content }: Value): unknown {
  return { ...encodeContent(content), e: entry }
}

function decodeValue(value: unknown): Value {
  const f = new Fields(value, 'strong value')
  return { ...decodeContent(f), entry: f.bytes('e', ENTRY_MAX, 1) }
}

/** A list of {p: promises, b: base}. */
function encodeGrounds(grounds: Grounds): unknown {
  return grounds.map(({ promises, base }) => ({
    p: promises.map(encodeStatement),
    ...(base && { b: encodeClaim(base) }),
  }))
}

function decodeGrounds(of: Fields): Grounds {
  return of.list('y', GROUNDS_MAX).map((value): Ground => {
    const f = new Fields(value, 'grounds')
    return {
      promises: f.list('p', STATEMENTS_MAX).map(decodeStatement),
      base: f.has('b') ? decodeClaim(f.raw('b')) : undefined,
    }
  })
}

export function encodeProof(proof: Proof): unknown {
  return proof.map(encodeStatement)
}

/** The list in "x". throws ShoalError 'malformed'. */
export function decodeProofs(f: Fields): readonly Proof[] {
  return f.list('x', STATEMENTS_MAX).map(decodeProof)
}

function decodeProof(value: unknown): Proof {
  const [a, b, ...more]: (Statement | undefined)[] = Array.isArray(value)
    ? (value as readonly unknown[]).slice(0, 3).map(decodeStatement)
    : []
  if (a === undefined || b === undefined || more.length > 0)
    throw new ShoalError('malformed', 'a proof is not of two statements')
  return [a, b]
}
