// Session tokens: what somebody has read and written of a volume, to be shown to whatever node they
// ask next, which answers once it holds that too (D. Terry et al., "Session guarantees for weakly
// consistent replicated data", PDIS 1994). Text: `shoals1` + base32 of DAG-CBOR {v, vol: the first
// bytes of the volume's id, at: version vector}. The vector may leave out what the past of its
// entries holds: a log is taken in causal order, so whoever has an entry has all that came before
// it. So a token is as long as there are heads, not as there are writers.
import { fromHex, toHex } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { fromBase32, toBase32 } from '../ids.ts'
import type { VolumeId } from '../ids.ts'
import { ACTORS_MAX, SESSION_TEXT_MAX } from '../limits.ts'
import { decodeVector, encodeVector, mergeVectors } from './vector-clock.ts'
import type { VersionVector } from './vector-clock.ts'

const PREFIX = 'shoals1'
const SESSION_VERSION = 1
/** Enough to notice a mistake. */
const VOLUME_BYTES = 8
/** Items of a token with all actors of a log. */
const ITEMS_MAX: number = 4 * ACTORS_MAX

export interface Session {
  /** How the id of the volume begins, in hex. */
  readonly volume: string
  /** All that was read or written, with its past. */
  readonly seen: VersionVector
}

/**
 * The token of what was seen of a volume. throws ShoalError 'EFBIG' for more heads than a token
 * holds.
 */
export function formatSession(volume: VolumeId, seen: VersionVector): string {
  const vol = fromHex(volume).subarray(0, VOLUME_BYTES)
  const text = PREFIX + toBase32(encodeCbor({ v: SESSION_VERSION, vol, at: encodeVector(seen) }))
  if (text.length > SESSION_TEXT_MAX)
    throw new ShoalError('EFBIG', `${seen.size} write at once: too many for a session token`)
  return text
}

/**
 * The token of what two of one volume have seen. throws as the others do, 'usage' for different
 * volumes.
 */
export function mergeSessions(a: string, b: string): string {
  const [one, other] = [parseSession(a), parseSession(b)]
  if (one.volume !== other.volume)
    throw new ShoalError('usage', 'two session tokens are of different volumes')
  return formatSession(one.volume as VolumeId, mergeVectors(one.seen, other.seen))
}

/** throws ShoalError 'usage' for what is no token, 'unsupported' for a newer one. */
export function parseSession(text: string): Session {
  const trimmed = text.trim()
  if (!trimmed.startsWith(PREFIX) || trimmed.length > SESSION_TEXT_MAX) throw notToken()
  try {
    const cbor = decodeCbor(fromBase32(trimmed.slice(PREFIX.length)), 'session', ITEMS_MAX)
    const f = new Fields(cbor, 'session')
    if (f.integer('v') !== SESSION_VERSION)
      throw new ShoalError('unsupported', 'this session token is newer than this node')
    const volume = toHex(f.bytes('vol', VOLUME_BYTES, VOLUME_BYTES))
    return { volume, seen: decodeVector(f.raw('at')) }
  } catch (cause) {
    throw hasCode(cause, 'unsupported') ? cause : notToken(cause)
  }
}

/** Is it a session in this volume? */
export function isSessionOf({ volume }: Session, id: VolumeId): boolean {
  return id.startsWith(volume)
}

function notToken(cause?: unknown): ShoalError {
  const message =
    'this is not a session token; give one as a call answered it, or none to begin a new session'
  return new ShoalError('usage', message, { cause })
}
