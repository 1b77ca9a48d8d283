// Messages of /shoal/checkpoint/1: who lacks the older part of a log asks a member for its newest checkpoint, then for
// the nodes of its trees, as many at a time as it likes. DAG-CBOR maps, kind in "t".
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { fromHex, toHex } from '../bytes.ts'
import { decodeVector, encodeVector } from '../clock/vector-clock.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import { ShoalError, assertNever } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import { hexId } from '../ids.ts'
import type { EntryHash, VolumeId } from '../ids.ts'
import { CHUNK_PLAIN_MAX } from '../limits.ts'
import { decodeHlc } from '../log/entry.ts'
import type { NodeHash } from '../log/prolly.ts'
import type { Cut } from '../log/stability.ts'
import { KIB } from '../units.ts'

export const CHECKPOINT_PROTOCOL = '/shoal/checkpoint/1'
/** Nodes asked for at once. */
export const NODES_AT_ONCE_MAX = 32
/** Bytes of nodes after which an answer ends: with one more node it still fits in a frame. */
export const NODES_BYTES: number = 512 * 1024
/** A frame that asks; those that answer have up to FRAME_MAX. */
export const CHECKPOINT_REQUEST_MAX: number = 16 * KIB
/** Announced cuts in a message. */
const CUTS_MAX = 64
const MESSAGE_MAX = 1024
const ERRORS: ReadonlySet<string> = new Set<ErrorCode>(['not-a-member', 'unsupported', 'stopped'])

/** A cut, the entry that announces it, what its announcer held, and the entry that announces the one before it. */
export interface WireCut extends Cut {
  readonly id: EntryHash
  readonly held: VersionVector
  readonly before: EntryHash | undefined
}

export type CheckpointMessage =
  | { readonly kind: 'get'; readonly volume: VolumeId }
  | {
      readonly kind: 'checkpoint'
      readonly cut: Cut
      /** The entry that announces the cut before it. */
      readonly before: EntryHash | undefined
      /** Announced cuts that entries after this one are judged by, this one's announcement among them. */
      readonly cuts: readonly WireCut[]
      readonly clear: NodeHash | undefined
      /** Absent also for a keeper. */
      readonly sealed: NodeHash | undefined
    }
  | { readonly kind: 'want'; readonly sealed: boolean; readonly ids: readonly NodeHash[] }
  /** In the order asked for, at least the first, as many as fit; undefined for one that is not there any more. */
  | { readonly kind: 'nodes'; readonly nodes: readonly (Uint8Array | undefined)[] }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string }

export function encodeCheckpointMessage(message: CheckpointMessage): Uint8Array {
  const t = message.kind
  switch (message.kind) {
    case 'get':
      return encodeCbor({ t, vol: fromHex(message.volume) })
    case 'checkpoint': {
      const { cut, before, cuts, clear, sealed } = message
      return encodeCbor({
        t,
        c: cut.hlc,
        vv: encodeVector(cut.vector),
        b: before === undefined ? null : fromHex(before),
        w: cuts.map((known) => ({
          c: known.hlc,
          vv: encodeVector(known.vector),
          b: known.before === undefined ? null : fromHex(known.before),
          e: fromHex(known.id),
          a: encodeVector(known.held),
        })),
        k: clear === undefined ? null : fromHex(clear),
        s: sealed === undefined ? null : fromHex(sealed),
      })
    }
    case 'want':
      return encodeCbor({ t, sealed: message.sealed, ids: message.ids.map(fromHex) })
    case 'nodes':
      return encodeCbor({ t, n: message.nodes.map((node) => node ?? null) })
    case 'error':
      return encodeCbor({ t, code: message.code, m: message.message.slice(0, MESSAGE_MAX) })
    default:
      return assertNever(message)
  }
}

/** throws ShoalError 'malformed'. */
export function decodeCheckpointMessage(bytes: Uint8Array): CheckpointMessage {
  const f = new Fields(decodeCbor(bytes, 'checkpoint message'), 'checkpoint message')
  const kind = f.text('t', 16)
  switch (kind) {
    case 'get':
      return { kind, volume: hexId<VolumeId>(f.bytes('vol', 32), 32, 'volume') }
    case 'checkpoint':
      return {
        kind,
        cut: decodeCut(f),
        before: decodeBefore(f),
        cuts: f.list('w', CUTS_MAX).map((value) => {
          const of = new Fields(value, 'cut of a checkpoint message')
          const id = hexId<EntryHash>(of.bytes('e', HASH_BYTES), HASH_BYTES, 'entry')
          return { ...decodeCut(of), before: decodeBefore(of), id, held: decodeVector(of.raw('a')) }
        }),
        clear: f.has('k') ? nodeHash(f.raw('k')) : undefined,
        sealed: f.has('s') ? nodeHash(f.raw('s')) : undefined,
      }
    case 'want':
      return {
        kind,
        sealed: f.raw('sealed') === true,
        ids: f.list('ids', NODES_AT_ONCE_MAX).map(nodeHash),
      }
    case 'nodes':
      return { kind, nodes: f.list('n', NODES_AT_ONCE_MAX).map(nodeBytes) }
    case 'error': {
      const code = f.text('code', 64)
      const text = f.text('m', MESSAGE_MAX)
      return { kind, code: ERRORS.has(code) ? (code as ErrorCode) : 'internal', message: text }
    }
    default:
      throw new ShoalError('malformed', `"${kind}" is not a checkpoint message`)
  }
}

function decodeCut(f: Fields): Cut {
  return { hlc: decodeHlc(f.raw('c')), vector: decodeVector(f.raw('vv')) }
}

function decodeBefore(f: Fields): EntryHash | undefined {
  return f.has('b') ? hexId<EntryHash>(f.bytes('b', HASH_BYTES), HASH_BYTES, 'entry') : undefined
}

function nodeHash(value: unknown): NodeHash {
  if (value instanceof Uint8Array && value.length === HASH_BYTES) return toHex(value) as NodeHash
  throw new ShoalError('malformed', 'a checkpoint message has a bad hash')
}

function nodeBytes(value: unknown): Uint8Array | undefined {
  if (value === null) return undefined
  if (value instanceof Uint8Array && value.length <= CHUNK_PLAIN_MAX) return value
  throw new ShoalError('malformed', 'a checkpoint message has a bad node')
}
