// Messages of /shoal/lock/1: a node tells a voter of a volume what it holds of the volume's locks,
// or asks who is in the way of one; one request after the other on a channel. DAG-CBOR maps, kind
// in "t".
import { fromHex, toHex } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { decodeVector, encodeVector } from '../clock/vector-clock.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import { ShoalError, assertNever } from '../errors.ts'
import { SHORT_ID_BYTES, hexId, hexIdBytes } from '../ids.ts'
import type { NodeId, VolumeId } from '../ids.ts'
import { ACTORS_MAX, LOCKS_MAX } from '../limits.ts'
import type { Claim, FileLocks, Verdict } from '../locks/claim.ts'
import { LOCK_END, together } from '../locks/held-locks.ts'
import type { HeldLock } from '../locks/held-locks.ts'
import { KIB } from '../units.ts'
import { decodeVoterError, encodeVoterError } from './voter-error.ts'
import type { VoterError } from './voter-error.ts'

export const LOCK_PROTOCOL = '/shoal/lock/1'
/** Chars of the text of a volume's voters. */
const VOTERS_TEXT_MAX = 512
/** Frames either way: the same claim, the same grant. */
export const LOCK_REQUEST_MAX: number = 64 * KIB
export const LOCK_ANSWER_MAX: number = 128 * KIB
/**
 * Items of a claim of one range in each of LOCKS_MAX files, and of a grant with all actors of the
 * log.
 */
const REQUEST_ITEMS_MAX: number = 16 * LOCKS_MAX
const ANSWER_ITEMS_MAX: number = 4 * ACTORS_MAX

export type LockRequest =
  | { readonly kind: 'claim'; readonly claim: Claim }
  /** Asks for conflicting holders; changes nothing. */
  | { readonly kind: 'test'; readonly session: string; readonly wanted: FileLocks }

export type LockReply =
  /** `log`: whoever holds these entries has all that the voter holds. */
  | { readonly kind: 'granted'; readonly log: VersionVector }
  | Exclude<Verdict, { kind: 'granted' }>
  | { readonly kind: 'free' }
  | { readonly kind: 'held'; readonly lock: HeldLock }

export function encodeLockRequest(volume: VolumeId, request: LockRequest): Uint8Array {
  const vol = fromHex(volume)
  if (request.kind === 'test') {
    const { session, wanted } = request
    return encodeCbor({ t: 'test', vol, s: fromHex(session), l: encodeFileLocks(wanted) })
  }
  const { session, number, voters, locks, wanted, isFirst, isPatient } = request.claim
  return encodeCbor({
    t: 'claim',
    vol,
    s: fromHex(session),
    n: number,
    by: voters,
    l: locks.map(encodeFileLocks),
    ...(wanted === undefined ? {} : { w: wanted }),
    first: isFirst,
    wait: isPatient,
  })
}

/** throws ShoalError 'malformed'. */
export function decodeLockRequest(bytes: Uint8Array): {
  readonly volume: VolumeId
  readonly request: LockRequest
} {
  const f = new Fields(decodeCbor(bytes, 'lock request', REQUEST_ITEMS_MAX), 'lock request')
  const volume = hexId<VolumeId>(f.bytes('vol', 32), 32, 'volume')
  const session = toHex(f.bytes('s', SHORT_ID_BYTES, SHORT_ID_BYTES))
  const kind = f.text('t', 16)
  switch (kind) {
    case 'test':
      return { volume, request: { kind, session, wanted: decodeFileLocks(f.raw('l')) } }
    case 'claim': {
      const locks = f.list('l', LOCKS_MAX).map(decodeFileLocks)
      if (locks.reduce((sum, { held }) => sum + held.length, 0) > LOCKS_MAX)
        throw new ShoalError('malformed', 'a claim of too many locks')
      const claim: Claim = {
        session,
        number: f.integer('n', 1),
        voters: f.text('by', VOTERS_TEXT_MAX),
        locks,
        wanted: f.has('w') ? f.integer('w', 0, locks.length - 1) : undefined,
        isFirst: f.boolean('first'),
        isPatient: f.boolean('wait'),
      }
      return { volume, request: { kind, claim } }
    }
    default:
      throw new ShoalError('malformed', `"${kind}" is not a lock request`)
  }
}

export function encodeLockAnswer(answer: LockReply | VoterError): Uint8Array {
  const t = answer.kind
  switch (answer.kind) {
    case 'granted':
      return encodeCbor({ t, log: encodeVector(answer.log) })
    case 'held':
      return encodeCbor({ t, l: encodeLock(answer.lock) })
    case 'busy':
    case 'starting':
    case 'stale':
    case 'free':
      return encodeCbor({ t })
    case 'error':
      return encodeVoterError(answer)
    default:
      return assertNever(answer)
  }
}

/** throws ShoalError 'malformed'. */
export function decodeLockAnswer(bytes: Uint8Array): LockReply | VoterError {
  const f = new Fields(decodeCbor(bytes, 'lock answer', ANSWER_ITEMS_MAX), 'lock answer')
  const kind = f.text('t', 16)
  switch (kind) {
    case 'granted':
      return { kind, log: decodeVector(f.raw('log')) }
    case 'held':
      return { kind, lock: decodeLock(f.raw('l')) }
    case 'busy':
    case 'starting':
    case 'stale':
    case 'free':
      return { kind }
    case 'error':
      return decodeVoterError(f)
    default:
      throw new ShoalError('malformed', `"${kind}" is not a lock answer`)
  }
}

/** {f: file, flock, r: ranges}. */
function encodeFileLocks({ file, family, held }: FileLocks): unknown {
  return { f: hexIdBytes(file), flock: family === 'flock', r: held.map(encodeLock) }
}

function decodeFileLocks(value: unknown): FileLocks {
  const f = new Fields(value, 'locks of a file')
  const file = hexId<NodeId>(f.bytes('f', SHORT_ID_BYTES), SHORT_ID_BYTES, 'file')
  // Whatever order they come in, what is held of a file has one form.
  const held = together(f.list('r', LOCKS_MAX).map((lock) => [decodeLock(lock)]))
  return { file, family: f.boolean('flock') ? 'flock' : 'fcntl', held }
}

/** [first byte, byte after the last, true if exclusive]. */
function encodeLock({ start, end, kind }: HeldLock): unknown {
  return [start, end, kind === 'exclusive']
}

function decodeLock(value: unknown): HeldLock {
  const [start, end, isExclusive, ...more] = Array.isArray(value)
    ? (value as readonly unknown[])
    : []
  const isRight =
    isOffset(start) && isOffset(end) && start < end && typeof isExclusive === 'boolean'
  if (!isRight || more.length > 0)
    throw new ShoalError('malformed', 'a lock is not a range and whether it is exclusive')
  return { start, end, kind: isExclusive ? 'exclusive' : 'shared' }
}

function isOffset(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= LOCK_END
}
