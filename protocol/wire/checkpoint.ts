// Messages of /shoal/checkpoint/1: who lacks the older part of a log asks a member for its newest
// checkpoint, then for the nodes of its trees, as many at a time as it likes. First it is told the
// governing entries that it does not know: by these it counts who attests the checkpoint. DAG-CBOR
// maps, kind in "t".
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { fromHex, toHex } from '../bytes.ts'
import { ShoalError, assertNever } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import { hexId } from '../ids.ts'
import type { EntryHash, VolumeId } from '../ids.ts'
import { CHUNK_PLAIN_MAX, ENTRY_MAX, GOVERNED_MAX, MEMBERS_MAX } from '../limits.ts'
import { ATTESTATION_BYTES_MAX } from '../log/attestation.ts'
import { decodeEntry, encodeEntry } from '../log/entry.ts'
import type { Entry } from '../log/entry.ts'
import type { NodeHash } from '../prolly/prolly.ts'
import { KIB } from '../units.ts'

export const CHECKPOINT_PROTOCOL = '/shoal/checkpoint/1'
/** Nodes asked for at once. */
export const NODES_AT_ONCE_MAX = 32
/**
 * Bytes of nodes, or of governing entries, after which a message ends: with one more it still fits
 * in a frame.
 */
export const NODES_BYTES: number = 512 * 1024
/** A frame that asks; those that answer have up to FRAME_MAX. */
export const CHECKPOINT_REQUEST_MAX: number = 16 * KIB
const GOVERNING_AT_ONCE_MAX = 4096
const MESSAGE_MAX = 1024
const ERRORS: ReadonlySet<string> = new Set<ErrorCode>(['not-a-member', 'unsupported', 'stopped'])

export type CheckpointMessage =
  /** governed: the newest governing entries that the asker knows. */
  | { readonly kind: 'get'; readonly volume: VolumeId; readonly governed: readonly EntryHash[] }
  /** Governing entries, each after those that it names. */
  | { readonly kind: 'governing'; readonly entries: readonly Entry[] }
  /** The entry that announces the checkpoint, and what members attest of it, in wire form. */
  | {
      readonly kind: 'checkpoint'
      readonly announcement: Entry
      readonly attestations: readonly Uint8Array[]
    }
  /** Asks for nothing yet: nodes of a snapshot are to be asked for. Has no answer. */
  | { readonly kind: 'open'; readonly volume: VolumeId }
  | { readonly kind: 'want'; readonly sealed: boolean; readonly ids: readonly NodeHash[] }
  /**
   * In the order asked for, at least the first, as many as fit; undefined for one that is not there
   * any more.
   */
  | { readonly kind: 'nodes'; readonly nodes: readonly (Uint8Array | undefined)[] }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string }

export function encodeCheckpointMessage(message: CheckpointMessage): Uint8Array {
  const t = message.kind
  switch (message.kind) {
    case 'get':
      return encodeCbor({ t, vol: fromHex(message.volume), g: message.governed.map(fromHex) })
    case 'open':
      return encodeCbor({ t, vol: fromHex(message.volume) })
    case 'governing':
      return encodeCbor({ t, e: message.entries.map(encodeEntry) })
    case 'checkpoint':
      return encodeCbor({ t, e: encodeEntry(message.announcement), at: message.attestations })
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
      return {
        kind,
        volume: hexId<VolumeId>(f.bytes('vol', 32), 32, 'volume'),
        governed: f.list('g', GOVERNED_MAX).map((value) => hash(value) as string as EntryHash),
      }
    case 'open':
      return { kind, volume: hexId<VolumeId>(f.bytes('vol', 32), 32, 'volume') }
    case 'governing':
      return { kind, entries: f.list('e', GOVERNING_AT_ONCE_MAX).map(entry) }
    case 'checkpoint':
      return {
        kind,
        announcement: entry(f.raw('e')),
        attestations: f.list('at', MEMBERS_MAX).map(attestation),
      }
    case 'want':
      return {
        kind,
        sealed: f.raw('sealed') === true,
        ids: f.list('ids', NODES_AT_ONCE_MAX).map(hash),
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

function entry(value: unknown): Entry {
  if (value instanceof Uint8Array && value.length <= ENTRY_MAX) return decodeEntry(value)
  throw new ShoalError('malformed', 'a checkpoint message has something that is no entry')
}

function attestation(value: unknown): Uint8Array {
  if (value instanceof Uint8Array && value.length <= ATTESTATION_BYTES_MAX) return value
  throw new ShoalError('malformed', 'a checkpoint message has a bad attestation')
}

function hash(value: unknown): NodeHash {
  if (value instanceof Uint8Array && value.length === HASH_BYTES) return toHex(value) as NodeHash
  throw new ShoalError('malformed', 'a checkpoint message has a bad hash')
}

function nodeBytes(value: unknown): Uint8Array | undefined {
  if (value === null) return undefined
  if (value instanceof Uint8Array && value.length <= CHUNK_PLAIN_MAX) return value
  throw new ShoalError('malformed', 'a checkpoint message has a bad node')
}
