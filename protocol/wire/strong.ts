// Messages of /shoal/strong/1: a proposer asks a voter of a volume, which answers; one request after the other on a
// channel. DAG-CBOR maps, kind in "t".
import { fromHex } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError, assertNever } from '../errors.ts'
import { hexId } from '../ids.ts'
import type { VolumeId } from '../ids.ts'
import { ENTRY_MAX, VOTERS_MAX } from '../limits.ts'
import type { Accepted, StrongReply, StrongRequest, Value } from '../strong/acceptor.ts'
import { compareBallots, decodeBallot, encodeBallot } from '../strong/ballot.ts'
import { decodeGroups, encodeGroups } from '../strong/voters.ts'
import { KIB } from '../units.ts'
import { decodeVoterError, encodeVoterError } from './voter-error.ts'
import type { VoterError } from './voter-error.ts'

export const STRONG_PROTOCOL = '/shoal/strong/1'
/** A frame: an entry, and the ballots and voters around it. */
export const STRONG_FRAME_MAX: number = ENTRY_MAX + 64 * KIB
/** Items of two ballots, and of a value with its groups of voters. */
const ITEMS_MAX: number = 32 + 4 * VOTERS_MAX

/** A voter's answer. */
export type StrongAnswer = StrongReply | VoterError

export function encodeStrongRequest(volume: VolumeId, request: StrongRequest): Uint8Array {
  const head = { t: request.kind, vol: fromHex(volume) }
  switch (request.kind) {
    case 'query':
      return encodeCbor(head)
    case 'prepare':
      return encodeCbor({ ...head, b: encodeBallot(request.ballot) })
    case 'accept':
      return encodeCbor({
        ...head,
        b: encodeBallot(request.ballot),
        v: encodeValue(request.value),
        next: encodeBallot(request.next),
      })
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
      return { volume, request: { kind } }
    case 'prepare':
      return { volume, request: { kind, ballot: decodeBallot(f.raw('b')) } }
    case 'accept': {
      const ballot = decodeBallot(f.raw('b'))
      const next = decodeBallot(f.raw('next'))
      if (next.peer !== ballot.peer || compareBallots(next, ballot) <= 0)
        throw new ShoalError('malformed', 'the next ballot is not one after this')
      return { volume, request: { kind, ballot, value: decodeValue(f.raw('v')), next } }
    }
    default:
      throw new ShoalError('malformed', `"${kind}" is not a strong request`)
  }
}

export function encodeStrongAnswer(answer: StrongAnswer): Uint8Array {
  const t = answer.kind
  switch (answer.kind) {
    case 'state':
      return encodeCbor(
        answer.accepted === undefined ? { t } : { t, a: encodeAccepted(answer.accepted) },
      )
    case 'accepted':
      return encodeCbor({ t })
    case 'refused':
      return encodeCbor({ t, b: encodeBallot(answer.promised) })
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
      return { kind, accepted: f.has('a') ? decodeAccepted(f.raw('a')) : undefined }
    case 'accepted':
      return { kind }
    case 'refused':
      return { kind, promised: decodeBallot(f.raw('b')) }
    case 'error':
      return decodeVoterError(f)
    default:
      throw new ShoalError('malformed', `"${kind}" is not a strong answer`)
  }
}

/** Wire form of an accepted value: {b: ballot, v: value}; also how a voter keeps it. */
export function encodeAccepted({ ballot, value }: Accepted): unknown {
  return { b: encodeBallot(ballot), v: encodeValue(value) }
}

/** Inverse of encodeAccepted. throws ShoalError 'malformed'. */
export function decodeAccepted(value: unknown): Accepted {
  const f = new Fields(value, 'accepted value')
  return { ballot: decodeBallot(f.raw('b')), value: decodeValue(f.raw('v')) }
}

function encodeValue({ groups, entry }: Value): unknown {
  return { g: encodeGroups(groups), e: entry }
}

function decodeValue(value: unknown): Value {
  const f = new Fields(value, 'strong value')
  return { groups: decodeGroups(f.raw('g')), entry: f.bytes('e', ENTRY_MAX, 1) }
}
