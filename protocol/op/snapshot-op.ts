// Ops about snapshots, and their wire form. A snapshot is a causal cut of the log with a name: the
// entries of its vector, and the root of the sealed tree of the state there, as a checkpoint has
// it (docs/formats/checkpoint.md#snapshots).
import { fromHex, toHex } from '../bytes.ts'
import { bytes } from '../cbor-values.ts'
import type { Fields } from '../cbor.ts'
import { decodeHlc } from '../clock/hlc.ts'
import type { Hlc } from '../clock/hlc.ts'
import { decodeVector, encodeVector } from '../clock/vector-clock.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import { ShoalError } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import { SHORT_ID_BYTES, hexId, peerIdFromPublicKey, publicKeyOf } from '../ids.ts'
import type { EntryHash, NodeId, PeerId } from '../ids.ts'
import { GOVERNED_MAX, SNAPSHOT_NAME_MAX } from '../limits.ts'
import type { NodeHash } from '../prolly/prolly.ts'
import type { Op } from './op.ts'
import { isSnapshotName } from './snapshot-name.ts'

/** Hex of 16 random bytes: names a snapshot among those of its maker. */
export type SnapshotId = string & { readonly brand: 'SnapshotId' }

/** Names a snapshot. */
export interface SnapshotRef {
  /** Its maker. */
  readonly peer: PeerId
  readonly id: SnapshotId
}

/** The part that is fixed when it is made. */
export interface SnapshotCut {
  readonly name: string
  /** The directory that it is of; the root: of all. */
  readonly folder: NodeId
  /** The greatest clock of the cut. */
  readonly hlc: Hlc
  /** The entries of the cut. */
  readonly vector: VersionVector
  /**
   * The entry that announces the checkpoint from which its maker computed the state; undefined:
   * from the whole log.
   */
  readonly base: EntryHash | undefined
  /** The newest governing entries that its maker knew. */
  readonly governed: readonly EntryHash[]
  /** The root of the sealed tree of the state there. */
  readonly root: NodeHash | undefined
}

export type SnapshotOp =
  | (SnapshotRef & SnapshotCut & { readonly kind: 'snapshot' })
  | (SnapshotRef & {
      readonly kind: 'snapshot-rm'
      /** Whether or not it is held. */
      readonly forced: boolean
    })
  | (SnapshotRef & { readonly kind: 'snapshot-hold'; readonly held: boolean })

export function isSnapshotKind(kind: string): kind is SnapshotOp['kind'] {
  return kind === 'snapshot' || kind === 'snapshot-rm' || kind === 'snapshot-hold'
}

export function isSnapshotOp(op: Op): op is SnapshotOp {
  return isSnapshotKind(op.kind)
}

export function encodeSnapshotOp(op: SnapshotOp): Record<string, unknown> {
  const ref = { o: op.kind, p: publicKeyOf(op.peer), i: fromHex(op.id) }
  switch (op.kind) {
    case 'snapshot':
      return {
        ...ref,
        n: op.name,
        d: fromHex(op.folder),
        c: op.hlc,
        vv: encodeVector(op.vector),
        b: op.base === undefined ? null : fromHex(op.base),
        g: op.governed.map(fromHex),
        ...(op.root === undefined ? {} : { s: fromHex(op.root) }),
      }
    case 'snapshot-rm':
      return { ...ref, ...(op.forced ? { f: 1 } : {}) }
    case 'snapshot-hold':
      return { ...ref, h: op.held ? 1 : 0 }
  }
}

/** throws ShoalError 'malformed'. */
export function decodeSnapshotOp(kind: SnapshotOp['kind'], f: Fields): SnapshotOp {
  const peer = peerIdFromPublicKey(f.bytes('p', 32, 32))
  const ref = { peer, id: shortId<SnapshotId>(f.raw('i')) }
  switch (kind) {
    case 'snapshot':
      return {
        kind,
        ...ref,
        name: nameOf(f.text('n', SNAPSHOT_NAME_MAX)),
        folder: shortId<NodeId>(f.raw('d')),
        hlc: decodeHlc(f.raw('c')),
        vector: decodeVector(f.raw('vv')),
        base: f.has('b') ? hash<EntryHash>(f.raw('b')) : undefined,
        governed: f.list('g', GOVERNED_MAX).map((one) => hash<EntryHash>(one)),
        root: f.has('s') ? hash<NodeHash>(f.raw('s')) : undefined,
      }
    case 'snapshot-rm':
      return { kind, ...ref, forced: f.has('f') && f.integer('f', 0, 1) === 1 }
    case 'snapshot-hold':
      return { kind, ...ref, held: f.integer('h', 0, 1) === 1 }
  }
}

function nameOf(name: string): string {
  if (isSnapshotName(name)) return name
  throw new ShoalError('malformed', 'the name of a snapshot has other characters than it may have')
}

function shortId<Id extends string>(value: unknown): Id {
  return hexId<Id>(bytes(value, SHORT_ID_BYTES), SHORT_ID_BYTES, 'id')
}

function hash<Hash extends string>(value: unknown): Hash {
  return toHex(bytes(value, HASH_BYTES, HASH_BYTES)) as Hash
}
