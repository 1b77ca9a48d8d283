// Messages of /shoal/log/1: one exchange of version vectors, then the missing entries both ways in
// causal order, then what is durable. DAG-CBOR maps, kind in "t". Both sides send the same
// sequence: hello, entries*, done, durable; what else there is to say comes in between.
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { equalBytes, fromHex, toHex } from '../bytes.ts'
import type { Hlc } from '../clock/hlc.ts'
import { decodeVector, encodeVector, sortedActors } from '../clock/vector-clock.ts'
import { ShoalError, assertNever } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import { hexId } from '../ids.ts'
import type { ActorId, EntryHash, VolumeId } from '../ids.ts'
import { ACTORS_MAX, ENTRY_MAX } from '../limits.ts'
import { ATTESTATION_BYTES_MAX } from '../log/attestation.ts'
import type { PeerLog } from '../log/branches.ts'
import { decodeEntry, encodeEntry } from '../log/entry.ts'
import { decodeHlc } from '../clock/hlc.ts'
import type { Entry } from '../log/entry.ts'
import { decodeFork, encodeFork } from '../log/fork.ts'
import type { NodeHash } from '../prolly/prolly.ts'
import { DAY_MS, KIB, MIB } from '../units.ts'
import type { WallTime } from '../units.ts'
import { encodeTraceContext, readTraceContext } from './trace-context.ts'
import type { TraceContext } from './trace-context.ts'

export const LOG_PROTOCOL = '/shoal/log/1'
/** Entries are sent in frames of about this many bytes. */
export const ENTRIES_FRAME_BYTES: number = 256 * KIB
/**
 * A frame: that and one entry more, or what there is to say of ACTORS_MAX actors and their forks.
 */
export const LOG_FRAME_MAX: number = 2 * MIB
const ENTRIES_PER_FRAME_MAX = 4096
export const ATTESTATIONS_PER_FRAME_MAX = 4096
const MESSAGE_MAX = 1024
const WAIT_MS_MAX: number = 365 * DAY_MS
/** As far as clocks of entries go. */
const TIME_MAX: number = 2 ** 48 - 1
const TIME_BYTES = 8
/** Stands for the time in a hello that is kept. */
export const HELLO_TIME = (2 ** 32) as WallTime
/** Items of a summary of ACTORS_MAX actors: 3 of each in the vector, and a hash, and a fork. */
const ITEMS_MAX: number = 6 * ACTORS_MAX
/** Codes that an error may carry; any other is read as 'internal'. */
const ERRORS: ReadonlySet<string> = new Set<ErrorCode>([
  'not-a-member',
  'malformed',
  'unsupported',
  'stopped',
  'EBUSY',
])

/** The durable part of somebody's log, in its own labels. */
export interface LogSummary extends PeerLog {
  /** Clock of its newest checkpoint; 0 without one. */
  readonly cut: Hlc
  /** Root of its clear tree. */
  readonly root: NodeHash | undefined
  /** Digest of the attestations of checkpoints that it has. */
  readonly attested: Uint8Array
}

export type LogMessage =
  | {
      readonly kind: 'hello'
      readonly volume: VolumeId
      readonly log: LogSummary
      /** The sender's wall clock; undefined if it does not tell. */
      readonly timeMs?: WallTime | undefined
    }
  | { readonly kind: 'entries'; readonly entries: readonly Entry[] }
  /** Attestations of checkpoints by members, in wire form: those that the two do not share. */
  | { readonly kind: 'attestations'; readonly attestations: readonly Uint8Array[] }
  /**
   * Some that the other lacks are not here any more, or have no place in the log: see
   * /shoal/checkpoint/1.
   */
  | { readonly kind: 'truncated' }
  /** The receiver makes the log grow too fast: the rest is accepted after this time. */
  | { readonly kind: 'busy'; readonly waitMs: number }
  /** trace: the place of the exchange in one of whoever opened it; changes nothing about it. */
  | { readonly kind: 'done'; readonly trace?: TraceContext }
  | { readonly kind: 'durable'; readonly log: LogSummary }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string }

export function encodeLogMessage(message: LogMessage): Uint8Array {
  const t = message.kind
  switch (message.kind) {
    case 'hello':
      return encodeCbor({
        t,
        vol: fromHex(message.volume),
        ...encodeSummary(message.log),
        ...(message.timeMs === undefined ? {} : { time: message.timeMs }),
      })
    case 'entries':
      return encodeCbor({ t, e: message.entries.map(encodeEntry) })
    case 'attestations':
      return encodeCbor({ t, at: message.attestations })
    case 'truncated':
      return encodeCbor({ t })
    case 'done': {
      const { trace } = message
      return encodeCbor({ t, ...(trace !== undefined && { trace: encodeTraceContext(trace) }) })
    }
    case 'busy':
      return encodeCbor({ t, w: message.waitMs })
    case 'durable':
      return encodeCbor({ t, ...encodeSummary(message.log) })
    case 'error':
      return encodeCbor({ t, code: message.code, m: message.message.slice(0, MESSAGE_MAX) })
    default:
      return assertNever(message)
  }
}

/** throws ShoalError 'malformed', 'unsupported' for a newer entry. */
export function decodeLogMessage(bytes: Uint8Array): LogMessage {
  const f = new Fields(decodeCbor(bytes, 'log message', ITEMS_MAX), 'log message')
  const kind = f.text('t', 16)
  switch (kind) {
    case 'hello':
      return {
        kind,
        volume: hexId<VolumeId>(f.bytes('vol', 32), 32, 'volume'),
        log: decodeSummary(f),
        timeMs: f.has('time') ? (f.integer('time', 0, TIME_MAX) as WallTime) : undefined,
      }
    case 'entries':
      return {
        kind,
        entries: f.list('e', ENTRIES_PER_FRAME_MAX).map((item) => {
          if (item instanceof Uint8Array && item.length <= ENTRY_MAX) return decodeEntry(item)
          throw malformed('something that is no entry')
        }),
      }
    case 'attestations':
      return {
        kind,
        attestations: f.list('at', ATTESTATIONS_PER_FRAME_MAX).map((item) => {
          if (item instanceof Uint8Array && item.length <= ATTESTATION_BYTES_MAX) return item
          throw malformed('an attestation that is none')
        }),
      }
    case 'truncated':
      return { kind }
    case 'done': {
      const trace = readTraceContext(f)
      return { kind, ...(trace !== undefined && { trace }) }
    }
    case 'busy':
      return { kind, waitMs: f.integer('w', 0, WAIT_MS_MAX) }
    case 'durable':
      return { kind, log: decodeSummary(f) }
    case 'error': {
      const code = f.text('code', 64)
      const text = f.text('m', MESSAGE_MAX)
      return { kind, code: ERRORS.has(code) ? (code as ErrorCode) : 'internal', message: text }
    }
    default:
      throw new ShoalError('malformed', `"${kind}" is not a log message`)
  }
}

/**
 * A hello that was encoded with a time, with another in its place: it is the last of its fields, of
 * 8 bytes from 2^32 ms on, which was in February 1970.
 */
export function helloAt(hello: Uint8Array, timeMs: WallTime): Uint8Array {
  const copy = hello.slice()
  timeOf(copy).setBigUint64(0, BigInt(Math.floor(Math.max(timeMs, HELLO_TIME))))
  return copy
}

/** The time in a frame that differs in nothing else from a hello with a time. */
export function timeOfSame(hello: Uint8Array, frame: Uint8Array): WallTime | undefined {
  const end = hello.length - TIME_BYTES
  if (frame.length !== hello.length) return undefined
  if (!equalBytes(frame.subarray(0, end), hello.subarray(0, end))) return undefined
  const timeMs = Number(timeOf(frame).getBigUint64(0))
  return timeMs <= TIME_MAX ? (timeMs as WallTime) : undefined
}

function timeOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset + byteLength - TIME_BYTES)
}

function encodeSummary({ vector, tips, forks, cut, root, attested }: LogSummary): object {
  const labels = sortedActors(vector)
  return {
    vv: encodeVector(vector),
    h: labels.map((label) => fromHex(tips.get(label) ?? '')),
    fk: forks.map(encodeFork),
    c: cut,
    k: root === undefined ? null : fromHex(root),
    ad: attested,
  }
}

function decodeSummary(f: Fields): LogSummary {
  const vector = decodeVector(f.raw('vv'))
  const labels = [...vector.keys()]
  const tips = new Map<ActorId, EntryHash>()
  for (const [index, hash] of f.list('h', labels.length).entries()) {
    const label = labels[index]
    if (!(hash instanceof Uint8Array)) throw malformed('a hash that is none')
    if (label !== undefined && hash.length > 0)
      tips.set(label, hexId<EntryHash>(hash, HASH_BYTES, 'entry hash'))
  }
  const forks = f.list('fk', ACTORS_MAX).map((item) => {
    if (!(item instanceof Uint8Array)) throw malformed('a fork that is none')
    return decodeFork(item)
  })
  const root = f.has('k') ? (toHex(f.bytes('k', HASH_BYTES, HASH_BYTES)) as NodeHash) : undefined
  const attested = f.bytes('ad', HASH_BYTES, HASH_BYTES)
  return { vector, tips, forks, cut: decodeHlc(f.raw('c')), root, attested }
}

function malformed(what: string): ShoalError {
  return new ShoalError('malformed', `a log message holds ${what}`)
}
